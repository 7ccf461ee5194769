// SPDX-License-Identifier: Apache-2.0
// Rewrite templates: the header bytes that every packet to one backend begins with.
//
// Threads: make_backend() on the slow path; finish_outer() from workers.
#pragma once

#include "packet/checksum.hpp"
#include "packet/headers.hpp"
#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <cstdint>

namespace sluice::snapshot {

inline constexpr std::size_t kEthernetBytes = sizeof(wire::Ethernet);
inline constexpr std::size_t kOuterBytes = sizeof(wire::Ipv4);
inline constexpr std::uint8_t kOuterTtl = 64;

/// The worker's view of a backend of the pool with that index. Without a hop it is not reachable
/// and `header` is zero.
[[nodiscard]] Backend make_backend(const PoolInput& pool, std::uint16_t pool_index,
                                   const BackendInput& backend);

/// Fills in what differs from packet to packet in an outer IPv4 header copied from a template:
/// TOS (copied from the inner header: RFC 2983 uniform, RFC 6040 normal mode), total length, DF
/// (copied: RFC 2003) and the checksum.
///
/// @param outer         20 bytes, as in Backend::header.
/// @param total_length  of the outer packet, bytes.
inline void finish_outer(std::byte* outer, std::uint32_t template_sum, std::uint8_t tos,
                         std::uint16_t total_length, bool dont_fragment) noexcept {
  const Be16 length = Be16::from_host(total_length);
  const Be16 fragment = Be16::from_host(dont_fragment ? wire::kIpDontFragment : std::uint16_t{0});
  const std::uint32_t sum =
      template_sum + (std::uint32_t{tos} << 8) + length.wire() + fragment.wire();
  const auto check = static_cast<std::uint16_t>(~fold_checksum(sum));
  outer[offsetof(wire::Ipv4, tos)] = std::byte{tos};
  wire::store(outer + offsetof(wire::Ipv4, total_length), length);
  wire::store(outer + offsetof(wire::Ipv4, fragment), fragment);
  wire::store(outer + offsetof(wire::Ipv4, checksum), check);
}

}  // namespace sluice::snapshot
