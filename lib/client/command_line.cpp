// SPDX-License-Identifier: Apache-2.0
#include "client/command_line.hpp"

#include "base/nearest.hpp"
#include "client/text.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>
#include <string_view>
#include <vector>

namespace sluice::client {
namespace {

constexpr int kUsage = 2;

// What CLI11 writes to; numbers and flows stay text until all words are known to be in their place.
struct Typed {
  CommandLine line;
  std::string weight;
  std::string port;
  std::string max_connections;
  std::string since;
  std::string limit;
  std::string sample;
  std::string snap;
  std::string count;
  std::string seconds;
  std::string backends;
  std::string lasts;
  std::vector<std::string> flow{3};
  TypedPlan plan;
};

// `description` of a group of commands that does nothing by itself.
CLI::App* group(CLI::App& parent, const std::string& name, const std::string& description) {
  auto* app = parent.add_subcommand(name, description);
  app->require_subcommand(1);
  return app;
}

CLI::App* command(CLI::App& parent, Typed& typed, Command what, const std::string& name,
                  const std::string& description) {
  auto* app = parent.add_subcommand(name, description);
  app->callback([&typed, what] { typed.line.command = what; });
  return app;
}

CLI::App* backend_command(CLI::App& parent, Typed& typed, Command what, const std::string& name,
                          const std::string& description) {
  auto* app = command(parent, typed, what, name, description);
  app->add_option("POOL", typed.line.pool, "pool of the backend")->required();
  app->add_option("NAME", typed.line.name, "name of the backend")->required();
  return app;
}

void add_reading(CLI::App& app, Typed& typed) {
  command(app, typed, Command::kStatus, "status",
          "the node at a glance: ready, generation, books, ports");
  command(app, typed, Command::kServices, "services", "services with their backends and traffic");
  command(app, typed, Command::kPools, "pools", "pools and how they spread flows");
  command(app, typed, Command::kBackends, "backends",
          "backends: state, share of the flows, next hop")
      ->add_option("--pool", typed.line.pool, "of this pool only");
  command(app, typed, Command::kWorkers, "workers", "workers: load and flow cache");
  auto* flows = command(app, typed, Command::kFlows, "flows",
                        "a sample of the flows that the workers remember, with their backends");
  flows->add_option("--pool", typed.line.pool, "of this pool only");
  flows->add_option("--backend", typed.line.of_backend, "of backends with this name only");
  flows->add_option("--limit", typed.limit, "at most so many, 100 when not given, at most 10000");
  command(app, typed, Command::kHealth, "health",
          "backends: what their checks found, and since when")
      ->add_option("--pool", typed.line.pool, "of this pool only");
  command(app, typed, Command::kDrops, "drops", "dropped packets by reason, and what to do")
      ->add_flag("--all", typed.line.all, "reasons without packets too");
  auto* events = command(app, typed, Command::kEvents, "events", "what happened on the node");
  events->add_flag("--follow,-f", typed.line.follow, "go on until interrupted");
  events->add_option("--since", typed.since, "from the event with this number on");
  auto* trace = command(app, typed, Command::kTrace, "trace",
                        "which backend a new flow gets, and why\n\nexample: sluicectl trace tcp "
                        "198.51.100.7:40000 203.0.113.10:443");
  trace
      ->add_option("PROTOCOL", typed.flow[0],
                   "tcp or udp; or all in one: PROTOCOL:SOURCE-DESTINATION")
      ->required();
  trace->add_option("SOURCE", typed.flow[1], "ADDRESS:PORT, IPv6 as [ADDRESS]:PORT");
  trace->add_option("DESTINATION", typed.flow[2], "ADDRESS:PORT of the service");
}

void add_capture(CLI::App& app, Typed& typed) {
  auto* capture = command(app, typed, Command::kCapture, "capture",
                          "write packets before and after the rewrite to a pcapng file, each with "
                          "its verdict as comment, until Ctrl-C");
  capture->add_option("--service", typed.line.service, "of this service only");
  capture->add_option("--backend", typed.line.of_backend,
                      "of this backend only, as POOL/NAME: what went to it");
  capture
      ->add_option("--verdict", typed.line.verdicts,
                   "with this verdict only: forward, host, an answer or the reason of a drop; may "
                   "be repeated")
      ->allow_extra_args(false);
  capture->add_option("--sample", typed.sample,
                      "look at one packet in so many, 1 when not given, at most 65535");
  capture->add_option("--snap", typed.snap,
                      "bytes of each packet, 256 when not given, at most 9216");
  capture->add_option("--count", typed.count, "end after so many packets");
  capture->add_option("--seconds", typed.seconds, "end after so many seconds");
  capture->add_option("--out", typed.line.file, "the file; one that is there is replaced")
      ->required();
}

void add_changing(CLI::App& app, Typed& typed) {
  auto* config = group(app, "config", "the running configuration");
  command(*config, typed, Command::kConfigShow, "show",
          "print it as JSON, the operator's changes included");
  command(*config, typed, Command::kConfigDiff, "diff", "what `config apply FILE` would change")
      ->add_option("FILE", typed.line.file, "a configuration")
      ->required();
  command(*config, typed, Command::kConfigApply, "apply",
          "run this configuration until the next reload or restart; drops the operator's changes")
      ->add_option("FILE", typed.line.file, "a configuration")
      ->required();

  auto* backend = group(app, "backend", "add, remove, drain or weigh a backend");
  auto* add =
      backend_command(*backend, typed, Command::kBackendAdd, "add", "add a backend to a pool");
  add->add_option("ADDRESS", typed.line.address, "its IP address")->required();
  add->add_option("--weight", typed.weight, "its relative share, 100 when not given");
  add->add_option("--class", typed.line.backend_class, "its class, one of the pool's");
  add->add_option("--port", typed.port,
                  "where its server listens, the service's port when not given; of pools with nat");
  add->add_option("--max-connections", typed.max_connections,
                  "flows beyond which it gets no new ones, any number when not given");
  add->add_option("--server-id", typed.line.server_id,
                  "its id in QUIC connection ids, hexadecimal; of pools with affinity quic_cid");
  backend_command(*backend, typed, Command::kBackendRemove, "remove",
                  "remove a backend; its flows move");
  backend_command(*backend, typed, Command::kBackendDrain, "drain",
                  "give a backend no new flows; those it has stay");
  backend_command(*backend, typed, Command::kBackendMaintenance, "maintenance",
                  "give a backend no flows at all; those it has move");
  backend_command(*backend, typed, Command::kBackendUndrain, "undrain",
                  "end drain and maintenance: give it new flows again");
  backend_command(*backend, typed, Command::kBackendWeight, "weight", "set its relative share")
      ->add_option("N", typed.weight, "0: no new flows")
      ->required();
  command(app, typed, Command::kReload, "reload",
          "read the configuration file again, as SIGHUP does");
}

void add_scaling(CLI::App& app, Typed& typed) {
  auto* scale = group(app, "scale", "the autoscaler: how pools stand and why, and a hand in it");
  command(*scale, typed, Command::kScaleShow, "show",
          "pools that are scaled: load, forecast, backends, cost, and the reason")
      ->add_option("POOL", typed.line.pool, "this pool only, with its latest decisions");
  const auto of_pool = [&](Command what, const std::string& name, const std::string& about) {
    auto* made = command(*scale, typed, what, name, about);
    made->add_option("POOL", typed.line.pool, "the pool")->required();
    return made;
  };
  auto* set = of_pool(Command::kScaleSet, "set",
                      "have so many backends, whatever the policies say, within min and max");
  set->add_option("N", typed.backends, "backends, of all classes together")->required();
  set->add_option("--for", typed.lasts,
                  "until then, as 90s, 30m, 2h or 1d; until `scale auto` when not given");
  of_pool(Command::kScaleAuto, "auto", "let the policies decide again");
  of_pool(Command::kScalePause, "pause", "keep the pool's size as it is");
  of_pool(Command::kScaleResume, "resume", "end a pause");
}

void add_planning(CLI::App& app, Typed& typed) {
  add_plan_options(
      *command(app, typed, Command::kPlan, "plan",
               "capacity planning: a recorded load against a simulated pool; needs no daemon"),
      typed.plan);
}

std::string shown(std::string_view word) { return "'" + clip(printable(word), 60) + "'"; }

// "sluicectl backend drain": the command that the arguments reached.
std::string path_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : path_of(*app.get_parent()) + " " + app.get_name();
}

const CLI::App& deepest(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

std::vector<std::string_view> commands_of(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return did_you_mean(word, views);
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* at = &app; at != nullptr; at = at->get_parent())
    for (const auto* option : at->get_options())
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// CLI11 says "A subcommand is required" for a mistyped one: say which word was not understood.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto& reached = deepest(app);
  const auto path = path_of(reached);
  const auto subject = &reached == &app ? path : path.substr(path.find(' ') + 1);
  const auto known = commands_of(reached);
  const auto left = app.remaining(true);
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  const bool explains_itself =
      code != CLI::ExitCodes::RequiredError && code != CLI::ExitCodes::ExtrasError;
  if (explains_itself || (left.empty() && known.empty()))
    return (&reached == &app ? "" : subject + ": ") + printable(error.what());
  if (left.empty()) return fmt::format("{} needs a command: {}", subject, joined(known));
  const auto& word = left.front();
  if (word.starts_with("-"))
    return fmt::format("{} has no option {}{}", subject, shown(word),
                       suggestion(word.substr(0, word.find('=')), options_of(reached)));
  if (known.empty()) return fmt::format("{} does not take {}", subject, shown(word));
  return fmt::format("{} is not a command of {}{}", shown(word), path, did_you_mean(word, known));
}

template <class T>
Result<void> read_number(const std::string& text, std::string where, std::optional<T>& into) {
  if (text.empty()) return {};
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(Errc::kInvalid, std::move(where), "{} is not a whole number from 0 to {}",
                shown(text), std::numeric_limits<T>::max());
  into = value;
  return {};
}

// "90", "90s", "30m", "2h", "1d" as seconds.
Result<void> read_duration(std::string text, std::string where,
                           std::optional<std::uint32_t>& into) {
  constexpr std::uint32_t kLongest = 366 * 86400;
  if (text.empty()) return {};
  std::uint32_t unit = 1;
  const std::string typed = text;
  for (const auto& [letter, seconds] :
       {std::pair('s', 1U), std::pair('m', 60U), std::pair('h', 3600U), std::pair('d', 86400U)}) {
    if (!text.ends_with(letter)) continue;
    unit = seconds;
    text.pop_back();
    break;
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value == 0 ||
      value > kLongest / unit)
    return fail(Errc::kInvalid, std::move(where),
                "{} is no time; give a number with s, m, h or d behind it, at most 366d",
                shown(typed));
  into = value * unit;
  return {};
}

// Turns words into values; the command is known.
Result<void> finish(Typed& typed) {
  auto& line = typed.line;
  if (auto r = read_number(typed.weight, "weight", line.weight); !r) return r;
  if (auto r = read_number(typed.port, "--port", line.port); !r) return r;
  if (auto r = read_number(typed.max_connections, "--max-connections", line.max_connections); !r)
    return r;
  if (auto r = read_number(typed.since, "--since", line.since); !r) return r;
  if (auto r = read_number(typed.limit, "--limit", line.limit); !r) return r;
  if (auto r = read_number(typed.sample, "--sample", line.sample); !r) return r;
  if (auto r = read_number(typed.snap, "--snap", line.snap); !r) return r;
  if (auto r = read_number(typed.count, "--count", line.count); !r) return r;
  if (auto r = read_number(typed.seconds, "--seconds", line.seconds); !r) return r;
  if (line.command == Command::kTrace) {
    std::erase(typed.flow, "");
    auto flow = parse_flow(typed.flow);
    if (!flow) return forward_error(flow);
    line.flow = std::move(*flow);
  }
  if (line.command == Command::kScaleSet) {
    std::optional<std::uint16_t> backends;
    if (auto r = read_number(typed.backends, "N", backends); !r) return r;
    if (!backends) return fail(Errc::kInvalid, "N", "is empty");
    line.backends = *backends;
    if (auto r = read_duration(typed.lasts, "--for", line.lasts_s); !r) return r;
  }
  if (line.command >= Command::kScaleSet && line.command <= Command::kScaleResume &&
      line.pool.empty())
    return fail(Errc::kInvalid, "POOL", "is empty");
  if (line.command == Command::kPlan) {
    if (auto r = finish_plan(typed.plan); !r) return r;
    line.plan = std::move(typed.plan.line);
  }
  const bool of_backend =
      line.command >= Command::kBackendAdd && line.command <= Command::kBackendWeight;
  if (of_backend && (line.pool.empty() || line.name.empty()))
    return fail(Errc::kInvalid, line.pool.empty() ? "POOL" : "NAME", "is empty");
  return {};
}

}  // namespace

tl::expected<CommandLine, Ending> parse_command_line(std::span<const std::string> arguments,
                                                     const std::string& version,
                                                     const std::string& socket) {
  Typed typed;
  typed.line.socket = socket;
  CLI::App app("Remote control of sluiced, the packet-level load balancer.", "sluicectl");
  app.require_subcommand(1);
  app.fallthrough();  // inherited by every command: --json may stand behind it
  app.get_formatter()->column_width(34);
  app.add_option("--socket", typed.line.socket,
                 "Unix socket of the daemon (" + socket + "; SLUICE_SOCKET sets another default)");
  app.add_flag("--json", typed.line.json, "print the daemon's answer as JSON");
  app.set_version_flag("--version", "sluicectl " + version);
  add_reading(app, typed);
  add_capture(app, typed);
  add_changing(app, typed);
  add_scaling(app, typed);
  add_planning(app, typed);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      std::ostringstream out;
      app.exit(error, out, out);
      return tl::unexpected(Ending{0, out.str()});
    }
    auto what = explain(app, error);
    if (!what.ends_with('?')) what += fmt::format("; see `{} --help`", path_of(deepest(app)));
    return tl::unexpected(Ending{kUsage, std::move(what)});
  }
  if (const auto finished = finish(typed); !finished)
    return tl::unexpected(Ending{kUsage, finished.error().text()});
  return std::move(typed.line);
}

}  // namespace sluice::client
