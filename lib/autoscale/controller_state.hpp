// SPDX-License-Identifier: Apache-2.0
// What a controller knows between two ticks. Of the controller alone.
//
// Threads: a value of one thread.
#pragma once

#include "autoscale/controller.hpp"
#include "autoscale/learning.hpp"
#include "autoscale/plain_policies.hpp"
#include "autoscale/predictive.hpp"
#include "autoscale/settle.hpp"
#include "forecast/fields.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace sluice::autoscale {

/// Of one observation; more is a fault of who counts.
inline constexpr double kMostRequests = 1e12;
inline constexpr double kMostDrain = 86400;  ///< s; a longer one is a fault of who measured it.

struct Controller::State {
  explicit State(Options with);

  void decide(const Observation& seen);
  void configure(Options with);
  /// Everything but what is kept by class.
  /// @param origin  now, of the writer or the reader.
  /// @param classes  how many the writer has.
  void keep(forecast::Fields& fields, double origin, std::size_t classes);
  void keep_class(forecast::Fields& fields, std::size_t index);
  void sum_wanted();

  Options options;
  std::vector<ClassLearning> learning;
  Predictive predictive;
  TargetPolicy target;
  Schedule schedule;
  Settling settling;
  Decision decision;
  Standing standing = Standing::kAuto;
  unsigned override_count = 0;
  std::optional<double> override_until;
  std::optional<double> drain_s;  ///< Learned.
  std::optional<double> last_t;
  double busy_t = 0;  ///< When there was demand last.
  double since_zero =
      kMostRequests;  ///< Requests that came since the pool had nobody and wanted nobody.
  std::deque<std::pair<double, double>> recent;  ///< Seconds and arrivals of the last ticks.

 private:
  void begin();  ///< As many as `min`, before anything was seen.
  [[nodiscard]] std::string refusal(const Observation& seen) const;
  [[nodiscard]] Present present(const Observation& seen) const;
  [[nodiscard]] double demand() const;
  [[nodiscard]] Need need(const Present& present, const Observation& seen) const;
  void observe(const Observation& seen, const Present& present, double seconds);
  void bound_by_requests(Need& need, const Present& present, const Observation& seen) const;
  void explain(const Present& present, const Observation& seen, const Need& need,
               const Settled& settled);
};

}  // namespace sluice::autoscale
