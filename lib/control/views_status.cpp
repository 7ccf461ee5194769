// SPDX-License-Identifier: Apache-2.0
// How the node stands: readiness and status.
#include "control/announcement.hpp"
#include "control/scale_keeper.hpp"
#include "control/view_parts.hpp"

#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::control {
namespace {

// Of a worker, unless the configuration says how old its heartbeat may be: some scheduling delays
// are no reason to withdraw a node.
constexpr std::chrono::milliseconds kLongestTurn{1000};

std::size_t count_operator_changes(const OperatorState& state) {
  std::size_t n = 0;
  for (const auto& [name, pool] : state.pools)
    n += pool.added.size() + pool.removed.size() + pool.weights.size() + pool.drained.size() +
         pool.maintenance.size();
  return n;
}

Json view_books(const FastPath& fast_path) {
  const auto books = fast_path.books();
  const auto in_flight = books.in_flight();
  return {
      {"rx", books.rx},
      {"forward", books.total(Outcome::kForward)},
      {"host", books.total(Outcome::kHost)},
      {"answer", books.total(Outcome::kAnswer)},
      {"drop", books.total(Outcome::kDrop)},
      {"in_flight", in_flight},
      // More than a worker has at hand cannot be under way.
      {"balanced", in_flight <= std::uint64_t{dataplane::kAtHand} * fast_path.workers().size()}};
}

Json port(const Scene& scene, std::size_t i) {
  // By name: a reload may list the same ports in another order.
  const auto& all = scene.model.running().ports;
  const auto& settings = *std::ranges::find(all, scene.model.ports()[i].name, &config::Port::name);
  const auto& port = scene.fast_path.ports()[i];
  const auto status = port.status();
  Json out = {{"name", settings.name},
              {"device", settings.device},
              {"interface", settings.interface()},
              {"mac", port.mac().text()},
              {"mtu", settings.mtu},
              {"queues", settings.queues},
              {"link", status.link_up ? "up" : "down"},
              {"rx_packets", status.rx_packets},
              {"rx_missed", status.rx_missed},
              {"rx_errors", status.rx_errors},
              {"tx_packets", status.tx_packets},
              {"tx_errors", status.tx_errors},
              {"xdp", nullptr}};
  if (const auto& filter = scene.fast_path.filters()[i]) {
    Json counters = Json::object();
    for (const auto& stat : scene.fast_path.filter_statistics(filter->interface))
      counters[std::string(stat.name)] = stat.packets;
    out["xdp"] = {{"mode", xdp::name(filter->report.mode)}, {"counters", std::move(counters)}};
  }
  return out;
}

Json announced(const Scene& scene) {
  if (scene.announcement == nullptr) return nullptr;
  Json addresses = Json::array();
  for (const auto& address : scene.announcement->announced()) addresses.push_back(address.text());
  return {{"link", scene.announcement->link()},
          {"addresses", std::move(addresses)},
          {"problem", scene.announcement->problem()}};
}

}  // namespace

std::string not_ready_because(const Scene& scene) {
  if (scene.standing.stopping) return "stopping";
  const auto& answer = scene.model.running().answer;
  const auto limit = answer ? answer->max_age : kLongestTurn;
  if (const auto stuck = scene.fast_path.stuck_worker(limit))
    return fmt::format("worker {} has not turned for more than {} ms", *stuck, limit.count());
  for (const auto& pool : scene.model.snapshot().pools)
    if (!pool.slots.empty()) return "";
  // The first client starts a backend: it must come this way.
  if (scene.scale != nullptr && !scene.scale->awaiting().empty()) return "";
  return scene.model.running().services.empty() ? "no service is configured"
                                                : "no pool has a backend that takes flows";
}

Json view_status(const Scene& scene) {
  const auto& running = scene.model.running();
  const auto& standing = scene.standing;
  const auto now = std::chrono::system_clock::now();
  const auto seconds_since = [&](WallTime then) {
    return std::chrono::duration<double>(now - then).count();
  };
  const auto unready = not_ready_because(scene);

  std::size_t total = 0;
  std::size_t up = 0;
  std::size_t draining = 0;
  for (const auto& pool : running.pools) {
    total += pool.backends.size();
    for (const auto& backend : pool.backends) {
      const auto use = scene.model.use(pool, backend);
      up += use.takes_new_flows ? 1 : 0;
      draining += !use.takes_new_flows && use.keeps_flows ? 1 : 0;
    }
  }
  Json ports = Json::array();
  for (std::size_t i = 0; i < scene.fast_path.ports().size(); ++i) ports.push_back(port(scene, i));

  return {{"node", running.node},
          {"version", SLUICE_VERSION},
          {"isa", SLUICE_ISA},
          {"pid", ::getpid()},
          {"uptime_s", seconds_since(standing.started)},
          {"ready", unready.empty()},
          {"not_ready_because", unready},
          {"stopping", standing.stopping},
          {"generation", scene.model.snapshot().generation},
          {"generation_age_s", seconds_since(standing.published)},
          {"configuration",
           {{"file", standing.file},
            {"loaded_at", rfc3339(standing.loaded)},
            {"operator_changes", count_operator_changes(scene.model.operator_state())},
            {"last_reload",
             {{"ok", standing.last_reload.ok},
              {"at", rfc3339(standing.last_reload.at)},
              {"faults", standing.last_reload.faults}}}}},
          {"state",
           {{"directory", running.state_dir},
            {"writable", standing.state_problem.empty()},
            {"problem", standing.state_problem}}},
          {"books", view_books(scene.fast_path)},
          {"ports", std::move(ports)},
          {"huge_pages", running.dpdk.huge_pages},
          {"workers", scene.fast_path.workers().size()},
          {"services", running.services.size()},
          {"pools", running.pools.size()},
          {"backends",
           {{"total", total}, {"up", up}, {"draining", draining}, {"down", total - up - draining}}},
          {"announced", announced(scene)}};
}

}  // namespace sluice::control
