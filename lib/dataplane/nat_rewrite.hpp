// SPDX-License-Identifier: Apache-2.0
// NAT of one packet's bytes: addresses, ports and the checksums over them, the same in the packet
// that an ICMP error quotes, and the link header before it.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "flow/nat_session.hpp"
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
void set_ends(std::byte* ip, std::byte* l4, std::uint8_t family, std::uint8_t protocol,
              const NatEnds& to) noexcept;

/// The same for an ICMP error of kind kIcmpError and for what it quotes: that becomes the packet as
/// the side sent it that the error now goes to, with its own addresses, ports and sequence number.
///
/// @param ip    the error from its IP header on, as much of it as is in the first segment.
/// @param icmp  offset of the ICMP header in `ip`.
/// @param from  who sent the error.
void translate_error(std::span<std::byte> ip, std::size_t icmp, const flow::NatSession& session,
                     flow::NatSide from) noexcept;

/// Writes the id of a fragment. @param ip  a packet that parse_frame() found to be one.
void set_fragment_id(std::byte* ip, std::uint8_t family, std::uint32_t id) noexcept;

/// The way back to the sender of a frame.
[[nodiscard]] flow::NatPath path_of(const std::byte* frame, std::size_t l3_offset,
                                    std::uint16_t port) noexcept;

/// Puts the link header of `path` before the IP packet, instead of what is there.
/// @return whether there was room; else the packet is as it was.
[[nodiscard]] bool set_link(rte_mbuf& packet, std::size_t l3_offset, std::uint8_t family,
                            const flow::NatPath& path) noexcept;

}  // namespace sluice::dataplane
