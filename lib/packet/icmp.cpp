// SPDX-License-Identifier: Apache-2.0
#include "packet/icmp.hpp"

#include "packet/checksum.hpp"

#include <array>

namespace sluice {
namespace {

using wire::load;
using wire::store;

constexpr std::uint8_t kFreshTtl = 64;
// Errors go before other traffic: DSCP class selector 6 (RFC 1812, section 4.3.2.5).
constexpr std::uint8_t kErrorTos = 0xc0;
constexpr std::uint32_t kLeastMtu6 = 1280;  // a smaller one is not for ICMPv6 to tell (RFC 8200)

template <std::size_t kBytes>
void swap_fields(std::byte* a, std::byte* b) noexcept {
  const auto from_a = load<std::array<std::byte, kBytes>>(a);
  const auto from_b = load<std::array<std::byte, kBytes>>(b);
  store(a, from_b);
  store(b, from_a);
}

/// Sum over an IPv6 pseudo header: addresses as they stand in the header at `ip`.
std::uint64_t pseudo_sum(const std::byte* ip, std::size_t l4_bytes) noexcept {
  const auto addresses = std::span(ip + offsetof(wire::Ipv6, source), 32);
  return checksum_sum(addresses) + Be32::from_host(static_cast<std::uint32_t>(l4_bytes)).wire() +
         Be16::from_host(wire::kIpProtoIcmp6).wire();
}

wire::Icmp message(std::uint8_t family, Problem problem, std::uint16_t mtu) noexcept {
  wire::Icmp icmp{};
  const bool v4 = family == 4;
  if (problem == Problem::kTtlExpired) {
    icmp.type = v4 ? wire::kIcmpTimeExceeded : wire::kIcmp6TimeExceeded;
  } else if (v4) {
    icmp.type = wire::kIcmpUnreachable;
    icmp.code = wire::kIcmpFragmentationNeeded;
    icmp.rest = Be32::from_host(mtu);
  } else {
    icmp.type = wire::kIcmp6TooBig;
    icmp.rest = Be32::from_host(mtu < kLeastMtu6 ? kLeastMtu6 : mtu);
  }
  return icmp;
}

}  // namespace

void answer_echo(const Parsed& p, std::byte* ip) noexcept {
  std::byte* icmp = ip + (p.l4_offset - p.l3_offset);
  const bool v4 = p.key.family == 4;
  const auto before = load<Be16>(icmp);  // type and code
  const unsigned reply = v4 ? wire::kIcmpEchoReply : wire::kIcmp6EchoReply;
  const auto after =
      Be16::from_host(static_cast<std::uint16_t>(reply << 8 | (before.to_host() & 0xffU)));
  std::byte* sum = icmp + offsetof(wire::Icmp, checksum);
  store(icmp, after);
  // Turning addresses round leaves every sum over them as it was.
  const Be16 updated = checksum_update(load<Be16>(sum), before, after);
  // Of a message that is zero throughout, 0 is wrong; of any other one 0xffff is as right as 0.
  store(sum, updated == Be16{} ? Be16::from_host(0xffff) : updated);
  if (!v4) {
    swap_fields<16>(ip + offsetof(wire::Ipv6, source), ip + offsetof(wire::Ipv6, destination));
    store(ip + offsetof(wire::Ipv6, hop_limit), kFreshTtl);
    return;
  }
  swap_fields<4>(ip + offsetof(wire::Ipv4, source), ip + offsetof(wire::Ipv4, destination));
  std::byte* word = ip + offsetof(wire::Ipv4, ttl);  // TTL and protocol
  const auto old_ttl = load<Be16>(word);
  const auto new_ttl =
      Be16::from_host(static_cast<std::uint16_t>(kFreshTtl << 8 | (old_ttl.to_host() & 0xffU)));
  store(word, new_ttl);
  std::byte* header_sum = ip + offsetof(wire::Ipv4, checksum);
  store(header_sum, checksum_update(load<Be16>(header_sum), old_ttl, new_ttl));
}

void write_icmp_error(std::byte* ip, std::span<const std::byte> quote, std::uint8_t family,
                      Problem problem, std::uint16_t mtu) noexcept {
  wire::Icmp icmp = message(family, problem, mtu);
  const std::size_t l4_bytes = sizeof icmp + quote.size();
  std::uint64_t sum = checksum_sum(std::as_bytes(std::span(&icmp, 1))) + checksum_sum(quote);
  if (family == 4) {
    wire::Ipv4 header{};
    header.version_length = 0x45;
    header.tos = kErrorTos;
    header.total_length = Be16::from_host(static_cast<std::uint16_t>(sizeof header + l4_bytes));
    header.ttl = kFreshTtl;
    header.protocol = wire::kIpProtoIcmp;
    header.source = load<Be32>(quote.data() + offsetof(wire::Ipv4, destination));
    header.destination = load<Be32>(quote.data() + offsetof(wire::Ipv4, source));
    header.checksum = checksum(std::as_bytes(std::span(&header, 1)));
    store(ip, header);
    ip += sizeof header;
  } else {
    wire::Ipv6 header{};
    header.version_class_label = Be32::from_host(6U << 28 | std::uint32_t{kErrorTos} << 20);
    header.payload_length = Be16::from_host(static_cast<std::uint16_t>(l4_bytes));
    header.next_header = wire::kIpProtoIcmp6;
    header.hop_limit = kFreshTtl;
    header.source =
        load<std::array<std::byte, 16>>(quote.data() + offsetof(wire::Ipv6, destination));
    header.destination =
        load<std::array<std::byte, 16>>(quote.data() + offsetof(wire::Ipv6, source));
    store(ip, header);
    sum += pseudo_sum(ip, l4_bytes);
    ip += sizeof header;
  }
  icmp.checksum = Be16::from_wire(static_cast<std::uint16_t>(~fold_checksum(sum)));
  store(ip, icmp);
}

}  // namespace sluice
