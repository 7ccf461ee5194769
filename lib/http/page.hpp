// SPDX-License-Identifier: Apache-2.0
// A page that is part of the program: kept packed and plain, answered from memory.
//
// Threads: values; answer() on any.
#pragma once

#include "http/message.hpp"

#include <string_view>

namespace sluice::http {

/// The bytes outlive whoever answers with them: they are constants of the program.
struct Page {
  std::string_view plain;   ///< HTML, UTF-8; empty: there is no page.
  std::string_view packed;  ///< The same by gzip.
  std::string_view tag;     ///< Of the content, for ETag: without quotes.
  std::string_view policy;  ///< Content-Security-Policy.
};

/// Whether a client takes gzip, by its Accept-Encoding. Source: RFC 9110, section 12.5.3. What is
/// not understood counts as no.
[[nodiscard]] bool takes_gzip(std::string_view accept_encoding) noexcept;

/// The page, packed where the client takes that; 304 without a body when it has this very one; 405
/// to all but GET. Cost: a copy of the body.
[[nodiscard]] Answer answer(const Page& page, const Request& request);

}  // namespace sluice::http
