// SPDX-License-Identifier: Apache-2.0
// A configured pool as the simulator and the controller of a plan have it.
//
// Threads: values.
#pragma once

#include "autoscale/controller.hpp"
#include "base/result.hpp"
#include "config/configuration.hpp"
#include "plan/simulated_pool.hpp"

#include <cstdint>

namespace sluice::plan {

constexpr std::uint32_t kDrain = 30;  ///< Seconds that a stopped backend still costs, usually.

/// Both speak of the same: times in whole seconds, rounded up, the tick to the nearest.
struct Planned {
  PoolModel model;
  autoscale::Controller::Options options;
};

/// @param pool  checked; its `autoscale` and `classes` count, its backends do not.
/// @param drain_s  what a stopped backend is billed.
/// @return kInvalid when the pool has no `autoscale` or no class: there is nothing to plan with.
[[nodiscard]] Result<Planned> plan_of(const config::Pool& pool, std::uint32_t drain_s = kDrain);

}  // namespace sluice::plan
