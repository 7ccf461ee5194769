// SPDX-License-Identifier: Apache-2.0
// What the packets of a NAT session say of its backend's health.
//
// Threads: called by the worker that owns the session.
#pragma once

#include "dataplane/signals.hpp"
#include "flow/nat_session.hpp"
#include "packet/parse.hpp"
#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// Whether a packet of kind kFlow has a payload. @param l4  its TCP or UDP header.
[[nodiscard]] inline bool has_data(const Parsed& p, const std::byte* l4) noexcept {
  if (p.key.protocol != wire::kIpProtoTcp) return true;
  const auto header =
      (std::to_integer<std::size_t>(l4[offsetof(wire::Tcp, data_offset)]) >> 4U) * 4;
  return p.l4_offset - p.l3_offset + header < p.l3_length;
}

/// Whether a client's packet of kind kFlow is to be noted: none behind its first data is.
[[nodiscard]] inline bool is_of_note(const flow::NatSession& s, const Parsed& p,
                                     const std::byte* l4) noexcept {
  return (s.flags & flow::kNatAsked) == 0 &&
         ((p.tcp_flags & wire::kTcpSyn) != 0 || has_data(p, l4));
}

/// Whether a backend's packet is: none behind its first data, but for errors and RSTs.
[[nodiscard]] inline bool is_answer_of_note(const flow::NatSession& s, const Parsed& p) noexcept {
  return s.is_embryonic() ||
         (s.flags & (flow::kNatAsked | flow::kNatResponded)) == flow::kNatAsked ||
         p.kind == Kind::kIcmpError || (p.tcp_flags & wire::kTcpRst) != 0;
}

/// Notes a client's packet, before the table tracks it and before it is rewritten.
/// @param l4    its TCP or UDP header.  @param hash  of the flow.
void note_client(flow::NatSession& s, const Parsed& p, const std::byte* l4, std::uint64_t hash,
                 std::uint64_t cycles, Signals& signals) noexcept;

/// Likewise a backend's packet, or an error about packets to it.
/// @param l4  its TCP, UDP or ICMP header.
void note_backend(flow::NatSession& s, const Parsed& p, const std::byte* l4,
                  const snapshot::Snapshot& now, std::uint64_t cycles, Signals& signals) noexcept;

}  // namespace sluice::dataplane
