// SPDX-License-Identifier: Apache-2.0
// What a change of some words of a packet does to a checksum over them (RFC 1624, equation 3).
//
// Threads: values.
#pragma once

#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace sluice {

/// Gathers changes of aligned 16-bit words; apply() then gives each checksum that covers them.
class ChecksumDelta {
 public:
  constexpr void change(Be16 before, Be16 after) noexcept {
    sum_ += static_cast<std::uint32_t>(static_cast<std::uint16_t>(~before.wire())) + after.wire();
  }
  /// Words that were not there before. `bytes`: an even number.
  void insert(std::span<const std::byte> bytes) noexcept { sum_ += checksum_sum(bytes); }
  /// Writes `value` (of an even size) at `at` and notes the change, by words as wide as fit: a sum
  /// of wider ones folds to the same (RFC 1071, section 2).
  template <class T>
  void store(std::byte* at, const T& value) noexcept {
    using Word = std::conditional_t<sizeof(T) % 4 == 0, std::uint32_t, std::uint16_t>;
    static_assert(sizeof(T) % sizeof(Word) == 0);
    const auto* words = reinterpret_cast<const std::byte*>(&value);
    for (std::size_t i = 0; i < sizeof(T); i += sizeof(Word)) {
      sum_ += static_cast<Word>(~wire::load<Word>(at + i));
      sum_ += wire::load<Word>(words + i);
    }
    wire::store(at, value);
  }
  void add(const ChecksumDelta& other) noexcept { sum_ += other.sum_; }

  [[nodiscard]] constexpr Be16 apply(Be16 checksum) const noexcept {
    const std::uint64_t sum = static_cast<std::uint16_t>(~checksum.wire()) + sum_;
    return Be16::from_wire(static_cast<std::uint16_t>(~fold_checksum(sum)));
  }
  /// apply() to the checksum at `at`.
  void update(std::byte* at) const noexcept { wire::store(at, apply(wire::load<Be16>(at))); }

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace sluice
