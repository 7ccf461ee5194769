// SPDX-License-Identifier: Apache-2.0
#include "client/plan_line.hpp"

#include "client/text.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <charconv>
#include <cmath>

namespace sluice::client {
namespace {

struct Bounds {
  double low;
  double high;
  bool whole = false;
};

constexpr Bounds kSeconds{0, 86'400};
constexpr Bounds kCapacity{0.001, 1e9};
constexpr Bounds kCount{0, 65'535, true};

Result<double> number(std::string_view text, std::string where, const Bounds& bounds) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() &&
                    value >= bounds.low && value <= bounds.high &&
                    (!bounds.whole || value == std::floor(value));
  if (!good)
    return fail(Errc::kInvalid, std::move(where), "'{}' is not a {} from {} to {}",
                clip(printable(text), 60), bounds.whole ? "whole number" : "number", bounds.low,
                bounds.high);
  return value;
}

Result<void> read(const std::string& text, const char* where, const Bounds& bounds,
                  std::optional<double>& into) {
  if (text.empty()) return {};
  const auto value = number(text, where, bounds);
  if (!value) return forward_error(value);
  into = *value;
  return {};
}

// "180" or "h100=180".
Result<void> read(const std::vector<std::string>& words, const char* where, const Bounds& bounds,
                  std::vector<OfClass>& into) {
  for (const auto& word : words) {
    const auto equals = word.rfind('=');
    const auto text = equals == word.npos ? word : word.substr(equals + 1);
    const auto value = number(text, where, bounds);
    if (!value) return forward_error(value);
    into.push_back({equals == word.npos ? "" : word.substr(0, equals), *value});
  }
  return {};
}

Result<void> read_numbers(TypedPlan& typed) {
  auto& line = typed.line;
  if (auto r = read(typed.cold_start, "--cold-start", kSeconds, line.cold_start); !r) return r;
  if (auto r = read(typed.capacity, "--capacity", kCapacity, line.capacity); !r) return r;
  if (auto r = read(typed.load_factor, "--load-factor", {1e-6, 1e6}, line.load_factor); !r)
    return r;
  if (auto r = read(typed.budget, "--budget", {0, 1e9}, line.budget); !r) return r;
  if (auto r = read(typed.slo_wait, "--slo-wait", kSeconds, line.slo_wait); !r) return r;
  if (auto r = read(typed.drain, "--drain", {0, 86'400, true}, line.drain); !r) return r;
  if (auto r = read(typed.min, "--min", kCount, line.min); !r) return r;
  if (auto r = read(typed.max, "--max", {1, kCount.high, true}, line.max); !r) return r;
  if (auto r = read(typed.predict, "--predict", {0.01, 336}, line.predict); !r) return r;
  return read(typed.target, "--target", {0.01, 1}, line.target);
}

}  // namespace

void add_plan_options(CLI::App& command, TypedPlan& typed) {
  auto& line = typed.line;
  command.add_option("--config", line.config, "a configuration file")->required();
  command.add_option("--pool", line.pool,
                     "pool to plan for; needed when more than one has `autoscale`");
  command.add_option("--trace", line.trace, "load to replay: CSV with t_seconds,requests, .gz too");
  command.add_flag("--step", line.step,
                   "drive the controller alone: a JSON line a tick on stdin, a decision each");
  command.add_flag("--compare", line.compare,
                   "other autoscalers beside it: HPA, KPA, KEDA, static, oracle, formulas");
  command.add_flag("--needs", line.needs,
                   "what the load takes, hour by hour: cheapest backends and their cost");
  command.add_option("--predict", typed.predict,
                     "the load of the N hours after the trace, as the forecaster sees it");
  command.add_option("--plot", line.plot, "draw the run as a picture (SVG) to this file");
  const auto repeated = [](CLI::Option* option) {
    option->allow_extra_args(false)->type_name("[CLASS=]N");
  };
  repeated(command.add_option("--cold-start", typed.cold_start,
                              "what if starting a backend took N seconds"));
  repeated(
      command.add_option("--capacity", typed.capacity, "what if a backend completed N requests/s"));
  command.add_option("--load-factor", typed.load_factor, "what if N times the load came");
  command.add_option("--without-class", line.without_class, "what if a class was not to be had")
      ->allow_extra_args(false);
  command.add_option("--budget", typed.budget, "what if an hour may cost N; 0: no bound");
  command.add_option("--slo-wait", typed.slo_wait, "what if a request may wait N seconds");
  command.add_option("--min", typed.min, "what if there are N backends at least");
  command.add_option("--max", typed.max, "what if there are N backends at most");
  command.add_option("--drain", typed.drain,
                     "seconds that a stopped backend is still paid for, 30 when not given");
  command.add_option("--target", typed.target,
                     "utilisation that the others of --compare aim at, not their defaults");
  command.add_option("--forecaster", line.forecaster, "what if this forecaster was used alone");
  command.add_option("--from", typed.from,
                     "when the trace begins, for schedules: 2026-11-21T00:00:00Z");
}

Result<void> finish_plan(TypedPlan& typed) {
  auto& line = typed.line;
  if (auto numbers = read_numbers(typed); !numbers) return numbers;
  if (!typed.from.empty()) {
    const auto from = parse_time(typed.from);
    if (!from)
      return fail(Errc::kInvalid, "--from", "'{}' is not a time as 2026-11-21T00:00:00Z",
                  clip(printable(typed.from), 60));
    line.utc_at_start =
        std::chrono::duration_cast<std::chrono::seconds>(from->time_since_epoch()).count();
  }
  if (line.step == !line.trace.empty())
    return fail(Errc::kInvalid, "plan", "{}",
                line.step ? "--step reads what it needs from stdin: leave --trace out"
                          : "give --trace FILE to replay, or --step to drive the controller alone");
  if (int{line.step} + int{line.needs} + int{line.predict.has_value()} > 1)
    return fail(Errc::kInvalid, "plan", "--step, --needs and --predict exclude each other");
  const bool replays = !line.step && !line.needs && !line.predict;
  if (!replays && (line.compare || !line.plot.empty()))
    return fail(Errc::kInvalid, "plan", "--compare and --plot are of a replay alone");
  return {};
}

}  // namespace sluice::client
