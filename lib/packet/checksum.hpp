// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) and its update when one word changes (RFC 1624).
//
// Threads: pure functions.
#pragma once

#include "base/byte_order.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// Folds a sum of 16-bit words to 16 bits.
[[nodiscard]] constexpr std::uint16_t fold_checksum(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffffU) + (sum >> 32);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

/// Sum of the bytes as 16-bit words in memory order, not folded; an odd last byte counts as a word
/// with a zero after it. Order of bytes does not matter to the sum (RFC 1071, section 2 B).
[[nodiscard]] std::uint64_t checksum_sum(std::span<const std::byte> bytes) noexcept;

/// The value for a checksum field, given the bytes with that field zero.
[[nodiscard]] inline Be16 checksum(std::span<const std::byte> bytes) noexcept {
  return Be16::from_wire(static_cast<std::uint16_t>(~fold_checksum(checksum_sum(bytes))));
}

/// `old_sum` after one aligned 16-bit word of the covered bytes changed (RFC 1624, equation 3).
[[nodiscard]] constexpr Be16 checksum_update(Be16 old_sum, Be16 old_word, Be16 new_word) noexcept {
  const std::uint32_t sum =
      static_cast<std::uint16_t>(~old_sum.wire()) +
      static_cast<std::uint32_t>(static_cast<std::uint16_t>(~old_word.wire())) + new_word.wire();
  return Be16::from_wire(static_cast<std::uint16_t>(~fold_checksum(sum)));
}

}  // namespace sluice
