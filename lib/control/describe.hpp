// SPDX-License-Identifier: Apache-2.0
// From a configuration to what a snapshot is a function of.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "control/operator_state.hpp"
#include "snapshot/numbers.hpp"
#include "snapshot/snapshot.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sluice::control {

/// How an address is reached, or why it is not.
struct Reach {
  std::optional<snapshot::Hop> hop;
  bool configured = false;  ///< By `neighbours`, not by the kernel.
  bool on_link = true;      ///< No router in between.
  std::string problem;      ///< When there is no hop: one sentence.

  friend bool operator==(const Reach&, const Reach&) = default;
};
using Reaches = std::map<IpAddress, Reach>;

/// What the data path does with a backend by its health and the operator's wish.
struct Use {
  bool takes_new_flows = true;
  bool keeps_flows = true;

  friend bool operator==(const Use&, const Use&) = default;
};
/// What is to be done with a backend by its health; std::nullopt: nothing is known of it, so that
/// it takes new flows only where its pool has no active checks. An empty function: all take flows.
using UseOf =
    std::function<std::optional<Use>(const std::string& pool, const std::string& backend)>;

/// What a port is to next hops, by its index in the configuration.
struct EgressPort {
  std::string name;
  std::string interface;  ///< Kernel interface; empty: none.
  MacAddress mac;
  std::uint16_t mtu = 0;
};

/// The numbers that snapshots and counters go by.
struct NumberSpace {
  snapshot::Numbers backends;  ///< Of "POOL/BACKEND".
  snapshot::Numbers services;
};

/// Numbers that rest as long as a flow cache may hold them.
[[nodiscard]] NumberSpace number_space(const config::FlowCache& cache);

/// The ports of a configuration; `macs` by index, where the device knows better than the file.
[[nodiscard]] std::vector<EgressPort> egress_ports(const config::Configuration& configuration,
                                                   const std::vector<MacAddress>& macs);

/// Next hops that the configuration's own `neighbours` give: the longest prefix that contains the
/// address. Absent from the result: addresses that they say nothing of.
[[nodiscard]] Reaches configured_reaches(const config::Configuration& configuration,
                                         const std::vector<EgressPort>& ports);

/// The hop that a forwarding mode can use: l2dsr keeps the destination address, so a router in
/// between would send the packet back. Null when there is none.
[[nodiscard]] const snapshot::Hop* usable_hop(const Reach& reach,
                                              config::Forwarding forwarding) noexcept;
/// Why there is none, one sentence; empty when there is one.
[[nodiscard]] std::string problem_of(const Reach& reach, config::Forwarding forwarding);

/// Gives every name of the configuration its number. @return kExhausted; nothing is changed then.
[[nodiscard]] Result<void> take_numbers(const config::Configuration& configuration,
                                        NumberSpace& numbers, snapshot::Numbers::Time now);

/// The input of a snapshot. All names have numbers; an address that `reaches` lacks has no hop.
/// The generation is left 0.
[[nodiscard]] snapshot::Input describe(const config::Configuration& configuration,
                                       const OperatorState& operator_state,
                                       const NumberSpace& numbers, const Reaches& reaches,
                                       const UseOf& use = {});

/// What is done with a backend: by its weight, the operator's wish and its health. A wish to
/// drain, or for maintenance, comes before health.
/// @param changes  of its pool; null: none.
[[nodiscard]] Use use_now(const PoolChanges* changes, const config::Pool& pool,
                          const config::Backend& backend, const UseOf& use);

}  // namespace sluice::control
