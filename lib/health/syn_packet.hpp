// SPDX-License-Identifier: Apache-2.0
// TCP segments without data, as whole IP packets: made, put into a tunnel, and read.
//
// Threads: pure functions.
#pragma once

#include "health/probe.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::health {

/// One end of a TCP connection, and the other.
struct TcpPair {
  IpAddress from;
  IpAddress to;  ///< Of the same family.
  std::uint16_t from_port = 0;
  std::uint16_t to_port = 0;

  friend bool operator==(const TcpPair&, const TcpPair&) = default;
};

/// An IP packet with a TCP header alone, checksums made. With SYN it has the option for the
/// largest segment (1220 bytes: fits every tunnel).
/// @param flags  wire::kTcpSyn or wire::kTcpRst.
[[nodiscard]] std::vector<std::byte> tcp_packet(const TcpPair& pair, std::uint32_t sequence,
                                                std::uint8_t flags);

/// That packet within the outer header of ipip or gue, as the workers make it, towards a backend.
/// @return nothing when `tunnel.source` is not of the backend's family.
[[nodiscard]] std::vector<std::byte> tunnelled(const Tunnel& tunnel, const IpAddress& backend,
                                               std::span<const std::byte> inner);

struct TcpAnswer {
  TcpPair pair;  ///< As it stood in the packet: `from` is who answers.
  std::uint32_t acknowledgement = 0;
  std::uint8_t flags = 0;
};

/// Reads an IP packet of either family. Any bytes may come; std::nullopt for what is not the
/// beginning of a TCP segment right behind an IP header.
[[nodiscard]] std::optional<TcpAnswer> read_tcp(std::span<const std::byte> packet);

}  // namespace sluice::health
