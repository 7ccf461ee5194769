// SPDX-License-Identifier: Apache-2.0
#include "control/views.hpp"

#include "base/nearest.hpp"
#include "control/operator_state.hpp"
#include "control/traffic.hpp"

#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::control {
namespace {

void put(Json& out, const Traffic& traffic) {
  out["packets"] = traffic.packets;
  out["bytes"] = traffic.bytes;
  out["new_flows"] = traffic.new_flows;
}

std::string_view name_of(config::Forwarding forwarding) {
  return forwarding == config::Forwarding::kIpip ? "ipip" : "l2dsr";
}

std::string_view name_of(config::Protocol protocol) {
  return protocol == config::Protocol::kTcp ? "tcp" : "udp";
}

const PoolChanges* changes_of(const Scene& scene, const std::string& pool) {
  const auto& pools = scene.model.operator_state().pools;
  const auto found = pools.find(pool);
  return found == pools.end() ? nullptr : &found->second;
}

bool is_drained(const Scene& scene, const config::Pool& pool, const std::string& name) {
  const auto* changes = changes_of(scene, pool.name);
  return changes != nullptr && changes->drained.contains(name);
}

std::string_view state_of(const Scene& scene, const config::Pool& pool,
                          const config::Backend& backend) {
  return is_drained(scene, pool, backend.name) || backend.weight == 0 ? "draining" : "up";
}

Json next_hop(const Scene& scene, const IpAddress& address, config::Forwarding forwarding) {
  const Reach& reach = scene.model.reach(address);
  const auto* hop = usable_hop(reach, forwarding);
  Json out = {{"resolved", hop != nullptr},
              {"mac", hop != nullptr ? hop->destination.text() : ""},
              {"port", hop != nullptr ? scene.model.ports()[hop->port].name : ""},
              {"source", reach.configured ? "configuration" : "kernel"},
              {"problem", problem_of(reach, forwarding)}};
  return out;
}

// Entries by backend number.
std::vector<std::uint64_t> entries_by_number(const snapshot::Snapshot& now, std::size_t pool) {
  std::vector<std::uint64_t> entries(now.backends.size());
  for (const auto number : now.pools[pool].slots) ++entries[number];
  return entries;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::size_t count_operator_changes(const OperatorState& state) {
  std::size_t n = 0;
  for (const auto& [name, pool] : state.pools)
    n += pool.added.size() + pool.removed.size() + pool.weights.size() + pool.drained.size();
  return n;
}

Json view_books(const FastPath& fast_path) {
  const auto books = fast_path.books();
  const auto in_flight = books.in_flight();
  return {{"rx", books.rx},
          {"forward", books.total(Outcome::kForward)},
          {"host", books.total(Outcome::kHost)},
          {"answer", books.total(Outcome::kAnswer)},
          {"drop", books.total(Outcome::kDrop)},
          {"in_flight", in_flight},
          // More than one burst a worker cannot be under way.
          {"balanced", in_flight <= std::uint64_t{dataplane::kBurst} * fast_path.workers().size()}};
}

Json port(const Scene& scene, std::size_t i) {
  const auto& settings = scene.model.running().ports[i];
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

}  // namespace

std::string not_ready_because(const Scene& scene) {
  if (scene.standing.stopping) return "stopping";
  for (const auto& pool : scene.model.snapshot().pools)
    if (!pool.slots.empty()) return "";
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
  std::size_t draining = 0;
  for (const auto& pool : running.pools) {
    for (const auto& backend : pool.backends) {
      ++total;
      if (state_of(scene, pool, backend) == "draining") ++draining;
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
           {{"total", total}, {"up", total - draining}, {"draining", draining}, {"down", 0}}}};
}

Json view_services(const Scene& scene) {
  Json services = Json::array();
  for (const auto& service : scene.model.running().services) {
    const auto pool =
        std::ranges::find(scene.model.running().pools, service.pool, &config::Pool::name);
    const auto up = std::ranges::count_if(
        pool->backends, [&](const auto& b) { return state_of(scene, *pool, b) == "up"; });
    Json one = {{"name", service.name}, {"address", service.address.text()},
                {"port", service.port}, {"protocol", name_of(service.protocol)},
                {"pool", service.pool}, {"forwarding", name_of(pool->forwarding)},
                {"backends_up", up},    {"backends_total", pool->backends.size()}};
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
                     {"forwarding", name_of(pool.forwarding)},
                     {"policy", "maglev"},
                     {"affinity", "5tuple"},
                     {"table_size", pool.table_size},
                     {"backends", std::move(names)}});
  }
  return {{"pools", std::move(pools)}};
}

Result<Json> view_backends(const Scene& scene, const std::string& wanted) {
  const auto& running = scene.model.running();
  Json backends = Json::array();
  bool found = wanted.empty();
  std::vector<std::string_view> names;
  for (std::size_t p = 0; p < running.pools.size(); ++p) {
    const auto& pool = running.pools[p];
    names.push_back(pool.name);
    if (!wanted.empty() && pool.name != wanted) continue;
    found = true;
    const auto& now = scene.model.snapshot();
    const auto entries = entries_by_number(now, p);
    std::uint64_t weights = 0;
    for (const auto& backend : pool.backends)
      if (state_of(scene, pool, backend) == "up") weights += backend.weight;
    const auto* changes = changes_of(scene, pool.name);
    for (const auto& backend : pool.backends) {
      const bool up = state_of(scene, pool, backend) == "up";
      const auto number = scene.model.number(pool, backend);
      const bool added = changes != nullptr &&
                         std::ranges::any_of(changes->added,
                                             [&](const auto& b) { return b.name == backend.name; });
      auto configured_weight = backend.weight;
      for (const auto& file_pool : scene.model.file().pools)
        if (file_pool.name == pool.name && !added)
          for (const auto& file_backend : file_pool.backends)
            if (file_backend.name == backend.name) configured_weight = file_backend.weight;
      Json one = {{"pool", pool.name},
                  {"name", backend.name},
                  {"address", backend.address.text()},
                  {"number", number},
                  {"weight", backend.weight},
                  {"configured_weight", configured_weight},
                  {"state", state_of(scene, pool, backend)},
                  {"operator", is_drained(scene, pool, backend.name) ? "drain" : "none"},
                  {"origin", added ? "operator" : "configuration"},
                  {"next_hop", next_hop(scene, backend.address, pool.forwarding)},
                  {"slots", entries[number]},
                  {"slots_share", share(entries[number], now.pools[p].slots.size())},
                  {"weight_share", up ? share(backend.weight, weights) : 0.0}};
      put(one, traffic_of_backend(scene.fast_path, number));
      backends.push_back(std::move(one));
    }
  }
  if (!found)
    return fail(Errc::kNotFound, "pool " + wanted, "does not exist{}", did_you_mean(wanted, names));
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
                       {"packets_per_burst", share(packets, c.bursts.value())},
                       {"busy_ratio", share(busy, busy + c.idle_cycles.value())},
                       {"cycles_per_packet", share(busy, packets)},
                       {"flow_cache",
                        {{"capacity", cache.capacity()},
                         {"hits", stats.hits.value()},
                         {"misses", stats.misses.value()},
                         {"inserts", stats.inserts.value()},
                         {"evictions_new", stats.evictions_new.value()},
                         {"evictions_established", stats.evictions_established.value()},
                         {"expired", stats.expired.value()}}}});
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
  return {{"drops", std::move(drops)}, {"total", books.total(Outcome::kDrop)}};
}

Json view_trace(const Scene& scene, const FlowKey& flow) {
  const auto& now = scene.model.snapshot();
  const auto address = [](const std::uint32_t* words) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), words, bytes.size());
    return IpAddress::v4(bytes).text();
  };
  Json out = {{"flow",
               {{"protocol", flow.protocol == wire::kIpProtoTcp ? "tcp" : "udp"},
                {"source", address(flow.source)},
                {"source_port", Be16::from_wire(flow.source_port).to_host()},
                {"destination", address(flow.destination)},
                {"destination_port", Be16::from_wire(flow.destination_port).to_host()}}},
              {"generation", now.generation}};
  const auto* service = now.find(flow);
  if (service == nullptr) {
    out["verdict"] = "host";
    out["why"] = "no service has this address, protocol and port: the packet is left to Linux";
    return out;
  }
  const auto& about = now.input.services[static_cast<std::size_t>(service - now.services.data())];
  const auto& pool = now.input.pools[service->pool];
  const auto slots = now.pools[service->pool].slots;
  const auto hash = flow_hash(flow, now.hash_key);
  out["service"] = about.name;
  out["pool"] = pool.name;
  out["hash"] = fmt::format("{:016x}", hash);
  out["forwarding"] = pool.forwarding == snapshot::Forwarding::kIpip ? "ipip" : "l2dsr";
  out["table_size"] = slots.size();
  if (slots.empty()) {
    out["verdict"] = "drop";
    out["why"] = "the pool has no backend that takes new flows: reason no_backend";
    return out;
  }
  const auto slot = maglev::Table::index(hash, static_cast<std::uint32_t>(slots.size()));
  const auto backend =
      std::ranges::find(pool.backends, slots[slot], &snapshot::BackendInput::number);
  out["slot"] = slot;
  out["backend"] = backend->name;
  out["number"] = backend->number;
  out["state"] = "up";
  out["next_hop"] =
      next_hop(scene, backend->address, scene.model.running().pools[service->pool].forwarding);
  out["verdict"] = backend->hop ? "forward" : "drop";
  out["why"] = fmt::format(
      "entry {} of {} belongs to {}; a flow that a worker knows already stays with the backend it "
      "has{}",
      slot, slots.size(), backend->name,
      backend->hop ? "" : "; its next hop is not known: reason no_next_hop");
  return out;
}

}  // namespace sluice::control
