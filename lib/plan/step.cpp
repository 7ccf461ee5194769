// SPDX-License-Identifier: Apache-2.0
#include "plan/step.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::plan {
namespace {

using nlohmann::json;

constexpr double kMostCount = 1e6;  // backends
constexpr double kMostInAStep = 1e15;

struct Range {
  double low;
  double high;
};

// Reads numbers out of an object; the first that is wrong stays as the failure.
class FieldReader {
 public:
  FieldReader(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  void number(const char* key, Range range, double& into) {
    const auto found = object_.find(key);
    if (found == object_.end()) return refuse(key, "is missing");
    optional(key, range, into);
  }

  void optional(const char* key, Range range, double& into) {
    const auto found = object_.find(key);
    if (found == object_.end() || failed_) return;
    const double value = found->is_number() ? found->get<double>() : NAN;
    if (!(value >= range.low && value <= range.high))
      return refuse(key, fmt::format("is not a number from {:g} to {:g}", range.low, range.high));
    into = value;
  }

  void count(const char* key, unsigned& into, bool required = true) {
    double value = into;
    if (required)
      number(key, {0, kMostCount}, value);
    else
      optional(key, {0, kMostCount}, value);
    if (!failed_ && value != std::floor(value)) return refuse(key, "is not a whole number");
    into = static_cast<unsigned>(value);
  }

  void refuse(std::string_view key, std::string_view what) {
    if (!failed_) failed_ = Error{Errc::kInvalid, where_, fmt::format("\"{}\" {}", key, what)};
  }

  [[nodiscard]] const std::optional<Error>& failed() const noexcept { return failed_; }

 private:
  const json& object_;
  std::string where_;
  std::optional<Error> failed_;
};

Result<autoscale::Controller::Options> with_config(autoscale::Controller::Options options,
                                                   const json& config, const std::string& where) {
  if (!config.is_object()) return fail(Errc::kInvalid, where, "\"config\" is not an object");
  auto& scale = options.autoscale;
  // One class, without the bounds of the pool's own: the line's limits are what counts.
  config::BackendClass one;
  one.name = options.classes.front().name;
  one.price_per_hour = options.classes.front().price_per_hour;
  one.capacity = options.classes.front().capacity;
  one.service_time_s = options.classes.front().service_time_s;
  one.cold_start_s = options.classes.front().cold_start_s;
  FieldReader reader(config, where);
  reader.optional("cold_start", {0, 86'400}, one.cold_start_s);
  reader.optional("capacity", {0.001, 1e9}, one.capacity);
  reader.optional("service_time", {0, 86'400}, one.service_time_s);
  reader.count("min", scale.min, false);
  reader.count("max", scale.max, false);
  reader.optional("tick", {0.1, 3600}, scale.tick_s);
  reader.optional("slo_wait", {0, 86'400}, scale.slo_wait_s);
  reader.optional("drain", {0, 86'400}, options.drain_s);
  if (scale.max == 0) reader.refuse("max", "is 0: the pool may have no backend");
  if (scale.min > scale.max)
    reader.refuse("min", fmt::format("is {}, more than the maximum of {}", scale.min, scale.max));
  if (reader.failed()) return tl::unexpected(*reader.failed());
  one.service_time_s = std::max(one.service_time_s, 1e-6);
  options.classes.assign(1, one);
  return options;
}

Result<autoscale::Observation> observation_of(const json& line, const std::string& where,
                                              std::optional<double> last_t) {
  autoscale::Observation seen;
  autoscale::Fleet fleet;
  FieldReader reader(line, where);
  reader.number("t", {0, 1e12}, seen.t);
  reader.number("arrivals", {0, kMostInAStep}, seen.arrivals);
  reader.number("served", {0, kMostInAStep}, seen.served);
  reader.count("ready", fleet.ready);
  reader.count("starting", fleet.starting);
  reader.number("queue", {0, kMostInAStep}, seen.queue);
  reader.number("inflight", {0, kMostInAStep}, seen.inflight);
  double utc = seen.t;
  reader.optional("utc", {0, 1e12}, utc);
  if (last_t && seen.t <= *last_t)
    reader.refuse("t", fmt::format("is {} after {}: time goes forward", seen.t, *last_t));
  if (reader.failed()) return tl::unexpected(*reader.failed());
  seen.utc = static_cast<std::int64_t>(utc);
  seen.fleet.push_back(fleet);
  return seen;
}

}  // namespace

Step::Step(autoscale::Controller::Options options) : options_(std::move(options)) {}

Result<std::string> Step::take(std::string_view line) {
  ++line_number_;
  const auto where = fmt::format("line {}", line_number_);
  if (line.size() > kLongestStepLine)
    return fail(Errc::kInvalid, where, "is longer than {} bytes", kLongestStepLine);
  if (line.find_first_not_of(" \t\r\n") == line.npos) return std::string();
  const auto parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object()) return fail(Errc::kInvalid, where, "is not a JSON object");
  if (const auto config = parsed.find("config"); config != parsed.end()) {
    if (controller_)
      return fail(Errc::kInvalid, where, "\"config\" belongs on the first line alone");
    auto options = with_config(options_, *config, where);
    if (!options) return forward_error(options);
    options_ = std::move(*options);
    controller_.emplace(options_);
    return std::string();
  }
  auto seen = observation_of(parsed, where, last_t_);
  if (!seen) return forward_error(seen);
  last_t_ = seen->t;
  seen->fleet.resize(options_.classes.size());
  if (!controller_) controller_.emplace(options_);
  const auto& decision = controller_->tick(*seen);
  const nlohmann::ordered_json answer{{"desired", decision.desired}, {"reason", decision.reason}};
  return answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::plan
