// SPDX-License-Identifier: Apache-2.0
// `sluiced replay`: a configuration and a capture in, a capture and verdicts out.
//
// Threads: the caller's; starts DPDK, so once a process.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/replay.hpp"

#include <cstdio>
#include <string>

namespace sluice::control {

struct ReplayCommand {
  std::string in;
  std::string out;
  std::string verdicts;   ///< Path of the JSON lines; empty: none.
  double time_scale = 1;  ///< See dataplane::ReplaySettings.
};

/// Replays `command.in` against the configuration; next hops come from its `neighbours` alone.
/// @return the books, balanced; or the error of a file or of DPDK.
[[nodiscard]] Result<dataplane::Books> replay(const config::Configuration& configuration,
                                              const ReplayCommand& command);

/// One line of the verdicts file, without the line end: {"index":0,"verdict":"forward", ...}.
[[nodiscard]] std::string verdict_line(const dataplane::ReplayVerdict& verdict,
                                       const snapshot::Snapshot& now);

}  // namespace sluice::control
