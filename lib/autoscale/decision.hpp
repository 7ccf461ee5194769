// SPDX-License-Identifier: Apache-2.0
// A decision of the controller, and everything that led to it.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::autoscale {

/// Who decides.
enum class Standing : std::uint8_t { kAuto, kOverride, kPaused };
[[nodiscard]] std::string_view name_of(Standing standing) noexcept;

/// What led to the count that is wanted: the greatest of the policies' needs, or what bounded it.
enum class Cause : std::uint8_t {
  kHold,      ///< Nothing is to be changed.
  kLoad,      ///< The load that there is.
  kBacklog,   ///< Requests that wait.
  kBurst,     ///< Far more than there is capacity for: bounds on steps do not hold.
  kForecast,  ///< The load that is to come.
  kSchedule,
  kThreshold,
  kCost,      ///< Another mix of classes is cheaper.
  kFromZero,  ///< Somebody asks, and there is nobody.
  kIdle,      ///< Nobody has asked for long.
  kFall,      ///< The need has fallen, and stayed low.
  kOverride,
  kPaused,
  kBlind,  ///< Too little is known to take anything away.
};
[[nodiscard]] std::string_view name_of(Cause cause) noexcept;

/// What kept the count from being what the need asks for. Bits of Decision::limits.
enum class Limit : std::uint16_t {
  kMin = 1U << 0U,
  kMax = 1U << 1U,
  kBudget = 1U << 2U,
  kStep = 1U << 3U,
  kStabilisation = 1U << 4U,
  kHoldTime = 1U << 5U,
  kCooldown = 1U << 6U,
  kTolerance = 1U << 7U,
  kStarting = 1U << 8U,  ///< What is starting will cover it.
  kSilent = 1U << 9U,    ///< Backends that tell nothing: none is taken away.
  kDomain = 1U << 10U,
  kClass = 1U << 11U,  ///< `min` or `max` of a class.
  kSchedule = 1U << 12U,
};
/// "min,budget"; empty: none.
[[nodiscard]] std::string names_of_limits(std::uint16_t limits);

/// Figures of a class that were learned, or the configured ones where nothing was.
struct Learned {
  double cold_start_s = 0;  ///< 90th percentile of the starts seen.
  double capacity = 0;      ///< Requests/s.
  unsigned starts = 0;      ///< How many were seen.
};

struct Decision {
  double t = 0;
  std::vector<unsigned> wanted = {};  ///< By class: backends ready or on their way to it.
  unsigned desired = 0;               ///< Their sum.
  unsigned before = 0;                ///< Ready and starting ones when it was made.
  Cause cause = Cause::kHold;
  std::uint16_t limits = 0;
  // Inputs.
  double demand = 0;      ///< Requests/s now.
  double backlog = 0;     ///< Requests that wait.
  double capacity = 0;    ///< Requests/s of the ready backends.
  double saturation = 0;  ///< Demand, backlog included, against that capacity; 1: full.
  // Forecast at the horizon: when what is asked for now would serve.
  double horizon_s = 0;
  double forecast = 0;  ///< Requests/s expected then.
  double low = 0;       ///< Band: 5th and 95th percentile by the forecaster's own errors.
  double high = 0;
  double margin = 0;            ///< Requests/s added to the forecast.
  double error = 0;             ///< Mean absolute error at that horizon, requests/s.
  std::string forecaster = {};  ///< That weighed most.
  // Outcome.
  double needed = 0;    ///< Requests/s of capacity that are needed.
  double provided = 0;  ///< Requests/s that `wanted` will have.
  double cost_per_hour = 0;
  double uncovered = 0;     ///< Requests/s needed that limits leave uncovered; above 0: said aloud.
  std::string reason = {};  ///< One sentence for a reader: what, why, what is expected of it.
};

}  // namespace sluice::autoscale
