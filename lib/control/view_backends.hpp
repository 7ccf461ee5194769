// SPDX-License-Identifier: Apache-2.0
// The answers about every backend: what they say is read in one turn, and so of one moment and one
// generation; their text, which costs fifty times as much, is made piece by piece as the client
// takes it. What a client that reads slowly holds is figures, not text.
//
// Threads: slow path; counters are read while workers write them, all when it is made.
#pragma once

#include "control/traffic.hpp"
#include "control/view_parts.hpp"
#include "health/pool_health.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// What /api/v1/backends says of one backend. Words are constants.
struct BackendRow {
  std::shared_ptr<const std::string> pool;
  std::string name;
  IpAddress address;
  std::uint16_t number = 0;
  std::uint32_t weight = 0;
  std::uint32_t weight_now = 0;
  std::uint32_t configured_weight = 0;
  std::string_view state;
  std::string_view wish;
  bool by_operator = false;
  NextHop next_hop;
  std::uint64_t slots = 0;
  double slots_share = 0;
  double weight_share = 0;
  Traffic traffic;
  std::uint64_t active_flows = 0;
};

/// What /api/v1/health says of one backend.
struct HealthRow {
  health::Standing standing;
  std::uint64_t active_flows = 0;
  std::uint64_t good_probes = 0;
  std::uint64_t failed_probes = 0;
  std::string remedy;
};

/// What it says of a pool, with some of its backends.
struct PoolHealthRow {
  std::string name;
  std::string_view state;
  health::Time since;
  bool probed = false;
  bool watched = false;
  bool panic = false;
  health::Time now;  ///< When all this was so.
  std::vector<HealthRow> backends;
};

/// Those of a stretch. @param pool  index of the pool in the running configuration.
/// Cost: 1 us a backend of the stretch, 0.5 us for each of the pool, and a pass over its table.
[[nodiscard]] std::vector<BackendRow> backend_rows(const Scene& scene, std::size_t pool,
                                                   Stretch stretch = {});
/// std::nullopt: nothing is known of the pool's health. Cost: 2 us a backend.
[[nodiscard]] std::optional<PoolHealthRow> health_row(const Scene& scene, std::size_t pool,
                                                      Stretch stretch = {});
[[nodiscard]] Json to_json(const BackendRow& row);
/// All of them, or those of a stretch of `row.backends`.
[[nodiscard]] Json to_json(const PoolHealthRow& row, Stretch stretch = {});

/// As long as a piece of either answer is at most, in backends: 2 ms.
inline constexpr std::size_t kRowsPerPiece = 64;

/// What /api/v1/backends answers.
class BackendsText {
 public:
  /// @param pool  only this pool's; empty: all. @return kNotFound when there is no such pool.
  [[nodiscard]] static Result<BackendsText> read(const Scene& scene, const std::string& pool);
  /// Adds the next piece of what json_answer() makes of json().
  /// @return false: there was none left, nothing was added.
  bool next(std::string& out);
  [[nodiscard]] Json json() const;

 private:
  std::vector<BackendRow> rows_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

/// What /api/v1/health answers.
class HealthText {
 public:
  /// @param pool  only this one's; empty: all.
  HealthText(const Scene& scene, const std::string& pool);
  bool next(std::string& out);  ///< As BackendsText::next().
  [[nodiscard]] Json json() const;

 private:
  std::vector<PoolHealthRow> pools_;
  std::size_t pool_ = 0;
  std::size_t at_ = 0;  ///< In its backends.
  bool ended_ = false;
};

}  // namespace sluice::control
