// SPDX-License-Identifier: Apache-2.0
// What a restart must not forget of the demand: counters to count on from, and rates to go by.
#include "scrape/demand.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::scrape {
namespace {

constexpr std::size_t kMostBackends = 65536;
constexpr double kLongestAge = 1e9;  // seconds

std::chrono::steady_clock::duration seconds(double count) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(count));
}

// 0 for what is to come.
double past_of(Time at, Time now) {
  return std::max(0.0, std::chrono::duration<double>(now - at).count());
}

double age_of(Time at, Time now) { return std::chrono::duration<double>(now - at).count(); }

// Throws what nlohmann::json does, and nlohmann::json::other_error for a number out of bounds.
double number(const nlohmann::json& from, const char* key, double least, double most) {
  const double value = from.at(key).get<double>();
  if (!std::isfinite(value) || value < least || value > most)
    throw nlohmann::json::other_error::create(600, fmt::format("'{}' is out of bounds", key),
                                              &from);
  return value;
}

std::optional<double> optional_number(const nlohmann::json& from, const char* key, double most) {
  if (!from.contains(key)) return std::nullopt;
  return number(from, key, 0, most);
}

}  // namespace

nlohmann::json Demand::save(Time now) const {
  auto backends = nlohmann::json::object();
  for (const auto& [name, account] : accounts_) {
    if (!account.last) continue;
    nlohmann::json one = {
        {"age_s", age_of(account.last->at, now)},
        {"lack", account.lack},
        {"counted", {account.completed, account.growth, account.running_seconds, account.seconds}},
        {"full", {account.full_completed, account.full_seconds}}};
    const auto put = [&](const char* key, const std::optional<double>& value) {
      if (value) one[key] = *value;
    };
    put("running", account.last->running);
    put("waiting", account.last->waiting);
    put("completed", account.last->completed);
    put("cache", account.last->cache);
    if (account.doubted_until > now) one["doubted_s"] = age_of(now, account.doubted_until);
    if (account.untold > 0)
      one["untold"] = {{"flows", account.untold},
                       {"age_s", past_of(account.untold_since, now)},
                       {"still", account.still}};
    if (account.rates) {
      one["arrivals"] = account.rates->arrivals;
      one["served"] = account.rates->served;
    }
    backends[name] = std::move(one);
  }
  nlohmann::json state = {
      {"unserved", unserved_}, {"active", active_}, {"backends", std::move(backends)}};
  if (ticked_) state["tick_age_s"] = age_of(*ticked_, now);
  return state;
}

Result<void> Demand::restore(const nlohmann::json& state, Time now,
                             std::chrono::milliseconds away) {
  try {
    const auto at = [&](const nlohmann::json& from, const char* key) {
      return now - away - seconds(number(from, key, 0, kLongestAge));
    };
    Demand made(options_);
    made.unserved_ = number(state, "unserved", 0, kMostCompleted);
    made.active_ = number(state, "active", 0, kMostCompleted);
    if (state.contains("tick_age_s")) made.ticked_ = at(state, "tick_age_s");
    const auto& backends = state.at("backends");
    if (!backends.is_object() || backends.size() > kMostBackends)
      return fail(Errc::kInvalid, "demand", "has no object of at most {} backends", kMostBackends);
    for (const auto& [name, one] : backends.items()) {
      Account account;
      Reading last;
      last.at = at(one, "age_s");
      last.running = optional_number(one, "running", kMostInside);
      last.waiting = optional_number(one, "waiting", kMostInside);
      last.completed = optional_number(one, "completed", kMostCompleted);
      last.cache = optional_number(one, "cache", 1);
      if (!last.inside())
        return fail(Errc::kInvalid, "demand", "backend '{}' has neither running nor waiting", name);
      account.last = last;
      account.lack = number(one, "lack", -kMostCompleted, 0);
      const auto& counted = one.at("counted");
      const auto& full = one.at("full");
      const auto part = [](const nlohmann::json& list, std::size_t index, double least) {
        return number({{"counted", list.at(index)}}, "counted", least, kMostCompleted);
      };
      account.completed = part(counted, 0, 0);
      account.growth = part(counted, 1, -kMostCompleted);
      account.running_seconds = part(counted, 2, 0);
      account.seconds = part(counted, 3, 0);
      account.full_completed = part(full, 0, 0);
      account.full_seconds = part(full, 1, 0);
      if (one.contains("doubted_s"))
        account.doubted_until = now - away + seconds(number(one, "doubted_s", 0, kLongestAge));
      if (one.contains("untold")) {
        const auto& untold = one.at("untold");
        account.untold = number(untold, "flows", 0, kMostCompleted);
        account.untold_since = at(untold, "age_s");
        account.still = untold.at("still").get<bool>();
      }
      if (one.contains("arrivals"))
        account.rates = Rates{number(one, "arrivals", 0, kMostCompleted),
                              number(one, "served", 0, kMostCompleted)};
      made.accounts_.emplace(name, std::move(account));
    }
    *this = std::move(made);
    return {};
  } catch (const nlohmann::json::exception& e) {
    return fail(Errc::kInvalid, "demand", "{}", e.what());
  }
}

}  // namespace sluice::scrape
