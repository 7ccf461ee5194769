// SPDX-License-Identifier: Apache-2.0
// Rewrite templates: the header bytes that every packet to one backend begins with.
//
// Threads: make_backend() on the slow path; the rest from workers.
#pragma once

#include "packet/checksum.hpp"
#include "packet/headers.hpp"
#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <cstdint>

namespace sluice::snapshot {

inline constexpr std::size_t kEthernetBytes = sizeof(wire::Ethernet);
inline constexpr std::uint8_t kOuterTtl = 64;

/// GUE header of variant 0 (draft-ietf-intarea-gue, section 3) without options.
struct GueHeader {
  std::uint8_t version_length;  ///< 0: variant 0, a data message, no options.
  std::uint8_t protocol;        ///< Of the inner packet: 4 or 41.
  Be16 flags;
};
static_assert(sizeof(GueHeader) == 4);

/// The worker's view of a backend of the pool with that index. Without a hop it is not reachable
/// and `header` is zero.
[[nodiscard]] Backend make_backend(const PoolInput& pool, std::uint16_t pool_index,
                                   const BackendInput& backend);

/// What differs from packet to packet in outer headers.
struct Inner {
  std::uint16_t length;   ///< Of the inner packet, bytes.
  std::uint8_t tos;       ///< Its TOS or traffic class.
  Be16 fragment;          ///< Don't-fragment or 0, as an IPv4 header has it.
  std::uint8_t protocol;  ///< What the outer header calls it: 4, 41, or 17 for gue.
};

/// Fills in an outer IPv4 header copied from a template: TOS (DSCP and ECN copied: RFC 2983
/// uniform, RFC 6040 normal mode), total length, DF (copied: RFC 2003), protocol and checksum.
///
/// @param outer     20 bytes, as in Backend::header.
/// @param overhead  Backend::overhead.
inline void finish_ipv4(std::byte* outer, std::uint16_t template_sum, std::uint8_t overhead,
                        const Inner& inner) noexcept {
  const Be16 length = Be16::from_host(static_cast<std::uint16_t>(inner.length + overhead));
  // TOS and protocol are the second bytes of their words.
  const std::uint32_t sum = std::uint32_t{template_sum} + (std::uint32_t{inner.tos} << 8) +
                            (std::uint32_t{inner.protocol} << 8) + length.wire() +
                            inner.fragment.wire();
  const auto check = static_cast<std::uint16_t>(~fold_checksum(sum));
  outer[offsetof(wire::Ipv4, tos)] = std::byte{inner.tos};
  wire::store(outer + offsetof(wire::Ipv4, total_length), length);
  wire::store(outer + offsetof(wire::Ipv4, fragment), inner.fragment);
  outer[offsetof(wire::Ipv4, protocol)] = std::byte{inner.protocol};
  wire::store(outer + offsetof(wire::Ipv4, checksum), check);
}

/// Likewise an outer IPv6 header (40 bytes): traffic class, payload length and next header. The
/// flow label stays 0.
inline void finish_ipv6(std::byte* outer, std::uint8_t overhead, const Inner& inner) noexcept {
  wire::store(outer, Be32::from_host(6U << 28 | std::uint32_t{inner.tos} << 20));
  const auto payload = inner.length + overhead - static_cast<unsigned>(sizeof(wire::Ipv6));
  wire::store(outer + offsetof(wire::Ipv6, payload_length),
              Be16::from_host(static_cast<std::uint16_t>(payload)));
  outer[offsetof(wire::Ipv6, next_header)] = std::byte{inner.protocol};
}

/// Fills in the UDP header (8 bytes) of gue, and the GUE header behind it where there is one:
/// source port from the flow hash, so that routers spread flows over paths; length; checksum.
///
/// @param gue_bytes  0 or 4.
/// @param inner_protocol  4 or 41.
/// @param inner_sum  checksum_sum() of the whole inner packet.
inline void finish_udp(std::byte* udp, std::uint16_t template_sum, std::size_t gue_bytes,
                       std::uint8_t inner_protocol, std::uint16_t inner_length,
                       std::uint64_t inner_sum, std::uint64_t flow_hash) noexcept {
  // RFC 6335's dynamic ports; the bits are not those that chose the backend.
  const Be16 port = Be16::from_host(static_cast<std::uint16_t>(0xc000U | (flow_hash & 0x3fffU)));
  const Be16 length =
      Be16::from_host(static_cast<std::uint16_t>(sizeof(wire::Udp) + gue_bytes + inner_length));
  wire::store(udp + offsetof(wire::Udp, source_port), port);
  wire::store(udp + offsetof(wire::Udp, length), length);
  std::uint64_t sum = inner_sum + template_sum + port.wire() + 2U * length.wire();  // pseudo header
  if (gue_bytes != 0) {
    std::byte* gue = udp + sizeof(wire::Udp);
    gue[offsetof(GueHeader, protocol)] = std::byte{inner_protocol};
    sum += std::uint32_t{inner_protocol} << 8;
  }
  const auto check = static_cast<std::uint16_t>(~fold_checksum(sum));
  // 0 would mean that there is none.
  wire::store(udp + offsetof(wire::Udp, checksum), check == 0 ? std::uint16_t{0xffff} : check);
}

}  // namespace sluice::snapshot
