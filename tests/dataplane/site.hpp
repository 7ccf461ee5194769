// SPDX-License-Identifier: Apache-2.0
// One address with a service for TCP and one for UDP, and packets of their clients: what tests of
// steering share.
//
// Threads: values.
#pragma once

#include "packet/headers.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::test {

inline constexpr const char* kVip = "203.0.113.10";
inline constexpr std::uint8_t kSyn = wire::kTcpSyn;
inline constexpr std::uint8_t kAck = wire::kTcpAck;
inline constexpr std::uint8_t kFin = wire::kTcpFin | wire::kTcpAck;
inline constexpr std::uint8_t kRst = wire::kTcpRst;

using Tables = std::unique_ptr<const snapshot::Snapshot>;

/// Port 443 of kVip, both protocols on the first pool.
inline snapshot::Input site(std::vector<snapshot::PoolInput> pools) {
  return input(std::move(pools),
               {service("tcp", kVip, 443), service("udp", kVip, 443, 0, wire::kIpProtoUdp)});
}

/// A client's segment, or datagram, to the site.
inline Bytes tcp(const std::string& source, unsigned port, std::uint8_t flags) {
  return Packet().eth().ipv4(source, kVip).tcp(static_cast<std::uint16_t>(port), 443, flags);
}
inline Bytes udp(const std::string& source, unsigned port) {
  return Packet().eth().ipv4(source, kVip).udp(static_cast<std::uint16_t>(port), 443);
}

}  // namespace sluice::test
