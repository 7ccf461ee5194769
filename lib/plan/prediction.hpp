// SPDX-License-Identifier: Apache-2.0
// A trace continued: what a forecaster expects after its end, within bands by its own errors.
//
// Threads: any.
#pragma once

#include "config/autoscale.hpp"
#include "plan/simulated_pool.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sluice::plan {

constexpr std::size_t kLongestPrediction = 14 * 86'400;  ///< Seconds.

/// Rates in requests/s.
struct PredictedRate {
  std::size_t ahead_s = 0;  ///< End of the stretch, counted from the end of the trace.
  double expected = 0;
  double low = 0;  ///< 5th and 95th percentile by the forecaster's errors at that distance.
  double high = 0;
  double error = 0;        ///< Its mean absolute error at that distance.
  std::size_t errors = 0;  ///< How many it was measured by; below 20 the band is the value alone.
};

struct Prediction {
  std::string forecaster;  ///< That had the most say.
  std::size_t step_s = 0;  ///< Of the values that were forecast: means of so many seconds.
  std::vector<PredictedRate> rates;  ///< At most 24, evenly spaced.
};

/// Lets the forecaster see the whole trace and asks it for the time after.
/// @param season_s   period of the load; 0: found.
/// @param horizon_s  how far, above 0 and at most kLongestPrediction.
/// Cost: up to 0.1 ms for each of the means in the trace, of which there are 96 to the horizon.
[[nodiscard]] Prediction predict(const Arrivals& arrivals, config::ForecastKind kind,
                                 double season_s, std::size_t horizon_s);

}  // namespace sluice::plan
