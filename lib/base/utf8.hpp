// SPDX-License-Identifier: Apache-2.0
// Whether bytes are UTF-8, so that they can be taken apart, logged and sent on as text.
//
// Threads: pure function.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

/// The first byte that is not part of well-formed UTF-8 (shortest form, no surrogates, at most
/// U+10FFFF); npos: all are. Cost: a pass over the text, about 1 ns a byte.
/// Source: The Unicode Standard, table 3-7.
[[nodiscard]] std::size_t find_not_utf8(std::string_view text) noexcept;

}  // namespace sluice
