// SPDX-License-Identifier: Apache-2.0
#include "autoscale/plain_policies.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::autoscale {
namespace {

constexpr double kUsualStabilisation = 300;  // s

}  // namespace

void TargetPolicy::observe(double t, double demand, double queue, double unit, double capacity,
                           const config::Autoscale& options) {
  const double load = demand + queue / std::max(options.slo_wait_s, options.tick_s);
  waiting_ = queue / std::max(options.slo_wait_s, options.tick_s) > demand * 0.1;
  wanted_ = options.min * unit + load / options.target_utilisation;
  const double span = options.stabilisation_s > 0 ? options.stabilisation_s : kUsualStabilisation;
  if (floors_.empty()) floors_.add(t, capacity, span);
  floors_.add(t, wanted_, span);
}

Need TargetPolicy::need(double capacity, const config::Autoscale& options) const {
  Need need{.cause = waiting_ ? Cause::kBacklog : Cause::kLoad};
  if (floors_.empty()) return need;
  const bool near = std::abs(wanted_ - capacity) <= options.tolerance * capacity;
  need.rise = near ? 0 : wanted_;
  need.set = wanted_;
  const double floor = floors_.peak();
  need.floor = std::abs(floor - capacity) <= options.tolerance * capacity
                   ? std::max(floor, capacity)
                   : floor;
  return need;
}

Need threshold_need(double demand, double queue, double ready, double starting, double unit,
                    const config::Autoscale& options) {
  const double load = demand + queue / std::max(options.slo_wait_s, options.tick_s);
  const double capacity = ready + starting;
  Need need{.floor = capacity, .cause = Cause::kThreshold};
  const auto& bounds = options.thresholds;
  if (load > bounds.up * ready && load > 0) {
    // What is starting may be enough.
    if (load > bounds.up * capacity || starting == 0) {
      need.set = capacity + bounds.step_up * unit;
      need.rise = need.set;
    }
  } else if (load < bounds.down * ready && starting == 0) {
    need.floor = std::max(0.0, capacity - bounds.step_down * unit);
  }
  return need;
}

Schedule::Schedule(const std::vector<config::ScheduleEntry>& entries) {
  for (const auto& entry : entries)
    if (auto cron = config::Cron::parse(entry.cron)) entries_.emplace_back(*cron, entry);
}

ScheduledBounds Schedule::at(std::int64_t utc) const {
  ScheduledBounds bounds;
  for (const auto& [cron, entry] : entries_) {
    const auto since = cron.previous(utc);
    if (!since || utc - *since >= entry.duration.count()) continue;
    bounds.min = std::max(bounds.min, entry.min);
    if (entry.max > 0) bounds.max = bounds.max == 0 ? entry.max : std::min(bounds.max, entry.max);
  }
  return bounds;
}

void TargetPolicy::keep(forecast::Fields& fields, double origin) {
  floors_.keep(fields, "floors", origin);
  fields.number("wanted", wanted_, 0, forecast::kMostKept);
  fields.flag("waiting", waiting_);
}

}  // namespace sluice::autoscale
