// SPDX-License-Identifier: Apache-2.0
// What a scaler that knows the future would do: the least capacity that serves every request in
// time, and the cheapest schedule that has it. A lower bound in practice, not a proof of one.
//
// Threads: any.
#pragma once

#include "plan/simulated_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::plan {

/// Rate by second (requests/s) of the shortest curve of completed work that serves each request
/// within `delay_s` of its arrival and none before it: the smoothest way, of least peak.
/// Cost: linear; about 50 ns an interval and a second.
/// Source: the taut string (funnel) algorithm between the arrivals and the arrivals `delay_s`
/// later.
[[nodiscard]] std::vector<double> smoothest_service(const Arrivals& arrivals,
                                                    std::uint32_t delay_s);

/// Backends of the first class by second that the smoothest service within the pool's slo_wait_s
/// takes; never under the pool's `min`.
[[nodiscard]] std::vector<std::uint32_t> backends_needed(const Arrivals& arrivals,
                                                         const PoolModel& pool);

struct Schedule {
  std::vector<std::uint32_t> ready;   ///< By second.
  std::vector<std::uint32_t> billed;  ///< By second.
  std::size_t actions = 0;            ///< Moments at which something starts or stops.
};

/// The cheapest schedule with at least `need` ready at every second: a backend stays through gaps
/// of at most `hold_s`, in which stopping and starting it again would be billed more.
[[nodiscard]] Schedule cheapest_schedule(std::span<const std::uint32_t> need, std::uint32_t cold_s,
                                         std::uint32_t hold_s);

}  // namespace sluice::plan
