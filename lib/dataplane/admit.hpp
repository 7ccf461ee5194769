// SPDX-License-Identifier: Apache-2.0
// Who may pass: headers that no sender makes, denied sources, and the limits of services.
//
// Threads: called by the worker that owns the burst and the state.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/worker_state.hpp"

namespace sluice::dataplane {

/// The stage between classify and look_up. Gives packets for services the verdicts kMartian (also
/// echo requests: an answer to a multicast address is an attack), kBadTcpFlags, kBadChecksum where
/// the snapshot asks for it, kDenied, kPacketRate and kBitRate, in this order.
/// Cost: two comparisons and a look-up in a register a packet; a service with rules more.
void admit(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept;

/// Whether packet i, which opens a flow of a service with limits, may do so; takes the tokens.
/// @return kForward, kSourceRate or kNewFlowRate. A source over its own rate takes none of the
///   service's tokens.
[[nodiscard]] Verdict admit_new_flow(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                                     WorkerState& state) noexcept;

/// Whether no sender has this source: IPv4 0/8, 127/8, 224/4 and 255.255.255.255; IPv6 ::, ::1 and
/// ff00::/8. Words as they stand in a packet.
[[nodiscard]] bool is_martian(const std::uint32_t (&source)[4], std::uint8_t family) noexcept;

/// Whether no TCP sends these flags: SYN with FIN or RST, or none of SYN, ACK, FIN and RST.
[[nodiscard]] constexpr bool is_bad_tcp_flags(std::uint8_t flags) noexcept {
  // A bit for each of the 16 sets of (ACK, RST, SYN, FIN).
  constexpr std::uint32_t kBad =
      1U << 0 | 1U << 3 | 1U << 6 | 1U << 7 | 1U << 11 | 1U << 14 | 1U << 15;
  return (kBad >> ((flags & 7U) | (flags >> 1U & 8U)) & 1U) != 0;
}

}  // namespace sluice::dataplane
