// SPDX-License-Identifier: Apache-2.0
// What several views say of backends in the same words.
//
// Threads: slow path.
#pragma once

#include "control/operator_state.hpp"
#include "control/views.hpp"

#include <string>
#include <string_view>

namespace sluice::control {

/// The operator's changes to a pool; null: none.
[[nodiscard]] const PoolChanges* changes_of(const Scene& scene, const std::string& pool);
[[nodiscard]] bool is_drained(const PoolChanges* changes, const std::string& backend);
/// Takes new flows, whatever its next hop.
[[nodiscard]] bool is_up(const PoolChanges* changes, const config::Backend& backend);

/// What each worker's cache says of the flow with this steering hash: a list, one for each worker.
[[nodiscard]] Json cached_flow(const Scene& scene, std::uint64_t hash, flow::Tick timeout);

/// {"resolved", "mac", "port", "source", "problem"}
[[nodiscard]] Json next_hop(const Scene& scene, const IpAddress& address,
                            config::Forwarding forwarding);

}  // namespace sluice::control
