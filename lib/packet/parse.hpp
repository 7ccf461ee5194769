// SPDX-License-Identifier: Apache-2.0
// Bounded parsing of a received frame into what steering needs. Reads nothing beyond the span.
//
// Threads: pure functions; called by workers once a packet.
#pragma once

#include "packet/flow_key.hpp"
#include "packet/headers.hpp"
#include "packet/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// What one frame says; all zero as far as the frame could not be read, see parse_frame().
struct Parsed {
  FlowKey key;
  std::uint16_t l3_offset;  ///< Where the IP header begins: 14, 18 or 22 bytes.
  std::uint16_t l3_length;  ///< IPv4 total length: header and payload, without padding.
  std::uint8_t ttl;
  std::uint8_t tos;
  std::uint8_t tcp_flags;  ///< 0 for anything but TCP.
  bool dont_fragment;
};

/// Largest number of VLAN tags that are looked behind (802.1Q, 802.1ad).
inline constexpr unsigned kMostVlanTags = 2;

/// Parses Ethernet, up to two VLAN tags, IPv4 with options, and the ports of TCP and UDP.
///
/// @param frame  the first, contiguous part of the packet; at least the headers must lie in it.
/// @param length the packet's whole length in bytes, frame.size() or more. An Ethernet frame may be
///   longer than its IPv4 packet (padding).
/// @return the first of these that holds:
///   kTruncated  the frame ends inside the Ethernet header or a VLAN tag;
///   kHost       what follows is not IPv4, or a third VLAN tag;
///   kTruncated  fewer than 20 bytes of the IPv4 header are there;
///   kMalformed  IP version is not 4, header length is below 20, total length is below the header
///               length or beyond `length`;
///   kTruncated  the frame ends inside the IPv4 options;
///   kHost       the protocol is neither TCP nor UDP;
///   kFragment   more-fragments is set or the offset is not 0;
///   kMalformed  total length leaves no room for a TCP (20 bytes) or UDP (8 bytes) header;
///   kTruncated  the frame ends inside those 20 or 8 bytes;
///   kMalformed  TCP data offset is below 20 or beyond the total length; UDP length is below 8 or
///               beyond the total length;
///   kTruncated  the frame ends inside the TCP options;
///   kForward    nothing is wrong: `out` is whole, steer it.
/// `out`: once the 20 bytes of the IPv4 header are there, key.family is 4 whatever the verdict, and
///   all is filled in that they hold: both addresses, protocol, l3_offset, l3_length, ttl, tos,
///   dont_fragment. So the caller can leave packets that are not for a service to Linux, which
///   judges its own packets. The ports and tcp_flags come with kForward alone. All else is 0.
/// Checksums are not judged: a rewrite updates them by difference, so a wrong one stays wrong and
/// its receiver refuses it.
/// Cost: about 10 ns, no allocation, no branch on the payload.
[[nodiscard]] Verdict parse_frame(std::span<const std::byte> frame, std::size_t length,
                                  Parsed& out) noexcept;

}  // namespace sluice
