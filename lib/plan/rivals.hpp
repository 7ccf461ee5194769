// SPDX-License-Identifier: Apache-2.0
// Other autoscalers' policies, to stand beside the controller: Kubernetes' HPA, Knative's KPA, one
// as KEDA sets it up, and the plain formulas of textbooks. They scale the first class of a pool.
//
// Threads: values of one thread.
#pragma once

#include "plan/scaler.hpp"
#include "plan/simulated_pool.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace sluice::plan {

enum class Rival : std::uint8_t {
  kHpa,          ///< Kubernetes autoscaling/v2 on utilisation, defaults.
  kHpaQueue,     ///< The same on requests in service and waiting (AverageValue).
  kKpa,          ///< Knative on concurrency, defaults: stable 60 s, panic 6 s.
  kKeda,         ///< As kHpaQueue, on a metric polled every 30 s; to zero after 300 s of silence.
  kReactive,     ///< S0 + k L, no smoothing.
  kForecastLr,   ///< S0 + k L', L' a straight line through 10 min, one cold start ahead.
  kHoltWinters,  ///< L' of additive Holt-Winters with a season of a day.
  kStatic,       ///< The least constant number that holds, known in hindsight.
  kOracle,       ///< Knows the future.
};

/// "hpa", "hpa-queue", "kpa", "keda", "reactive", "forecast-lr", "holt-winters", "static",
/// "oracle".
[[nodiscard]] std::string_view name_of(Rival rival) noexcept;
[[nodiscard]] std::span<const Rival> rivals() noexcept;  ///< All, in the order of a table.

/// The policy of a rival that sees the past only.
/// @return null for kStatic and kOracle.
[[nodiscard]] std::unique_ptr<Scaler> make_scaler(Rival rival, const PoolModel& pool);

/// Runs a rival, whichever it is, against the first class of the pool.
/// @param need  backends_needed() of the same arrivals and pool.
[[nodiscard]] Course run_rival(Rival rival, const Arrivals& arrivals, const PoolModel& pool,
                               std::span<const std::uint32_t> need,
                               const Progress& progress = nullptr);

}  // namespace sluice::plan
