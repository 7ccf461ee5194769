// SPDX-License-Identifier: Apache-2.0
// The part of a QUIC packet that every version shares (RFC 8999): where its destination connection
// id is. Reads nothing beyond the span.
//
// Threads: pure functions; called by workers once a packet of a QUIC service.
#pragma once

#include "base/byte_order.hpp"
#include "packet/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// What a UDP payload says if it is QUIC.
struct QuicHeader {
  /// Destination connection id. Long header: all of it. Short header: it begins here, and only who
  /// made it knows where it ends; the span is all that follows. Empty: there is none.
  std::span<const std::byte> connection_id;
  /// The client chose the connection id: an Initial or 0-RTT packet of a version that is known (1,
  /// RFC 9000; 2, RFC 9369). It says nothing of a server.
  bool chosen_by_client;
};

inline constexpr std::uint32_t kQuicVersion1 = 1;
inline constexpr std::uint32_t kQuicVersion2 = 0x6b3343cf;

/// @param payload  of a UDP datagram, as far as it is at hand; any bytes.
/// @return the header; an empty connection id when the datagram ends before it does.
/// Cost: four bounded loads.
[[nodiscard]] inline QuicHeader parse_quic(std::span<const std::byte> payload) noexcept {
  constexpr std::size_t kLengthAt = 5;  // behind the first octet and the version
  if (payload.empty()) return {{}, false};
  const auto first = std::to_integer<unsigned>(payload[0]);
  if ((first & 0x80U) == 0) return {payload.subspan(1), false};
  if (payload.size() <= kLengthAt) return {{}, false};
  const std::uint32_t version = wire::load<Be32>(payload.data() + 1).to_host();
  const unsigned type = first >> 4U & 3U;  // Initial, 0-RTT, Handshake, Retry; version 2: one more
  const bool by_client = (version == kQuicVersion1 && type <= 1) ||
                         (version == kQuicVersion2 && (type == 1 || type == 2));
  const auto length = std::to_integer<std::size_t>(payload[kLengthAt]);
  if (payload.size() - kLengthAt - 1 < length) return {{}, by_client};
  return {payload.subspan(kLengthAt + 1, length), by_client};
}

}  // namespace sluice
