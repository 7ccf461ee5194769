// SPDX-License-Identifier: Apache-2.0
#include "forecast/kalman.hpp"

#include "base/assert.hpp"
#include "forecast/power.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::forecast {
namespace {

constexpr std::size_t kSharpness = 20;
constexpr double kMostVariance = 1e6;
constexpr double kRounding = 1e-9;

}  // namespace

const std::vector<Motion> Kalman::kChoices = {
    {.level = 0.001, .trend = 0, .damping = 0},
    {.level = 0.01, .trend = 0, .damping = 0},
    {.level = 0.05, .trend = 0, .damping = 0},
    {.level = 0.25, .trend = 0, .damping = 0},
    {.level = 2, .trend = 0, .damping = 0},
    {.level = 0.01, .trend = 1e-5, .damping = 0.95},
    {.level = 0.05, .trend = 1e-4, .damping = 0.95},
    {.level = 0.25, .trend = 1e-3, .damping = 0.9},
};

Kalman::Kalman(std::size_t horizon, std::vector<Motion> choices) : Forecaster(horizon) {
  SLUICE_ASSERT(!choices.empty(), "there is a filter");
  for (const Motion& one : choices)
    filters_.push_back({.with = one, .record = Record(Forecaster::horizon(), kMemory)});
}

// The first value is all that is known of the level; the trend may be as large as values vary.
void Kalman::Filter::start(double value) {
  level = value;
  level_level = 1;
  trend_trend = with.trend > 0 ? 1 : 0;
}

void Kalman::Filter::step(double value) {
  const double d = with.damping;
  const double predicted = level + d * trend;
  const double slope = d * trend;
  const double ll = level_level + 2 * d * level_trend + d * d * trend_trend + with.level;
  const double lt = d * level_trend + d * d * trend_trend;
  const double tt = d * d * trend_trend + with.trend;
  const double total = ll + 1;
  const double gain = ll / total;
  const double trend_gain = lt / total;
  const double error = value - predicted;
  level = within_kept(predicted + gain * error);
  trend = within_kept(slope + trend_gain * error);
  level_level = (1 - gain) * ll;
  level_trend = (1 - gain) * lt;
  trend_trend = std::max(tt - trend_gain * lt, 0.0);
}

double Kalman::Filter::expect(std::size_t ahead) const {
  return level + damped_steps(with.damping, ahead) * trend;
}

void Kalman::step(double value) {
  for (Filter& filter : filters_) {
    if (started_)
      filter.step(value);
    else
      filter.start(value);
    filter.record.step(value, std::clamp(filter.expect(horizon()), 0.0, kMostValue));
  }
  started_ = true;
}

double Kalman::expect(std::size_t ahead) const {
  if (!started_) return 0;
  const auto least = std::ranges::min_element(filters_, {}, [](const Filter& f) {
                       return f.record.error();
                     })->record.error();
  double sum = 0;
  double weights = 0;
  for (const Filter& filter : filters_) {
    const double weight = share_by_error(least, filter.record.error(), kSharpness);
    sum += weight * std::clamp(filter.expect(ahead), 0.0, kMostValue);
    weights += weight;
  }
  return sum / weights;
}

double Kalman::level_variance() const {
  double least = filters_.front().record.error();
  for (const Filter& filter : filters_) least = std::min(least, filter.record.error());
  double sum = 0;
  double weights = 0;
  for (const Filter& filter : filters_) {
    const double weight = share_by_error(least, filter.record.error(), kSharpness);
    sum += weight * filter.with.level;
    weights += weight;
  }
  return sum / weights;
}

void Kalman::horizon_changed() {
  for (Filter& filter : filters_) filter.record.set_horizon(horizon());
}

void Kalman::fields(Fields& kept) {
  kept.flag("started", started_);
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    Filter& filter = filters_[i];
    kept.nested(fmt::format("filter_{}", i), [&](Fields& inner) {
      inner.number("level", filter.level, -kMostKept, kMostKept);
      inner.number("trend", filter.trend, -kMostKept, kMostKept);
      inner.number("level_level", filter.level_level, 0, kMostVariance);
      inner.number("level_trend", filter.level_trend, -kMostVariance, kMostVariance);
      inner.number("trend_trend", filter.trend_trend, 0, kMostVariance);
      filter.record.fields(inner);
      inner.require(filter.level_trend * filter.level_trend <=
                        filter.level_level * filter.trend_trend * (1 + kRounding) + kRounding,
                    "level_trend", "a covariance was expected");
    });
  }
}

}  // namespace sluice::forecast
