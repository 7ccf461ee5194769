// SPDX-License-Identifier: Apache-2.0
// What was typed: arguments of sluicectl to one command with all it needs.
//
// Threads: values.
#pragma once

#include "client/flow.hpp"
#include "client/plan_line.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::client {

enum class Command : std::uint8_t {
  kStatus,
  kServices,
  kPools,
  kBackends,
  kWorkers,
  kFlows,
  kDrops,
  kHealth,
  kEvents,
  kConfigShow,
  kConfigDiff,
  kConfigApply,
  kBackendAdd,
  kBackendRemove,
  kBackendDrain,
  kBackendUndrain,
  kBackendMaintenance,
  kBackendWeight,
  kTrace,
  kCapture,
  kReload,
  kScaleShow,
  kScaleSet,
  kScaleAuto,
  kScalePause,
  kScaleResume,
  kScaleHistory,
  kPlan,
  kDoctor,
  kTop,
  kCompletion,
  kComplete,
};

struct CommandLine {
  Command command = Command::kStatus;
  std::string socket;
  bool json = false;
  bool csv = false;
  std::string pool;     ///< backends, flows and scale show (empty: all), backend ..., scale ...
  std::string name;     ///< backend ...
  std::string address;  ///< backend add
  std::string backend_class;
  std::string server_id;
  std::optional<std::uint16_t> port;
  std::optional<std::uint32_t> max_connections;
  std::string of_backend;  ///< flows, capture (POOL/NAME); empty: all.
  std::optional<std::uint32_t> weight;
  std::optional<std::uint32_t> limit;  ///< flows
  std::string file;                    ///< config diff, config apply, capture, doctor
  std::string service;                 ///< capture; empty: all.
  std::vector<std::string> verdicts;   ///< capture; empty: all.
  std::optional<std::uint32_t> sample;
  std::optional<std::uint32_t> snap;
  std::optional<std::uint64_t> count;
  std::optional<std::uint32_t> seconds;
  std::uint32_t backends = 0;            ///< scale set
  std::optional<std::uint32_t> lasts_s;  ///< scale set, absent: no end; scale history.
  std::uint32_t step_s = 60;             ///< scale history: 1 or 60.
  bool all = false;                      ///< drops
  bool follow = false;                   ///< events
  bool dry_run = false;                  ///< config apply
  bool wait = false;                     ///< backend drain
  bool no_probes = false;                ///< doctor
  bool once = false;                     ///< top, as those below.
  std::string view = {};
  std::string sort = {};
  std::string filter = {};
  std::vector<std::string> words = {};  ///< complete
  std::optional<std::uint64_t> since;
  std::optional<Flow> flow;  ///< trace; always there for it.
  PlanLine plan;
};

/// No command to run: help, the version, or wrong usage.
struct Ending {
  int status = 0;  ///< 0: `text` is what was asked for; 2: `text` says what is wrong.
  std::string text;
};

/// Reads the arguments after the program's name. Options of all commands (--socket, --json) may
/// stand before and behind the command.
/// @param socket  where the daemon is when --socket is not given.
[[nodiscard]] tl::expected<CommandLine, Ending> parse_command_line(
    std::span<const std::string> arguments, const std::string& version, const std::string& socket);

}  // namespace sluice::client
