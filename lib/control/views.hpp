// SPDX-License-Identifier: Apache-2.0
// The answers of the admin API that read: model, standing and counters as JSON. The wire contract
// is docs/reference/api.md.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "base/result.hpp"
#include "control/fast_path.hpp"
#include "control/model.hpp"
#include "control/standing.hpp"
#include "packet/flow_key.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace sluice::control {

/// Objects keep the order in which their keys were set: the order of the reference page.
using Json = nlohmann::ordered_json;

class Announcement;
class HealthKeeper;
class LoadKeeper;
class ScaleKeeper;

/// What a view may look at.
struct Scene {
  const Model& model;
  const FastPath& fast_path;
  const Standing& standing;
  const HealthKeeper* health = nullptr;        ///< Null: nobody looks, all count as up.
  const Announcement* announcement = nullptr;  ///< Null: nothing is announced.
  const ScaleKeeper* scale = nullptr;          ///< Null: no pool is scaled.
  const LoadKeeper* load = nullptr;            ///< Null: no backend is asked for its load.
};

/// Why the node is not ready for traffic; empty: it is.
[[nodiscard]] std::string not_ready_because(const Scene& scene);

[[nodiscard]] Json view_status(const Scene& scene);
[[nodiscard]] Json view_services(const Scene& scene);
[[nodiscard]] Json view_pools(const Scene& scene);
/// @param pool  only this pool's; empty: all. @return kNotFound when there is no such pool.
[[nodiscard]] Result<Json> view_backends(const Scene& scene, const std::string& pool);
[[nodiscard]] Json view_workers(const Scene& scene);
[[nodiscard]] Json view_drops(const Scene& scene);
/// Health of each pool and its backends. @param pool  only this one's; empty: all.
[[nodiscard]] Json view_health(const Scene& scene, const std::string& pool);
/// Which of the cached flows to list.
struct FlowFilter {
  std::string pool;     ///< Of this pool only; empty: all.
  std::string backend;  ///< Of backends with this name only; empty: all.
  std::size_t limit = 100;
};
/// A sample of the flows that the workers' caches hold, another part of a large cache each time.
/// Cost: at most 8 MiB of each cache are read.
[[nodiscard]] Json view_flows(const Scene& scene, const FlowFilter& filter);
/// Where a flow goes, and why: by the tables for a new one, and which workers know it already.
[[nodiscard]] Json view_trace(const Scene& scene, const FlowKey& flow);

}  // namespace sluice::control
