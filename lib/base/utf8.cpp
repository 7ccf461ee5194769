// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace sluice {
namespace {

/// What may follow a first byte: how many bytes, and the range of the first of them.
struct Follow {
  std::uint8_t count = 0;  ///< 0: the byte begins nothing.
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
};

constexpr Follow follow_of(std::uint8_t first) noexcept {
  if (first >= 0xc2 && first <= 0xdf) return {1};
  if (first == 0xe0) return {2, 0xa0, 0xbf};  // shorter forms are wrong
  if (first == 0xed) return {2, 0x80, 0x9f};  // surrogates
  if (first >= 0xe1 && first <= 0xef) return {2};
  if (first == 0xf0) return {3, 0x90, 0xbf};
  if (first >= 0xf1 && first <= 0xf3) return {3};
  if (first == 0xf4) return {3, 0x80, 0x8f};  // beyond U+10FFFF
  return {};
}

}  // namespace

std::size_t find_not_utf8(std::string_view text) noexcept {
  const std::size_t size = text.size();
  for (std::size_t i = 0; i < size;) {
    std::uint64_t eight = 0;
    if (size - i >= sizeof eight) {  // most text is ASCII
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    if (byte(i) < 0x80) {
      ++i;
      continue;
    }
    const Follow follow = follow_of(byte(i));
    if (follow.count == 0 || size - i <= follow.count) return i;
    if (byte(i + 1) < follow.low || byte(i + 1) > follow.high) return i;
    for (std::size_t k = 2; k <= follow.count; ++k)
      if ((byte(i + k) & 0xc0U) != 0x80) return i;
    i += follow.count + 1U;
  }
  return std::string_view::npos;
}

}  // namespace sluice
