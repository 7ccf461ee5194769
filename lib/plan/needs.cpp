// SPDX-License-Identifier: Apache-2.0
#include "plan/needs.hpp"

#include "autoscale/mix.hpp"
#include "plan/oracle.hpp"

#include <algorithm>
#include <numeric>
#include <span>

namespace sluice::plan {
namespace {

constexpr std::size_t kHour = 3600;
constexpr double kCapacityRounding = 1e-6;  // of a backend's capacity

class Mixer {
 public:
  Mixer(const PoolModel& pool, double budget_per_hour) {
    for (const auto& one : pool.classes)
      classes_.push_back({.capacity = one.capacity,
                          .price = one.price_per_hour,
                          .most = one.max == 0 ? pool.max : std::min(one.max, pool.max)});
    bounds_ = {.least = pool.min, .most = pool.max, .budget = budget_per_hour};
  }

  // Fills in what the busiest second of `rates` takes.
  void cover(HourNeed& need, std::span<const double> rates) {
    need.peak_rate = *std::ranges::max_element(rates);
    // A backend too many for what is rounding only would be a backend too many.
    bounds_.capacity =
        std::max(0.0, need.peak_rate - kCapacityRounding * classes_.front().capacity);
    const auto mix = autoscale::cheapest_mix(classes_, bounds_);
    need.counts = mix.counts;
    need.cost = mix.price * static_cast<double>(need.seconds) / static_cast<double>(kHour);
    need.uncovered = mix.uncovered;
  }

 private:
  std::vector<autoscale::MixClass> classes_;
  autoscale::MixBounds bounds_;
};

HourNeed stretch(const Arrivals& arrivals, std::size_t start, std::size_t seconds) {
  HourNeed need;
  need.start_s = start;
  need.seconds = seconds;
  need.requests = arrivals.cumulative()[start + seconds] - arrivals.cumulative()[start];
  need.mean_rate = need.requests / static_cast<double>(seconds);
  return need;
}

}  // namespace

Needs needs_of(const Arrivals& arrivals, const PoolModel& pool, double budget_per_hour) {
  const auto rates = smoothest_service(arrivals, pool.slo_wait_s - 1);
  Mixer mixer(pool, budget_per_hour);
  Needs needs;
  for (std::size_t start = 0; start < rates.size(); start += kHour) {
    auto hour = stretch(arrivals, start, std::min(kHour, rates.size() - start));
    mixer.cover(hour, std::span(rates).subspan(start, hour.seconds));
    needs.cost += hour.cost;
    needs.backend_seconds +=
        std::accumulate(hour.counts.begin(), hour.counts.end(), std::uint64_t{0}) * hour.seconds;
    needs.hours.push_back(std::move(hour));
  }
  needs.all = stretch(arrivals, 0, rates.size());
  mixer.cover(needs.all, rates);
  return needs;
}

}  // namespace sluice::plan
