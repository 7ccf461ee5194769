// SPDX-License-Identifier: Apache-2.0
#include "control/describe.hpp"

#include "base/assert.hpp"
#include "control/describe_policy.hpp"
#include "packet/headers.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>

namespace sluice::control {
namespace {

std::uint8_t protocol_number(config::Protocol protocol) {
  return protocol == config::Protocol::kTcp ? wire::kIpProtoTcp : wire::kIpProtoUdp;
}

snapshot::Forwarding forwarding_of(config::Forwarding forwarding) {
  switch (forwarding) {
    case config::Forwarding::kL2dsr:
      return snapshot::Forwarding::kL2dsr;
    case config::Forwarding::kIpip:
      return snapshot::Forwarding::kIpip;
    case config::Forwarding::kGue:
      return snapshot::Forwarding::kGue;
    case config::Forwarding::kNat:
      break;
  }
  return snapshot::Forwarding::kNat;
}

flow::Tick ticks(std::chrono::seconds timeout) {
  return static_cast<flow::Tick>((timeout.count() + flow::kTickSeconds - 1) / flow::kTickSeconds);
}

std::string full_name(const config::Pool& pool, const config::Backend& backend) {
  return pool.name + "/" + backend.name;
}

IpPrefix prefix_of(const IpAddress& address, unsigned length) {
  auto bytes = address.bytes();
  for (unsigned bit = length; bit < address.bits(); ++bit)
    bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  if (!address.is_v4()) return {IpAddress::v6(bytes), length};
  return {IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}), length};
}

// Longest prefix first, one look-up a length in use: a node may have as many neighbours as
// backends.
class NeighbourIndex {
 public:
  explicit NeighbourIndex(const std::vector<config::Neighbour>& neighbours) {
    for (const auto& neighbour : neighbours) {
      lengths_.insert(neighbour.address.length);
      by_prefix_.emplace(neighbour.address, &neighbour);
    }
  }
  [[nodiscard]] const config::Neighbour* find(const IpAddress& address) const {
    for (const unsigned length : lengths_) {
      if (length > address.bits()) continue;
      const auto found = by_prefix_.find(prefix_of(address, length));
      if (found != by_prefix_.end()) return found->second;
    }
    return nullptr;
  }

 private:
  std::set<unsigned, std::greater<>> lengths_;
  std::map<IpPrefix, const config::Neighbour*> by_prefix_;
};

snapshot::ClientAddress client_address_of(config::ClientAddress how) {
  switch (how) {
    case config::ClientAddress::kNone:
      return snapshot::ClientAddress::kNone;
    case config::ClientAddress::kProxyV2:
      return snapshot::ClientAddress::kProxyV2;
    case config::ClientAddress::kToa:
      break;
  }
  return snapshot::ClientAddress::kToa;
}

snapshot::PoolInput describe_pool(const config::Pool& pool, const OperatorState& operator_state,
                                  const NumberSpace& numbers, const Reaches& reaches,
                                  const UseOf& use) {
  snapshot::PoolInput out;
  out.name = pool.name;
  out.forwarding = forwarding_of(pool.forwarding);
  out.table_size = pool.table_size;
  out.decrement_ttl = pool.decrement_ttl;
  if (const auto& outer = pool.encapsulation) {
    out.outer_source = outer->source_for(/*v4=*/true);
    if (const auto v6 = outer->source_for(/*v4=*/false); !v6.is_unspecified())
      out.outer_source6 = v6;
    out.gue_variant = static_cast<std::uint8_t>(outer->variant);
    out.gue_port = outer->port;
  }
  if (pool.nat)
    out.nat = snapshot::NatInput{.sources = pool.nat->sources,
                                 .first_port = pool.nat->ports.first,
                                 .last_port = pool.nat->ports.second,
                                 .client_address = client_address_of(pool.nat->client_address)};
  const auto changes = operator_state.pools.find(pool.name);
  for (const auto& backend : pool.backends) {
    const auto used = use_now(changes == operator_state.pools.end() ? nullptr : &changes->second,
                              pool, backend, use);
    const auto reach = reaches.find(backend.address);
    auto server_id = backend.server_id.empty() ? std::nullopt : ServerId::parse(backend.server_id);
    const auto* hop = reach == reaches.end() ? nullptr : usable_hop(reach->second, pool.forwarding);
    out.backends.push_back(
        {.name = backend.name,
         .address = backend.address,
         .weight = backend.weight,
         .number = numbers.backends.of(full_name(pool, backend)),
         .draining = used.keeps_flows && backend.weight != 0 && !used.takes_new_flows,
         .down = !used.keeps_flows,
         .port = backend.port,
         .hop = hop == nullptr ? std::nullopt : std::optional(*hop),
         .max_connections = backend.max_connections,
         .server_id = server_id});
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
    ports.push_back({port.name, port.kernel_interface(),
                     i < macs.size() ? macs[i] : port.mac.value_or(MacAddress{}), port.mtu});
  }
  return ports;
}

Reaches configured_reaches(const config::Configuration& configuration,
                           const std::vector<EgressPort>& ports) {
  const NeighbourIndex neighbours(configuration.neighbours);
  Reaches reaches;
  for (const auto& pool : configuration.pools) {
    for (const auto& backend : pool.backends) {
      const auto* found = neighbours.find(backend.address);
      if (found == nullptr) continue;
      const auto port = std::ranges::find(ports, found->port, &EgressPort::name);
      SLUICE_ASSERT(port != ports.end(), "a checked configuration names ports it has");
      reaches[backend.address] = {
          .hop = snapshot::Hop{static_cast<std::uint16_t>(port - ports.begin()), found->mac,
                               port->mac, port->mtu},
          .configured = true,
          .on_link = found->address.length == backend.address.bits(),
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
    return "a router lies in between; l2dsr needs the backend on the port's own network, the other "
           "forwarding modes do not";
  return reach.problem.empty() ? "its next hop is not known yet" : reach.problem;
}

Use use_now(const PoolChanges* changes, const config::Pool& pool, const config::Backend& backend,
            const UseOf& use) {
  const auto wish = wish_of(changes, backend.name);
  if (wish == health::Wish::kMaintenance) return {false, false};
  auto by_health = use ? use(pool.name, backend.name).value_or(Use{!pool.health, true}) : Use{};
  if (wish == health::Wish::kDrain || backend.weight == 0) by_health.takes_new_flows = false;
  return by_health;
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
                         const Reaches& reaches, const UseOf& use) {
  snapshot::Input input;
  input.hash_key = configuration.hash_key.empty()
                       ? default_hash_key()
                       : parse_hash_key(configuration.hash_key).value_or(default_hash_key());
  input.tcp_timeout = ticks(configuration.flow_cache.tcp_timeout);
  input.udp_timeout = ticks(configuration.flow_cache.udp_timeout);
  input.icmp_errors_per_second = configuration.protection.icmp_answers_per_second;
  input.verify_checksums = configuration.protection.bad_checksum;
  input.quic_lb = quic_lb_of(configuration);
  for (const auto& port : configuration.ports) input.port_mtus.push_back(port.mtu);
  PoolIndex index_of;
  for (const auto& pool : configuration.pools) {
    index_of.emplace(pool.name, input.pools.size());
    input.pools.push_back(describe_pool(pool, operator_state, numbers, reaches, use));
  }
  for (std::size_t i = 0; i < input.pools.size(); ++i)
    describe_policy(configuration.pools[i], index_of, input.pools[i]);
  for (const auto& service : configuration.services) {
    const auto pool = index_of.find(service.pool);
    SLUICE_ASSERT(pool != index_of.end(), "a checked configuration names pools it has");
    input.services.push_back({.name = service.name,
                              .address = service.address,
                              .port = service.port,
                              .protocol = protocol_number(service.protocol),
                              .pool = pool->second,
                              .number = numbers.services.of(service.name)});
    describe_rules(service, index_of, input.services.back());
  }
  return input;
}

}  // namespace sluice::control
