// SPDX-License-Identifier: Apache-2.0
// Inputs of snapshots for tests: short to write, right unless a test makes them wrong.
//
// Threads: values.
#pragma once

#include "packet/headers.hpp"
#include "snapshot/snapshot.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::test {

inline constexpr std::uint32_t kSmallTable =
    1009;  ///< A prime; shares stay exact, builds stay short.

inline IpAddress ip(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  if (!parsed) throw std::invalid_argument("no address: " + std::string(text));
  return *parsed;
}

inline MacAddress mac(std::string_view text) {
  const auto parsed = MacAddress::parse(text);
  if (!parsed) throw std::invalid_argument("no MAC address: " + std::string(text));
  return *parsed;
}

/// 10.0.1.NUMBER (or 10.0.x.y above 255), reached through 02:00:00:01:x:y on port 0, MTU 1500.
inline snapshot::BackendInput backend(std::string name, unsigned number,
                                      std::uint32_t weight = 100) {
  const auto high = static_cast<std::uint8_t>(1 + number / 256);
  const auto low = static_cast<std::uint8_t>(number % 256);
  snapshot::BackendInput made;
  made.name = std::move(name);
  made.address = IpAddress::v4({10, 0, high, low});
  made.weight = weight;
  made.number = static_cast<snapshot::BackendNumber>(number);
  made.hop = snapshot::Hop{0, MacAddress{{2, 0, 0, 1, high, low}}, mac("02:00:00:00:00:01"), 1500};
  return made;
}

/// Backends "b1" ... "bCOUNT" with the numbers `first` ... and equal weights.
inline std::vector<snapshot::BackendInput> backends(unsigned count, unsigned first = 1) {
  std::vector<snapshot::BackendInput> made;
  for (unsigned i = 0; i < count; ++i)
    made.push_back(backend("b" + std::to_string(i + 1), first + i));
  return made;
}

inline snapshot::PoolInput pool(std::string name, std::vector<snapshot::BackendInput> members,
                                snapshot::Forwarding forwarding = snapshot::Forwarding::kIpip) {
  snapshot::PoolInput made;
  made.name = std::move(name);
  made.forwarding = forwarding;
  made.table_size = kSmallTable;
  made.outer_source = ip("10.0.0.1");
  made.backends = std::move(members);
  return made;
}

inline snapshot::ServiceInput service(std::string name, std::string_view address,
                                      std::uint16_t port, std::size_t pool_index = 0,
                                      std::uint8_t protocol = wire::kIpProtoTcp) {
  snapshot::ServiceInput made;
  made.name = std::move(name);
  made.address = ip(address);
  made.port = port;
  made.protocol = protocol;
  made.pool = pool_index;
  return made;
}

/// Services get the numbers 0, 1, 2 ... in their order; timeouts of an hour and of two minutes.
inline snapshot::Input input(std::vector<snapshot::PoolInput> pools,
                             std::vector<snapshot::ServiceInput> services = {}) {
  snapshot::Input made;
  made.generation = 1;
  made.hash_key = default_hash_key();
  made.tcp_timeout = 1800;
  made.udp_timeout = 60;
  made.pools = std::move(pools);
  made.services = std::move(services);
  for (std::size_t i = 0; i < made.services.size(); ++i)
    made.services[i].number = static_cast<std::uint16_t>(i);
  return made;
}

/// The snapshot of an input that is right; throws where build() refuses it.
inline std::unique_ptr<const snapshot::Snapshot> built(
    snapshot::Input from, const snapshot::Snapshot* previous = nullptr) {
  auto made = snapshot::build(std::move(from), previous);
  if (!made) throw std::invalid_argument(made.error().text());
  return std::move(*made);
}

}  // namespace sluice::test
