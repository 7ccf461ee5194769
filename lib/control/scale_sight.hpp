// SPDX-License-Identifier: Apache-2.0
// What the node sees of a pool, for the autoscaler: tables, health and flows together; and the
// autoscaler's hands in a whole daemon.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "control/fast_path.hpp"
#include "control/model.hpp"
#include "control/scale_pool.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sluice::control {

class HealthKeeper;
class LoadKeeper;

/// Of a daemon, what the autoscaler works with. All of it lives longer.
struct ScaleSurroundings {
  EventLoop& loop;
  EventLog& events;
  Model& model;
  const HealthKeeper& health;
  LoadKeeper& load;
  const FastPath& fast_path;
  /// Called after each change of the model, as for an operator's.
  std::function<void(const Published&, std::string_view who, std::string_view what)> changed;
  std::function<void()> awaiting_changed;
};

/// The autoscaler changes the tables as operators do, under the name "autoscaler".
[[nodiscard]] ScaleParts scale_parts(const ScaleSurroundings& around);

/// A pool that does not run is seen empty. Cost: a few sums over the workers for each backend.
[[nodiscard]] PoolSight sight_of(const Model& model, const HealthKeeper& health,
                                 const FastPath& fast_path, const std::string& pool);

/// Attempts at flows of services that use the pool, by themselves, by a shard or as an overflow,
/// which found no backend anywhere.
[[nodiscard]] std::uint64_t unserved_of(const Model& model, const FastPath& fast_path,
                                        const std::string& pool);

/// The same of health as a fleet sees it.
[[nodiscard]] actuate::Seen::Health seen_health(health::State checked) noexcept;

}  // namespace sluice::control
