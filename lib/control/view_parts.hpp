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
/// "none", "drain" or "maintenance".
[[nodiscard]] std::string_view word(health::Wish wish) noexcept;

/// What each worker's cache says of the flow with this steering hash: a list, one for each worker.
[[nodiscard]] Json cached_flow(const Scene& scene, std::uint64_t hash, flow::Tick timeout);

/// {"resolved", "mac", "port", "source", "problem"}
[[nodiscard]] Json next_hop(const Scene& scene, const IpAddress& address,
                            config::Forwarding forwarding);

/// The words for how a pool's backends are.
class PoolStates {
 public:
  PoolStates(const Scene& scene, const config::Pool& pool);
  /// "up", "draining", "down", ...; of a backend of that pool.
  [[nodiscard]] std::string_view of(const config::Backend& backend) const;

 private:
  const Scene& scene_;
  const config::Pool& pool_;
  std::map<std::string, health::State, std::less<>> states_;
};

}  // namespace sluice::control
