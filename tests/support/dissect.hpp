// SPDX-License-Identifier: Apache-2.0
// Takes packets apart for tests: obvious and slow, and independent of the code under test.
// Everything throws std::out_of_range where the bytes end too early.
//
// Threads: pure functions.
#pragma once

#include "base/byte_order.hpp"
#include "packet/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::test {

using ByteView = std::span<const std::byte>;

/// The Internet checksum by the letter of RFC 1071, host order; 0 over data that holds a right one.
[[nodiscard]] std::uint16_t slow_checksum(ByteView bytes);

/// What follows the Ethernet header and its VLAN tags: the IP packet, still with any padding.
[[nodiscard]] ByteView strip_ethernet(ByteView frame);
/// What an IPv4 packet carries: from behind its header to its total length (no padding). The inner
/// packet of IP in IP, or the TCP or UDP segment.
[[nodiscard]] ByteView strip_ipv4(ByteView packet);

/// An IP packet of either family as it stands. Its views point into the packet.
struct Ip {
  unsigned family;        ///< 4 or 6
  std::uint8_t protocol;  ///< Behind all extension headers.
  bool fragmented;        ///< First or later; an atomic fragment is a whole packet.
  bool later;             ///< A fragment that is not the first.
  std::uint32_t id;       ///< Of a fragment, or the IPv4 header's.
  ByteView source;        ///< 4 or 16 bytes
  ByteView destination;   ///< likewise
  ByteView fixed;         ///< Header with IPv4 options, without IPv6 extension headers.
  ByteView payload;       ///< Behind all headers, without padding.
};
[[nodiscard]] Ip ip_of(ByteView packet);
/// Likewise: ip_of(packet).payload.
[[nodiscard]] ByteView strip_ip(ByteView packet);
/// The data of a TCP or UDP segment in an IP packet.
[[nodiscard]] ByteView strip_transport(ByteView packet);
/// The inner IP packet of a GUE datagram's data: behind a GUE header (variant 0) or right there.
[[nodiscard]] ByteView strip_gue(ByteView data);

[[nodiscard]] wire::Ethernet ethernet_of(ByteView frame);
[[nodiscard]] wire::Ipv4 ipv4_of(ByteView packet);  ///< `packet` begins with the IPv4 header.
[[nodiscard]] wire::Ipv6 ipv6_of(ByteView packet);
[[nodiscard]] wire::Tcp tcp_of(ByteView packet);  ///< Of either family, here and below.
[[nodiscard]] wire::Udp udp_of(ByteView packet);
[[nodiscard]] wire::Icmp icmp_of(ByteView packet);

[[nodiscard]] bool ipv4_checksum_ok(ByteView packet);
/// Whether the TCP, UDP or ICMP checksum inside an IP packet is right; any other protocol is not.
/// A UDP checksum of 0 (none) is right in IPv4 alone.
[[nodiscard]] bool l4_checksum_ok(ByteView packet);
/// Whether every checksum of a frame is right, layer by layer: IPv4 headers, TCP, UDP, ICMP, and
/// those of a packet inside an IP-in-IP or GUE tunnel (UDP to `gue_port`). What carries none is
/// right: other protocols, frames without IP, the rest of a fragment (its checksum covers all of
/// the datagram). What an ICMP error quotes is not judged. False where the bytes end too early.
[[nodiscard]] bool checksums_right(ByteView frame, std::uint16_t gue_port = 6080);

[[nodiscard]] std::string text(Be32 address);                      ///< "203.0.113.10"
[[nodiscard]] std::string text(ByteView address);                  ///< Of 4 or 16 bytes.
[[nodiscard]] std::string mac_text(const wire::Ethernet& header);  ///< "DESTINATION < SOURCE"
/// Sixteen bytes a line, for the message of a failed expectation.
[[nodiscard]] std::string hex(ByteView bytes);

}  // namespace sluice::test
