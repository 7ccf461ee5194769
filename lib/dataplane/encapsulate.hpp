// SPDX-License-Identifier: Apache-2.0
// Rewrites of one packet: what each forwarding mode does to it.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "packet/parse.hpp"
#include "packet/verdict.hpp"
#include "snapshot/snapshot.hpp"

#include <cstdint>

struct rte_mbuf;

namespace sluice::dataplane {

/// l2dsr: new MAC addresses, nothing else. @return kForward, or kTooBig when the packet is longer
/// than the egress MTU; the packet is then as it was.
[[nodiscard]] Verdict redirect(rte_mbuf& packet, const Parsed& parsed,
                               const snapshot::Backend& to) noexcept;

/// ipip and gue: the outer headers before the inner IP header, whose TTL is decremented where the
/// pool says so. VLAN tags stay before the outer headers, Ethernet padding behind the inner packet
/// goes. For gue the whole packet is summed up for the UDP checksum, over all its segments, or that
/// is left to the device.
/// @param hash  of the flow, for gue's source port.
/// @param device_sums  whether the egress device makes UDP checksums; it is asked to for packets of
///   one segment. finish_checksum() undoes that.
/// @return kForward, or kTtlExpired, kTooBig, kNoRoom with the packet as it was.
[[nodiscard]] Verdict encapsulate(rte_mbuf& packet, const Parsed& parsed,
                                  const snapshot::Backend& to, std::uint64_t hash,
                                  bool device_sums = false) noexcept;

/// Makes the checksum that was left to the device, where one was. Cost: reads the whole packet.
void finish_checksum(rte_mbuf& packet) noexcept;

/// Takes one from the TTL or hop limit of the IP header at `ip`, which is 1 at least.
void decrement_ttl(std::byte* ip, std::uint8_t family) noexcept;

}  // namespace sluice::dataplane
