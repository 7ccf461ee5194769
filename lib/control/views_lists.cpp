// SPDX-License-Identifier: Apache-2.0
// The node's parts, one list each: services, pools, workers, drops.
#include "config/words.hpp"
#include "control/traffic.hpp"
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace sluice::control {
namespace {

void put(Json& out, const Traffic& traffic) {
  out["packets"] = traffic.packets;
  out["bytes"] = traffic.bytes;
  out["new_flows"] = traffic.new_flows;
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
