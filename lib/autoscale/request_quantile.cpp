// SPDX-License-Identifier: Apache-2.0
#include "autoscale/request_quantile.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace sluice::autoscale {

namespace {

constexpr double kMostWeight = 1e15;

}  // namespace

RequestQuantile::RequestQuantile(std::size_t window) : window_(window) {
  SLUICE_ASSERT(window > 0, "a window holds something");
}

void RequestQuantile::add(double value, double weight) {
  const Entry entry{forecast::within_kept(value), std::min(weight, kMostWeight)};
  if (ring_.size() < window_) {
    ring_.push_back(entry);
  } else {
    const Entry gone = std::exchange(ring_[oldest_], entry);
    oldest_ = oldest_ + 1 == window_ ? 0 : oldest_ + 1;
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), gone));
    weight_ -= gone.second;
  }
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), entry), entry);
  weight_ += entry.second;
}

double RequestQuantile::at(double share, std::size_t rare) const noexcept {
  if (sorted_.empty()) return 0;
  const double most = sorted_[sorted_.size() - 1 - std::min(rare, sorted_.size() - 1)].first;
  if (weight_ <= 1e-12) return most;
  double above = (1 - share) * weight_;
  for (std::size_t i = sorted_.size(); i-- > 0;) {
    above -= sorted_[i].second;
    if (above < 0) return std::min(most, sorted_[i].first);
  }
  return sorted_.front().first;
}

void RequestQuantile::keep(forecast::Fields& fields, std::string_view name) {
  fields.nested(name, [&](forecast::Fields& nested) {
    std::vector<double> values;
    std::vector<double> weights;
    for (std::size_t i = 0; i < ring_.size(); ++i) {
      const auto& [value, weight] = ring_[(oldest_ + i) % ring_.size()];
      values.push_back(value);
      weights.push_back(weight);
    }
    nested.numbers("values", values, 0, window_, -forecast::kMostKept, forecast::kMostKept);
    nested.numbers("weights", weights, values.size(), values.size(), 0, kMostWeight);
    nested.number("weight", weight_, -1, kMostWeight * 1e6);
    ring_.clear();
    for (std::size_t i = 0; i < values.size(); ++i) ring_.emplace_back(values[i], weights[i]);
    oldest_ = 0;
    sorted_ = ring_;
    std::sort(sorted_.begin(), sorted_.end());
  });
}

}  // namespace sluice::autoscale
