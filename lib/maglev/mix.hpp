// SPDX-License-Identifier: Apache-2.0
// The hash behind ids and permutations of members.
//
// Threads: none; pure functions.
#pragma once

#include <cstdint>

namespace sluice::maglev {

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: splitmix64's

/// Stafford's mix 13: a bijection in which every bit of x moves every bit of the result.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace sluice::maglev
