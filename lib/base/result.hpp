// SPDX-License-Identifier: Apache-2.0
// How slow-path functions fail: a value or an Error that says where, what, and the remedy.
//
// Threads: values; no shared state.
#pragma once

#include <fmt/format.h>
#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

/// What kind of failure, for code to branch on. Each maps to one exit status and one HTTP status.
enum class Errc : std::uint8_t { kInvalid, kNotFound, kConflict, kExhausted, kIo, kUnsupported };

struct Error {
  Errc code;
  std::string where;    ///< JSON pointer, device or peer: "/services/0/port", "port 0 queue 3".
  std::string message;  ///< One sentence, lower case, no full stop, with the offending value.

  /// "WHERE: MESSAGE", or the message alone when there is no place to name.
  [[nodiscard]] std::string text() const {
    return where.empty() ? message : where + ": " + message;
  }
};

template <class T>
using Result = tl::expected<T, Error>;

template <class... A>
[[nodiscard]] tl::unexpected<Error> fail(Errc code, std::string where,
                                         fmt::format_string<A...> what, A&&... args) {
  return tl::unexpected(Error{code, std::move(where), fmt::format(what, std::forward<A>(args)...)});
}

/// Passes the error of one result on as the error of another.
template <class T>
[[nodiscard]] tl::unexpected<Error> forward_error(const Result<T>& failed) {
  return tl::unexpected(failed.error());
}

[[nodiscard]] std::string_view name(Errc code) noexcept;  ///< "invalid", "not_found", ...
[[nodiscard]] int exit_status(Errc code) noexcept;        ///< 2 for kInvalid, else 1.
[[nodiscard]] int http_status(Errc code) noexcept;        ///< 400, 404, 409, 507, 500, 501.

}  // namespace sluice
