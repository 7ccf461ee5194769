// SPDX-License-Identifier: Apache-2.0
// Answers of the node itself: a packet becomes what is said to its sender, and goes back by the
// port and to the MAC address it came from.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/worker_state.hpp"

namespace sluice::dataplane {

/// Makes an echo request the reply to it. `parsed`: of kind kEcho.
void reply_to_echo(rte_mbuf& packet, const Parsed& parsed) noexcept;

/// Makes a TCP packet that is no fragment and no RST the RST to its sender.
void reply_with_reset(rte_mbuf& packet, const Parsed& parsed) noexcept;

/// Makes packet i, which was too big or whose TTL had run out and which is as it arrived, an ICMP
/// error to its sender. No error is sent about errors and later fragments, nor more to a source
/// than Snapshot::icmp_errors_per_second.
/// @return kAnsweredTooBig or kAnsweredTtlExpired; else b.verdict[i], and the packet is as it was.
[[nodiscard]] Verdict tell_sender(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                                  WorkerState& state) noexcept;

}  // namespace sluice::dataplane
