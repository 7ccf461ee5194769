// SPDX-License-Identifier: Apache-2.0
// How a backend behind NAT learns the client's address: a PROXY protocol v2 header before the
// client's first byte, or a TCP option (TOA). Both make packets longer; what follows from that for
// sequence numbers and the segment size is dealt with here.
//
// Threads: called by the worker that owns the packet and the session.
#pragma once

#include "flow/nat_session.hpp"
#include "packet/parse.hpp"
#include "packet/verdict.hpp"

#include <cstddef>
#include <cstdint>

struct rte_mbuf;

namespace sluice::dataplane {

/// Bytes that a PROXY header or TOA option of the session takes; 0 for a session with neither.
[[nodiscard]] constexpr std::uint16_t insertion_bytes(const flow::NatSession& s) noexcept {
  const bool v4 = s.family == 4;
  if ((s.flags & flow::kNatProxy) != 0) return v4 ? 28 : 52;
  if ((s.flags & flow::kNatToa) != 0) return v4 ? 8 : 20;
  return 0;
}

/// Whether this packet of the client carries the insertion. The PROXY header stands at the sequence
/// number of the client's first byte: it goes with every packet that begins there until the backend
/// has acknowledged it, so it is sent again whenever the client sends that byte again. The option
/// goes with every packet until the client has acknowledged a byte of the backend: the last one of
/// the handshake, which a kernel looks at, is among them, however often it is sent.
/// @param tcp  the packet's TCP header, not yet changed.
[[nodiscard]] bool carries_insertion(const flow::NatSession& s, const Parsed& p,
                                     const std::byte* tcp) noexcept;

/// Puts the header or option into a packet that carries it, with lengths and checksums. Do it
/// before set_ends(). The offsets in `p` stay right, its l3_length grows.
/// @return kForward; or kNoRoom with the packet as it was.
[[nodiscard]] Verdict insert_client_address(rte_mbuf& packet, Parsed& p,
                                            const flow::NatSession& s) noexcept;

/// Moves the sequence number of a client's packet, which does not carry the header, behind it.
void shift_sequence(const flow::NatSession& s, std::byte* tcp) noexcept;

/// What a sequence number of the client's, as the backend knows it, is to the client.
[[nodiscard]] std::uint32_t unshifted(const flow::NatSession& s, std::uint32_t number) noexcept;

/// Of a backend's packet: notes that the header has arrived, moves acknowledgements (SACK
/// included) before it, and in a SYN-ACK makes room for the insertion in the segment size.
/// @param tcp    the packet's TCP header.
/// @param bytes  of it with its options.
void answer_to_client(flow::NatSession& s, std::byte* tcp, std::size_t bytes) noexcept;

}  // namespace sluice::dataplane
