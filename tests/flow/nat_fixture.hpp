// SPDX-License-Identifier: Apache-2.0
// A NAT table with memory of its own, and connections to try on it.
//
// Threads: one owner.
#pragma once

#include "flow/nat_table.hpp"
#include "packet/flow_key.hpp"
#include "packet/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::test {

struct alignas(128) NatLines {
  std::byte bytes[128];
};

struct NatMemory {
  explicit NatMemory(std::size_t bytes) : lines((bytes + 127) / 128) {}
  [[nodiscard]] std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(lines)); }
  std::vector<NatLines> lines;
};

class NatRig : private NatMemory, public flow::NatTable {
 public:
  explicit NatRig(const flow::NatSize& size = {.sessions = 1024, .port_sets = 16},
                  const flow::NatShare& share = {1, 0})
      : NatMemory(bytes_for(size, share)),
        flow::NatTable(bytes(), size, share, default_hash_key()) {}

  [[nodiscard]] std::size_t sessions() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < capacity(); ++i)
      count += sample(i).state != flow::NatState::kFree ? 1 : 0;
    return count;
  }
  [[nodiscard]] flow::NatSession* from(flow::NatSide side, const FlowKey& key) const {
    return find(side, key, hash(key));
  }
};

/// Client `n` to port 443 of the service.
inline FlowKey nat_client(unsigned n, std::uint8_t protocol = wire::kIpProtoTcp,
                          std::uint8_t family = 4) {
  FlowKey key{};
  key.source[0] = 0x0a000000 + n / 60000;
  key.destination[0] = 0x0a71cb;
  if (family == 6) key.source[3] = key.destination[3] = 0x01000000;
  key.source_port = static_cast<std::uint16_t>(1024 + n % 60000);
  key.destination_port = __builtin_bswap16(443);
  key.protocol = protocol;
  key.family = family;
  return key;
}

/// Wants client `n` at backend `b` from the first `locals` local addresses (1 to 3), `ports` ports
/// from 2048 on.
inline flow::NatRequest nat_request(const flow::NatTable& table, const FlowKey& key, unsigned b,
                                    std::size_t locals = 1, unsigned ports = 60000) {
  static constexpr flow::NatAddress kLocals[] = {{1, 0, 0, 9}, {2, 0, 0, 9}, {3, 0, 0, 9}};
  static constexpr flow::NatAddress kLocals4[] = {{1}, {2}, {3}};
  const bool v4 = key.family == 4;
  return {.key = key,
          .hash = table.hash(key),
          .backend = {0x01000000 + b, 0, 0, v4 ? 0U : 5U},
          .backend_port = __builtin_bswap16(8000),
          .number = static_cast<flow::BackendNumber>(b),
          .locals = std::span(v4 ? kLocals4 : kLocals).first(locals),
          .first_port = 2048,
          .last_port = static_cast<std::uint16_t>(2048 + ports - 1)};
}

inline std::uint16_t local_port(const flow::NatSession& s) {
  return __builtin_bswap16(s.port[flow::kNatLocal]);
}

}  // namespace sluice::test
