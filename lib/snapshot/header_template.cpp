// SPDX-License-Identifier: Apache-2.0
#include "snapshot/header_template.hpp"

#include <algorithm>
#include <span>

namespace sluice::snapshot {
namespace {

constexpr std::uint8_t outer_bytes(bool v4) {
  return static_cast<std::uint8_t>(v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6));
}

void store_ipv4(std::byte* at, const IpAddress& source, const IpAddress& destination) {
  wire::Ipv4 outer{};
  outer.version_length = 0x45;
  outer.ttl = kOuterTtl;
  outer.source = Be32::from_wire(source.words()[0]);
  outer.destination = Be32::from_wire(destination.words()[0]);
  wire::store(at, outer);
}

void store_ipv6(std::byte* at, const IpAddress& source, const IpAddress& destination) {
  wire::Ipv6 outer{};
  outer.hop_limit = kOuterTtl;
  const auto copy = [](const IpAddress& from, auto& to) {
    std::ranges::copy(std::as_bytes(std::span(from.bytes())), to.begin());
  };
  copy(source, outer.source);
  copy(destination, outer.destination);
  wire::store(at, outer);
}

std::uint16_t udp_sum(std::span<const std::byte> udp, const IpAddress& source,
                      const IpAddress& destination) {
  // The pseudo header's words are the same for both families: addresses, length, protocol.
  return fold_checksum(checksum_sum(udp) + checksum_sum(std::as_bytes(std::span(source.bytes()))) +
                       checksum_sum(std::as_bytes(std::span(destination.bytes()))) +
                       Be16::from_host(wire::kIpProtoUdp).wire());
}

/// The outer headers of a tunnel to the backend, behind the Ethernet header.
void make_tunnel(Backend& made, const PoolInput& pool, const IpAddress& to) {
  const bool v4 = to.is_v4();
  const IpAddress& from = v4 ? pool.outer_source : *pool.outer_source6;
  std::byte* outer = made.header.data() + kEthernetBytes;
  made.outer_family = v4 ? 4 : 6;
  made.overhead = outer_bytes(v4);
  (v4 ? store_ipv4 : store_ipv6)(outer, from, to);
  if (v4) made.outer_sum = fold_checksum(checksum_sum({outer, sizeof(wire::Ipv4)}));
  if (pool.forwarding != Forwarding::kGue) return;

  std::byte* udp = outer + made.overhead;
  wire::store(udp + offsetof(wire::Udp, destination_port), Be16::from_host(pool.gue_port));
  const std::size_t bytes = sizeof(wire::Udp) + (pool.gue_variant == 0 ? sizeof(GueHeader) : 0);
  made.udp_sum = udp_sum({udp, bytes}, from, to);
  made.overhead = static_cast<std::uint8_t>(made.overhead + bytes);
}

State state_of(const BackendInput& backend) {
  if (backend.down) return State::kDown;
  return backend.takes_new_flows() ? State::kUp : State::kDraining;
}

ShortWay short_way_of(const Backend& made) {
  if (!made.reachable || !keeps_flows(made.state)) return ShortWay::kNone;
  switch (made.forwarding) {
    case Forwarding::kL2dsr:
      return ShortWay::kL2dsr;
    case Forwarding::kIpip:
      return made.outer_family == 4 ? ShortWay::kIpip4 : ShortWay::kIpip6;
    case Forwarding::kGue:
      return made.outer_family == 4 ? ShortWay::kGue4 : ShortWay::kGue6;
    case Forwarding::kNat:
      break;
  }
  return ShortWay::kNone;
}

}  // namespace

Backend make_backend(const PoolInput& pool, std::uint16_t pool_index, const BackendInput& backend) {
  Backend made;
  const bool tunnel = pool.forwarding == Forwarding::kIpip || pool.forwarding == Forwarding::kGue;
  made.pool = pool_index;
  made.state = state_of(backend);
  made.forwarding = pool.forwarding;
  made.decrement_ttl = pool.decrement_ttl && pool.forwarding != Forwarding::kL2dsr;
  if (!backend.hop) return made;

  made.reachable = true;
  made.port = backend.hop->port;
  made.mtu = backend.hop->mtu;
  // What leaves in no tunnel keeps its own Ethernet type: workers copy the two addresses only.
  wire::store(made.header.data(),
              wire::Ethernet{
                  backend.hop->destination.bytes, backend.hop->source.bytes,
                  Be16::from_host(backend.address.is_v4() ? wire::kEtherIpv4 : wire::kEtherIpv6)});
  if (tunnel) make_tunnel(made, pool, backend.address);
  made.short_way = short_way_of(made);
  if (made.short_way != ShortWay::kNone && made.mtu > made.overhead)
    made.longest = static_cast<std::uint16_t>(made.mtu - made.overhead);
  return made;
}

}  // namespace sluice::snapshot
