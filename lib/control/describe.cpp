// SPDX-License-Identifier: Apache-2.0
#include "control/describe.hpp"

#include "base/assert.hpp"
#include "packet/headers.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

std::uint8_t protocol_number(config::Protocol protocol) {
  return protocol == config::Protocol::kTcp ? wire::kIpProtoTcp : wire::kIpProtoUdp;
}

snapshot::Forwarding forwarding_of(config::Forwarding forwarding) {
  return forwarding == config::Forwarding::kIpip ? snapshot::Forwarding::kIpip
                                                 : snapshot::Forwarding::kL2dsr;
}

flow::Tick ticks(std::chrono::seconds timeout) {
  return static_cast<flow::Tick>((timeout.count() + flow::kTickSeconds - 1) / flow::kTickSeconds);
}

std::string full_name(const config::Pool& pool, const config::Backend& backend) {
  return pool.name + "/" + backend.name;
}

snapshot::PoolInput describe_pool(const config::Pool& pool, const OperatorState& operator_state,
                                  const NumberSpace& numbers, const Reaches& reaches) {
  snapshot::PoolInput out{.name = pool.name,
                          .forwarding = forwarding_of(pool.forwarding),
                          .table_size = pool.table_size,
                          .decrement_ttl = pool.decrement_ttl,
                          .outer_source = pool.encapsulation_source,
                          .backends = {}};
  const auto changes = operator_state.pools.find(pool.name);
  for (const auto& backend : pool.backends) {
    const auto reach = reaches.find(backend.address);
    const auto* hop = reach == reaches.end() ? nullptr : usable_hop(reach->second, pool.forwarding);
    out.backends.push_back({.name = backend.name,
                            .address = backend.address,
                            .weight = backend.weight,
                            .number = numbers.backends.of(full_name(pool, backend)),
                            .draining = changes != operator_state.pools.end() &&
                                        changes->second.drained.contains(backend.name),
                            .hop = hop == nullptr ? std::nullopt : std::optional(*hop)});
  }
  return out;
}

}  // namespace

NumberSpace number_space(const config::FlowCache& cache) {
  // An entry may be hit until its timeout, and a tick of rounding at either end.
  const auto rest =
      std::max(cache.tcp_timeout, cache.udp_timeout) + std::chrono::seconds(4 * flow::kTickSeconds);
  return {snapshot::Numbers(snapshot::kMostBackends, rest),
          snapshot::Numbers(snapshot::kMostServices, rest)};
}

std::vector<EgressPort> egress_ports(const config::Configuration& configuration,
                                     const std::vector<MacAddress>& macs) {
  std::vector<EgressPort> ports;
  for (std::size_t i = 0; i < configuration.ports.size(); ++i) {
    const auto& port = configuration.ports[i];
    ports.push_back({port.name, port.interface(),
                     i < macs.size() ? macs[i] : port.mac.value_or(MacAddress{}), port.mtu});
  }
  return ports;
}

Reaches configured_reaches(const config::Configuration& configuration,
                           const std::vector<EgressPort>& ports) {
  std::vector<const config::Neighbour*> longest_first;
  for (const auto& neighbour : configuration.neighbours) longest_first.push_back(&neighbour);
  std::ranges::stable_sort(longest_first, std::ranges::greater{},
                           [](const auto* n) { return n->address.length; });
  Reaches reaches;
  for (const auto& pool : configuration.pools) {
    for (const auto& backend : pool.backends) {
      const auto found = std::ranges::find_if(
          longest_first, [&](const auto* n) { return n->address.contains(backend.address); });
      if (found == longest_first.end()) continue;
      const auto port = std::ranges::find(ports, (*found)->port, &EgressPort::name);
      SLUICE_ASSERT(port != ports.end(), "a checked configuration names ports it has");
      reaches[backend.address] = {
          .hop = snapshot::Hop{static_cast<std::uint16_t>(port - ports.begin()), (*found)->mac,
                               port->mac, port->mtu},
          .configured = true,
          .on_link = (*found)->address.length == backend.address.bits(),
          .problem = {}};
    }
  }
  return reaches;
}

const snapshot::Hop* usable_hop(const Reach& reach, config::Forwarding forwarding) noexcept {
  if (!reach.hop || (forwarding == config::Forwarding::kL2dsr && !reach.on_link)) return nullptr;
  return &*reach.hop;
}

std::string problem_of(const Reach& reach, config::Forwarding forwarding) {
  if (usable_hop(reach, forwarding) != nullptr) return {};
  if (reach.hop)
    return "a router lies in between; l2dsr needs the backend on the port's own network, ipip does "
           "not";
  return reach.problem.empty() ? "its next hop is not known yet" : reach.problem;
}

Result<void> take_numbers(const config::Configuration& configuration, NumberSpace& numbers,
                          snapshot::Numbers::Time now) {
  std::vector<std::string> backends;
  std::vector<std::string> services;
  for (const auto& pool : configuration.pools)
    for (const auto& backend : pool.backends) backends.push_back(full_name(pool, backend));
  for (const auto& service : configuration.services) services.push_back(service.name);
  NumberSpace candidate = numbers;  // both or neither
  if (auto taken = candidate.backends.use(backends, now); !taken)
    return fail(taken.error().code, "/pools", "backends: {}", taken.error().message);
  if (auto taken = candidate.services.use(services, now); !taken)
    return fail(taken.error().code, "/services", "services: {}", taken.error().message);
  numbers = std::move(candidate);
  return {};
}

snapshot::Input describe(const config::Configuration& configuration,
                         const OperatorState& operator_state, const NumberSpace& numbers,
                         const Reaches& reaches) {
  snapshot::Input input;
  input.hash_key = configuration.hash_key.empty()
                       ? default_hash_key()
                       : parse_hash_key(configuration.hash_key).value_or(default_hash_key());
  input.tcp_timeout = ticks(configuration.flow_cache.tcp_timeout);
  input.udp_timeout = ticks(configuration.flow_cache.udp_timeout);
  for (const auto& pool : configuration.pools)
    input.pools.push_back(describe_pool(pool, operator_state, numbers, reaches));
  for (const auto& service : configuration.services) {
    const auto pool = std::ranges::find(configuration.pools, service.pool, &config::Pool::name);
    SLUICE_ASSERT(pool != configuration.pools.end(), "a checked configuration names pools it has");
    input.services.push_back({.name = service.name,
                              .address = service.address,
                              .port = service.port,
                              .protocol = protocol_number(service.protocol),
                              .pool = static_cast<std::size_t>(pool - configuration.pools.begin()),
                              .number = numbers.services.of(service.name)});
  }
  return input;
}

}  // namespace sluice::control
