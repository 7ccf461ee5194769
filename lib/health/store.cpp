// SPDX-License-Identifier: Apache-2.0
#include "health/store.hpp"

#include "base/state_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace sluice::health {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr unsigned kVersion = 1;
constexpr std::size_t kLongestName = 64;                    // as in the configuration
constexpr std::uint64_t kMostMs = std::uint64_t{1} << 50U;  // 35,000 years
constexpr std::uint64_t kMostEjections = 1'000'000;
constexpr double kMostPenalty = 1000;

std::filesystem::path path_in(const std::string& directory) {
  return std::filesystem::path(directory) / "health.json";
}

std::uint64_t in_file(milliseconds time) {
  return std::min(static_cast<std::uint64_t>(std::max<milliseconds::rep>(time.count(), 0)),
                  kMostMs);
}

std::string penalty_in_file(double penalty) { return penalty == 0 ? "0.0" : Json(penalty).dump(); }

// Straight, in the form that state_text_of() wants: a node may have tens of thousands of them, and
// this is written while they come up. Names need no escaping: see name_in().
void put(std::string& out, const std::string& backend, const Kept& kept) {
  fmt::format_to(std::back_inserter(out),
                 R"("{}":{{"age_ms":{},"ejected_for_ms":{},"ejections":{},"hold_ms":{},)"
                 R"("penalty":{},"proven":{},"state":"{}"}})",
                 backend, in_file(kept.age), in_file(kept.ejected_for), kept.ejections,
                 in_file(kept.hold), penalty_in_file(kept.penalty), kept.proven,
                 name(kept.checked));
}

std::string body_of(const KeptHealth& health) {
  std::string out = R"({"pools":{)";
  const auto next = [&] {
    if (out.back() != '{') out += ',';
  };
  for (const auto& [pool, backends] : health.pools) {
    next();
    fmt::format_to(std::back_inserter(out), R"("{}":{{)", pool);
    for (const auto& [backend, kept] : backends) {
      next();
      put(out, backend, kept);
    }
    out += '}';
  }
  fmt::format_to(std::back_inserter(out), R"(}},"saved_ms":{}}})",
                 in_file(health.saved.time_since_epoch()));
  return out;
}

// What the file may say is what is written here. The functions throw, as the library does on a
// value of another type.

std::uint64_t whole_in(const Json& value, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    throw std::out_of_range(fmt::format("a whole number up to {} was expected", most));
  return value.get<std::uint64_t>();
}

milliseconds time_in(const Json& value) {
  return milliseconds(static_cast<milliseconds::rep>(whole_in(value, kMostMs)));
}

double penalty_in(const Json& value) {
  const auto penalty = value.is_number() ? value.get<double>() : -1;
  if (!(penalty >= 0 && penalty <= kMostPenalty)) throw std::out_of_range("a penalty was expected");
  return penalty;
}

const std::string& name_in(const std::string& name) {
  const auto sound = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  };
  if (name.empty() || name.size() > kLongestName || !std::ranges::all_of(name, sound))
    throw std::invalid_argument("a name was expected");
  return name;
}

State state_in(const Json& value) {
  const auto state = state_named(value.get_ref<const std::string&>());
  // The other two are wishes, which are kept elsewhere.
  if (!state || *state == State::kDraining || *state == State::kMaintenance)
    throw std::invalid_argument("a state was expected");
  return *state;
}

Kept kept_in(const Json& object) {
  Kept kept;
  kept.checked = state_in(object.at("state"));
  kept.proven = object.at("proven").get<bool>();
  kept.age = time_in(object.at("age_ms"));
  kept.ejections = static_cast<unsigned>(whole_in(object.at("ejections"), kMostEjections));
  kept.ejected_for = time_in(object.at("ejected_for_ms"));
  kept.hold = time_in(object.at("hold_ms"));
  kept.penalty = penalty_in(object.at("penalty"));
  return kept;
}

KeptHealth health_in(const Json& body) {
  KeptHealth health;
  health.saved += time_in(body.at("saved_ms"));
  for (const auto& [pool, backends] : body.at("pools").get_ref<const Json::object_t&>()) {
    KeptPool& kept = health.pools[name_in(pool)];
    for (const auto& [backend, object] : backends.get_ref<const Json::object_t&>())
      kept[name_in(backend)] = kept_in(object);
  }
  return health;
}

}  // namespace

milliseconds KeptHealth::away(std::chrono::system_clock::time_point now) const {
  return std::max(std::chrono::floor<milliseconds>(now) - saved, milliseconds{0});
}

LoadedHealth load_health(const std::string& directory) {
  LoadedHealth loaded;
  loaded.problem = load_state(path_in(directory), kVersion,
                              [&](const Json& body) { loaded.health = health_in(body); });
  if (!loaded.problem.empty()) loaded.problem += "; health is found out anew";
  return loaded;
}

Result<void> save_health(const KeptHealth& health, const std::string& directory) {
  return save_state_text(path_in(directory), health_text(health));
}

std::string health_text(const KeptHealth& health) {
  return state_text_of(kVersion, body_of(health));
}

Result<KeptHealth> parse_health(std::string_view text) {
  KeptHealth health;
  const auto parsed =
      parse_state(text, kVersion, [&](const Json& body) { health = health_in(body); });
  if (!parsed) return forward_error(parsed);
  return health;
}

}  // namespace sluice::health
