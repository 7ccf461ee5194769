// SPDX-License-Identifier: Apache-2.0
// Where a new flow goes, and why.
#include "config/words.hpp"
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::control {

Json view_trace(const Scene& scene, const FlowKey& flow) {
  const auto& now = scene.model.snapshot();
  const auto address = [&](const std::uint32_t* words) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), words, bytes.size());
    if (flow.family == 6) return IpAddress::v6(bytes).text();
    return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}).text();
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
  out["forwarding"] = config::word(scene.model.running().pools[service->pool].forwarding);
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
