// SPDX-License-Identifier: Apache-2.0
// How pools and backends are, and why.
#include "control/health_keeper.hpp"
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::control {
namespace {

using health::Standing;

double seconds_since(health::Time then, health::Time now) {
  return std::chrono::duration<double>(now - then).count();
}

Json last_answer(const Standing& standing) {
  if (!standing.last) return nullptr;
  return {{"ok", standing.last->ok()},
          {"fault", health::name(standing.last->fault)},
          {"took_ms", std::chrono::duration<double, std::milli>(standing.last->took).count()},
          {"detail", standing.last->detail}};
}

Json probes(const ProbeCounts* counts) {
  std::uint64_t good = 0;
  std::uint64_t failed = 0;
  if (counts != nullptr) {
    good = counts->by_fault[static_cast<std::size_t>(health::Fault::kNone)];
    for (const auto n : counts->by_fault) failed += n;
    failed -= good;
  }
  return {{"good", good}, {"failed", failed}};
}

Json backend_json(const Scene& scene, const config::Pool& pool, const Standing& standing,
                  health::Time now) {
  return {
      {"name", standing.name},
      {"state", health::name(standing.state)},
      {"since_s", seconds_since(standing.since, now)},
      {"operator", word(standing.wish)},
      {"checked", health::name(standing.checked)},
      {"takes_new_flows", standing.takes_new_flows},
      {"keeps_flows", standing.keeps_flows},
      {"active_flows", scene.fast_path.active_flows(scene.model.number(pool.name, standing.name))},
      {"last", last_answer(standing)},
      {"good_in_a_row", standing.good},
      {"failed_in_a_row", standing.bad},
      {"probes", probes(scene.health->counts(pool.name, standing.name))},
      {"ejections", standing.ejections},
      {"ejected_for_s",
       standing.ejected_until ? std::max(0.0, -seconds_since(*standing.ejected_until, now)) : 0.0},
      {"flaps", standing.flaps},
      {"hold_s", std::chrono::duration<double>(standing.hold).count()}};
}

}  // namespace

PoolStates::PoolStates(const Scene& scene, const config::Pool& pool) : scene_(scene), pool_(pool) {
  const auto* health = scene.health == nullptr ? nullptr : scene.health->pool(pool.name);
  if (health == nullptr) return;
  for (const auto& standing : health->standings()) states_.emplace(standing.name, standing.state);
}

std::string_view PoolStates::of(const config::Backend& backend) const {
  const auto use = scene_.model.use(pool_, backend);
  const auto at = states_.find(backend.name);
  // Weight 0 is a drain without the name.
  if (at != states_.end() && (backend.weight != 0 || !health::takes_new_flows(at->second)))
    return health::name(at->second);
  if (!use.keeps_flows) return health::name(health::State::kMaintenance);
  return health::name(use.takes_new_flows ? health::State::kUp : health::State::kDraining);
}

Json view_health(const Scene& scene, const std::string& wanted) {
  Json pools = Json::array();
  const auto now = EventLoop::Clock::now();
  for (const auto& pool : scene.model.running().pools) {
    const auto* health = scene.health == nullptr ? nullptr : scene.health->pool(pool.name);
    if (health == nullptr || (!wanted.empty() && pool.name != wanted)) continue;
    Json backends = Json::array();
    for (const auto& standing : health->standings())
      backends.push_back(backend_json(scene, pool, standing, now));
    pools.push_back({{"name", pool.name},
                     {"state", health::name(health->state())},
                     {"since_s", seconds_since(health->since(), now)},
                     {"probed", pool.health.has_value()},
                     {"watched", pool.outlier.has_value()},
                     {"panic", health->panic()},
                     {"backends", std::move(backends)}});
  }
  return {{"pools", std::move(pools)}};
}

}  // namespace sluice::control
