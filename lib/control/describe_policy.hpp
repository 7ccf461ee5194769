// SPDX-License-Identifier: Apache-2.0
// From a configuration to how new flows are steered: policies, shards, limits, connection ids.
//
// Threads: slow path.
#pragma once

#include "config/configuration.hpp"
#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <map>
#include <string_view>

namespace sluice::control {

/// Index of each pool in the input, by name.
using PoolIndex = std::map<std::string_view, std::size_t>;

/// Policy, affinity, bounds and overflow of a pool. A checked configuration names pools it has.
void describe_policy(const config::Pool& pool, const PoolIndex& pools, snapshot::PoolInput& out);

/// Shards, limits and denied sources of a service.
void describe_rules(const config::Service& service, const PoolIndex& pools,
                    snapshot::ServiceInput& out);

/// How servers make their connection ids.
[[nodiscard]] std::vector<QuicLbConfig> quic_lb_of(const config::Configuration& configuration);

}  // namespace sluice::control
