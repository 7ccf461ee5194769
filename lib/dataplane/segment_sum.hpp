// SPDX-License-Identifier: Apache-2.0
// The Internet checksum's sum over a packet that may lie in several segments.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include <cstddef>
#include <cstdint>

struct rte_mbuf;

namespace sluice::dataplane {

/// Sum over `length` bytes from `offset` on, not folded; less where the packet ends before. Not
/// DPDK 22.11's own rte_raw_cksum_mbuf(), which loses carries where a segment ends at an odd byte.
[[nodiscard]] std::uint64_t segment_sum(const rte_mbuf& packet, std::size_t offset,
                                        std::size_t length) noexcept;

}  // namespace sluice::dataplane
