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
#include <cstring>
#include <span>

namespace sluice {

/// What kind of packet it is to a balancer.
enum class Kind : std::uint8_t {
  kFlow,           ///< TCP or UDP with its ports: a whole datagram or a first fragment.
  kLaterFragment,  ///< Of a TCP or UDP datagram: no ports. Or of IPv6 with options behind the
                   ///< fragment header, which may be one: key.protocol is the options'.
  kIcmpError,      ///< Quotes a packet of a TCP or UDP flow.
  kEcho,           ///< ICMP or ICMPv6 echo request.
};

/// What one frame says; all zero as far as the frame could not be read, see parse_frame().
struct Parsed {
  /// Of an ICMP error: the flow's key as the client's own packets have it, that is, the quoted
  /// packet's addresses and ports turned round. Of an echo request: protocol ICMP, no ports.
  FlowKey key;
  std::uint32_t fragment_id;  ///< Of fragments; host order.
  std::uint16_t l3_offset;    ///< Where the IP header begins: 14, 18 or 22 bytes.
  std::uint16_t l3_length;    ///< IP header and payload, without padding; at most 65535.
  std::uint16_t l4_offset;    ///< Where TCP, UDP or ICMP begins; 0 until known.
  std::uint8_t ttl;           ///< IPv6: hop limit.
  std::uint8_t tos;           ///< IPv6: traffic class.
  std::uint8_t tcp_flags;     ///< 0 for anything but a TCP segment of its own.
  Kind kind;
  bool dont_fragment;  ///< IPv6: true.
  bool fragmented;     ///< A fragment, first or later.
};
static_assert(sizeof(Parsed) <= 64);

/// What all fragments of a datagram have in common, with the id where the ports are. Of IPv4 the
/// protocol is part of it (RFC 791); of IPv6 it is not (RFC 8200), and fragments need not agree.
[[nodiscard]] inline FlowKey datagram_key(const Parsed& p) noexcept {
  FlowKey key = p.key;
  key.source_port = static_cast<std::uint16_t>(p.fragment_id);
  key.destination_port = static_cast<std::uint16_t>(p.fragment_id >> 16);
  if (key.family == 6) key.protocol = 0;
  return key;
}

/// Largest number of VLAN tags that are looked behind (802.1Q, 802.1ad).
inline constexpr unsigned kMostVlanTags = 2;

/// Largest number of IPv6 extension headers that are looked behind.
inline constexpr unsigned kMostExtensions = 8;

/// Parses Ethernet, up to two VLAN tags, IPv4 with options or IPv6 with extension headers
/// (hop-by-hop, routing, destination options, fragment), then the ports of TCP and UDP, or the flow
/// that an ICMP error quotes.
///
/// @param frame  the first, contiguous part of the packet; at least the headers must lie in it.
/// @param length the packet's whole length in bytes, frame.size() or more. An Ethernet frame may be
///   longer than its IP packet (padding).
/// @return the first of these that holds:
///   kTruncated  the frame ends inside the Ethernet header or a VLAN tag;
///   kHost       what follows is neither IPv4 nor IPv6, or a third VLAN tag;
///   kTruncated  less than the fixed IP header (20 or 40 bytes) is there;
///   kMalformed  the IP version is not what the Ethernet type says, the IPv4 header length is below
///               20, the IP packet is shorter than its header or longer than `length` or 65535;
///   kTruncated  the frame ends inside the IPv4 options;
///   for IPv6, header by header: kHost for a header that is none of the four, TCP, UDP or ICMPv6, a
///               ninth one, a second fragment header, or a routing header that is not at its end;
///               kMalformed when it ends behind the packet, kTruncated when behind the frame;
///   kForward    a later IPv6 fragment whose fragment header says that hop-by-hop, routing or
///               destination options follow: the first one of its datagram has them;
///   kHost       the protocol is neither TCP nor UDP nor the family's ICMP, or ICMP in fragments;
///   kMalformed  the packet leaves no room for a TCP (20 bytes), UDP or ICMP (8 bytes) header;
///   kTruncated  the frame ends inside those bytes;
///   kMalformed  TCP data offset is below 20 or, unless fragmented, beyond the packet; UDP length
///               is below 8 or, unless fragmented, beyond the packet;
///   kTruncated  the frame ends inside the TCP options;
///   for ICMP: kHost when it is neither an echo request nor an error (IPv4: unreachable, source
///               quench, time exceeded, parameter problem; IPv6: types 1 to 4);
///   for ICMP errors, of the quoted packet, as far as its headers are read: kMalformed when they
///               or the 8 bytes behind them are not in the packet, its version or header length
///               lies, or its source is not the destination of the error; kTruncated when they
///               are behind the frame; kHost when it is neither TCP nor UDP, or a later fragment;
///   kForward    nothing is wrong: `out` is whole, steer it.
/// `out`: once the fixed IP header is there, key.family is 4 or 6 whatever the verdict, and all is
///   filled in that it holds: both addresses, protocol (of IPv6, what follows the extension headers
///   once they have been walked), l3_offset, l3_length, ttl, tos, dont_fragment. So the caller can
///   leave packets that are not for a service to Linux, which judges its own packets. All else
///   comes with kForward alone. What is not known is 0.
/// Checksums are not judged here: a rewrite updates them by difference, so a wrong one stays wrong
/// and its receiver refuses it.
/// Cost: about 6 ns in a burst, no allocation, no loop over the payload. Inline by force for TCP
/// and UDP without fragments and extension headers: a call that the compiler leaves out of line
/// costs a fifth more instructions.
[[nodiscard]] [[gnu::always_inline]] inline Verdict parse_frame(std::span<const std::byte> frame,
                                                                std::size_t length,
                                                                Parsed& out) noexcept;

// Fields are loaded one by one: a header that is loaded whole goes to the stack and is read back in
// pieces, which costs 1 ns a packet.
namespace detail {

/// The rest of an IP packet behind a header.
struct Rest {
  const std::byte* at;
  std::size_t packet;  ///< Bytes of the IP packet from `at` on.
  std::size_t here;    ///< Bytes of the frame from `at` on; padding included.
};

/// Anything but TCP and UDP right behind the IP header of a packet that is no fragment. `rest`
/// begins behind the fixed header and the IPv4 options; key.protocol is the first header's.
/// @param ipv4_fragment  more-fragments and offset of the IPv4 header; 0 for IPv6.
[[nodiscard]] Verdict parse_unusual(const std::byte* frame, const Rest& rest,
                                    std::uint16_t ipv4_fragment, Parsed& out) noexcept;

constexpr bool is_tag(Be16 type) noexcept {
  return type == Be16::from_host(wire::kEtherVlan) || type == Be16::from_host(wire::kEtherQinq);
}

/// Source and destination port, which TCP and UDP have in the same place.
inline void take_ports(const std::byte* l4, Parsed& out) noexcept {
  out.key.source_port = wire::load<std::uint16_t>(l4);
  out.key.destination_port = wire::load<std::uint16_t>(l4 + 2);
}

[[gnu::always_inline]] inline Verdict parse_tcp(const Rest& tcp, bool fragmented,
                                                Parsed& out) noexcept {
  if (tcp.packet < sizeof(wire::Tcp)) return Verdict::kMalformed;
  if (tcp.here < sizeof(wire::Tcp)) return Verdict::kTruncated;
  const auto offset = wire::load<std::uint8_t>(tcp.at + offsetof(wire::Tcp, data_offset));
  const std::size_t header = (offset >> 4U) * 4U;
  if (header < sizeof(wire::Tcp) || (header > tcp.packet && !fragmented))
    return Verdict::kMalformed;
  if (header > tcp.here && !fragmented) return Verdict::kTruncated;
  take_ports(tcp.at, out);
  out.tcp_flags = wire::load<std::uint8_t>(tcp.at + offsetof(wire::Tcp, flags));
  return Verdict::kForward;
}

[[gnu::always_inline]] inline Verdict parse_udp(const Rest& udp, bool fragmented,
                                                Parsed& out) noexcept {
  if (udp.packet < sizeof(wire::Udp)) return Verdict::kMalformed;
  if (udp.here < sizeof(wire::Udp)) return Verdict::kTruncated;
  const std::size_t length = wire::load<Be16>(udp.at + offsetof(wire::Udp, length)).to_host();
  if (length < sizeof(wire::Udp) || (length > udp.packet && !fragmented))
    return Verdict::kMalformed;
  take_ports(udp.at, out);
  return Verdict::kForward;
}

/// TCP or UDP at `l4`; anything else is out of line.
[[gnu::always_inline]] inline Verdict parse_l4(const std::byte* frame, const Rest& l4,
                                               std::uint16_t ipv4_fragment, Parsed& out) noexcept {
  const bool tcp = out.key.protocol == wire::kIpProtoTcp;
  if ((!tcp && out.key.protocol != wire::kIpProtoUdp) || ipv4_fragment != 0) [[unlikely]]
    return parse_unusual(frame, l4, ipv4_fragment, out);
  const Verdict verdict = tcp ? parse_tcp(l4, false, out) : parse_udp(l4, false, out);
  if (verdict == Verdict::kForward) out.l4_offset = static_cast<std::uint16_t>(l4.at - frame);
  return verdict;
}

[[gnu::always_inline]] inline Verdict parse_ipv4(std::span<const std::byte> frame,
                                                 std::size_t offset, std::size_t length,
                                                 Parsed& out) noexcept {
  using wire::Ipv4;
  using wire::load;
  if (frame.size() < offset + sizeof(Ipv4)) return Verdict::kTruncated;
  const std::byte* ip = frame.data() + offset;
  const auto version_length = load<std::uint8_t>(ip + offsetof(Ipv4, version_length));
  const std::size_t total = load<Be16>(ip + offsetof(Ipv4, total_length)).to_host();
  const std::uint16_t fragment = load<Be16>(ip + offsetof(Ipv4, fragment)).to_host();
  const std::size_t header = (version_length & 0x0fU) * 4U;
  out.key.source[0] = load<Be32>(ip + offsetof(Ipv4, source)).wire();
  out.key.destination[0] = load<Be32>(ip + offsetof(Ipv4, destination)).wire();
  out.key.protocol = load<std::uint8_t>(ip + offsetof(Ipv4, protocol));
  out.key.family = 4;
  out.l3_offset = static_cast<std::uint16_t>(offset);
  out.l3_length = static_cast<std::uint16_t>(total);
  out.ttl = load<std::uint8_t>(ip + offsetof(Ipv4, ttl));
  out.tos = load<std::uint8_t>(ip + offsetof(Ipv4, tos));
  out.dont_fragment = (fragment & wire::kIpDontFragment) != 0;

  // Sums on the left, so that nothing wraps whatever `length` a caller gives.
  if (version_length >> 4U != 4 || header < sizeof(Ipv4) || total < header ||
      offset + total > length)
    return Verdict::kMalformed;
  if (offset + header > frame.size()) return Verdict::kTruncated;
  return parse_l4(frame.data(), {ip + header, total - header, frame.size() - offset - header},
                  fragment & (wire::kIpMoreFragments | wire::kIpOffsetMask), out);
}

[[gnu::always_inline]] inline Verdict parse_ipv6(std::span<const std::byte> frame,
                                                 std::size_t offset, std::size_t length,
                                                 Parsed& out) noexcept {
  using wire::Ipv6;
  using wire::load;
  if (frame.size() < offset + sizeof(Ipv6)) return Verdict::kTruncated;
  const std::byte* ip = frame.data() + offset;
  const std::uint32_t first = load<Be32>(ip).to_host();
  const std::size_t payload = load<Be16>(ip + offsetof(Ipv6, payload_length)).to_host();
  std::memcpy(out.key.source, ip + offsetof(Ipv6, source), sizeof out.key.source);
  std::memcpy(out.key.destination, ip + offsetof(Ipv6, destination), sizeof out.key.destination);
  out.key.protocol = load<std::uint8_t>(ip + offsetof(Ipv6, next_header));
  out.key.family = 6;
  out.l3_offset = static_cast<std::uint16_t>(offset);
  out.l3_length = static_cast<std::uint16_t>(sizeof(Ipv6) + payload);
  out.ttl = load<std::uint8_t>(ip + offsetof(Ipv6, hop_limit));
  out.tos = static_cast<std::uint8_t>(first >> 20U);
  out.dont_fragment = true;
  // A packet of more than 65535 bytes in all does not fit l3_length, nor any device.
  if (first >> 28U != 6 || sizeof(Ipv6) + payload > 0xffff ||
      offset + sizeof(Ipv6) + payload > length)
    return Verdict::kMalformed;
  return parse_l4(frame.data(), {ip + sizeof(Ipv6), payload, frame.size() - offset - sizeof(Ipv6)},
                  0, out);
}

}  // namespace detail

inline Verdict parse_frame(std::span<const std::byte> frame, std::size_t length,
                           Parsed& out) noexcept {
  using wire::load;
  out = {};
  std::size_t offset = sizeof(wire::Ethernet);
  if (frame.size() < offset) return Verdict::kTruncated;
  auto type = load<Be16>(frame.data() + offsetof(wire::Ethernet, type));
  for (unsigned tags = 0; tags < kMostVlanTags && detail::is_tag(type); ++tags) {
    if (frame.size() < offset + sizeof(wire::Vlan)) return Verdict::kTruncated;
    type = load<Be16>(frame.data() + offset + offsetof(wire::Vlan, type));
    offset += sizeof(wire::Vlan);
  }
  if (type == Be16::from_host(wire::kEtherIpv4))
    return detail::parse_ipv4(frame, offset, length, out);
  if (type == Be16::from_host(wire::kEtherIpv6))
    return detail::parse_ipv6(frame, offset, length, out);
  return Verdict::kHost;
}

}  // namespace sluice
