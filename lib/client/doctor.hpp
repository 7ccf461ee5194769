// SPDX-License-Identifier: Apache-2.0
// `doctor`: what is wrong with this node, by its files, by asking its backends, and by what the
// daemon says where it runs.
//
// Threads: one; it waits for the daemon and a second or two for the backends.
#pragma once

#include "base/result.hpp"
#include "client/command.hpp"
#include "client/command_line.hpp"
#include "client/http.hpp"
#include "client/output.hpp"
#include "client/view.hpp"
#include "doctor/finding.hpp"

#include <string>
#include <vector>

namespace sluice::client {

/// What the daemon's answers to /status and /health tell of its trouble; an absent answer nothing.
void judge_daemon(const View& status, const View& health, doctor::Findings& findings);

/// Lines for people: level, what was looked at, what it is like; the remedy below.
[[nodiscard]] std::string show_findings(const std::vector<doctor::Finding>& findings, bool colour);
/// {"ok", "findings": [{"check", "level": "ok"|"warn"|"fail", "what", "remedy"}]}
[[nodiscard]] std::string findings_json(const std::vector<doctor::Finding>& findings);

/// Prints the findings. @return kIo with how many there are when one of them is a fault.
[[nodiscard]] Result<void> examine_node(Http& http, const CommandLine& line,
                                        const Environment& environment, Output& output);

}  // namespace sluice::client
