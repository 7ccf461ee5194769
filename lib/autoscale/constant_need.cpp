// SPDX-License-Identifier: Apache-2.0
#include "autoscale/constant_need.hpp"

#include "autoscale/tuning.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::autoscale {

ConstantNeed::ConstantNeed(double unit, unsigned most, const LateTerms& terms)
    : terms_(terms), unit_(unit) {
  SLUICE_ASSERT(most > 0, "a pool may have a backend");
  double next = 1;
  while (counts_.empty() || counts_.back() < most) {
    const double count = counts_.empty() ? 1 : std::max(counts_.back() + 1, std::nearbyint(next));
    counts_.push_back(std::min<double>(count, most));
    next *= kConstantStep;
  }
  queue_.resize(counts_.size());
  cost_.resize(counts_.size());
}

void ConstantNeed::observe(double arrivals, double seconds) {
  const double fading = terms_.fading(seconds);
  std::size_t best = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const double capacity = counts_[i] * unit_;
    const double late = pass(queue_[i], arrivals, capacity, seconds, terms_.slo_wait_s);
    cost_[i] = std::min(cost_[i] * fading + capacity * seconds + terms_.late_cost * late,
                        forecast::kMostKept);
    if (cost_[i] < cost_[best]) best = i;
  }
  best_ = cost_[best];
  const auto now = std::ranges::lower_bound(counts_, static_cast<double>(chosen_));
  const auto at = static_cast<std::size_t>(now - counts_.begin());
  // Up at once; down only for what is clearly cheaper.
  if (chosen_ == 0 || counts_[best] > chosen_ || best_ < cost_[at] * (1 - kConstantGain))
    chosen_ = static_cast<unsigned>(counts_[best]);
}

void ConstantNeed::keep(forecast::Fields& fields) {
  const std::size_t size = counts_.size();
  fields.numbers("queue", queue_, size, size, 0, forecast::kMostKept);
  fields.numbers("cost", cost_, size, size, 0, forecast::kMostKept);
  std::size_t chosen = chosen_;
  fields.whole("chosen", chosen, static_cast<std::size_t>(counts_.back()));
  chosen_ = static_cast<unsigned>(chosen);
  fields.number("best", best_, 0, forecast::kMostKept);
}

}  // namespace sluice::autoscale
