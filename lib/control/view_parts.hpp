// SPDX-License-Identifier: Apache-2.0
// What several views say of backends in the same words.
//
// Threads: slow path.
#pragma once

#include "control/operator_state.hpp"
#include "control/views.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

/// The operator's changes to a pool; null: none.
[[nodiscard]] const PoolChanges* changes_of(const Scene& scene, const std::string& pool);
/// "none", "drain" or "maintenance".
[[nodiscard]] std::string_view word(health::Wish wish) noexcept;

/// A flow as the workers may know it.
struct KnownFlow {
  FlowKey key{};                        ///< Of the client's packets.
  std::uint64_t hash = 0;               ///< In the flow cache.
  std::optional<std::uint64_t> source;  ///< In the cache of sources, with affinity 'source'.
  flow::Tick timeout = 0;
};

/// What each worker knows of the flow: a list, one for each worker. Read while they work.
[[nodiscard]] Json known_flow(const Scene& scene, const KnownFlow& flow);

/// 0 of nothing.
[[nodiscard]] inline double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// An address as packets have it: of IPv4 the first word.
[[nodiscard]] std::string address_text(const std::uint32_t* words, std::uint8_t family);

/// Some of a pool's backends, in its order: nodes have tens of thousands, and an answer about all
/// of them is made in parts. Those behind its last are not there.
struct Stretch {
  std::size_t from = 0;
  std::size_t count = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t end(std::size_t size) const {
    return count < size - std::min(from, size) ? from + count : size;
  }
};
/// What view_backends() lists of them. @param pool  index of the pool in the running configuration.
[[nodiscard]] Json backends_of(const Scene& scene, std::size_t pool, Stretch stretch);
/// What view_health() says of the pool, with the backends of the stretch only; null: nothing is
/// known of its health.
[[nodiscard]] Json health_of(const Scene& scene, std::size_t pool, Stretch stretch);

/// How a backend is reached.
struct NextHop {
  std::optional<MacAddress> mac;  ///< Of the hop; absent: it is not known.
  std::string port;               ///< Its name; empty: no hop is known.
  bool configured = false;        ///< By the configuration, not by the kernel.
  std::string problem;
};
[[nodiscard]] NextHop next_hop_of(const Scene& scene, const IpAddress& address,
                                  config::Forwarding forwarding);
/// {"resolved", "mac", "port", "source", "problem"}
[[nodiscard]] Json to_json(const NextHop& hop);

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
