// SPDX-License-Identifier: Apache-2.0
// The RST that a node writes itself, for a connection that is no more.
//
// Threads: pure functions; called by workers.
#pragma once

#include "packet/parse.hpp"

#include <cstddef>

namespace sluice {

/// Makes the TCP segment at `ip` the RST of a host that does not know its connection (RFC 9293,
/// section 3.10.7.1): without options and payload, a fresh TTL, checksums right. Its sender
/// believes it, because the number is the one that it has acknowledged itself.
///
/// @param p   of kind kFlow, TCP, no fragment, no RST.
/// @param ip  the packet from its IP header on, at least to the end of the TCP header.
/// @return bytes of the RST, from its IP header on: 40 or 60, never more than there were.
[[nodiscard]] std::size_t answer_with_reset(const Parsed& p, std::byte* ip) noexcept;

}  // namespace sluice
