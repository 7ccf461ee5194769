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

/// What one frame says. `key` is filled as far as the frame could be read; see parse_frame().
struct Parsed {
  FlowKey key;
  std::uint16_t l3_offset;      ///< Where the IP header begins: 14, 18 or 22 bytes.
  std::uint16_t l3_length;      ///< IPv4 total length: header and payload, without padding.
  std::uint8_t ttl;
  std::uint8_t tos;
  std::uint8_t tcp_flags;       ///< 0 for anything but TCP.
  bool dont_fragment;
};

/// Largest number of VLAN tags that are looked behind (802.1Q, 802.1ad).
inline constexpr unsigned kMostVlanTags = 2;

/// Parses Ethernet, up to two VLAN tags, IPv4 with options, and the ports of TCP and UDP.
///
/// @param frame  the first, contiguous part of the packet; at least the headers must lie in it.
/// @param length the packet's whole length in bytes, frame.size() or more.
/// @return kForward: `out` is whole; steer it.
///   kHost: not IPv4 over Ethernet, or IPv4 with a protocol other than TCP and UDP.
///   kTruncated, kMalformed, kFragment: a fault. When out.key.family is 4, the destination address
///   was read all the same, so that the caller can leave packets that are not for a service to
///   Linux, which judges its own packets; family 0: not even that much was there.
/// Faults: kTruncated: the frame ends inside the Ethernet, VLAN, IPv4, TCP or UDP header (a header's
///   own length field counts). kMalformed: IP version is not 4, header length below 20, total length
///   below the header or beyond the frame, TCP data offset below 20, UDP length below 8 or beyond
///   the IP payload. kFragment: more-fragments set or an offset; the ports are not read.
/// Cost: about 10 ns, no allocation, no branch on the payload.
[[nodiscard]] Verdict parse_frame(std::span<const std::byte> frame, std::size_t length,
                                  Parsed& out) noexcept;

}  // namespace sluice
