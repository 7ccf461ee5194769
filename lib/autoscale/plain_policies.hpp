// SPDX-License-Identifier: Apache-2.0
// Policies that look at the present alone: target, threshold, and bounds by the clock.
//
// Threads: values of one thread.
#pragma once

#include "autoscale/need.hpp"
#include "autoscale/peak_window.hpp"
#include "config/autoscale.hpp"
#include "config/cron.hpp"
#include "forecast/fields.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::autoscale {

/// S = S0 + k L: `min` backends, and one for each `target_utilisation` of a backend's capacity that
/// the load takes; requests that wait count as load that is to be served within `slo_wait_s`.
class TargetPolicy {
 public:
  /// @param demand  requests/s now.
  /// @param unit    requests/s of a backend.
  /// @param capacity  ready and starting: what was wanted before the first call.
  void observe(double t, double demand, double queue, double unit, double capacity,
               const config::Autoscale& options);
  void hold(double t) { floors_.hold(t); }  ///< Nothing is known of this time.
  /// @param capacity  ready and starting.
  [[nodiscard]] Need need(double capacity, const config::Autoscale& options) const;

  void keep(forecast::Fields& fields, double origin);

 private:
  PeakWindow floors_;
  double wanted_ = 0;  ///< Requests/s of capacity.
  bool waiting_ = false;
};

/// A step up or down while the utilisation is out of bounds; the next one when what was asked for
/// is ready.
/// @param ready     requests/s of capacity.
/// @param starting  likewise.
[[nodiscard]] Need threshold_need(double demand, double queue, double ready, double starting,
                                  double unit, const config::Autoscale& options);

/// The bounds that the schedule sets at a time.
struct ScheduledBounds {
  unsigned min = 0;
  unsigned max = 0;  ///< 0: none.
};
class Schedule {
 public:
  explicit Schedule(const std::vector<config::ScheduleEntry>& entries);
  /// Of several entries at once the greatest `min` and the least `max` count. Cost: some us each.
  [[nodiscard]] ScheduledBounds at(std::int64_t utc) const;

 private:
  std::vector<std::pair<config::Cron, config::ScheduleEntry>> entries_;
};

}  // namespace sluice::autoscale
