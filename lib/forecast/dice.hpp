// SPDX-License-Identifier: Apache-2.0
// Numbers that look random and are the same with every compiler and library: splitmix64.
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
//
// Threads: values.
#pragma once

#include <cstdint>

namespace sluice::forecast {

class Dice {
 public:
  explicit constexpr Dice(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] constexpr std::uint64_t bits() noexcept {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// 0 to 1, 1 excluded.
  [[nodiscard]] constexpr double uniform() noexcept {
    return static_cast<double>(bits() >> 11U) * 0x1.0p-53;
  }

 private:
  std::uint64_t state_;
};

}  // namespace sluice::forecast
