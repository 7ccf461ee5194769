// SPDX-License-Identifier: Apache-2.0
// `sluicectl plan`: the pool's controller against a simulated pool under a recorded load, or alone,
// driven from stdin. Needs no daemon.
//
// Threads: one; it waits for stdin and the disk.
#pragma once

#include "autoscale/controller.hpp"
#include "base/result.hpp"
#include "client/command.hpp"
#include "client/output.hpp"
#include "client/plan_line.hpp"

#include <cstdint>

namespace sluice::client {

/// How an answer is printed.
enum class PlanForm : std::uint8_t { kTable, kJson, kCsv };

/// Does what the line asks for.
/// @return kInvalid (exit status 2) for a configuration, a trace or a line of stdin that is wrong;
///   faults of a configuration but the last are told by `output` themselves.
[[nodiscard]] Result<void> plan(const PlanLine& line, PlanForm form, const Environment& environment,
                                Output& output);

/// The controller alone: a line of `in` a tick, a decision each on the output; until `in` ends or
/// nobody reads the output any more.
/// @return kInvalid with "line N" for a line that is wrong; kIo when `in` cannot be read.
[[nodiscard]] Result<void> plan_by_steps(autoscale::Controller::Options options, int in,
                                         Output& output);

}  // namespace sluice::client
