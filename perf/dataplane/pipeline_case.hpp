// SPDX-License-Identifier: Apache-2.0
// What one row of the pipeline's benchmark measures, and the tables that it needs.
//
// Threads: values.
#pragma once

#include "base/address.hpp"
#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sluice::dataplane {

/// What the packets of a burst are to the flow cache.
enum class Mix : std::uint8_t {
  kKnown,   ///< All are of flows that it has.
  kNew,     ///< All are SYNs of flows that never were.
  kNewAck,  ///< Likewise ACKs: flows met in their middle.
  kFlood,   ///< Every other one is a SYN of a source that never was, those between are known.
};

/// The base row, and in each row one thing that differs from it.
struct Case {
  snapshot::Forwarding forwarding = snapshot::Forwarding::kIpip;
  unsigned family = 4;    ///< Of clients, services and backends.
  std::size_t flows = 1;  ///< That are known.
  bool zipf = false;      ///< Drawn by a zipf law (1.1); else each in turn, in random order.
  std::size_t size = 64;  ///< Of a frame, its checksum included, as lines and papers count it.
  Mix mix = Mix::kKnown;
  bool answers = false;  ///< Of nat: the backends' packets instead of the clients'.
  snapshot::Policy policy = snapshot::Policy::kMaglev;
  std::size_t services = 1;
  std::size_t pools = 1;       ///< That the services are dealt to in turn.
  std::size_t backends = 100;  ///< Of each pool.
  std::size_t cache = 0;       ///< Flows it has room for; 0: 2^20 as by default, or twice `flows`.

  friend bool operator==(const Case&, const Case&) = default;
};

/// An address of a family that differs in its last four bytes from the other ones.
[[nodiscard]] IpAddress address_of(unsigned family, std::uint32_t last);

/// Four services to an address, one port each.
[[nodiscard]] inline IpAddress vip_of(unsigned family, std::size_t service) {
  return address_of(family, 0xcb007100U + static_cast<std::uint32_t>(service / 4));  // 203.0.113.0
}
[[nodiscard]] inline std::uint16_t port_of(std::size_t service) noexcept {
  return static_cast<std::uint16_t>(443 + service % 4);
}

/// @param generation  in each other one of them backends of every pool have other weights: no pool
///                    has the table of the generation before.
[[nodiscard]] std::unique_ptr<const snapshot::Snapshot> tables(const Case& of,
                                                               std::uint64_t generation = 0);

}  // namespace sluice::dataplane
