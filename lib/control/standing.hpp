// SPDX-License-Identifier: Apache-2.0
// How the daemon stands: what its model and counters do not say.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "control/durations.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::control {

using WallTime = std::chrono::system_clock::time_point;

struct Reload {
  bool ok = true;
  WallTime at;
  std::vector<std::string> faults;  ///< "POINTER: what; remedy"; the old configuration is kept.
};

struct Standing {
  std::string file;  ///< Of the configuration.
  WallTime started;
  WallTime loaded;     ///< When the configuration in force was taken.
  WallTime published;  ///< When the generation in force was.
  Reload last_reload;
  std::string state_problem;  ///< Why the state directory cannot be written; empty: it can.
  bool stopping = false;
  const TurnTimes* turns = nullptr;  ///< Of the slow path's loop; null: nothing turns.
  const Durations* grace = nullptr;  ///< GraceWatch::times(); null: nobody measures.
};

/// "2026-11-21T10:00:00Z"
[[nodiscard]] std::string rfc3339(WallTime time);

}  // namespace sluice::control
