// SPDX-License-Identifier: Apache-2.0
#include "control/scale_sight.hpp"

#include "control/health_keeper.hpp"
#include "control/load_keeper.hpp"
#include "control/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::control {
namespace {

using actuate::Seen;

const config::Pool* pool_named(const config::Configuration& configuration, std::string_view name) {
  const auto at = std::ranges::find(configuration.pools, name, &config::Pool::name);
  return at == configuration.pools.end() ? nullptr : &*at;
}

Seen::Wish wish_seen(health::Wish wish) {
  switch (wish) {
    case health::Wish::kServe:
      return Seen::Wish::kServe;
    case health::Wish::kDrain:
      return Seen::Wish::kDrain;
    case health::Wish::kMaintenance:
      break;
  }
  return Seen::Wish::kMaintenance;
}

// Whether flows that go to one pool may end in another.
bool flows_over_to(const config::Configuration& running, std::string_view from,
                   std::string_view to) {
  std::set<std::string_view> seen;
  while (!from.empty() && seen.insert(from).second) {
    if (from == to) return true;
    const auto* pool = pool_named(running, from);
    from = pool == nullptr ? std::string_view() : std::string_view(pool->overflow);
  }
  return false;
}

}  // namespace

ScaleParts scale_parts(const ScaleSurroundings& around) {
  constexpr std::string_view kWho = "autoscaler";
  const auto published = [changed = around.changed, kWho](Result<Published> done,
                                                          const std::string& what) -> Result<void> {
    if (!done) return forward_error(done);
    changed(*done, kWho, what);
    return {};
  };
  auto& model = around.model;
  const auto& health = around.health;
  const auto& fast_path = around.fast_path;
  auto& load = around.load;
  return {
      .loop = around.loop,
      .events = around.events,
      .sight = [&model, &health, &fast_path](
                   const std::string& pool) { return sight_of(model, health, fast_path, pool); },
      .unserved = [&model, &fast_path](
                      const std::string& pool) { return unserved_of(model, fast_path, pool); },
      .demand = [&load](const std::string& pool) { return load.demand(pool); },
      .add =
          [&model, published](const std::string& pool, const config::Backend& backend) {
            return published(model.add_backend(pool, backend),
                             fmt::format("add backend {} at {} to pool {}", backend.name,
                                         backend.address.text(), pool));
          },
      .remove =
          [&model, published](const std::string& pool, const std::string& name) {
            return published(model.remove_backend(pool, name),
                             fmt::format("remove backend {} of pool {}", name, pool));
          },
      .wish =
          [&model, published](const std::string& pool, const std::string& name, health::Wish wish) {
            return published(
                model.set_wish(pool, name, wish),
                fmt::format("{} backend {} of pool {}",
                            wish == health::Wish::kDrain ? "drain" : "undrain", name, pool));
          },
      .actuator =
          [&loop = around.loop](const config::Actuator& settings, const actuate::Context& context,
                                actuate::Actuator::OnReport report) {
            return actuate::make(loop, settings, context, std::move(report));
          },
      .wall = [] { return std::chrono::system_clock::now(); },
      .awaiting_changed = around.awaiting_changed};
}

Seen::Health seen_health(health::State checked) noexcept {
  if (checked == health::State::kStarting) return Seen::Health::kStarting;
  return health::takes_new_flows(checked) ? Seen::Health::kReady : Seen::Health::kDown;
}

PoolSight sight_of(const Model& model, const HealthKeeper& health, const FastPath& fast_path,
                   const std::string& pool) {
  PoolSight sight;
  const auto* running = pool_named(model.running(), pool);
  if (running == nullptr) return sight;
  std::set<std::string_view> configured;
  if (const auto* file = pool_named(model.file(), pool))
    for (const auto& backend : file->backends) configured.insert(backend.name);
  std::map<std::string_view, health::State> checked;
  const auto standings = health.pool(pool) == nullptr ? std::vector<health::Standing>()
                                                      : health.pool(pool)->standings();
  for (const auto& standing : standings) checked.emplace(standing.name, standing.checked);
  const auto& operator_pools = model.operator_state().pools;
  const auto changes = operator_pools.find(pool);
  for (const auto& backend : running->backends) {
    const auto number = model.number(*running, backend);
    const auto state = checked.find(backend.name);
    Seen seen;
    seen.name = backend.name;
    seen.backend_class = backend.backend_class;
    seen.address = backend.address;
    seen.port = backend.port;
    seen.health = state == checked.end() ? Seen::Health::kStarting : seen_health(state->second);
    seen.wish = wish_seen(
        wish_of(changes == operator_pools.end() ? nullptr : &changes->second, backend.name));
    seen.flows = fast_path.active_flows(number);
    seen.configured = configured.contains(backend.name);
    sight.backends.push_back(std::move(seen));
    const auto signals = fast_path.signals(number);
    // Behind NAT answers are seen; elsewhere a first packet that comes again shows that none came.
    sight.flows.push_back({.begun = signals.new_flows,
                           .unanswered = running->forwarding == config::Forwarding::kNat
                                             ? signals.syn_unanswered
                                             : signals.syn_repeats,
                           .takes_new = model.use(*running, backend).takes_new_flows});
  }
  sight.unserved = unserved_of(model, fast_path, pool);
  return sight;
}

std::uint64_t unserved_of(const Model& model, const FastPath& fast_path, const std::string& pool) {
  std::uint64_t sum = 0;
  const auto& running = model.running();
  for (const auto& service : running.services) {
    bool uses = flows_over_to(running, service.pool, pool);
    for (const auto& shard : service.shards)
      uses = uses || flows_over_to(running, shard.pool, pool);
    if (uses) sum += traffic_of_service(fast_path, model.number(service)).unserved;
  }
  return sum;
}

}  // namespace sluice::control
