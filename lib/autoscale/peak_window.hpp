// SPDX-License-Identifier: Apache-2.0
// The greatest of the values of a span of time.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::autoscale {

class PeakWindow {
 public:
  /// A value of the time `t`; those of `t - span` and before are forgotten.
  void add(double t, double value, double span) {
    while (!peaks_.empty() && peaks_.back().second <= value) peaks_.pop_back();
    peaks_.emplace_back(t, value);
    while (peaks_.front().first <= t - span) peaks_.pop_front();
  }

  [[nodiscard]] bool empty() const noexcept { return peaks_.empty(); }
  [[nodiscard]] double peak() const { return peaks_.front().second; }  ///< @pre not empty.

  /// @param origin  now, of the writer or the reader: times are kept relative to it.
  void keep(forecast::Fields& fields, std::string_view name, double origin) {
    fields.nested(name, [&](forecast::Fields& nested) {
      constexpr std::size_t kMost = 1'000'000;
      std::vector<double> ages;
      std::vector<double> values;
      for (const auto& [t, value] : peaks_) {
        ages.push_back(origin - t);
        values.push_back(value);
      }
      nested.numbers("age_s", ages, 0, kMost, 0, 1e9);
      nested.numbers("value", values, ages.size(), ages.size(), 0, forecast::kMostKept);
      nested.require(std::ranges::is_sorted(values, std::greater{}), "value", "do not fall");
      peaks_.clear();
      for (std::size_t i = 0; i < ages.size(); ++i)
        peaks_.emplace_back(origin - ages[i], values[i]);
    });
  }

 private:
  std::deque<std::pair<double, double>> peaks_;  ///< By time ascending, by value falling.
};

}  // namespace sluice::autoscale
