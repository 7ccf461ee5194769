// SPDX-License-Identifier: Apache-2.0
// The operator's changes on disk, with a word to the operator when that fails.
//
// Threads: slow path; everything waits for the disk.
#pragma once

#include "control/event_log.hpp"
#include "control/operator_state.hpp"
#include "control/standing.hpp"

#include <optional>
#include <string>

namespace sluice::control {

class StateKeeper {
 public:
  StateKeeper(EventLog& events, Standing& standing) noexcept
      : events_(events), standing_(standing) {}

  /// What an earlier life left; trouble with it is an event.
  [[nodiscard]] OperatorState load(const std::string& directory);
  /// Keeps the file beside, since it contradicts the configuration.
  void put_aside(const std::string& directory, const Error& reason);
  /// Writes it when it is not what the disk holds. Trouble is an event when it begins and when it
  /// ends, and in Standing::state_problem meanwhile.
  void save(const OperatorState& state, const std::string& directory);

 private:
  void note(const std::string& problem);

  EventLog& events_;
  Standing& standing_;
  std::optional<OperatorState> saved_;  ///< What the disk holds; absent: not known.
};

}  // namespace sluice::control
