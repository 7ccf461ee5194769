// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_rewrite.hpp"

#include "dataplane/nat_client_address.hpp"
#include "packet/checksum_delta.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::dataplane {
namespace {

using flow::NatSide;
using Address4 = std::uint32_t;

constexpr std::size_t kMacBytes = 12;

/// Source and destination as they stand next to each other in a header.
struct Pair4 {
  Address4 source, destination;
};
struct Pair6 {
  flow::NatAddress source, destination;
};
struct Ports {
  std::uint16_t source, destination;
};

std::size_t checksum_offset(std::uint8_t protocol) noexcept {
  return protocol == wire::kIpProtoTcp ? offsetof(wire::Tcp, checksum)
                                       : offsetof(wire::Udp, checksum);
}

/// The new L4 checksum; of UDP 0 says that there is none, and 0 as a sum is written as ones.
Be16 l4_checksum(Be16 before, std::uint8_t protocol, const ChecksumDelta& delta) noexcept {
  if (protocol != wire::kIpProtoUdp) return delta.apply(before);
  if (before.wire() == 0) return before;
  const Be16 after = delta.apply(before);
  return after.wire() == 0 ? Be16::from_wire(0xffff) : after;
}

flow::NatAddress source_of(const std::byte* ip, std::uint8_t family) noexcept {
  if (family == 4) return {wire::load<Address4>(ip + offsetof(wire::Ipv4, source)), 0, 0, 0};
  return wire::load<flow::NatAddress>(ip + offsetof(wire::Ipv6, source));
}

/// Length of an extension header of one of the kinds that parse_frame() walks.
std::size_t extension_bytes(const std::byte* at, std::uint8_t kind) noexcept {
  if (kind == wire::kIpFragment) return sizeof(wire::Ipv6Fragment);
  return (std::to_integer<std::size_t>(at[1]) + 1) * 8;
}

bool is_extension(std::uint8_t next) noexcept {
  return next == wire::kIpHopByHop || next == wire::kIpRouting || next == wire::kIpFragment ||
         next == wire::kIpDestinationOptions;
}

}  // namespace

NatEnds translated_ends(const flow::NatSession& s, NatSide from) noexcept {
  if (from == NatSide::kClient)
    return {s.address(flow::kNatLocal), s.address(flow::kNatBackend), s.port[flow::kNatLocal],
            s.port[flow::kNatBackend]};
  return {s.address(flow::kNatService), s.address(flow::kNatClient), s.port[flow::kNatService],
          s.port[flow::kNatClient]};
}

namespace {

/// Stores both ends in an IP header and what it has of a checksum; returns the change of addresses.
ChecksumDelta store_addresses(std::byte* ip, std::uint8_t family, const NatEnds& to) noexcept {
  ChecksumDelta delta;
  if (family == 4) {
    delta.store(ip + offsetof(wire::Ipv4, source), Pair4{to.source[0], to.destination[0]});
    delta.update(ip + offsetof(wire::Ipv4, checksum));
  } else {
    delta.store(ip + offsetof(wire::Ipv6, source), Pair6{to.source, to.destination});
  }
  return delta;
}

/// As set_ends(), of a quoted packet that may end early and in whose `all` something has changed.
/// @return the change of all its bytes.
ChecksumDelta translate_quote(std::span<std::byte> quote, std::size_t l4, std::uint8_t family,
                              std::uint8_t protocol, const NatEnds& to,
                              ChecksumDelta all) noexcept {
  // In IPv4 the addresses and their own checksum cancel out.
  const ChecksumDelta addresses = store_addresses(quote.data(), family, to);
  all.store(quote.data() + l4, Ports{to.source_port, to.destination_port});
  ChecksumDelta covered = all;
  covered.add(addresses);
  if (family == 6) all.add(addresses);
  const std::size_t at = l4 + checksum_offset(protocol);
  if (at + sizeof(Be16) <= quote.size()) {
    const auto before = wire::load<Be16>(quote.data() + at);
    all.store(quote.data() + at, l4_checksum(before, protocol, covered));
  }
  return all;
}

/// The ends of an error itself, and those of what it quotes.
struct ErrorEnds {
  NatEnds outer;
  NatEnds quote;
};

ErrorEnds error_ends(const std::byte* ip, const flow::NatSession& s, NatSide from) noexcept {
  ErrorEnds ends{translated_ends(s, from), {}};
  // What is quoted went the other way: to whom the error comes from.
  const NatEnds own = translated_ends(s, from);
  ends.quote = {own.destination, own.source, own.destination_port, own.source_port};
  // A router on the backends' side stays what it is; the backend itself is the service to clients.
  // Towards the backend all comes from the local address, which alone it can answer.
  const auto source = source_of(ip, s.family);
  if (from == NatSide::kBackend && source != s.address(flow::kNatBackend))
    ends.outer.source = source;
  return ends;
}

/// Where TCP or UDP begins in a quoted packet, or 0 when `quote` ends before 8 bytes of it.
std::size_t quoted_l4(std::span<const std::byte> quote, std::uint8_t family) noexcept {
  constexpr std::size_t kLeast = 8;
  std::size_t at = sizeof(wire::Ipv6);
  if (family == 4) {
    if (quote.size() < sizeof(wire::Ipv4)) return 0;
    at = (std::to_integer<std::size_t>(quote[0]) & 0x0fU) * 4;
  } else {
    if (quote.size() < at) return 0;
    auto next = std::to_integer<std::uint8_t>(quote[offsetof(wire::Ipv6, next_header)]);
    for (unsigned n = 0; n < kMostExtensions && is_extension(next); ++n) {
      if (at + kLeast > quote.size()) return 0;
      const std::byte* header = quote.data() + at;
      at += extension_bytes(header, next);
      next = std::to_integer<std::uint8_t>(header[0]);
    }
  }
  return at + kLeast <= quote.size() ? at : 0;
}

}  // namespace

void set_ends(std::byte* ip, std::byte* l4, std::uint8_t family, std::uint8_t protocol,
              const NatEnds& to) noexcept {
  ChecksumDelta delta = store_addresses(ip, family, to);
  if (l4 == nullptr) return;
  delta.store(l4, Ports{to.source_port, to.destination_port});
  std::byte* sum = l4 + checksum_offset(protocol);
  wire::store(sum, l4_checksum(wire::load<Be16>(sum), protocol, delta));
}

void translate_error(std::span<std::byte> ip, std::size_t icmp, const flow::NatSession& s,
                     NatSide from) noexcept {
  const auto quote = ip.subspan(icmp + sizeof(wire::Icmp));
  const std::size_t l4 = quoted_l4(quote, s.family);
  if (l4 == 0) return;  // parse_frame() has seen to it
  const auto [outer, inner] = error_ends(ip.data(), s, from);
  ChecksumDelta delta;
  if (s.protocol == wire::kIpProtoTcp && from == NatSide::kBackend) {
    std::byte* at = quote.data() + l4 + offsetof(wire::Tcp, sequence);
    delta.store(at, Be32::from_host(unshifted(s, wire::load<Be32>(at).to_host())));
  }
  delta = translate_quote(quote, l4, s.family, s.protocol, inner, delta);
  const auto addresses = store_addresses(ip.data(), s.family, outer);
  if (s.family == 6) delta.add(addresses);  // ICMPv6 has a pseudo header
  delta.update(ip.data() + icmp + offsetof(wire::Icmp, checksum));
}

void set_fragment_id(std::byte* ip, std::uint8_t family, std::uint32_t id) noexcept {
  if (family == 4) {
    ChecksumDelta delta;
    delta.store(ip + offsetof(wire::Ipv4, id), Be16::from_host(static_cast<std::uint16_t>(id)));
    delta.update(ip + offsetof(wire::Ipv4, checksum));
    return;
  }
  std::byte* at = ip + sizeof(wire::Ipv6);
  auto next = std::to_integer<std::uint8_t>(ip[offsetof(wire::Ipv6, next_header)]);
  for (unsigned n = 0; n < kMostExtensions && is_extension(next); ++n) {
    if (next == wire::kIpFragment) {
      wire::store(at + offsetof(wire::Ipv6Fragment, id), Be32::from_host(id));
      return;
    }
    next = std::to_integer<std::uint8_t>(at[0]);
    at += extension_bytes(at, wire::kIpHopByHop);
  }
}

flow::NatPath path_of(const std::byte* frame, std::size_t l3_offset, std::uint16_t port) noexcept {
  flow::NatPath path;
  std::memcpy(path.own_mac.data(), frame, path.own_mac.size());
  std::memcpy(path.client_mac.data(), frame + path.own_mac.size(), path.client_mac.size());
  path.tags = static_cast<std::uint8_t>((l3_offset - sizeof(wire::Ethernet)) / sizeof(wire::Vlan));
  for (std::size_t i = 0; i < path.tags && i < path.tag.size(); ++i)
    path.tag[i] =
        wire::load<std::uint16_t>(frame + sizeof(wire::Ethernet) + i * sizeof(wire::Vlan));
  path.service_tag =
      path.tags != 0 && wire::load<Be16>(frame + kMacBytes) == Be16::from_host(wire::kEtherQinq);
  path.port = port;
  return path;
}

bool set_link(rte_mbuf& packet, std::size_t l3_offset, std::uint8_t family,
              const flow::NatPath& path) noexcept {
  const std::size_t wanted = sizeof(wire::Ethernet) + path.tags * sizeof(wire::Vlan);
  if (wanted > l3_offset) {
    if (rte_pktmbuf_prepend(&packet, static_cast<std::uint16_t>(wanted - l3_offset)) == nullptr)
      return false;
  } else if (wanted < l3_offset) {
    rte_pktmbuf_adj(&packet, static_cast<std::uint16_t>(l3_offset - wanted));
  }
  auto* at = rte_pktmbuf_mtod(&packet, std::byte*);
  std::memcpy(at, path.client_mac.data(), path.client_mac.size());
  std::memcpy(at + path.client_mac.size(), path.own_mac.data(), path.own_mac.size());
  at += kMacBytes;
  for (std::size_t i = 0; i < path.tags; ++i) {
    const bool service = i == 0 && path.service_tag;
    wire::store(at, Be16::from_host(service ? wire::kEtherQinq : wire::kEtherVlan));
    wire::store(at + sizeof(Be16), path.tag[i]);
    at += sizeof(wire::Vlan);
  }
  wire::store(at, Be16::from_host(family == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6));
  return true;
}

}  // namespace sluice::dataplane
