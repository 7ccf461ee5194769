// SPDX-License-Identifier: Apache-2.0
// How good a run was: lateness, over- and under-provisioning, cost, restlessness.
//
// Threads: values.
#pragma once

#include "plan/oracle.hpp"
#include "plan/simulated_pool.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::plan {

constexpr std::uint32_t kPatience = 60;  ///< Seconds a client waits before it is lost.

/// Shares are of 1, rounded to six decimals. With several classes a count of backends is their
/// capacity in backends of the first class.
struct Figures {
  std::string policy;
  std::size_t seconds = 0;
  double requests = 0;
  std::uint32_t peak_need = 0;     ///< Backends at the busiest second, known in hindsight.
  double slo_violation_share = 0;  ///< Of requests that wait over slo_wait_s.
  double underserved_share = 0;    ///< Of those that came when the capacity was too small.
  double delayed_requests = 0;     ///< That wait over slo_wait_s.
  double lost_requests = 0;        ///< That wait over kPatience.
  std::int64_t wait_p50_s = 0;
  std::int64_t wait_p99_s = 0;
  std::int64_t wait_max_s = 0;
  double under_timeshare = 0;  ///< Of seconds with fewer backends than were needed.
  double over_timeshare = 0;   ///< With more.
  double under_accuracy = 0;   ///< Mean lack, relative to the need.
  double over_accuracy = 0;    ///< Mean excess.
  double under_replica_seconds = 0;
  double over_replica_seconds = 0;
  double instability = 0;  ///< Of minutes whose change went another way than the need's.
  std::uint64_t cost_replica_seconds = 0;  ///< All that is billed.
  double mean_replicas = 0;
  std::uint32_t max_ready = 0;
  double cost = 0;  ///< By the prices of the classes; 0 without prices.
  std::size_t scale_actions = 0;
  std::size_t direction_changes = 0;
  std::size_t flaps_within_600s = 0;  ///< Direction changes within ten minutes.
};

/// @param need  backends_needed() of the same arrivals and pool.
/// Cost: about 30 ns a second.
/// Source of the accuracy, timeshare and instability metrics: Herbst et al., "Ready for Rain? A
/// View from SPEC Research on the Future of Cloud Metrics", 2016.
[[nodiscard]] Figures figures_of(const Arrivals& arrivals, const PoolModel& pool,
                                 std::span<const std::uint32_t> need, const Course& course);

/// One object, a key for each member, and those of the pool that they depend on.
[[nodiscard]] nlohmann::ordered_json json_of(const Figures& figures, const PoolModel& pool);

}  // namespace sluice::plan
