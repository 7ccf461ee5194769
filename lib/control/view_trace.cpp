// SPDX-License-Identifier: Apache-2.0
// Where a flow goes, and why.
#include "config/words.hpp"
#include "control/view_parts.hpp"
#include "dataplane/steering_state.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::control {
namespace {

Json flow_json(const FlowKey& flow) {
  return {{"protocol", flow.protocol == wire::kIpProtoTcp ? "tcp" : "udp"},
          {"source", address_text(flow.source, flow.family)},
          {"source_port", Be16::from_wire(flow.source_port).to_host()},
          {"destination", address_text(flow.destination, flow.family)},
          {"destination_port", Be16::from_wire(flow.destination_port).to_host()}};
}

// The shard that takes the flow as an operator knows it: its prefix or its range; null: none.
Json shard_json(const snapshot::ServiceRules* rules, const snapshot::ServiceInput& service,
                const FlowKey& flow, std::uint64_t hash) {
  if (rules == nullptr || rules->shards == nullptr) return nullptr;
  const auto source = IpAddress::parse(address_text(flow.source, flow.family));
  const snapshot::ShardInput* longest = nullptr;
  for (const auto& shard : service.shards)
    if (shard.source && source && shard.source->contains(*source) &&
        (longest == nullptr || shard.source->length > longest->source->length))
      longest = &shard;
  if (longest != nullptr) return {{"source", longest->source->text()}};
  const double share =
      static_cast<double>(snapshot::ShardMap::share_of(hash)) / 4294967296.0;  // 2^32
  for (const auto& shard : service.shards)
    if (!shard.source && share >= shard.from && share < shard.to)
      return {{"hash_range", {shard.from, shard.to}}};
  return nullptr;
}

// What picks a backend for a new flow: its own hash, or with affinity 'source' that of its
// addresses.
std::uint64_t steering_hash(const snapshot::ServiceRules* rules, const FlowKey& flow,
                            const HashKey& secret) {
  if (rules == nullptr || rules->affinity != snapshot::Affinity::kSource)
    return flow_hash(flow, secret);
  FlowKey addresses = flow;
  addresses.source_port = addresses.destination_port = 0;
  addresses.protocol = 0;
  return flow_hash(addresses, secret);
}

std::string_view affinity_note(config::Affinity affinity) {
  switch (affinity) {
    case config::Affinity::kFiveTuple:
      return "";
    case config::Affinity::kSource:
      return "a source that a worker knows keeps its backend; ";
    case config::Affinity::kQuicCid:
      break;
  }
  return "a packet whose connection id names a server goes there; ";
}

// Why none takes new flows, and what to do about the first of them.
std::string no_backend_text(const config::Pool& pool) {
  std::string text = "the pool has no backend that takes new flows: reason no_backend";
  for (const auto& backend : pool.backends)
    if (backend.weight == 0)
      return text + fmt::format("; {0} has weight 0: `sluicectl backend weight {1} {0} 100`",
                                backend.name, pool.name);
  return text + fmt::format("; see `sluicectl health --pool {}`", pool.name);
}

/// The backend that the table gives a new flow, and why; or why there is none.
void put_choice(Json& out, const Scene& scene, std::size_t pool_index, std::uint64_t hash) {
  const auto& now = scene.model.snapshot();
  const auto& pool = now.input.pools[pool_index];
  const auto& configured = scene.model.running().pools[pool_index];
  const auto slots = now.pools[pool_index].slots;
  out["table_size"] = slots.size();
  if (slots.empty()) {
    out["verdict"] = "drop";
    out["why"] = no_backend_text(configured);
    return;
  }
  if (configured.policy != config::Policy::kMaglev) {
    out["verdict"] = "forward";
    out["why"] = fmt::format(
        "policy {} picks a backend when the flow begins; {}a worker that knows the flow keeps it "
        "where it is",
        config::word(configured.policy), affinity_note(configured.affinity));
    return;
  }
  const auto slot = maglev::Table::index(hash, static_cast<std::uint32_t>(slots.size()));
  const auto backend =
      std::ranges::find(pool.backends, slots[slot], &snapshot::BackendInput::number);
  out["slot"] = slot;
  out["backend"] = backend->name;
  out["number"] = backend->number;
  out["state"] = "up";
  out["next_hop"] = to_json(next_hop_of(scene, backend->address, configured.forwarding));
  out["verdict"] = backend->hop ? "forward" : "drop";
  const bool bounded = pool.max_load_ratio != 0 || backend->max_connections != 0;
  out["why"] = fmt::format(
      "entry {} of {} belongs to {}; {}{}a flow that a worker knows already stays with the backend "
      "it has{}",
      slot, slots.size(), backend->name,
      bounded ? "while that is full the flow goes elsewhere; " : "",
      affinity_note(configured.affinity),
      backend->hop ? ""
                   : fmt::format("; its next hop is not known: reason no_next_hop; see `ip neigh "
                                 "show {}`, mend its address, cable or VLAN",
                                 backend->address.text()));
}

}  // namespace

Json view_trace(const Scene& scene, const FlowKey& flow) {
  const auto& now = scene.model.snapshot();
  Json out = {{"flow", flow_json(flow)}, {"generation", now.generation}};
  const auto* service = now.find(flow);
  if (service == nullptr) {
    out["verdict"] = "host";
    out["why"] = "no service has this address, protocol and port: the packet is left to Linux";
    return out;
  }
  const auto& about = now.input.services[static_cast<std::size_t>(service - now.services.data())];
  out["service"] = about.name;
  if (service->rules != nullptr && service->rules->denies(flow)) {
    out["verdict"] = "drop";
    out["why"] = "the source is in the service's deny list: reason denied";
    return out;
  }
  const auto hash = steering_hash(service->rules, flow, now.hash_key);
  const auto pool_index = service->rules == nullptr
                              ? service->pool
                              : service->rules->pool_of(flow, hash, service->pool);
  const auto& configured = scene.model.running().pools[pool_index];
  out["shard"] = shard_json(service->rules, about, flow, hash);
  out["pool"] = configured.name;
  out["hash"] = fmt::format("{:016x}", hash);
  out["forwarding"] = config::word(configured.forwarding);
  out["policy"] = config::word(configured.policy);
  out["affinity"] = config::word(configured.affinity);
  put_choice(out, scene, pool_index, hash);
  KnownFlow known{
      .key = flow,
      .hash = flow_hash(flow, now.hash_key),
      .source = {},
      .timeout = flow.protocol == wire::kIpProtoTcp ? now.tcp_timeout : now.udp_timeout};
  if (service->rules != nullptr && service->rules->affinity == snapshot::Affinity::kSource)
    known.source = dataplane::source_hash(hash, service->number);
  out["workers"] = known_flow(scene, known);
  return out;
}

}  // namespace sluice::control
