// SPDX-License-Identifier: Apache-2.0
// The greatest of the values of a span of time.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::autoscale {

class PeakWindow {
 public:
  /// A value of the time `t`, which does not go back; those of `t - span` and before are forgotten.
  void add(double t, double value, double span) {
    while (!peaks_.empty() && peaks_.back().second <= value) peaks_.pop_back();
    peaks_.emplace_back(t, value);
    // Times that were kept relative to another origin are off in their last digits.
    while (peaks_.size() > 1 && peaks_.front().first <= t - span + kSlack) peaks_.pop_front();
  }
  /// The greatest is one of the time `t`, too: nothing is known that would say otherwise.
  void hold(double t) {
    if (!peaks_.empty()) peaks_.assign(1, {t, peak()});
  }

  /// Values are counted in another unit from now on, in whole ones.
  void convert(double factor) {
    for (auto& [t, value] : peaks_) value = std::ceil(value * factor - kSlack);
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
        ages.push_back(std::clamp(origin - t, 0.0, kMostAge));
        values.push_back(value);
      }
      nested.numbers("age_s", ages, 0, kMost, 0, kMostAge);
      nested.numbers("value", values, ages.size(), ages.size(), 0, forecast::kMostKept);
      nested.require(std::ranges::is_sorted(ages, std::greater{}), "age_s", "do not fall");
      nested.require(std::ranges::is_sorted(values, std::greater{}), "value", "do not fall");
      peaks_.clear();
      for (std::size_t i = 0; i < ages.size(); ++i)
        peaks_.emplace_back(origin - ages[i], values[i]);
    });
  }

 private:
  static constexpr double kSlack = 1e-6;  // s
  static constexpr double kMostAge = 1e9;
  std::deque<std::pair<double, double>> peaks_;  ///< By time ascending, by value falling.
};

}  // namespace sluice::autoscale
