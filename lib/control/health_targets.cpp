// SPDX-License-Identifier: Apache-2.0
#include "control/health_targets.hpp"

#include <fmt/format.h>

#include <string_view>

namespace sluice::control {
namespace {

bool needs_port(config::CheckType type) {
  return type != config::CheckType::kIcmp && type != config::CheckType::kCommand;
}

}  // namespace

FirstServices first_services(const config::Configuration& running) {
  FirstServices first;
  for (const auto& service : running.services) {
    first.emplace(service.pool, &service);
    for (const auto& shard : service.shards) first.emplace(shard.pool, &service);
  }
  bool found = true;
  while (found) {  // as often as the longest chain of overflows
    found = false;
    for (const auto& pool : running.pools) {
      const auto at = first.find(pool.name);
      if (at == first.end() || pool.overflow.empty()) continue;
      found = first.emplace(pool.overflow, at->second).second || found;
    }
  }
  return first;
}

Targets health_targets(const config::Configuration& running, const Reaches& reaches,
                       const std::vector<EgressPort>& ports) {
  const auto services = first_services(running);
  Targets out;
  for (const auto& pool : running.pools) {
    if (!pool.health) continue;
    const auto at = services.find(pool.name);
    const config::Service* service = at == services.end() ? nullptr : at->second;
    for (const auto& backend : pool.backends) {
      const auto leave_out = [&](std::string_view why) {
        out.left_out.push_back(fmt::format("{}/{}: {}", pool.name, backend.name, why));
      };
      health::Target target{.pool = pool.name,
                            .backend = backend.name,
                            .address = backend.address,
                            .port = pool.health->port,
                            .check = *pool.health};
      if (target.port == 0) target.port = backend.port;
      if (target.port == 0 && service != nullptr) target.port = service->port;
      if (target.port == 0 && needs_port(pool.health->type)) {
        leave_out("no port is known to ask; give health.port");
        continue;
      }
      if (pool.health->via == config::Via::kService) {
        if (service == nullptr) {
          leave_out("no service uses the pool whose address could be asked");
          continue;
        }
        health::Tunnel tunnel;
        tunnel.forwarding = pool.forwarding;
        tunnel.service = service->address;
        if (pool.encapsulation) {
          tunnel.source = pool.encapsulation->source_for(backend.address.is_v4());
          tunnel.variant = pool.encapsulation->variant;
          tunnel.port = pool.encapsulation->port;
        }
        if (pool.forwarding == config::Forwarding::kL2dsr) {
          const auto reach = reaches.find(backend.address);
          const auto* hop =
              reach == reaches.end() ? nullptr : usable_hop(reach->second, pool.forwarding);
          if (hop == nullptr || ports[hop->port].interface.empty()) {
            leave_out("its MAC address, or an interface that leads to it, is not known");
            continue;
          }
          tunnel.interface = ports[hop->port].interface;
          tunnel.mac = hop->destination;
        }
        target.tunnel = tunnel;
      }
      out.targets.push_back(std::move(target));
    }
  }
  return out;
}

}  // namespace sluice::control
