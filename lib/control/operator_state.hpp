// SPDX-License-Identifier: Apache-2.0
// What the operator changed at run time: kept beside the configuration file, over reloads and
// restarts, in STATE_DIR/operator.json.
//
// Threads: slow path; load() and save() wait for the disk.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "health/state.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sluice::control {

/// Changes of one pool. Names are of backends.
struct PoolChanges {
  std::vector<config::Backend> added;
  std::set<std::string> removed;
  std::map<std::string, std::uint32_t> weights;
  std::set<std::string> drained;
  std::set<std::string> maintenance;  ///< None of these is drained as well.

  [[nodiscard]] bool empty() const noexcept {
    return added.empty() && removed.empty() && weights.empty() && drained.empty() &&
           maintenance.empty();
  }
  friend bool operator==(const PoolChanges&, const PoolChanges&) = default;
};

struct OperatorState {
  std::uint64_t generation = 0;  ///< In force when it was saved; the next start goes on from there.
  std::map<std::string, PoolChanges> pools;

  friend bool operator==(const OperatorState&, const OperatorState&) = default;
};

struct LoadedState {
  OperatorState state;
  std::string problem;  ///< One sentence; empty when all is well. The state is then empty.
};

/// Reads the file. None is an empty state. A file that is damaged, or of another version, is
/// renamed beside (operator.json.damaged-1 ... -9) and told of in `problem`.
[[nodiscard]] LoadedState load_operator_state(const std::string& directory);

/// Writes the file whole, making the directory where it is missing.
/// @return kIo with the system's reason; the old file is then untouched.
[[nodiscard]] Result<void> save_operator_state(const OperatorState& state,
                                               const std::string& directory);

/// What the operator wishes of a backend. @param changes  of its pool; null: none.
[[nodiscard]] health::Wish wish_of(const PoolChanges* changes, const std::string& backend);

/// The file's configuration with the operator's changes over it. Wishes are not in it.
[[nodiscard]] config::Configuration apply(const config::Configuration& file,
                                          const OperatorState& state);

/// Drops what does not apply any more: pools and backends that are gone, weights that the file says
/// itself, added backends that the file has now.
void prune(OperatorState& state, const config::Configuration& file);

}  // namespace sluice::control
