// SPDX-License-Identifier: Apache-2.0
// Runs sluicectl inside the test and keeps what it printed.
#pragma once

#include "client/command.hpp"
#include "client/scripted_daemon.hpp"

#include <string>
#include <vector>

namespace sluice::client {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

/// The moment at which recorded answers are looked at: 2026-11-21T10:03:00Z.
[[nodiscard]] TimePoint recorded_now();

/// An environment without a terminal, for the daemon at `socket`.
[[nodiscard]] Environment environment_for(const std::string& socket);

/// Runs `sluicectl WORDS...`; `words` are split at spaces.
[[nodiscard]] Outcome sluicectl(Environment environment, const std::vector<std::string>& words);
[[nodiscard]] Outcome sluicectl(const Environment& environment, const std::string& words);
[[nodiscard]] Outcome sluicectl(const ScriptedDaemon& daemon, const std::string& words);

[[nodiscard]] std::vector<std::string> split(const std::string& words);

/// Makes `daemon` answer every command as a healthy node with one pool of four backends does.
void play_recorded(ScriptedDaemon& daemon);

}  // namespace sluice::client
