// SPDX-License-Identifier: Apache-2.0
#include "forecast/series.hpp"

#include "forecast/forecaster.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::forecast {
namespace {

constexpr float kGap = std::numeric_limits<float>::quiet_NaN();

// What is known of a window, added up.
struct Sum {
  double value = 0;
  double weight = 0;
  void add(float known, double seconds) {
    if (std::isnan(known)) return;
    value += static_cast<double>(known) * seconds;
    weight += seconds;
  }
};

}  // namespace

Series::Series()
    : seconds_(static_cast<std::size_t>(kSeconds), kGap),
      minutes_(static_cast<std::size_t>(kMinutes), kGap) {}

std::optional<std::int64_t> Series::newest() const noexcept {
  return newest_ < 0 ? std::nullopt : std::optional(newest_);
}

bool Series::add(std::int64_t t, double value, std::int64_t seconds) {
  if (t < 0 || t > kMostTime || t <= newest_ || seconds < 1) return false;
  if (!std::isfinite(value) || value < 0) return false;
  const std::int64_t from = std::max(newest_ + 1, t - std::min(seconds, kSeconds) + 1);
  go_on_to(t);
  const auto kept = static_cast<float>(std::min(value, kMostValue));
  // Minutes that ended in between were closed as gaps.
  for (std::int64_t s = from; s <= t; ++s) second(s) = kept;
  for (std::int64_t m = from / 60; m < t / 60; ++m) close_minute(m);
  return true;
}

void Series::go_on_to(std::int64_t t) {
  if (newest_ >= 0 && newest_ / 60 < t / 60) {
    close_minute(newest_ / 60);
    const std::int64_t first = std::max(newest_ / 60 + 1, t / 60 - kMinutes);
    for (std::int64_t m = first; m < t / 60; ++m) minute(m) = kGap;
  }
  if (newest_ >= 0 && t - newest_ < kSeconds)
    for (std::int64_t s = newest_ + 1; s < t; ++s) second(s) = kGap;
  else
    std::ranges::fill(seconds_, kGap);
  newest_ = t;
}

void Series::go_back_to(std::int64_t t) {
  if (t >= newest_) return;
  if (t < 0 || newest_ / 60 - t / 60 >= kMinutes) {
    *this = Series();
    return;
  }
  for (std::int64_t s = std::max(t + 1, newest_ - kSeconds + 1); s <= newest_; ++s)
    second(s) = kGap;
  for (std::int64_t m = t / 60; m <= newest_ / 60; ++m) minute(m) = kGap;
  const std::int64_t end = std::min(60 * (t / 60), newest_ - kSeconds + 1);
  for (std::int64_t s = std::max<std::int64_t>(t - kSeconds + 1, 0); s < end; ++s)
    second(s) = minute(s / 60);
  newest_ = t;
}

void Series::close_minute(std::int64_t m) {
  Sum sum;
  for (std::int64_t s = 60 * m; s < 60 * (m + 1); ++s)
    if (s <= newest_ && s > newest_ - kSeconds) sum.add(second(s), 1);
  minute(m) = sum.weight > 0 ? static_cast<float>(sum.value / sum.weight) : kGap;
}

std::optional<double> Series::mean(std::int64_t from, std::int64_t to) const {
  if (newest_ < 0) return std::nullopt;
  const std::int64_t day = std::max<std::int64_t>(newest_ - kSeconds + 1, 0);
  const std::int64_t open = newest_ / 60;
  from = std::max({from, 60 * (open - kMinutes), std::int64_t{0}});
  to = std::min(to, newest_ + 1);
  Sum sum;
  for (std::int64_t s = from; s < std::min(to, day);) {
    const std::int64_t end = std::min({60 * (s / 60 + 1), to, day});
    sum.add(minute(s / 60), static_cast<double>(end - s));
    s = end;
  }
  for (std::int64_t s = std::max(from, day); s < to; ++s) sum.add(second(s), 1);
  return sum.weight > 0 ? std::optional(sum.value / sum.weight) : std::nullopt;
}

std::vector<double> Series::means(std::int64_t from, std::int64_t width, std::size_t points) const {
  points = std::min(points, kMostPoints);
  width = std::clamp<std::int64_t>(width, 1, 60 * kMinutes);
  from = std::clamp<std::int64_t>(from, -kMostTime, kMostTime);
  std::vector<double> all(points);
  for (std::size_t i = 0; i < points; ++i) {
    const std::int64_t begin = from + static_cast<std::int64_t>(i) * width;
    all[i] = mean(begin, begin + width).value_or(std::numeric_limits<double>::quiet_NaN());
  }
  return all;
}

}  // namespace sluice::forecast
