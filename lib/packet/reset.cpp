// SPDX-License-Identifier: Apache-2.0
#include "packet/reset.hpp"

#include "packet/checksum.hpp"

#include <array>
#include <cstring>
#include <span>

namespace sluice {
namespace {

constexpr std::uint8_t kResetTtl = 64;

/// Sequence numbers that the segment takes up: its payload, SYN and FIN.
std::uint32_t length_of(const Parsed& p, const wire::Tcp& asked) noexcept {
  const auto headers =
      static_cast<std::uint32_t>(p.l4_offset - p.l3_offset) + (asked.data_offset >> 4U) * 4U;
  return p.l3_length - headers + ((p.tcp_flags & wire::kTcpSyn) != 0 ? 1U : 0U) +
         ((p.tcp_flags & wire::kTcpFin) != 0 ? 1U : 0U);
}

wire::Tcp reset_of(const Parsed& p, const wire::Tcp& asked) noexcept {
  wire::Tcp made{};
  made.source_port = asked.destination_port;
  made.destination_port = asked.source_port;
  made.data_offset = sizeof made / 4 << 4U;
  made.flags = wire::kTcpRst;
  if ((p.tcp_flags & wire::kTcpAck) != 0) {
    made.sequence = asked.acknowledgement;
  } else {
    made.flags |= wire::kTcpAck;
    made.acknowledgement = Be32::from_host(asked.sequence.to_host() + length_of(p, asked));
  }
  return made;
}

std::uint64_t sum_of(const wire::Tcp& tcp) noexcept {
  return checksum_sum(std::as_bytes(std::span(&tcp, 1))) + Be16::from_host(sizeof tcp).wire() +
         Be16::from_host(wire::kIpProtoTcp).wire();
}

Be16 complement(std::uint64_t sum) noexcept {
  return Be16::from_wire(static_cast<std::uint16_t>(~fold_checksum(sum)));
}

}  // namespace

std::size_t answer_with_reset(const Parsed& p, std::byte* ip) noexcept {
  wire::Tcp tcp = reset_of(p, wire::load<wire::Tcp>(ip + (p.l4_offset - p.l3_offset)));
  if (p.key.family == 4) {
    wire::Ipv4 header{};
    header.version_length = 0x45;
    header.total_length = Be16::from_host(sizeof header + sizeof tcp);
    header.fragment = Be16::from_host(wire::kIpDontFragment);
    header.ttl = kResetTtl;
    header.protocol = wire::kIpProtoTcp;
    header.source = wire::load<Be32>(ip + offsetof(wire::Ipv4, destination));
    header.destination = wire::load<Be32>(ip + offsetof(wire::Ipv4, source));
    header.checksum = checksum(std::as_bytes(std::span(&header, 1)));
    wire::store(ip, header);
    const auto addresses = std::span(ip + offsetof(wire::Ipv4, source), 8);
    tcp.checksum = complement(sum_of(tcp) + checksum_sum(addresses));
    wire::store(ip + sizeof header, tcp);
    return sizeof header + sizeof tcp;
  }
  wire::Ipv6 header{};
  header.version_class_label = Be32::from_host(6U << 28);
  header.payload_length = Be16::from_host(sizeof tcp);
  header.next_header = wire::kIpProtoTcp;
  header.hop_limit = kResetTtl;
  using Address = std::array<std::byte, 16>;
  header.source = wire::load<Address>(ip + offsetof(wire::Ipv6, destination));
  header.destination = wire::load<Address>(ip + offsetof(wire::Ipv6, source));
  wire::store(ip, header);
  const auto addresses = std::span(ip + offsetof(wire::Ipv6, source), 32);
  tcp.checksum = complement(sum_of(tcp) + checksum_sum(addresses));
  wire::store(ip + sizeof header, tcp);
  return sizeof header + sizeof tcp;
}

}  // namespace sluice
