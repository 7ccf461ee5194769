// SPDX-License-Identifier: Apache-2.0
// Whether the checksums of a received packet are right.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "packet/parse.hpp"

struct rte_mbuf;

namespace sluice::dataplane {

/// The IPv4 header's checksum, and that of TCP or UDP unless the packet is a fragment; a UDP
/// checksum of zero is none over IPv4 and wrong over IPv6 (RFC 8200). Goes by the device's word
/// where it has judged them. @param parsed  of a packet with the verdict kForward.
/// Cost: reads the whole packet where the device is silent.
[[nodiscard]] bool has_right_checksums(const rte_mbuf& packet, const Parsed& parsed) noexcept;

}  // namespace sluice::dataplane
