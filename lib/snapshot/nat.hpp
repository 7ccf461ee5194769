// SPDX-License-Identifier: Apache-2.0
// What workers need to translate addresses and ports: the node's NAT addresses, and for each pool
// and backend what a new connection is made of.
//
// Threads: built on the slow path; once published, read by any number of workers and never changed.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "flow/nat_ports.hpp"
#include "packet/flow_key.hpp"
#include "snapshot/service_table.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::snapshot {

struct Input;

/// How a backend learns the client's address; of TCP connections only.
enum class ClientAddress : std::uint8_t { kNone, kProxyV2, kToa };

/// What the slow path says of a pool with Forwarding::kNat.
struct NatInput {
  std::vector<IpAddress> sources;   ///< Of the node's addresses, those that backends see.
  std::uint16_t first_port = 1024;  ///< Host order: first_port <= last_port, not 0.
  std::uint16_t last_port = 65535;
  ClientAddress client_address = ClientAddress::kNone;

  friend bool operator==(const NatInput&, const NatInput&) = default;
};

struct NatPool {
  std::vector<flow::NatAddress> v4;
  std::vector<flow::NatAddress> v6;
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;
  ClientAddress client_address = ClientAddress::kNone;

  [[nodiscard]] std::span<const flow::NatAddress> sources(std::uint8_t family) const noexcept {
    return family == 4 ? v4 : v6;
  }
};

/// Where a backend listens.
struct NatTarget {
  flow::NatAddress address{};
  std::uint16_t port = 0;  ///< Network order; 0: the service's.
  std::uint8_t family = 0;
};

class NatTables {
 public:
  NatTables() = default;
  /// @return kInvalid: a pool of forwarding nat without `nat`, without a source of the family of a
  ///   backend or of a service, with ports that run backwards, or with a source that is the address
  ///   of a service.
  [[nodiscard]] static Result<NatTables> build(const Input& input);

  /// Whether any pool translates.
  [[nodiscard]] bool any() const noexcept { return !targets_.empty(); }
  /// Whether a packet goes to a NAT address: it comes from a backend, or from nowhere.
  [[nodiscard]] bool is_return(const FlowKey& key) const noexcept {
    return any() && addresses_.has_address(key);
  }
  [[nodiscard]] const NatPool& pool(std::uint16_t index) const noexcept { return pools_[index]; }
  [[nodiscard]] const NatTarget& target(std::uint16_t backend) const noexcept {
    return targets_[backend];
  }

 private:
  ServiceTable addresses_;
  std::vector<NatPool> pools_;      ///< Parallel to input.pools.
  std::vector<NatTarget> targets_;  ///< By backend number.
};

/// The NAT addresses of a node, each once: packets to them are the workers', whatever their port.
[[nodiscard]] std::vector<IpAddress> nat_addresses(const Input& input);

}  // namespace sluice::snapshot
