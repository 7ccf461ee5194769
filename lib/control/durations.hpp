// SPDX-License-Identifier: Apache-2.0
// How long something took, each time since the daemon started: the figures of a histogram.
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::control {

struct Durations {
  /// Upper bounds of the counts below, in seconds; a last one has no bound.
  static constexpr std::array kBounds{0.0001, 0.001, 0.01, 0.05, 0.1, 1.0};
  std::array<std::uint64_t, kBounds.size() + 1> by_time{};
  std::chrono::nanoseconds time{0};  ///< All together.

  void add(std::chrono::nanoseconds took) noexcept {
    const double seconds = std::chrono::duration<double>(took).count();
    const auto at = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
    ++by_time[static_cast<std::size_t>(at)];
    time += took;
  }
};

}  // namespace sluice::control
