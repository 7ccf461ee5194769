// SPDX-License-Identifier: Apache-2.0
// What a load takes, hour by hour: the cheapest backends that serve it within the SLO.
//
// Threads: any.
#pragma once

#include "plan/simulated_pool.hpp"

#include <cstdint>
#include <vector>

namespace sluice::plan {

/// One hour of the trace; the last one may be shorter.
struct HourNeed {
  std::size_t start_s = 0;
  std::size_t seconds = 0;
  double requests = 0;
  double mean_rate = 0;          ///< Requests/s that came.
  double peak_rate = 0;          ///< Requests/s of capacity that the busiest second takes.
  std::vector<unsigned> counts;  ///< By class: the cheapest mix with that capacity.
  double cost = 0;               ///< Of the mix for the hour's seconds; 0 without prices.
  double uncovered = 0;          ///< Requests/s that the pool's bounds leave out.
};

struct Needs {
  std::vector<HourNeed> hours;
  HourNeed all;                       ///< The whole trace with one mix that never changes.
  double cost = 0;                    ///< Of the hours, each with its own mix.
  std::uint64_t backend_seconds = 0;  ///< Likewise.
};

/// @param budget_per_hour  0: none.
/// The mix of an hour covers its busiest second without a reserve, and what starting and stopping
/// costs is left out: a controller that does not know the load beforehand needs more.
/// Cost: that of smoothest_service(), and up to some ms an hour of the trace.
[[nodiscard]] Needs needs_of(const Arrivals& arrivals, const PoolModel& pool,
                             double budget_per_hour);

}  // namespace sluice::plan
