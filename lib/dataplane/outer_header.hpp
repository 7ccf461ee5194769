// SPDX-License-Identifier: Apache-2.0
// The outer headers of a tunnel, written before a packet: template first, then what differs.
//
// Threads: called by the worker that owns the packet.
#pragma once

#include "packet/headers.hpp"
#include "snapshot/header_template.hpp"
#include "snapshot/snapshot.hpp"

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::dataplane {

inline constexpr std::size_t kMacBytes = 12;  ///< Both addresses.

/// What outer headers say of the packet behind them.
struct InnerPacket {
  std::uint16_t l3_offset;  ///< Bytes of Ethernet header and tags before it.
  std::uint16_t length;     ///< IP header and payload.
  std::uint8_t tos;
  Be16 fragment;  ///< Don't-fragment or 0, as an IPv4 header has it.
  bool v4;
  std::uint64_t hash;     ///< Of its flow.
  std::uint64_t sum = 0;  ///< For gue checksum_sum() of it, or of nothing if the device sums.
};

/// Leaves the checksum to the device, which wants the sum over the pseudo header in its place. The
/// outer headers are all that it needs to know of: to it this is a UDP packet like any other.
void leave_checksum(rte_mbuf& packet, std::byte* udp, std::uint16_t template_sum,
                    std::size_t l3_offset, bool v4) noexcept;

/// The template's headers before the frame's Ethernet header, whose tags stay.
/// @return where the outer IP header begins.
template <std::size_t kFixed>
[[gnu::always_inline]] inline std::byte* copy_headers(std::byte* frame, std::size_t l3_offset,
                                                      const snapshot::Backend& to) noexcept {
  using snapshot::kEthernetBytes;
  std::byte* outer = frame + l3_offset;
  if (l3_offset == kEthernetBytes) [[likely]] {
    std::memcpy(frame, to.header.data(), kEthernetBytes + kFixed);
  } else {
    std::memcpy(frame, to.header.data(), kMacBytes);
    std::memmove(frame + kMacBytes, frame + to.overhead + kMacBytes, l3_offset - kEthernetBytes);
    std::memcpy(outer - sizeof(Be16), to.header.data() + kMacBytes, sizeof(Be16) + kFixed);
  }
  return outer;
}

/// Writes Ethernet and outer headers at `frame`, where the packet begins once `to.overhead` bytes
/// were put before it.
/// @param overhead  to.overhead, which the compiler would load again behind each store.
/// @param leave  whether the device makes the checksum of gue.
template <bool kOuterV4, bool kGue>
[[gnu::always_inline]] inline void write_outer(rte_mbuf& packet, std::byte* frame,
                                               const InnerPacket& inner,
                                               const snapshot::Backend& to, std::uint8_t overhead,
                                               bool leave) noexcept {
  constexpr std::size_t kIp = kOuterV4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  constexpr std::size_t kFixed = kIp + (kGue ? sizeof(wire::Udp) : 0);
  const std::uint16_t outer_sum = to.outer_sum;
  std::byte* outer = copy_headers<kFixed>(frame, inner.l3_offset, to);
  const std::uint8_t inner_protocol = inner.v4 ? wire::kIpProtoIpip : wire::kIpProtoIpv6;
  const snapshot::Inner differing{.length = inner.length,
                                  .tos = inner.tos,
                                  .fragment = inner.fragment,
                                  .protocol = kGue ? wire::kIpProtoUdp : inner_protocol};
  if constexpr (kGue) {
    const std::size_t gue_bytes = overhead - kFixed;
    std::byte* udp = outer + kIp;
    if (gue_bytes != 0)
      std::memcpy(udp + sizeof(wire::Udp), to.header.data() + snapshot::kEthernetBytes + kFixed,
                  sizeof(snapshot::GueHeader));
    snapshot::finish_udp(udp, to.udp_sum, gue_bytes, inner_protocol, inner.length, inner.sum,
                         inner.hash);
    if (leave) leave_checksum(packet, udp, to.udp_sum, inner.l3_offset, kOuterV4);
  }
  if constexpr (kOuterV4)
    snapshot::finish_ipv4(outer, outer_sum, overhead, differing);
  else
    snapshot::finish_ipv6(outer, overhead, differing);
}

}  // namespace sluice::dataplane
