// SPDX-License-Identifier: Apache-2.0
// What a fleet remembers over a restart.
#include "actuate/fleet.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace sluice::actuate {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostUnits = 2 * kMostMembers;
constexpr double kLongestAgo = 1e9;  // seconds, either way

/// Text of a name, an id or a class: bounded, printable.
std::string word(const Json& value, std::size_t longest = 256) {
  auto text = value.get<std::string>();
  if (text.size() > longest) throw std::invalid_argument("a text is too long");
  for (const char c : text)
    if (c < ' ' || c > '~') throw std::invalid_argument("a text has odd characters");
  return text;
}

unsigned small(const Json& value) {
  const auto number = value.get<std::uint64_t>();
  if (!value.is_number_unsigned() || number > 1'000'000)
    throw std::invalid_argument("a number is out of bounds");
  return static_cast<unsigned>(number);
}

/// A time, shifted into this life's clock.
class Times {
 public:
  explicit Times(double shift) : shift_(shift) {}
  double operator()(const Json& value) const {
    const auto t = value.get<double>();
    if (!std::isfinite(t) || std::fabs(t) > kLongestAgo)
      throw std::invalid_argument("a time is out of bounds");
    return t + shift_;
  }

 private:
  double shift_;
};

Json to_json(const Unit& unit) {
  return {{"name", unit.member.name},
          {"address", unit.member.address.is_unspecified() ? "" : unit.member.address.text()},
          {"port", unit.member.port},
          {"class", unit.member.backend_class},
          {"phase", name_of(unit.phase)},
          {"since", unit.since},
          {"asked", unit.asked},
          {"next", static_cast<unsigned>(unit.next)},
          {"cancelled", unit.cancelled},
          {"woken", unit.woken},
          {"adopted", unit.adopted},
          {"served", unit.served},
          {"lost", unit.lost},
          {"undrain", unit.undrain},
          {"order", unit.order},
          {"verb", name_of(unit.verb)},
          {"ordered", unit.ordered},
          {"failures", unit.failures},
          {"not_before", unit.not_before},
          {"missed", unit.missed}};
}

Unit to_unit(const Json& json, const Times& time) {
  Unit unit;
  unit.member.name = word(json.at("name"), kLongestName);
  unit.member.backend_class = word(json.at("class"), kLongestName);
  unit.member.port = json.at("port").get<std::uint16_t>();
  if (small(json.at("port")) != unit.member.port) throw std::invalid_argument("no port");
  const auto phase = phase_named(word(json.at("phase")));
  const auto verb = verb_named(word(json.at("verb")));
  const unsigned next = small(json.at("next"));
  if (!phase || !verb || next > 2) throw std::invalid_argument("an unknown phase or verb");
  unit.phase = *phase;
  unit.verb = *verb;
  unit.next = static_cast<Unit::Next>(next);
  const std::string text = word(json.at("address"));
  const auto address = IpAddress::parse(text);
  if (!text.empty() && !address) throw std::invalid_argument("no address");
  if (text.empty() && unit.in_table()) throw std::invalid_argument("an address is missing");
  if (address) unit.member.address = *address;
  unit.since = time(json.at("since"));
  unit.asked = time(json.at("asked"));
  unit.ordered = time(json.at("ordered"));
  unit.not_before = time(json.at("not_before"));
  unit.cancelled = json.at("cancelled").get<bool>();
  unit.woken = json.at("woken").get<bool>();
  unit.adopted = json.at("adopted").get<bool>();
  unit.served = json.at("served").get<bool>();
  unit.lost = json.at("lost").get<bool>();
  unit.undrain = json.at("undrain").get<bool>();
  unit.order = word(json.at("order"));
  unit.failures = small(json.at("failures"));
  unit.missed = small(json.at("missed"));
  const bool waits = unit.phase == Phase::kOrdered || unit.phase == Phase::kWaking;
  if (unit.member.name.empty() || unit.member.backend_class.empty() ||
      (waits && unit.order.empty()))
    throw std::invalid_argument("a backend without a name, a class or its order");
  return unit;
}

}  // namespace

Json Fleet::save() const {
  Json units = Json::array();
  for (const auto& [name, unit] : units_) units.push_back(to_json(unit));
  Json starts = Json::object();
  for (const auto& [name, of] : starts_)
    starts[name] = {{"failures", of.failures},
                    {"late", of.late},
                    {"not_before", of.not_before},
                    {"held_back_told", of.held_back_told}};
  Json out = {{"t", now_},
              {"last_id", last_id_},
              {"units", std::move(units)},
              {"starts", std::move(starts)},
              {"down_since", down_since_},
              {"next_list", next_list_},
              {"listed", listed_},
              {"list_failing", list_failing_},
              {"stateless", stateless_},
              {"keep_until", keep_until_},
              {"strangers", strangers_},
              {"asked_since", asked_since_},
              {"count_failures", count_failures_},
              {"count_not_before", count_not_before_},
              {"expected_told", expected_told_},
              {"no_room_told", no_room_told_},
              {"mass_loss_told", mass_loss_told_}};
  if (list_) out["list"] = {{"id", list_->id}, {"t", list_->t}, {"ended", ended_}};
  if (asked_) out["asked"] = *asked_;
  if (count_order_)
    out["count_order"] = {{"id", count_order_->id},
                          {"name", count_order_->name},
                          {"count", count_order_->count},
                          {"t", count_order_t_}};
  return out;
}

Result<void> Fleet::restore(const Json& state, double t_now) {
  Fleet read(options_);
  try {
    const Times unshifted(0);
    const Times time(t_now - unshifted(state.at("t")));
    read.now_ = t_now;
    read.last_id_ = state.at("last_id").get<std::uint64_t>();
    if (!state.at("last_id").is_number_unsigned() ||
        read.last_id_ > std::numeric_limits<std::uint64_t>::max() / 2)
      throw std::invalid_argument("a number is out of bounds");
    const Json& units = state.at("units");
    if (!units.is_array() || units.size() > kMostUnits)
      throw std::invalid_argument("too many backends");
    for (const Json& each : units) {
      Unit unit = to_unit(each, time);
      std::string name = unit.member.name;
      if (!read.units_.emplace(std::move(name), std::move(unit)).second)
        throw std::invalid_argument("a backend is there twice");
    }
    const auto bounded = [](const Json& list) -> const Json& {
      if (list.size() > kMostUnits) throw std::invalid_argument("a list is too long");
      return list;
    };
    for (const auto& [name, of] : bounded(state.at("starts")).items())
      read.starts_[word(Json(name), kLongestName)] = {
          .failures = small(of.at("failures")),
          .late = small(of.at("late")),
          .not_before = time(of.at("not_before")),
          .held_back_told = of.at("held_back_told").get<bool>()};
    for (const auto& [name, t] : bounded(state.at("down_since")).items())
      read.down_since_[word(Json(name), kLongestName)] = time(t);
    for (const Json& name : bounded(state.at("strangers")))
      read.strangers_.insert(word(name, kLongestName));
    // What was started since this was written is to be found at once.
    read.next_list_ = time(state.at("next_list"));
    if (t_now > unshifted(state.at("t"))) read.next_list_ = std::min(read.next_list_, t_now);
    read.listed_ = state.at("listed").get<bool>();
    read.list_failing_ = state.at("list_failing").get<bool>();
    read.stateless_ = state.at("stateless").get<bool>();
    read.keep_until_ = time(state.at("keep_until"));
    read.asked_since_ = time(state.at("asked_since"));
    read.count_failures_ = small(state.at("count_failures"));
    read.count_not_before_ = time(state.at("count_not_before"));
    read.expected_told_ = state.at("expected_told").get<bool>();
    read.no_room_told_ = state.at("no_room_told").get<bool>();
    read.mass_loss_told_ = state.at("mass_loss_told").get<bool>();
    if (state.contains("list")) {
      const Json& list = state.at("list");
      read.list_ = Pending{.id = word(list.at("id")), .t = time(list.at("t"))};
      if (list.contains("ended"))  // a version before wrote none
        for (const Json& name : bounded(list.at("ended")))
          read.ended_.insert(word(name, kLongestName));
    }
    if (state.contains("asked")) read.asked_ = small(state.at("asked"));
    if (state.contains("count_order")) {
      const Json& order = state.at("count_order");
      read.count_order_ = Order{.id = word(order.at("id")),
                                .verb = Verb::kCount,
                                .pool = options_.pool,
                                .name = word(order.at("name"), kLongestName),
                                .count = small(order.at("count"))};
      read.count_order_t_ = time(order.at("t"));
    }
  } catch (const std::exception& error) {
    return fail(Errc::kInvalid, "fleet", "the state is not one of ours: {}", error.what());
  }
  read.resend_ = true;
  *this = std::move(read);
  return {};
}

}  // namespace sluice::actuate
