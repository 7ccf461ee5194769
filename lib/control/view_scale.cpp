// SPDX-License-Identifier: Apache-2.0
#include "control/view_scale.hpp"

#include "base/nearest.hpp"
#include "config/classes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace sluice::control {
namespace {

using Plain = nlohmann::json;

constexpr std::size_t kLongestChange = 4096;
constexpr std::uint64_t kLongestOverride = 366 * 86400;  // s

std::string_view policy_word(config::ScalePolicy policy) {
  switch (policy) {
    case config::ScalePolicy::kThreshold:
      return "threshold";
    case config::ScalePolicy::kTarget:
      return "target";
    case config::ScalePolicy::kPredictive:
      return "predictive";
    case config::ScalePolicy::kScheduled:
      return "scheduled";
    case config::ScalePolicy::kCostAware:
      break;
  }
  return "cost_aware";
}

std::string_view actuator_word(config::ActuatorType type) {
  switch (type) {
    case config::ActuatorType::kStandby:
      return "standby";
    case config::ActuatorType::kCommand:
      return "command";
    case config::ActuatorType::kWebhook:
      return "webhook";
    case config::ActuatorType::kKubernetes:
      return "kubernetes";
    case config::ActuatorType::kMetric:
      break;
  }
  return "metric";
}

Json limits_of(const autoscale::Decision& decision) {
  Json list = Json::array();
  const auto names = autoscale::names_of_limits(decision.limits);
  for (std::size_t from = 0; from < names.size();) {
    const auto comma = std::min(names.find(',', from), names.size());
    list.push_back(names.substr(from, comma - from));
    from = comma + 1;
  }
  return list;
}

Json by_class(const std::vector<config::BackendClass>& classes,
              const std::vector<unsigned>& counts) {
  Json out = Json::object();
  for (std::size_t i = 0; i < counts.size() && i < classes.size(); ++i)
    out[classes[i].name] = counts[i];
  return out;
}

Json decision_json(const autoscale::Decision& d, const std::vector<config::BackendClass>& classes) {
  return {{"desired", d.desired},
          {"wanted", by_class(classes, d.wanted)},
          {"before", d.before},
          {"cause", name_of(d.cause)},
          {"limits", limits_of(d)},
          {"reason", d.reason},
          {"demand_per_s", d.demand},
          {"backlog", d.backlog},
          {"capacity_per_s", d.capacity},
          {"saturation", d.saturation},
          {"horizon_s", d.horizon_s},
          {"forecast_per_s", d.forecast},
          {"forecast_low_per_s", d.low},
          {"forecast_high_per_s", d.high},
          {"margin_per_s", d.margin},
          {"forecast_error_per_s", d.error},
          {"forecaster", d.forecaster},
          {"needed_per_s", d.needed},
          {"provided_per_s", d.provided},
          {"uncovered_per_s", d.uncovered},
          {"cost_per_hour", d.cost_per_hour}};
}

Json classes_json(const ScalePool& pool, double now) {
  Json list = Json::array();
  const auto& counts = pool.fleet().counts();
  for (std::size_t i = 0; i < pool.classes().size(); ++i) {
    const auto& one = pool.classes()[i];
    const auto count = i < counts.size() ? counts[i] : autoscale::Fleet{};
    const auto learned = pool.controller().learned(i);
    list.push_back({{"name", one.name},
                    {"ready", count.ready},
                    {"starting", count.starting},
                    {"draining", count.draining},
                    {"asleep", count.asleep},
                    {"price_per_hour", one.price_per_hour},
                    {"cold_start_s", learned.cold_start_s},
                    {"capacity_per_s", learned.capacity},
                    {"starts_seen", learned.starts},
                    {"starts_failed_in_a_row", pool.fleet().failures(one.name)},
                    {"held_back_s", std::max(0.0, pool.fleet().held_back_until(one.name) - now)}});
  }
  return list;
}

Json units_json(const ScalePool& pool, double now) {
  Json list = Json::array();
  for (const auto& [name, unit] : pool.fleet().units())
    list.push_back(
        {{"name", name},
         {"class", unit.member.backend_class},
         {"address",
          unit.member.address.is_unspecified() ? Json() : Json(unit.member.address.text())},
         {"port", unit.member.port},
         {"phase", actuate::name_of(unit.phase)},
         {"since_s", std::max(0.0, now - unit.since)}});
  return list;
}

Json pool_json(const ScalePool& pool) {
  const auto& settings = pool.settings();
  const auto now = pool.now();
  const auto left = pool.override_left();
  Json told = Json::array();
  for (const auto& one : pool.told()) {
    Json entry = {{"time", rfc3339(one.at)}};
    entry.update(decision_json(one.decision, pool.classes()));
    told.push_back(std::move(entry));
  }
  const auto* actuator = pool.actuator();
  const auto published = actuator == nullptr ? std::nullopt : actuator->published();
  return {{"name", pool.name()},
          {"standing", name_of(pool.controller().standing())},
          {"override_left_s", left ? Json(*left) : Json()},
          {"mode", settings.mode == config::ScaleMode::kAct ? "act" : "advise"},
          {"policy", policy_word(settings.policy)},
          {"min", settings.min},
          {"max", settings.max},
          {"budget_per_hour", settings.budget_per_hour},
          {"awaits", pool.awaits()},
          {"decision",
           pool.decided() ? decision_json(pool.controller().decision(), pool.classes()) : Json()},
          {"classes", classes_json(pool, now)},
          {"backends", units_json(pool, now)},
          {"actuator",
           {{"type", actuator_word(settings.actuator.type)},
            {"ready", actuator != nullptr},
            {"pending", pool.fleet().pending()},
            {"failures", pool.counts().failures},
            {"trouble", pool.trouble().empty() ? Json() : Json(pool.trouble())},
            {"published", published ? Json(*published) : Json()}}},
          {"late_ticks", pool.counts().late_ticks},
          {"decisions", std::move(told)}};
}

Result<std::uint64_t> whole(const Plain& object, const char* key, std::uint64_t most) {
  const auto found = object.find(key);
  if (found == object.end()) return fail(Errc::kInvalid, std::string("/") + key, "is missing");
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > most)
    return fail(Errc::kInvalid, std::string("/") + key, "is not a whole number from 0 to {}", most);
  return found->get<std::uint64_t>();
}

}  // namespace

Json view_scale(const ScaleKeeper& keeper, const std::string& wanted) {
  Json pools = Json::array();
  for (const auto& [name, pool] : keeper.pools())
    if (wanted.empty() || name == wanted) pools.push_back(pool_json(*pool));
  return {{"pools", std::move(pools)}};
}

Result<ScaleOrder> parse_scale_order(std::string_view body) {
  using Action = ScaleOrder::Action;
  static constexpr std::string_view kKeys[] = {"action", "count", "for_s"};
  static constexpr std::pair<std::string_view, Action> kActions[] = {{"set", Action::kSet},
                                                                     {"auto", Action::kAuto},
                                                                     {"pause", Action::kPause},
                                                                     {"resume", Action::kResume}};
  if (body.size() > kLongestChange)
    return fail(Errc::kInvalid, "body", "is longer than {} bytes", kLongestChange);
  const auto flat = [](int depth, Plain::parse_event_t event, const Plain&) {
    return depth < 1 || (event != Plain::parse_event_t::object_start &&
                         event != Plain::parse_event_t::array_start);
  };
  const auto object = Plain::parse(body.begin(), body.end(), flat, /*allow_exceptions=*/false);
  if (object.is_discarded() || !object.is_object())
    return fail(Errc::kInvalid, "body", "is not a JSON object");
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(kKeys, std::string_view(key)) == std::end(kKeys))
      return fail(Errc::kInvalid, "/" + key, "is not a key that is known here{}",
                  did_you_mean(key, kKeys));
  const auto action = object.find("action");
  const std::string given =
      action != object.end() && action->is_string() ? action->get<std::string>() : std::string();
  const auto known =
      std::ranges::find(kActions, given, &std::pair<std::string_view, Action>::first);
  if (known == std::end(kActions))
    return fail(Errc::kInvalid, "/action", "is none of 'set', 'auto', 'pause' and 'resume'");
  ScaleOrder order{.action = known->second};
  if (order.action != Action::kSet) {
    for (const char* key : {"count", "for_s"})
      if (object.contains(key))
        return fail(Errc::kInvalid, std::string("/") + key, "is for action 'set' only");
    return order;
  }
  const auto count = whole(object, "count", 65535);
  if (!count) return forward_error(count);
  order.count = static_cast<unsigned>(*count);
  if (!object.contains("for_s")) return order;
  const auto lasts = whole(object, "for_s", kLongestOverride);
  if (!lasts) return forward_error(lasts);
  if (*lasts == 0)
    return fail(Errc::kInvalid, "/for_s", "is 0; give at least 1, or leave it away for no end");
  order.lasts = std::chrono::seconds(*lasts);
  return order;
}

Result<Json> obey(ScaleKeeper& keeper, const std::string& pool, const ScaleOrder& order,
                  std::string_view who) {
  auto* found = keeper.find(pool);
  if (found == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& [name, one] : keeper.pools()) names.push_back(name);
    return fail(Errc::kNotFound, "pool " + pool, "is not scaled, or does not exist{}",
                did_you_mean(pool, names));
  }
  switch (order.action) {
    case ScaleOrder::Action::kSet:
      if (auto done = found->override_with(order.count, order.lasts, who); !done)
        return forward_error(done);
      break;
    case ScaleOrder::Action::kPause:
      found->pause(who);
      break;
    case ScaleOrder::Action::kAuto:
    case ScaleOrder::Action::kResume:
      found->resume(who);
      break;
  }
  keeper.save();
  return pool_json(*found);
}

}  // namespace sluice::control
