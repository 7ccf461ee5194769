// SPDX-License-Identifier: Apache-2.0
#include "support/dissect.hpp"

#include "base/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

namespace sluice::test {
namespace {

ByteView from(ByteView bytes, std::size_t offset) {
  if (offset > bytes.size()) throw std::out_of_range("the packet ends too early");
  return bytes.subspan(offset);
}

template <class Header>
Header read(ByteView bytes) {
  if (bytes.size() < sizeof(Header)) throw std::out_of_range("the packet ends too early");
  return wire::load<Header>(bytes.data());
}

std::size_t header_bytes(const wire::Ipv4& ip) { return (ip.version_length & 0x0fU) * 4U; }

void append_bytes(std::vector<std::byte>& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Ip ipv4_parts(ByteView packet) {
  const auto ip = ipv4_of(packet);
  const std::size_t header = header_bytes(ip);
  const std::uint16_t fragment = ip.fragment.to_host();
  const bool later = (fragment & wire::kIpOffsetMask) != 0;
  if (header < sizeof ip) throw std::out_of_range("the header is shorter than a header");
  return {.family = 4,
          .protocol = ip.protocol,
          .fragmented = later || (fragment & wire::kIpMoreFragments) != 0,
          .later = later,
          .id = ip.id.to_host(),
          .source = packet.subspan(12, 4),
          .destination = packet.subspan(16, 4),
          .fixed = packet.first(header),
          .payload = strip_ipv4(packet)};
}

Ip ipv6_parts(ByteView packet) {
  const auto ip = ipv6_of(packet);
  const auto behind = from(packet, sizeof ip);
  if (ip.payload_length.to_host() > behind.size())
    throw std::out_of_range("the packet is shorter than its header says");
  Ip parts{.family = 6,
           .protocol = ip.next_header,
           .fragmented = false,
           .later = false,
           .id = 0,
           .source = packet.subspan(8, 16),
           .destination = packet.subspan(24, 16),
           .fixed = packet.first(sizeof ip),
           .payload = behind.first(ip.payload_length.to_host())};
  const auto is = [&](auto... kinds) { return ((parts.protocol == kinds) || ...); };
  while (!parts.later &&
         is(wire::kIpHopByHop, wire::kIpRouting, wire::kIpFragment, wire::kIpDestinationOptions)) {
    const auto header = read<wire::Ipv6Fragment>(parts.payload);
    std::size_t bytes = sizeof header;
    if (is(wire::kIpFragment)) {
      parts.later = header.offset.to_host() >= 8;
      parts.fragmented = parts.later || header.offset.to_host() % 2 != 0;
      parts.id = header.id.to_host();
    } else {
      bytes += std::size_t{header.reserved} * 8;  // where the others have their length
    }
    parts.protocol = header.next_header;
    parts.payload = from(parts.payload, bytes);
  }
  return parts;
}

/// The Internet checksum over pseudo header and segment, which is the same sum for both families.
std::uint16_t pseudo_checksum(const Ip& ip, ByteView segment) {
  std::vector<std::byte> covered;
  append_bytes(covered, ip.source);
  append_bytes(covered, ip.destination);
  const std::size_t size = segment.size();
  for (const std::size_t byte : {std::size_t{0}, std::size_t{ip.protocol}, size >> 24 & 0xff,
                                 size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff})
    covered.push_back(static_cast<std::byte>(byte));
  append_bytes(covered, segment);
  return slow_checksum(covered);
}

/// Of the protocols that l4_checksum_ok() knows.
bool carries_checksum(const Ip& ip) {
  const auto icmp = ip.family == 4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmp6;
  return ip.protocol == wire::kIpProtoTcp || ip.protocol == wire::kIpProtoUdp ||
         ip.protocol == icmp;
}

bool packet_right(ByteView packet, std::uint16_t gue_port) {
  const Ip ip = ip_of(packet);
  if (ip.family == 4 && !ipv4_checksum_ok(packet)) return false;
  if (ip.fragmented) return true;
  if (ip.protocol == wire::kIpProtoIpip || ip.protocol == wire::kIpProtoIpv6)
    return packet_right(ip.payload, gue_port);
  if (carries_checksum(ip) && !l4_checksum_ok(packet)) return false;
  const bool gue =
      ip.protocol == wire::kIpProtoUdp && udp_of(packet).destination_port.to_host() == gue_port;
  return !gue || packet_right(strip_gue(strip_transport(packet)), gue_port);
}

}  // namespace

std::uint16_t slow_checksum(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto high = std::to_integer<std::uint32_t>(bytes[i]);
    const auto low = i + 1 < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0U;
    sum += high << 8 | low;
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;  // end-around carry
  }
  return static_cast<std::uint16_t>(~sum);
}

ByteView strip_ethernet(ByteView frame) {
  std::size_t offset = sizeof(wire::Ethernet);
  auto type = ethernet_of(frame).type.to_host();
  while (type == wire::kEtherVlan || type == wire::kEtherQinq) {
    type = read<wire::Vlan>(from(frame, offset)).type.to_host();
    offset += sizeof(wire::Vlan);
  }
  return from(frame, offset);
}

ByteView strip_ipv4(ByteView packet) {
  const auto ip = ipv4_of(packet);
  const std::size_t total = ip.total_length.to_host();
  if (total > packet.size() || header_bytes(ip) > total)
    throw std::out_of_range("the packet is shorter than its header says");
  return packet.first(total).subspan(header_bytes(ip));
}

Ip ip_of(ByteView packet) {
  const unsigned version = std::to_integer<unsigned>(read<std::byte>(packet)) >> 4U;
  if (version != 4 && version != 6) throw std::out_of_range("neither IPv4 nor IPv6");
  return version == 4 ? ipv4_parts(packet) : ipv6_parts(packet);
}

ByteView strip_ip(ByteView packet) { return ip_of(packet).payload; }

ByteView strip_transport(ByteView packet) {
  const auto ip = ip_of(packet);
  if (ip.protocol == wire::kIpProtoUdp) {
    const std::size_t length = udp_of(packet).length.to_host();
    if (length > ip.payload.size())
      throw std::out_of_range("the datagram is longer than its packet");
    return from(ip.payload.first(length), sizeof(wire::Udp));
  }
  if (ip.protocol != wire::kIpProtoTcp) throw std::out_of_range("neither TCP nor UDP");
  return from(ip.payload, (tcp_of(packet).data_offset >> 4U) * 4U);
}

ByteView strip_gue(ByteView data) {
  const auto first = std::to_integer<std::size_t>(read<std::byte>(data));
  if (first >> 6U != 0) return data;  // variant 1: the first bits of IPv4's and IPv6's versions
  return from(data, 4 + (first & 0x1fU) * 4);
}

wire::Ethernet ethernet_of(ByteView frame) { return read<wire::Ethernet>(frame); }
wire::Ipv4 ipv4_of(ByteView packet) { return read<wire::Ipv4>(packet); }
wire::Ipv6 ipv6_of(ByteView packet) { return read<wire::Ipv6>(packet); }
wire::Tcp tcp_of(ByteView packet) { return read<wire::Tcp>(strip_ip(packet)); }
wire::Udp udp_of(ByteView packet) { return read<wire::Udp>(strip_ip(packet)); }
wire::Icmp icmp_of(ByteView packet) { return read<wire::Icmp>(strip_ip(packet)); }

bool ipv4_checksum_ok(ByteView packet) {
  const std::size_t header = header_bytes(ipv4_of(packet));
  if (header > packet.size()) throw std::out_of_range("the packet ends too early");
  return slow_checksum(packet.first(header)) == 0;
}

bool l4_checksum_ok(ByteView packet) {
  const Ip ip = ip_of(packet);
  if (!carries_checksum(ip)) return false;
  if (ip.protocol == wire::kIpProtoIcmp) return slow_checksum(ip.payload) == 0;
  if (ip.protocol != wire::kIpProtoUdp) return pseudo_checksum(ip, ip.payload) == 0;
  const auto udp = udp_of(packet);
  const std::size_t length = udp.length.to_host();
  if (length < sizeof udp || length > ip.payload.size()) return false;
  if (udp.checksum == Be16{}) return ip.family == 4;  // RFC 8200, section 8.1: never in IPv6
  return pseudo_checksum(ip, ip.payload.first(length)) == 0;
}

bool checksums_right(ByteView frame, std::uint16_t gue_port) try {
  std::size_t type_at = offsetof(wire::Ethernet, type);
  auto type = ethernet_of(frame).type.to_host();
  while (type == wire::kEtherVlan || type == wire::kEtherQinq) {
    type_at += sizeof(wire::Vlan);
    type = read<Be16>(from(frame, type_at)).to_host();
  }
  if (type != wire::kEtherIpv4 && type != wire::kEtherIpv6) return true;
  return packet_right(strip_ethernet(frame), gue_port);
} catch (const std::out_of_range&) {
  return false;
}

std::string text(Be32 address) {
  const auto a = address.to_host();
  return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
}

std::string text(ByteView address) {
  if (address.size() == 4) return text(wire::load<Be32>(address.data()));
  std::array<std::uint8_t, 16> bytes{};
  if (address.size() != bytes.size()) throw std::out_of_range("no address has so many bytes");
  std::ranges::copy(address, std::as_writable_bytes(std::span(bytes)).begin());
  return IpAddress::v6(bytes).text();
}

std::string mac_text(const wire::Ethernet& header) {
  return fmt::format("{:02x} < {:02x}", fmt::join(header.destination, ":"),
                     fmt::join(header.source, ":"));
}

std::string hex(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) out += fmt::format("{}{:04x} ", i == 0 ? "" : "\n", i);
    out += fmt::format(" {:02x}", std::to_integer<unsigned>(bytes[i]));
  }
  return out;
}

}  // namespace sluice::test
