// SPDX-License-Identifier: Apache-2.0
// The node's parts, one list each: services, pools, backends, workers, drops.
#include "base/nearest.hpp"
#include "config/words.hpp"
#include "control/traffic.hpp"
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace sluice::control {
namespace {

void put(Json& out, const Traffic& traffic) {
  out["packets"] = traffic.packets;
  out["bytes"] = traffic.bytes;
  out["new_flows"] = traffic.new_flows;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

struct PoolSummary {
  config::Forwarding forwarding;
  std::size_t up;
  std::size_t total;
};

PoolSummary summary_of(const Scene& scene, const config::Pool& pool) {
  const auto up = std::ranges::count_if(pool.backends, [&](const auto& backend) {
    return scene.model.use(pool, backend).takes_new_flows;
  });
  return {pool.forwarding, static_cast<std::size_t>(up), pool.backends.size()};
}

// Weights as the file gives them.
std::map<std::string_view, std::uint32_t> weights_in_file(const Scene& scene,
                                                          const std::string& pool) {
  std::map<std::string_view, std::uint32_t> weights;
  const auto& pools = scene.model.file().pools;
  if (const auto found = std::ranges::find(pools, pool, &config::Pool::name); found != pools.end())
    for (const auto& backend : found->backends) weights.emplace(backend.name, backend.weight);
  return weights;
}

// `entries`: room by backend number, all 0 before and after.
void put_pool_backends(Json& out, const Scene& scene, std::size_t index,
                       std::vector<std::uint64_t>& entries, Stretch stretch = {}) {
  const auto& pool = scene.model.running().pools[index];
  const auto& now = scene.model.snapshot();
  const auto& in_force = now.input.pools[index].backends;  // as the model has them, in its order
  for (const auto number : now.pools[index].slots) ++entries[number];
  const auto* changes = changes_of(scene, pool.name);
  const auto in_file = weights_in_file(scene, pool.name);
  std::set<std::string_view> added;
  if (changes != nullptr)
    for (const auto& backend : changes->added) added.insert(backend.name);
  const PoolStates states(scene, pool);
  std::uint64_t weights = 0;
  for (const auto& backend : pool.backends)
    if (scene.model.use(pool, backend).takes_new_flows) weights += backend.weight;
  const auto end = stretch.end(pool.backends.size());
  for (std::size_t b = stretch.from; b < end; ++b) {
    const auto& backend = pool.backends[b];
    const bool up = scene.model.use(pool, backend).takes_new_flows;
    const auto number = in_force[b].number;
    const auto held = entries[number];
    const bool by_operator = added.contains(backend.name);
    // Key by key, without look-ups or temporaries: a node may have tens of thousands of these.
    Json::object_t one;
    one.reserve(19);
    const auto add = [&](const char* key, auto&& value) {
      one.emplace_back(key, std::forward<decltype(value)>(value));
    };
    const auto traffic = traffic_of_backend(scene.fast_path, number);
    add("pool", pool.name);
    add("name", backend.name);
    add("address", backend.address.text());
    add("number", number);
    add("weight", backend.weight);
    add("weight_now", in_force[b].weight);  // less than asked in slow start
    add("configured_weight", by_operator ? backend.weight : in_file.at(backend.name));
    add("state", states.of(backend));
    add("operator", word(wish_of(changes, backend.name)));
    add("origin", by_operator ? "operator" : "configuration");
    add("next_hop", next_hop(scene, backend.address, pool.forwarding));
    add("slots", held);
    add("slots_share", share(held, now.pools[index].slots.size()));
    add("weight_share", up ? share(backend.weight, weights) : 0.0);
    add("packets", traffic.packets);
    add("bytes", traffic.bytes);
    add("new_flows", traffic.new_flows);
    add("active_flows", scene.fast_path.active_flows(number));
    out.push_back(std::move(one));
  }
  for (const auto& backend : in_force) entries[backend.number] = 0;
}

Json nat_json(const flow::NatTable& nat) {
  const auto& stats = nat.stats();
  return {{"capacity", nat.capacity()},       {"sessions", stats.held()},
          {"opened", stats.opened.value()},   {"expired", stats.expired.value()},
          {"evicted", stats.evicted.value()}, {"reopened", stats.reopened.value()},
          {"no_port", stats.no_port.value()}, {"table_full", stats.table_full.value()}};
}

}  // namespace

Json view_services(const Scene& scene) {
  std::map<std::string_view, PoolSummary> pools;
  for (const auto& pool : scene.model.running().pools)
    pools.emplace(pool.name, summary_of(scene, pool));
  Json services = Json::array();
  for (const auto& service : scene.model.running().services) {
    const auto& pool = pools.at(service.pool);
    Json one = {{"name", service.name},   {"address", service.address.text()},
                {"port", service.port},   {"protocol", config::word(service.protocol)},
                {"pool", service.pool},   {"forwarding", config::word(pool.forwarding)},
                {"backends_up", pool.up}, {"backends_total", pool.total}};
    put(one, traffic_of_service(scene.fast_path, scene.model.number(service)));
    services.push_back(std::move(one));
  }
  return {{"services", std::move(services)}};
}

Json view_pools(const Scene& scene) {
  Json pools = Json::array();
  for (const auto& pool : scene.model.running().pools) {
    Json names = Json::array();
    for (const auto& backend : pool.backends) names.push_back(backend.name);
    pools.push_back({{"name", pool.name},
                     {"forwarding", config::word(pool.forwarding)},
                     {"policy", config::word(pool.policy)},
                     {"affinity", config::word(pool.affinity)},
                     {"table_size", pool.table_size},
                     {"max_load_ratio", pool.max_load_ratio},
                     {"overflow", pool.overflow},
                     {"slow_start_s", pool.slow_start.count()},
                     {"backends", std::move(names)}});
  }
  return {{"pools", std::move(pools)}};
}

Json backends_of(const Scene& scene, std::size_t pool, Stretch stretch) {
  Json backends = Json::array();
  std::vector<std::uint64_t> entries(scene.model.snapshot().backends.size());
  put_pool_backends(backends, scene, pool, entries, stretch);
  return backends;
}

Result<Json> view_backends(const Scene& scene, const std::string& wanted) {
  const auto& pools = scene.model.running().pools;
  Json backends = Json::array();
  std::vector<std::uint64_t> entries(scene.model.snapshot().backends.size());
  bool found = wanted.empty();
  for (std::size_t p = 0; p < pools.size(); ++p) {
    if (!wanted.empty() && pools[p].name != wanted) continue;
    found = true;
    put_pool_backends(backends, scene, p, entries);
  }
  if (!found) {
    std::vector<std::string_view> names;
    for (const auto& pool : pools) names.push_back(pool.name);
    return fail(Errc::kNotFound, "pool " + wanted, "does not exist{}", did_you_mean(wanted, names));
  }
  return Json{{"backends", std::move(backends)}};
}

Json view_workers(const Scene& scene) {
  Json workers = Json::array();
  for (const auto& worker : scene.fast_path.workers()) {
    const auto& c = worker->counters();
    const auto& cache = worker->cache();
    const auto& stats = cache.stats();
    const auto packets = c.rx_packets.value();
    const auto busy = c.busy_cycles.value();
    Json queues = Json::array();
    for (const auto& q : worker->settings().queues)
      queues.push_back({{"port", scene.model.ports()[q.port].name}, {"queue", q.queue}});
    workers.push_back({{"id", worker->settings().number},
                       {"lcore", worker->settings().lcore},
                       {"queues", std::move(queues)},
                       {"polls", c.polls.value()},
                       {"empty_polls", c.empty_polls.value()},
                       {"packets", packets},
                       {"bursts", c.bursts.value()},
                       {"busy_cycles", busy},
                       {"idle_cycles", c.idle_cycles.value()},
                       {"packets_per_burst", share(packets, c.bursts.value())},
                       {"busy_ratio", share(busy, busy + c.idle_cycles.value())},
                       {"cycles_per_packet", share(busy, packets)},
                       {"flow_cache",
                        {{"capacity", cache.capacity()},
                         {"flows", stats.held()},
                         {"hits", stats.hits.value()},
                         {"misses", stats.misses.value()},
                         {"inserts", stats.inserts.value()},
                         {"evictions_new", stats.evictions_new.value()},
                         {"evictions_closing", stats.evictions_closing.value()},
                         {"evictions_established", stats.evictions_established.value()},
                         {"expired", stats.expired.value()}}},
                       {"nat", nat_json(worker->nat())}});
  }
  return {{"workers", std::move(workers)}};
}

Json view_drops(const Scene& scene) {
  const auto books = scene.fast_path.books();
  Json drops = Json::array();
  for (std::size_t v = 0; v < kVerdicts; ++v) {
    const auto verdict = static_cast<Verdict>(v);
    if (outcome(verdict) != Outcome::kDrop) continue;
    drops.push_back({{"reason", text(verdict).name},
                     {"packets", books.verdicts[v]},
                     {"remedy", text(verdict).remedy}});
  }
  Json answers = Json::array();
  for (std::size_t v = 0; v < kVerdicts; ++v)
    if (const auto verdict = static_cast<Verdict>(v); outcome(verdict) == Outcome::kAnswer)
      answers.push_back({{"reason", text(verdict).name}, {"packets", books.verdicts[v]}});
  return {{"drops", std::move(drops)},
          {"total", books.total(Outcome::kDrop)},
          {"answers", std::move(answers)}};
}

}  // namespace sluice::control
