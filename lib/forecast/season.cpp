// SPDX-License-Identifier: Apache-2.0
#include "forecast/season.hpp"

#include "forecast/forecaster.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace sluice::forecast {
namespace {

// What is left when the straight line through the values is taken away.
std::vector<double> detrended(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  double product = 0;
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double t = static_cast<double>(i) - (n - 1) / 2;
    sum += values[i];
    product += t * values[i];
    squares += t * t;
  }
  const double slope = squares > 0 ? product / squares : 0;
  std::vector<double> rest(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    rest[i] = values[i] - sum / n - slope * (static_cast<double>(i) - (n - 1) / 2);
  return rest;
}

std::span<const double> newest(std::span<const double> values, std::size_t count) {
  return values.last(std::min(count, values.size()));
}

// Likeness of the values to those `lag` later, -1 to 1, each side by its own size.
double correlation(const std::vector<double>& z, std::size_t lag) {
  double product = 0;
  double front = 0;
  double back = 0;
  for (std::size_t i = 0; i + lag < z.size(); ++i) {
    product += z[i] * z[i + lag];
    front += z[i] * z[i];
    back += z[i + lag] * z[i + lag];
  }
  const double size = std::sqrt(front) * std::sqrt(back);
  return size > 0 ? product / size : 0;
}

}  // namespace

bool SeasonFinder::observe(double value) {
  sum_ += value;
  if (++open_ < width_) return false;
  if (buckets_.size() == kBuckets && width_ == kWidest) buckets_.erase(buckets_.begin());
  buckets_.push_back(sum_ / static_cast<double>(width_));
  sum_ = 0;
  open_ = 0;
  ++grown_;
  if (buckets_.size() == kBuckets && width_ < kWidest) {
    for (std::size_t i = 0; i < kBuckets / 2; ++i)
      buckets_[i] = (buckets_[2 * i] + buckets_[2 * i + 1]) / 2;
    buckets_.resize(kBuckets / 2);
    width_ *= 2;
    grown_ /= 2;
  }
  if (buckets_.size() < kLeast || grown_ * 8 < buckets_.size()) return false;
  grown_ = 0;
  return true;
}

std::size_t SeasonFinder::find() const {
  if (buckets_.size() < kLeast) return 0;
  const std::vector<double> z = detrended(buckets_);
  // Rounding errors of a line are no load.
  const double greatest = *std::ranges::max_element(buckets_);
  const double spread = std::abs(
      *std::ranges::max_element(z, [](double a, double b) { return std::abs(a) < std::abs(b); }));
  if (spread <= 1e-9 * greatest) return 0;

  const std::size_t longest = z.size() / 3;
  std::vector<double> like(longest + 2, 1.0);
  for (std::size_t lag = 1; lag < like.size(); ++lag) like[lag] = correlation(z, lag);
  struct Peak {
    std::size_t lag;
    double height;
  };
  std::vector<Peak> peaks;
  double lowest = 1;
  double best = 0;
  for (std::size_t lag = 1; lag <= longest; ++lag) {
    lowest = std::min(lowest, like[lag]);
    const bool peak = like[lag] >= like[lag - 1] && like[lag] > like[lag + 1];
    if (!peak || like[lag] < kStrong || like[lag] - lowest < kDip) continue;
    if (correlation(z, 2 * lag) < kStrongTwice) continue;
    if (correlation(detrended(newest(buckets_, 4 * lag)), lag) < kStrongTwice) continue;
    peaks.push_back({lag, like[lag]});
    best = std::max(best, like[lag]);
  }
  // Multiples of the period are about as alike as it is.
  for (const Peak& peak : peaks)
    if (peak.height >= 0.9 * best) return std::min(peak.lag * width_, kLongestSeason);
  return 0;
}

void SeasonFinder::fields(Fields& kept) {
  kept.numbers("buckets", buckets_, 0, kBuckets, 0, kMostValue);
  kept.whole("width", width_, kWidest);
  kept.number("sum", sum_, 0, kMostKept);
  kept.whole("open", open_, kWidest);
  kept.whole("grown", grown_, kBuckets);
  kept.require(width_ > 0 && (width_ & (width_ - 1)) == 0 && open_ < width_, "width",
               "a power of two above open was expected");
}

}  // namespace sluice::forecast
