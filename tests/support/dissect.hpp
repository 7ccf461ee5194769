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
/// The data of a TCP or UDP segment in an IPv4 packet.
[[nodiscard]] ByteView strip_transport(ByteView packet);

[[nodiscard]] wire::Ethernet ethernet_of(ByteView frame);
[[nodiscard]] wire::Ipv4 ipv4_of(ByteView packet);  ///< `packet` begins with the IPv4 header.
[[nodiscard]] wire::Tcp tcp_of(ByteView packet);    ///< Likewise, here and below.
[[nodiscard]] wire::Udp udp_of(ByteView packet);

[[nodiscard]] bool ipv4_checksum_ok(ByteView packet);
/// Whether the TCP, UDP or ICMP checksum inside an IPv4 packet is right. A UDP checksum of 0 (none)
/// is right; any other protocol is not.
[[nodiscard]] bool l4_checksum_ok(ByteView packet);

[[nodiscard]] std::string text(Be32 address);                      ///< "203.0.113.10"
[[nodiscard]] std::string mac_text(const wire::Ethernet& header);  ///< "DESTINATION < SOURCE"
/// Sixteen bytes a line, for the message of a failed expectation.
[[nodiscard]] std::string hex(ByteView bytes);

}  // namespace sluice::test
