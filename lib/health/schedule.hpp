// SPDX-License-Identifier: Apache-2.0
// When a backend is asked next: first probes spread, later ones out of step.
//
// Threads: one at a time.
#pragma once

#include "config/health.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>

namespace sluice::health {

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {}

  /// Delay of the first probe of a target that comes with `together` - 1 others: anywhere within
  /// so many milliseconds, and within its interval. A thousand at once would be a burst of work
  /// here; three need not wait for a second to be known.
  [[nodiscard]] std::chrono::microseconds first(const config::Health& check, std::size_t together);

  /// Time from one probe's start to the next one's: the interval, or with `fast` the fast one where
  /// there is one, longer or shorter by up to the share `jitter`.
  [[nodiscard]] std::chrono::microseconds next(const config::Health& check, bool fast);

 private:
  double fraction();  ///< From 0 to 1, 1 not included.
  std::mt19937_64 random_;
};

}  // namespace sluice::health
