// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) and its update when one word changes (RFC 1624).
//
// Threads: pure functions.
#pragma once

#include "base/byte_order.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// Folds a sum of 16-bit words to 16 bits. Of a number and the same with its halves exchanged, the
/// upper half of the sum is that of the halves, the carry of the lower one included.
[[nodiscard]] constexpr std::uint16_t fold_checksum(std::uint32_t sum) noexcept {
  return static_cast<std::uint16_t>((sum + std::rotl(sum, 16)) >> 16);
}
[[nodiscard]] constexpr std::uint16_t fold_checksum(std::uint64_t sum) noexcept {
  return fold_checksum(static_cast<std::uint32_t>((sum + std::rotl(sum, 32)) >> 32));
}

/// Sum of the bytes as 16-bit words in memory order, not folded; an odd last byte counts as a word
/// with a zero after it. Order of bytes does not matter to the sum (RFC 1071, section 2 B). Below
/// 2^33, so that 2^31 of them may be added up.
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
