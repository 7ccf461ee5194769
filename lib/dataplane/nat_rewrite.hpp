// SPDX-License-Identifier: Apache-2.0
// NAT of one packet's bytes: addresses, ports and the checksums over them, the same in the packet
// that an ICMP error quotes, and the link header before it.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "flow/nat_session.hpp"
#include "packet/checksum_delta.hpp"
#include "packet/parse.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

struct rte_mbuf;

namespace sluice::dataplane {

/// What a packet's source and destination become. Ports in network order.
struct NatEnds {
  flow::NatAddress source;
  flow::NatAddress destination;
  std::uint16_t source_port;
  std::uint16_t destination_port;
};

/// Of packets from `from`, once translated: to the backend from the local address, or to the client
/// from the service's.
[[nodiscard]] NatEnds translated_ends(const flow::NatSession& session, flow::NatSide from) noexcept;

/// Gives an IP packet other ends. Checksums are updated by difference: one that was wrong stays
/// wrong; a UDP checksum of 0 (none) stays 0.
/// @param ip  its header.  @param l4  TCP or UDP; null in later fragments, which have no ports.
void translate(std::byte* ip, std::byte* l4, std::uint8_t family, std::uint8_t protocol,
               const NatEnds& to) noexcept;

/// The same for an ICMP error of kind kIcmpError and for what it quotes. The quoted packet is
/// as the side saw it that the error now goes to: its own addresses, ports and numbers.
///
/// @param ip       the error from its IP header on, as much of it as is in the first segment.
/// @param icmp     offset of the ICMP header in `ip`.
/// @param from     who sent the error.
/// @param number   for a quoted TCP segment, what its sequence number becomes, given it (host
///                 order).
template <class Number>
void translate_error(std::span<std::byte> ip, std::size_t icmp, const flow::NatSession& session,
                     flow::NatSide from, Number&& number) noexcept;

/// Where TCP or UDP begins in a quoted packet, or 0 when `quote` ends before 8 bytes of it.
[[nodiscard]] std::size_t quoted_l4(std::span<const std::byte> quote, std::uint8_t family) noexcept;

/// Writes the id of a fragment. @param ip  a packet that parse_frame() found to be one.
void set_fragment_id(std::byte* ip, std::uint8_t family, std::uint32_t id) noexcept;

/// The way back to the sender of a frame.
[[nodiscard]] flow::NatPath path_of(const std::byte* frame, std::size_t l3_offset,
                                    std::uint16_t port) noexcept;

/// Puts the link header of `path` before the IP packet, instead of what is there.
/// @return whether there was room; else the packet is as it was.
[[nodiscard]] bool set_link(rte_mbuf& packet, std::size_t l3_offset, std::uint8_t family,
                            const flow::NatPath& path) noexcept;

namespace detail {

/// Stores both ends in an IP header and what it has of a checksum; returns the change of addresses.
ChecksumDelta store_addresses(std::byte* ip, std::uint8_t family, const NatEnds& to) noexcept;

/// As translate(), of a quoted packet that may end early. @return the change of all its bytes.
ChecksumDelta translate_quote(std::span<std::byte> quote, std::size_t l4, std::uint8_t family,
                              std::uint8_t protocol, const NatEnds& to) noexcept;

/// The ends of an error itself, and those of what it quotes.
struct ErrorEnds {
  NatEnds outer;
  NatEnds quote;
};
[[nodiscard]] ErrorEnds error_ends(const std::byte* ip, const flow::NatSession& session,
                                   flow::NatSide from) noexcept;

}  // namespace detail

template <class Number>
void translate_error(std::span<std::byte> ip, std::size_t icmp, const flow::NatSession& session,
                     flow::NatSide from, Number&& number) noexcept {
  const auto quote = ip.subspan(icmp + sizeof(wire::Icmp));
  const std::size_t l4 = quoted_l4(quote, session.family);
  if (l4 == 0) return;  // parse_frame() has seen to it
  const auto [outer, inner] = detail::error_ends(ip.data(), session, from);
  ChecksumDelta delta;
  if (session.protocol == wire::kIpProtoTcp) {
    std::byte* at = quote.data() + l4 + offsetof(wire::Tcp, sequence);
    const auto before = wire::load<Be32>(at).to_host();
    delta.store(at, Be32::from_host(number(before)));
  }
  delta.add(detail::translate_quote(quote, l4, session.family, session.protocol, inner));
  const auto addresses = detail::store_addresses(ip.data(), session.family, outer);
  if (session.family == 6) delta.add(addresses);  // ICMPv6 has a pseudo header
  delta.update(ip.data() + icmp + offsetof(wire::Icmp, checksum));
}

}  // namespace sluice::dataplane
