// SPDX-License-Identifier: Apache-2.0
#include "autoscale/level.hpp"

#include <algorithm>

namespace sluice::autoscale {

void Level::step(double value) {
  ++seen_;
  if (seen_ == 1) {
    level_ = mean_ = value;
    return;
  }
  // A young mean is the plain one of what was seen, not one that clings to the first value.
  const double young = 1 / static_cast<double>(seen_);
  const double weight = options_.trend > 0 ? options_.level : std::max(options_.level, young);
  const double before = level_;
  level_ = weight * value + (1 - weight) * (before + options_.damping * trend_);
  if (options_.trend > 0)
    trend_ = options_.trend * (level_ - before) + (1 - options_.trend) * options_.damping * trend_;
  mean_ += std::max(options_.long_mean, young) * (value - mean_);
}

double Level::expect(std::size_t ahead) const {
  double slope = trend_;
  double value = level_;
  for (std::size_t i = 0; i < std::min<std::size_t>(ahead, 64); ++i) {
    slope *= options_.damping;
    value += slope;
  }
  return value + options_.reversion * (mean_ - value);
}

void Level::fields(forecast::Fields& kept) {
  kept.whole("seen", seen_, std::size_t{1} << 40U);
  kept.number("level", level_, -forecast::kMostKept, forecast::kMostKept);
  kept.number("trend", trend_, -forecast::kMostKept, forecast::kMostKept);
  kept.number("mean", mean_, 0, forecast::kMostKept);
}

}  // namespace sluice::autoscale
