// SPDX-License-Identifier: Apache-2.0
#include "control/scale_pool.hpp"

#include "config/classes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace sluice::control {
namespace {

using autoscale::Limit;

constexpr double kMostSilent = 0.5;  // of the capacity: beyond, arrivals are more guess than count
constexpr double kLate = 2.5;        // ticks that one may come late before it is told

// Limits that an operator can do something about; the others come and go with the load.
constexpr auto kTellingLimits = static_cast<std::uint16_t>(
    static_cast<unsigned>(Limit::kMax) | static_cast<unsigned>(Limit::kBudget) |
    static_cast<unsigned>(Limit::kSilent) | static_cast<unsigned>(Limit::kDomain) |
    static_cast<unsigned>(Limit::kClass));

autoscale::Controller::Options options_of(const config::Autoscale& autoscale,
                                          const std::vector<config::BackendClass>& classes) {
  autoscale::Controller::Options options;
  options.autoscale = autoscale;
  options.classes = classes;
  return options;
}

std::uint64_t grown(std::uint64_t before, std::uint64_t now) {
  return now > before ? now - before : 0;  // a number that rests is counted anew
}

// The pauses of two pools' retries must differ, and yet be the same on every run.
std::uint64_t seed_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

ScalePool::ScalePool(const ScaleParts& parts, std::string id_prefix, const config::Pool& pool)
    : parts_(parts),
      id_prefix_(std::move(id_prefix)),
      name_(pool.name),
      autoscale_(*pool.autoscale),
      classes_(config::scaled_classes(pool)),
      controller_(options_of(autoscale_, classes_)),
      fleet_(fleet_options()),
      awaits_(autoscale_.mode == config::ScaleMode::kAct) {  // until it has been looked at
  make_actuator();
}

ScalePool::~ScalePool() { *due_ = false; }

double ScalePool::seconds() const {
  return std::chrono::duration<double>(parts_.loop.now().time_since_epoch()).count();
}

actuate::Fleet::Options ScalePool::fleet_options() const {
  const auto& actuator = autoscale_.actuator;
  actuate::Fleet::Options options;
  options.pool = name_;
  if (!parts_.node.empty()) options.owner = parts_.node + "/" + name_;
  options.id_prefix = id_prefix_;
  options.classes = classes_;
  options.max = autoscale_.max;
  options.drain_limit_s = static_cast<double>(autoscale_.drain_limit.count());
  if (actuator_) options.ability = actuator_->ability();
  options.order_limit_s = actuate::longest_order_s(actuator);
  return options;
}

void ScalePool::make_actuator() {
  actuator_.reset();
  auto made = parts_.actuator(autoscale_.actuator, actuate::Context{.seed = seed_of(name_)},
                              [this](const actuate::Report& r) { report(r); });
  auto trouble = made ? std::string() : made.error().text();
  if (made) actuator_ = std::move(*made);
  if (!trouble.empty() && trouble != trouble_)
    tell(Level::kError, "actuator_not_ready",
         trouble + "; nothing is started or stopped until it is");
  trouble_ = std::move(trouble);
  fleet_.configure(fleet_options());
}

void ScalePool::configure(const config::Pool& pool) {
  auto classes = config::scaled_classes(pool);
  if (autoscale_ == *pool.autoscale && classes_ == classes) return;
  const bool other_actuator =
      autoscale_.actuator != pool.autoscale->actuator || classes_ != classes;
  if (classes_ != classes) wanted_.clear();  // it went by the classes before
  autoscale_ = *pool.autoscale;
  classes_ = std::move(classes);
  controller_.configure(options_of(autoscale_, classes_));
  if (other_actuator)
    make_actuator();
  else
    fleet_.configure(fleet_options());
  changed_ = true;
}

void ScalePool::tick() {
  if (!actuator_) make_actuator();
  const auto sight = parts_.sight(name_);
  // What has become of the orders before comes first: the controller counts what is there.
  run_fleet(sight, autoscale_.mode == config::ScaleMode::kAct && !wanted_.empty());
  decide(sight);
  run_fleet(parts_.sight(name_), autoscale_.mode == config::ScaleMode::kAct);
}

bool ScalePool::asked(std::uint64_t unserved) const {
  return awaits_ && controller_.decision().desired == 0 && unserved_before_ &&
         unserved > *unserved_before_ && (!last_t_ || seconds() - *last_t_ >= kLeastGap);
}

scrape::Tick ScalePool::measure(const PoolSight& sight, double passed) {
  scrape::FlowSignals signals;
  std::map<std::string, PoolSight::Flows, std::less<>> flows;
  std::vector<scrape::Member> members;
  for (std::size_t i = 0; i < sight.backends.size(); ++i) {
    const auto& backend = sight.backends[i];
    const auto& now = sight.flows[i];
    double begun = 0;
    if (const auto before = flows_before_.find(backend.name); before != flows_before_.end()) {
      begun = static_cast<double>(grown(before->second.begun, now.begun));
      signals.new_flows += begun;
      signals.unanswered += static_cast<double>(grown(before->second.unanswered, now.unanswered));
    }
    flows.emplace(backend.name, now);
    signals.active += static_cast<double>(backend.flows.value_or(0));
    const auto index = config::class_index(classes_, backend.backend_class);
    members.push_back({.name = backend.name,
                       .backend_class = index,
                       .ready = now.takes_new,
                       .capacity = controller_.learned(index).capacity,
                       .service_time_s = classes_[index].service_time_s,
                       .new_flows = begun,
                       .active_flows = static_cast<double>(backend.flows.value_or(0))});
  }
  flows_before_ = std::move(flows);
  // While somebody here takes flows, those that found nobody were another pool's.
  if (std::ranges::none_of(sight.flows, &PoolSight::Flows::takes_new))
    signals.refused = waiting_.see(
        seconds(), passed,
        static_cast<double>(grown(unserved_before_.value_or(sight.unserved), sight.unserved)));
  else
    waiting_.clear();
  unserved_before_ = sight.unserved;

  auto* demand = parts_.demand(name_);
  if (demand == nullptr) return {.silent = 1};
  const auto now = parts_.loop.now();
  const auto tick = demand->tick(now, members, signals);
  const auto in_service = [&](const std::string& name) {
    const auto at = std::ranges::find(members, name, &scrape::Member::name);
    return at != members.end() && at->ready;
  };
  for (const auto& notice : demand->notices(now, in_service)) tell(Level::kWarn, "silence", notice);
  return tick;
}

void ScalePool::decide(const PoolSight& sight) {
  const double t = seconds();
  if (last_t_ && t <= *last_t_) return;  // the clock stands: no time for anything to have come
  if (last_t_ && t - *last_t_ > kLate * autoscale_.tick_s + 1) {
    ++counts_.late_ticks;
    tell(Level::kWarn, "tick_late",
         fmt::format("decides after {:.1f} s, not {:.1f}: the node had no time", t - *last_t_,
                     autoscale_.tick_s));
  }
  const double passed = last_t_ ? t - *last_t_ : 0;
  last_t_ = t;
  const auto measured = measure(sight, passed);
  history_.add(parts_.wall(), passed,
               measured.silent <= kMostSilent ? std::optional(measured.arrivals) : std::nullopt);
  for (const auto& full : measured.saturated)
    controller_.learn_capacity(full.backend_class, full.requests_per_second);
  const auto standing = controller_.standing();
  const auto& decision = controller_.tick(
      {.t = t,
       .utc = std::chrono::duration_cast<std::chrono::seconds>(parts_.wall().time_since_epoch())
                  .count(),
       .arrivals = measured.arrivals,
       .served = measured.served,
       .queue = measured.queue,
       .inflight = measured.inflight,
       .fleet = fleet_.counts(),
       .silent = measured.silent});
  if (standing == autoscale::Standing::kOverride &&
      controller_.standing() == autoscale::Standing::kAuto) {
    override_until_.reset();
    tell(Level::kInfo, "override_ended",
         "the count set by hand has expired; policies decide again");
    changed_ = true;
  }
  ++counts_.decisions[decision.cause];
  changed_ = changed_ || wanted_ != decision.wanted;
  tell_decision(decision);
  wanted_ = decision.wanted;
}

void ScalePool::tell_decision(const autoscale::Decision& decision) {
  const auto telling = [](const autoscale::Decision& d) {
    return static_cast<std::uint16_t>(d.limits & kTellingLimits);
  };
  if (!told_.empty()) {
    const auto& before = told_.back().decision;
    if (before.wanted == decision.wanted && telling(before) == telling(decision)) return;
  }
  const bool bound = telling(decision) != 0 && decision.uncovered > 0;
  tell(bound ? Level::kWarn : Level::kInfo, "decided",
       fmt::format("{}{}; demand {:.2f}/s, backlog {:.0f}, forecast {:.2f}/s in {:.0f} s "
                   "({:.2f} to {:.2f}), margin {:.2f}, cause {}, cost {:.2f}/h",
                   autoscale_.mode == config::ScaleMode::kAdvise ? "advises " : "", decision.reason,
                   decision.demand, decision.backlog, decision.forecast, decision.horizon_s,
                   decision.low, decision.high, decision.margin, name_of(decision.cause),
                   decision.cost_per_hour));
  told_.push_back({parts_.wall(), decision});
  if (told_.size() > kMostTold) told_.pop_front();
}

void ScalePool::run_fleet(const PoolSight& sight, bool act) {
  actuate::Input input;
  input.t = seconds();
  input.wanted = wanted_;
  input.wanted.resize(classes_.size());
  input.backends = sight.backends;
  input.reports = std::exchange(reports_, {});
  input.refused = std::exchange(refused_, {});
  input.act = act;
  const auto actions = fleet_.step(input);
  for (const auto& start : fleet_.lessons().starts)
    controller_.learn_start(config::class_index(classes_, start.backend_class), start.seconds);
  for (const double drain : fleet_.lessons().drains_s) controller_.learn_drain(drain);
  counts_.failures += fleet_.lessons().disbelieved;
  look_for_waiting(sight);
  carry_out(actions);
}

void ScalePool::carry_out(const std::vector<actuate::Action>& actions) {
  using Kind = actuate::Action::Kind;
  const auto done = [&](const Result<void>& result, std::string_view what) {
    changed_ = true;
    if (!result)
      tell(Level::kError, "not_changed", fmt::format("{}: {}", what, result.error().text()));
    return result.has_value();
  };
  for (const auto& action : actions) {
    const auto& member = action.member;
    switch (action.kind) {
      case Kind::kOrder:
        ++counts_.orders[static_cast<std::size_t>(action.order.verb)];
        if (action.order.verb != actuate::Verb::kList) changed_ = true;
        if (actuator_)
          actuator_->order(action.order);
        else
          report({.order_id = action.order.id,
                  .end = actuate::Report::End::kFailed,
                  .error = "there is no actuator: " + trouble_});
        break;
      case Kind::kAdd: {
        config::Backend backend;
        backend.name = member.name;
        backend.address = member.address;
        backend.port = member.port;
        if (std::ranges::find(classes_, member.backend_class, &config::BackendClass::name) !=
            classes_.end())
          backend.backend_class = member.backend_class;
        if (!done(parts_.add(name_, backend), "add backend " + member.name))
          refused_.push_back(member.name);
        break;
      }
      case Kind::kDrain:
        (void)done(parts_.wish(name_, member.name, health::Wish::kDrain), "drain " + member.name);
        break;
      case Kind::kUndrain:
        (void)done(parts_.wish(name_, member.name, health::Wish::kServe), "undrain " + member.name);
        break;
      case Kind::kRemove:
        (void)done(parts_.remove(name_, member.name), "remove backend " + member.name);
        break;
      case Kind::kEvent:
        tell(action.warning ? Level::kWarn : Level::kInfo, action.event, action.text);
        break;
    }
  }
}

// It may come from within order(): what it leads to waits for the end of the turn.
void ScalePool::report(const actuate::Report& report) {
  if (report.end == actuate::Report::End::kDone) {
    if (actuator_) trouble_.clear();
  } else {
    ++counts_.failures;
    if (actuator_) trouble_ = report.error;
  }
  reports_.push_back(report);
  changed_ = true;
  if (*due_) return;
  *due_ = true;
  parts_.loop.defer([this, due = due_] {
    if (!std::exchange(*due, false)) return;
    run_fleet(parts_.sight(name_), autoscale_.mode == config::ScaleMode::kAct && !wanted_.empty());
  });
}

// Nobody is ready, and nobody who has been ready is missing: who is down by his health refuses.
void ScalePool::look_for_waiting(const PoolSight& sight) {
  using actuate::Phase;
  using actuate::Seen;
  const bool none_ready = std::ranges::none_of(
      fleet_.counts(), [](const auto& of_class) { return of_class.ready != 0; });
  const bool broken = std::ranges::any_of(sight.backends, [&](const Seen& backend) {
    if (backend.health != Seen::Health::kDown || backend.wish != Seen::Wish::kServe) return false;
    const auto unit = fleet_.units().find(backend.name);
    return unit == fleet_.units().end() || unit->second.phase == Phase::kServing;
  });
  const bool awaits = autoscale_.mode == config::ScaleMode::kAct && none_ready && !broken;
  if (std::exchange(awaits_, awaits) != awaits) parts_.awaiting_changed();
}

Result<void> ScalePool::override_with(unsigned count, std::optional<std::chrono::seconds> lasts,
                                      std::string_view who) {
  if (count < autoscale_.min || count > autoscale_.max)
    return fail(Errc::kInvalid, "/count",
                "{} is not from {} to {}, the pool's min and max; give such a number, or change "
                "them in the configuration",
                count, autoscale_.min, autoscale_.max);
  override_until_.reset();
  if (lasts) override_until_ = seconds() + static_cast<double>(lasts->count());
  override_count_ = count;
  controller_.override_with(count, override_until_);
  changed_by_hand(fmt::format("{} backends {}", count,
                              lasts ? fmt::format("for {} s", lasts->count()) : "until resumed"),
                  who);
  return {};
}

void ScalePool::resume(std::string_view who) {
  controller_.resume();
  override_until_.reset();
  changed_by_hand("policies decide again", who);
}

void ScalePool::pause(std::string_view who) {
  controller_.pause();
  override_until_.reset();
  changed_by_hand("paused, the pool keeps its size", who);
}

void ScalePool::changed_by_hand(std::string_view what, std::string_view who) {
  changed_ = true;
  tell(Level::kWarn, "override", fmt::format("{}, by {}", what, who));
  if (!last_t_ || seconds() - *last_t_ >= kLeastGap) tick();  // else at the next one
}

std::optional<double> ScalePool::override_left() const {
  if (controller_.standing() != autoscale::Standing::kOverride || !override_until_)
    return std::nullopt;
  return std::max(0.0, *override_until_ - seconds());
}

void ScalePool::tell(Level level, std::string event, std::string_view text) {
  parts_.events.add(level, "scale", std::move(event), fmt::format("pool {}: {}", name_, text));
}

nlohmann::json ScalePool::save() const {
  const auto* demand = parts_.demand(name_);
  return {
      {"controller", controller_.save()},
      {"fleet", fleet_.save()},
      {"demand", demand == nullptr ? nlohmann::json() : demand->save(parts_.loop.now())},
      {"override_left_s", override_left() ? nlohmann::json(*override_left()) : nlohmann::json()},
      {"override_count", override_count_},
      {"wanted", wanted_}};
}

// An override goes on while nobody is there, by the wall's clock; one that was set back meanwhile
// leaves at most what was left.
void ScalePool::restore_override(const nlohmann::json& state, double t,
                                 std::chrono::milliseconds away) {
  const auto left = state.find("override_left_s");
  if (controller_.standing() != autoscale::Standing::kOverride || left == state.end() ||
      !left->is_number())
    return;
  const double s = left->get<double>();
  if (!(s >= 0 && s < 1e9)) return;
  override_until_ = t + std::max(0.0, s - std::chrono::duration<double>(away).count());
  const auto count = state.find("override_count");
  if (count == state.end() || !count->is_number_unsigned() || *count > 65535) return;
  override_count_ = count->get<unsigned>();
  controller_.override_with(override_count_, override_until_);
}

Result<void> ScalePool::restore(const nlohmann::json& state, std::chrono::milliseconds away) {
  if (!state.is_object() || !state.contains("controller") || !state.contains("fleet") ||
      !state.contains("demand") || !state.contains("wanted"))
    return fail(Errc::kInvalid, "pool " + name_, "is not a pool's state");
  const double t = seconds();
  if (auto done = controller_.restore(state["controller"], t); !done) return done;
  if (auto done = fleet_.restore(state["fleet"], t); !done) return done;
  auto* demand = parts_.demand(name_);
  if (demand != nullptr && !state["demand"].is_null())
    if (auto done = demand->restore(state["demand"], parts_.loop.now(), away); !done) return done;
  restore_override(state, t, away);
  const auto& wanted = state["wanted"];
  if (wanted.is_array() && wanted.size() == classes_.size() &&
      std::ranges::all_of(wanted, [](const auto& n) {
        return n.is_number_unsigned() && n.template get<std::uint64_t>() <= 65535;
      }))
    wanted_ = wanted.get<std::vector<unsigned>>();
  return {};
}

}  // namespace sluice::control
