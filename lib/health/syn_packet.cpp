// SPDX-License-Identifier: Apache-2.0
#include "health/syn_packet.hpp"

#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <array>
#include <cstring>

namespace sluice::health {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr std::array<std::byte, 4> kLargestSegment{std::byte{2}, std::byte{4}, std::byte{1220 >> 8},
                                                   std::byte{1220 & 0xff}};
constexpr Be16 kZero{};

using Bytes = std::vector<std::byte>;

std::span<const std::byte> bytes_of(const IpAddress& address) {
  return std::as_bytes(std::span(address.bytes())).first(address.is_v4() ? 4 : 16);
}

void append(Bytes& to, std::span<const std::byte> part) {
  to.insert(to.end(), part.begin(), part.end());
}

// An IP header without a payload; its length fields say that `payload` bytes follow.
Bytes ip_header(const IpAddress& from, const IpAddress& to, std::uint8_t protocol,
                std::size_t payload) {
  if (from.is_v4()) {
    wire::Ipv4 ip{};
    ip.version_length = 0x45;
    ip.total_length = Be16::from_host(static_cast<std::uint16_t>(sizeof ip + payload));
    ip.fragment = Be16::from_host(wire::kIpDontFragment);
    ip.ttl = kTtl;
    ip.protocol = protocol;
    std::memcpy(&ip.source, from.bytes().data(), 4);
    std::memcpy(&ip.destination, to.bytes().data(), 4);
    Bytes made(sizeof ip);
    wire::store(made.data(), ip);
    wire::store(made.data() + offsetof(wire::Ipv4, checksum), checksum(made));
    return made;
  }
  wire::Ipv6 ip{};
  ip.version_class_label = Be32::from_host(6U << 28);
  ip.payload_length = Be16::from_host(static_cast<std::uint16_t>(payload));
  ip.next_header = protocol;
  ip.hop_limit = kTtl;
  std::memcpy(ip.source.data(), from.bytes().data(), 16);
  std::memcpy(ip.destination.data(), to.bytes().data(), 16);
  Bytes made(sizeof ip);
  wire::store(made.data(), ip);
  return made;
}

// Of TCP and UDP: over the addresses, the protocol, the length and the segment itself.
Be16 transport_checksum(const IpAddress& from, const IpAddress& to, std::uint8_t protocol,
                        std::span<const std::byte> segment) {
  Bytes pseudo;
  append(pseudo, bytes_of(from));
  append(pseudo, bytes_of(to));
  std::array<std::byte, 4> rest{};
  rest[1] = std::byte{protocol};
  wire::store(rest.data() + 2, Be16::from_host(static_cast<std::uint16_t>(segment.size())));
  append(pseudo, rest);
  append(pseudo, segment);
  return checksum(pseudo);
}

}  // namespace

std::vector<std::byte> tcp_packet(const TcpPair& pair, std::uint32_t sequence, std::uint8_t flags) {
  const bool syn = flags == wire::kTcpSyn;
  wire::Tcp tcp{};
  tcp.source_port = Be16::from_host(pair.from_port);
  tcp.destination_port = Be16::from_host(pair.to_port);
  tcp.sequence = Be32::from_host(sequence);
  tcp.data_offset = static_cast<std::uint8_t>((syn ? 6U : 5U) << 4);
  tcp.flags = flags;
  tcp.window = Be16::from_host(syn ? 64240 : 0);
  Bytes segment(sizeof tcp);
  wire::store(segment.data(), tcp);
  if (syn) append(segment, kLargestSegment);
  wire::store(segment.data() + offsetof(wire::Tcp, checksum),
              transport_checksum(pair.from, pair.to, wire::kIpProtoTcp, segment));
  Bytes packet = ip_header(pair.from, pair.to, wire::kIpProtoTcp, segment.size());
  append(packet, segment);
  return packet;
}

std::vector<std::byte> tunnelled(const Tunnel& tunnel, const IpAddress& backend,
                                 std::span<const std::byte> inner) {
  if (tunnel.source.family() != backend.family()) return {};
  const std::uint8_t inner_protocol =
      tunnel.service.is_v4() ? wire::kIpProtoIpip : wire::kIpProtoIpv6;
  if (tunnel.forwarding != config::Forwarding::kGue) {
    Bytes packet = ip_header(tunnel.source, backend, inner_protocol, inner.size());
    append(packet, inner);
    return packet;
  }
  Bytes datagram(sizeof(wire::Udp));
  if (tunnel.variant == 0)
    append(datagram,
           std::array{std::byte{0}, std::byte{inner_protocol}, std::byte{0}, std::byte{0}});
  append(datagram, inner);
  wire::Udp udp{};
  // The port spreads flows over paths; that of the inner segment differs from probe to probe.
  const std::size_t ports = tunnel.service.is_v4() ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  const auto inner_port = wire::load<Be16>(inner.data() + ports).to_host();
  udp.source_port = Be16::from_host(static_cast<std::uint16_t>(0xc000U | (inner_port & 0x3fffU)));
  udp.destination_port = Be16::from_host(tunnel.port);
  udp.length = Be16::from_host(static_cast<std::uint16_t>(datagram.size()));
  wire::store(datagram.data(), udp);
  const Be16 sum = transport_checksum(tunnel.source, backend, wire::kIpProtoUdp, datagram);
  // 0 would mean that there is none.
  wire::store(datagram.data() + offsetof(wire::Udp, checksum),
              sum == kZero ? Be16::from_host(0xffff) : sum);
  Bytes packet = ip_header(tunnel.source, backend, wire::kIpProtoUdp, datagram.size());
  append(packet, datagram);
  return packet;
}

std::optional<TcpAnswer> read_tcp(std::span<const std::byte> packet) {
  if (packet.empty()) return std::nullopt;
  const auto version = std::to_integer<unsigned>(packet[0]) >> 4;
  TcpAnswer answer;
  std::size_t header = sizeof(wire::Ipv6);
  if (version == 4) {
    if (packet.size() < sizeof(wire::Ipv4)) return std::nullopt;
    const auto ip = wire::load<wire::Ipv4>(packet.data());
    header = std::size_t{ip.version_length & 0xfU} * 4;
    if (header < sizeof ip || ip.protocol != wire::kIpProtoTcp ||
        (ip.fragment.to_host() & wire::kIpOffsetMask) != 0)
      return std::nullopt;
    std::array<std::array<std::uint8_t, 4>, 2> ends{};
    std::memcpy(ends.data(), &ip.source, 8);
    answer.pair.from = IpAddress::v4(ends[0]);
    answer.pair.to = IpAddress::v4(ends[1]);
  } else {
    if (version != 6 || packet.size() < sizeof(wire::Ipv6)) return std::nullopt;
    const auto ip = wire::load<wire::Ipv6>(packet.data());
    if (ip.next_header != wire::kIpProtoTcp) return std::nullopt;
    std::array<std::array<std::uint8_t, 16>, 2> ends{};
    std::memcpy(ends[0].data(), ip.source.data(), 16);
    std::memcpy(ends[1].data(), ip.destination.data(), 16);
    answer.pair.from = IpAddress::v6(ends[0]);
    answer.pair.to = IpAddress::v6(ends[1]);
  }
  if (packet.size() < header + sizeof(wire::Tcp)) return std::nullopt;
  const auto tcp = wire::load<wire::Tcp>(packet.data() + header);
  answer.pair.from_port = tcp.source_port.to_host();
  answer.pair.to_port = tcp.destination_port.to_host();
  answer.acknowledgement = tcp.acknowledgement.to_host();
  answer.flags = tcp.flags;
  return answer;
}

}  // namespace sluice::health
