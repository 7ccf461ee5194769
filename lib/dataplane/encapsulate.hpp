// SPDX-License-Identifier: Apache-2.0
// Rewrites of one packet: what each forwarding mode does to it.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "packet/parse.hpp"
#include "packet/verdict.hpp"
#include "snapshot/snapshot.hpp"

struct rte_mbuf;

namespace sluice::dataplane {

/// l2dsr: new MAC addresses, nothing else. @return kForward, or kTooBig when the packet is longer
/// than the egress MTU; the packet is then as it was.
[[nodiscard]] Verdict redirect(rte_mbuf& packet, const Parsed& parsed,
                               const snapshot::Backend& to) noexcept;

/// ipip (RFC 2003): an outer IPv4 header before the inner one, whose TTL is decremented where the
/// pool says so. VLAN tags stay before the outer header, Ethernet padding behind the inner packet
/// goes. @return kForward, or kTtlExpired, kTooBig, kNoRoom with the packet as it was.
[[nodiscard]] Verdict encapsulate(rte_mbuf& packet, const Parsed& parsed,
                                  const snapshot::Backend& to) noexcept;

}  // namespace sluice::dataplane
