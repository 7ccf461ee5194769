// SPDX-License-Identifier: Apache-2.0
#include "support/dissect.hpp"

#include <fmt/format.h>

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

void append(std::vector<std::byte>& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
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

ByteView strip_transport(ByteView packet) {
  const auto ip = ipv4_of(packet);
  if (ip.protocol == wire::kIpProtoUdp) return from(strip_ipv4(packet), sizeof(wire::Udp));
  if (ip.protocol != wire::kIpProtoTcp) throw std::out_of_range("neither TCP nor UDP");
  return from(strip_ipv4(packet), (tcp_of(packet).data_offset >> 4U) * 4U);
}

wire::Ethernet ethernet_of(ByteView frame) { return read<wire::Ethernet>(frame); }
wire::Ipv4 ipv4_of(ByteView packet) { return read<wire::Ipv4>(packet); }
wire::Tcp tcp_of(ByteView packet) { return read<wire::Tcp>(strip_ipv4(packet)); }
wire::Udp udp_of(ByteView packet) { return read<wire::Udp>(strip_ipv4(packet)); }

bool ipv4_checksum_ok(ByteView packet) {
  const std::size_t header = header_bytes(ipv4_of(packet));
  if (header > packet.size()) throw std::out_of_range("the packet ends too early");
  return slow_checksum(packet.first(header)) == 0;
}

bool l4_checksum_ok(ByteView packet) {
  const auto ip = ipv4_of(packet);
  const auto segment = strip_ipv4(packet);
  if (ip.protocol == wire::kIpProtoIcmp) return slow_checksum(segment) == 0;
  if (ip.protocol != wire::kIpProtoTcp && ip.protocol != wire::kIpProtoUdp) return false;
  if (ip.protocol == wire::kIpProtoUdp && udp_of(packet).checksum == Be16{}) return true;
  std::vector<std::byte> covered;
  append(covered, packet.subspan(12, 8));  // both addresses
  const auto size = static_cast<std::uint16_t>(segment.size());
  for (const auto byte : {0, int{ip.protocol}, size >> 8, size & 0xff})
    covered.push_back(static_cast<std::byte>(byte));
  append(covered, segment);
  return slow_checksum(covered) == 0;
}

std::string text(Be32 address) {
  const auto a = address.to_host();
  return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
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
