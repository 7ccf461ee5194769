// SPDX-License-Identifier: Apache-2.0
// The rivals that are formulas: so many backends for so much load, now or forecast.
//
// Threads: values of one thread.
#pragma once

#include "plan/scaler.hpp"
#include "plan/simulated_pool.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace sluice::plan {

/// The highest of the counts of the last while.
class HighestRecent {
 public:
  explicit HighestRecent(std::int64_t seconds) noexcept : seconds_(seconds) {}

  void add(std::int64_t t, std::int64_t count) {
    counts_.emplace_back(t, count);
    while (counts_.front().first <= t - seconds_) counts_.pop_front();
  }
  /// After an add().
  [[nodiscard]] std::int64_t highest() const {
    std::int64_t most = 0;
    for (const auto& [t, count] : counts_) most = std::max(most, count);
    return most;
  }

 private:
  std::int64_t seconds_;
  std::deque<std::pair<std::int64_t, std::int64_t>> counts_;
};

[[nodiscard]] std::unique_ptr<Scaler> make_reactive(const PoolModel& pool);
[[nodiscard]] std::unique_ptr<Scaler> make_line(const PoolModel& pool);
[[nodiscard]] std::unique_ptr<Scaler> make_daily_season(const PoolModel& pool);

}  // namespace sluice::plan
