// SPDX-License-Identifier: Apache-2.0
#include "plan/figures.hpp"

#include "plan/rounding.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace sluice::plan {
namespace {

constexpr double kRounding = 1e-6;  // requests
constexpr int kFigureDecimals = 6;

double share(double part, double whole) {
  return whole > 0 ? round_decimals(part / whole, kFigureDecimals) : 0.0;
}

int sign(double x) { return (x > 0 ? 1 : 0) - (x < 0 ? 1 : 0); }

// How long requests waited, from the curves of what came and what was served.
class Waits {
 public:
  Waits(const Arrivals& arrivals, const PoolModel& pool, const Course& course)
      : arrivals_(arrivals), course_(course) {
    for (std::size_t t = 0; t < arrivals.seconds(); ++t)
      if (arrivals.at(t) > 0) add(t, pool);
  }

  [[nodiscard]] double late() const noexcept { return late_; }

  [[nodiscard]] double longer_than(std::int64_t seconds) const {
    double sum = 0;
    for (auto it = requests_by_wait_.upper_bound(seconds); it != requests_by_wait_.end(); ++it)
      sum += it->second;
    return sum;
  }

  [[nodiscard]] std::int64_t percentile(double of_all) const {
    double sum = 0;
    for (const auto& [wait, requests] : requests_by_wait_) {
      sum += requests;
      if (sum >= of_all * arrivals_.total() - kRounding) return wait;
    }
    return longest();
  }

  [[nodiscard]] std::int64_t longest() const {
    return requests_by_wait_.empty() ? 0 : requests_by_wait_.rbegin()->first;
  }

 private:
  void add(std::size_t t, const PoolModel& pool) {
    const auto end = arrivals_.seconds();
    const auto& served = course_.served;
    const double until_here = arrivals_.cumulative()[t + 1];
    const std::size_t deadline = t + pool.slo_wait_s;
    const double done =
        deadline <= end ? served[deadline] : served[end] + after_end(deadline - end, pool);
    late_ += std::min(arrivals_.at(t), std::max(0.0, until_here - done - kRounding));
    at_ = std::max(at_, t + 1);
    while (at_ < end && served[at_] < until_here - kRounding) ++at_;
    auto wait = static_cast<std::int64_t>(at_ - t - 1);
    if (at_ == end && served[end] < until_here - kRounding) {
      const double rest = (until_here - served[end]) / std::max(after_end(1, pool), 1e-9);
      wait += static_cast<std::int64_t>(std::ceil(std::min(rest, 1e15)));
    }
    requests_by_wait_[wait] += arrivals_.at(t);
  }

  // What the backends of the last second would serve in `seconds` more.
  [[nodiscard]] double after_end(std::size_t seconds, const PoolModel& pool) const {
    double sum = 0;
    for (std::size_t i = 0; i < course_.last_ready.size(); ++i)
      sum += static_cast<double>(seconds * course_.last_ready[i]) * pool.classes[i].capacity;
    return sum;
  }

  const Arrivals& arrivals_;
  const Course& course_;
  std::map<std::int64_t, double> requests_by_wait_;
  double late_ = 0;
  std::size_t at_ = 0;  // the end of the second in which all before are served
};

// Ready backends at a second, in backends of the first class.
double equivalents(const Course& course, const PoolModel& pool, std::size_t t) {
  if (course.capacity.empty()) return course.ready[t];
  return course.capacity[t] / pool.classes.front().capacity;
}

void measure_elasticity(Figures& figures, const PoolModel& pool,
                        std::span<const std::uint32_t> need, const Course& course) {
  constexpr std::size_t kGrain = 60;  // seconds of a step for instability
  double lack = 0;
  double excess = 0;
  std::size_t under = 0;
  std::size_t over = 0;
  for (std::size_t t = 0; t < need.size(); ++t) {
    const double there = equivalents(course, pool, t);
    const double needed = need[t];
    // With `min` 0 nothing may be needed; any excess then counts as one whole.
    const double base = std::max(needed, 1.0);
    if (there < needed) {
      ++under;
      figures.under_replica_seconds += needed - there;
      lack += (needed - there) / base;
    } else if (there > needed) {
      ++over;
      figures.over_replica_seconds += there - needed;
      excess += (there - needed) / base;
    }
  }
  const auto seconds = static_cast<double>(need.size());
  figures.under_timeshare = share(static_cast<double>(under), seconds);
  figures.over_timeshare = share(static_cast<double>(over), seconds);
  figures.under_accuracy = share(lack, seconds);
  figures.over_accuracy = share(excess, seconds);
  std::size_t unlike = 0;
  std::size_t steps = 0;
  for (std::size_t t = kGrain; t < need.size(); t += kGrain, ++steps) {
    const double moved = equivalents(course, pool, t) - equivalents(course, pool, t - kGrain);
    const double should = static_cast<double>(need[t]) - need[t - kGrain];
    if (sign(moved) != sign(should)) ++unlike;
  }
  figures.instability = share(static_cast<double>(unlike), static_cast<double>(steps));
}

void count_actions(Figures& figures, const std::vector<Action>& actions) {
  constexpr std::int64_t kFlap = 600;  // seconds
  figures.scale_actions = actions.size();
  for (std::size_t i = 1; i < actions.size(); ++i) {
    if (actions[i - 1].change * actions[i].change >= 0) continue;
    ++figures.direction_changes;
    if (actions[i].t - actions[i - 1].t <= kFlap) ++figures.flaps_within_600s;
  }
}

double price(const Course& course, const PoolModel& pool) {
  double sum = 0;
  for (std::size_t i = 0; i < course.billed_seconds.size(); ++i)
    sum += (static_cast<double>(course.billed_seconds[i]) * pool.classes[i].price_per_hour +
            static_cast<double>(course.asleep_seconds[i]) * pool.classes[i].asleep_price_per_hour) /
           3600.0;
  return round_decimals(sum, kFigureDecimals);
}

}  // namespace

Figures figures_of(const Arrivals& arrivals, const PoolModel& pool,
                   std::span<const std::uint32_t> need, const Course& course) {
  Figures figures;
  const Waits waits(arrivals, pool, course);
  const double total = arrivals.total();
  figures.seconds = arrivals.seconds();
  figures.requests = total;
  figures.peak_need = *std::ranges::max_element(need);
  figures.slo_violation_share = share(waits.late(), total);
  figures.underserved_share = share(course.underserved, total);
  figures.delayed_requests = round_decimals(waits.late(), kFigureDecimals);
  figures.lost_requests = round_decimals(waits.longer_than(kPatience), kFigureDecimals);
  figures.wait_p50_s = waits.percentile(0.5);
  figures.wait_p99_s = waits.percentile(0.99);
  figures.wait_max_s = waits.longest();
  measure_elasticity(figures, pool, need, course);
  figures.cost_replica_seconds =
      std::accumulate(course.billed.begin(), course.billed.end(), std::uint64_t{0});
  figures.mean_replicas = round_decimals(
      static_cast<double>(figures.cost_replica_seconds) / static_cast<double>(figures.seconds), 3);
  figures.max_ready = *std::ranges::max_element(course.ready);
  figures.cost = price(course, pool);
  count_actions(figures, course.actions);
  return figures;
}

nlohmann::ordered_json json_of(const Figures& figures, const PoolModel& pool) {
  const auto& reference = pool.classes.front();
  return {{"policy", figures.policy},
          {"cold_start_s", reference.cold_start_s},
          {"capacity_rps", reference.capacity},
          {"service_time_s", reference.service_time_s},
          {"slo_wait_s", pool.slo_wait_s},
          {"min", pool.min},
          {"max", pool.max},
          {"seconds", figures.seconds},
          {"requests", std::llround(figures.requests)},
          {"peak_need", figures.peak_need},
          {"slo_violation_share", figures.slo_violation_share},
          {"underserved_share", figures.underserved_share},
          {"delayed_requests", figures.delayed_requests},
          {"lost_requests", figures.lost_requests},
          {"wait_p50_s", figures.wait_p50_s},
          {"wait_p99_s", figures.wait_p99_s},
          {"wait_max_s", figures.wait_max_s},
          {"under_timeshare", figures.under_timeshare},
          {"over_timeshare", figures.over_timeshare},
          {"under_accuracy", figures.under_accuracy},
          {"over_accuracy", figures.over_accuracy},
          {"under_replica_seconds", round_decimals(figures.under_replica_seconds, 3)},
          {"over_replica_seconds", round_decimals(figures.over_replica_seconds, 3)},
          {"instability", figures.instability},
          {"cost_replica_seconds", figures.cost_replica_seconds},
          {"backend_seconds", figures.cost_replica_seconds},
          {"mean_replicas", figures.mean_replicas},
          {"max_ready", figures.max_ready},
          {"cost", figures.cost},
          {"scale_actions", figures.scale_actions},
          {"direction_changes", figures.direction_changes},
          {"flaps_within_600s", figures.flaps_within_600s}};
}

}  // namespace sluice::plan
