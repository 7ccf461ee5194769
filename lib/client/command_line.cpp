// SPDX-License-Identifier: Apache-2.0
#include "client/command_line.hpp"

#include "base/nearest.hpp"
#include "client/command_tree.hpp"
#include "client/csv.hpp"
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
  if (line.csv && line.json) return fail(Errc::kInvalid, "--csv", "and --json exclude each other");
  if (line.csv && (!has_csv(line.command) || line.follow))
    return fail(Errc::kInvalid, "--csv", "is for lists that end; try --json");
  if (line.command == Command::kTop && line.seconds && (*line.seconds == 0 || *line.seconds > 60))
    return fail(Errc::kInvalid, "--seconds", "{} is not from 1 to 60", *line.seconds);
  if (line.command == Command::kBackendDrain && line.seconds && !line.wait)
    return fail(Errc::kInvalid, "--seconds", "is of --wait, which is not given");
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
  if (line.command == Command::kScaleHistory) {
    if (auto r = read_duration(typed.lasts, "--last", line.lasts_s); !r) return r;
    if (!typed.step.empty() && typed.step != "1" && typed.step != "60")
      return fail(Errc::kInvalid, "--step", "{} is neither 1 nor 60", shown(typed.step));
    line.step_s = typed.step == "1" ? 1 : 60;
  }
  if (line.command >= Command::kScaleSet && line.command <= Command::kScaleHistory &&
      line.pool.empty())
    return fail(Errc::kInvalid, "POOL", "is empty");
  if (line.command == Command::kPlan) {
    if (auto r = finish_plan(typed.plan); !r) return r;
    if (line.csv && typed.plan.line.step)
      return fail(Errc::kInvalid, "--csv", "is not of --step, whose decisions are lines of JSON");
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
  add_commands(app, typed);
  app.set_version_flag("--version", "sluicectl " + version);
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
