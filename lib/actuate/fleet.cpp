// SPDX-License-Identifier: Apache-2.0
#include "actuate/fleet.hpp"

#include "actuate/fleet_step.hpp"
#include "base/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::actuate {
namespace {

constexpr double kLeastStartLimit = 60;  // seconds
constexpr double kLongestStartLimit = 3600;
constexpr unsigned kMostDoublings = 5;
constexpr double kColdStarts = 3;  // of them, a start may take

}  // namespace

Fleet::Fleet(Options options) { configure(std::move(options)); }

void Fleet::configure(Options options) {
  SLUICE_ASSERT(!options.classes.empty(), "a pool that scales has a class");
  options_ = std::move(options);
  counts_.assign(options_.classes.size(), {});
}

std::vector<Action> Fleet::step(const Input& input) {
  now_ = std::max(now_, input.t);
  lessons_ = {};
  Step step(input);
  if (std::exchange(resend_, false) && input.act) give_again(step);
  count(step);
  take_reports(step);
  count(step);
  look(step);
  if (input.act) {
    ask_for_list(step);
    count(step);
    if (input.wanted.size() == options_.classes.size() && listed_)
      options_.ability.by_count ? balance_counted(step) : balance(step);
    keep_table(step);
  }
  count(step);
  return std::move(step.actions);
}

void Fleet::tell(Step& step, bool warning, std::string event, std::string text) {
  step.actions.push_back({.kind = Action::Kind::kEvent,
                          .warning = warning,
                          .event = std::move(event),
                          .text = std::move(text)});
}

const std::string& Fleet::give(Step& step, Order order) {
  if (order.id.empty()) order.id = fmt::format("{}-{}", options_.id_prefix, ++last_id_);
  order.pool = options_.pool;
  order.owner = options_.owner;
  step.actions.push_back({.kind = Action::Kind::kOrder, .order = std::move(order)});
  return step.actions.back().order.id;
}

void Fleet::order_unit(Step& step, Unit& unit, Verb verb) {
  unit.order = give(
      step, {.verb = verb, .backend_class = unit.member.backend_class, .name = unit.member.name});
  unit.verb = verb;
  unit.ordered = now_;
}

// After a restart nobody carries them out any more. Their ids tell whoever has already done so.
void Fleet::give_again(Step& step) {
  for (const auto& [name, unit] : units_) {
    if (unit.order.empty()) continue;
    give(step, {.id = unit.order,
                .verb = unit.verb,
                .backend_class = unit.member.backend_class,
                .name = name});
  }
  if (list_) give(step, {.id = list_->id, .verb = Verb::kList});
  if (count_order_) give(step, *count_order_);
}

void Fleet::enter(Unit& unit, Phase phase) const {
  unit.phase = phase;
  unit.since = now_;
  unit.cancelled = false;
  unit.failures = 0;
  unit.not_before = 0;
  unit.missed = 0;
}

void Fleet::drain(Unit& unit, Unit::Next next, bool lost) const {
  enter(unit, Phase::kDraining);
  unit.next = next;
  unit.lost = lost;
  unit.undrain = false;
}

std::size_t Fleet::pending() const noexcept {
  const auto units =
      std::ranges::count_if(units_, [](const auto& each) { return !each.second.order.empty(); });
  return static_cast<std::size_t>(units) + (list_ ? 1U : 0U) + (count_order_ ? 1U : 0U);
}

std::size_t Fleet::index_of(std::string_view backend_class) const noexcept {
  if (backend_class.empty()) return 0;
  const auto found =
      std::ranges::find(options_.classes, backend_class, &config::BackendClass::name);
  return static_cast<std::size_t>(found - options_.classes.begin());
}

double Fleet::held_back_until(std::string_view backend_class) const noexcept {
  const auto found = starts_.find(backend_class);
  return found == starts_.end() || found->second.not_before <= now_ ? 0 : found->second.not_before;
}

unsigned Fleet::failures(std::string_view backend_class) const noexcept {
  const auto found = starts_.find(backend_class);
  return found == starts_.end() ? 0 : found->second.failures;
}

// Doubled with each start in a row that came too late: the configured cold start may be wrong, and
// a limit that is always too short would stop each backend shortly before it serves.
double Fleet::start_limit(const Unit& unit) const {
  const auto index = index_of(unit.member.backend_class);
  if (index >= options_.classes.size()) return kLeastStartLimit;
  const auto& kind = options_.classes[index];
  const double expected = unit.woken ? kind.wake_s : kind.cold_start_s;
  const auto starts = starts_.find(kind.name);
  const unsigned late = starts == starts_.end() ? 0 : std::min(starts->second.late, kMostDoublings);
  return std::min(
      std::max(kColdStarts * expected, kLeastStartLimit) * static_cast<double>(1U << late),
      std::max(kColdStarts * expected, kLongestStartLimit));
}

// What time and the table have made of each. Orders that are due go out from here, so that one that
// failed is given again.
void Fleet::look(Step& step) {
  for (const auto& backend : step.input.backends) {
    if (backend.health == Seen::Health::kReady)
      down_since_.erase(backend.name);
    else
      down_since_.try_emplace(backend.name, now_);
  }
  std::erase_if(down_since_, [&](const auto& each) { return step.seen(each.first) == nullptr; });
  for (auto& [name, unit] : units_) {
    const Seen* const seen = step.seen(name);
    if (unit.undrain && seen != nullptr && seen->wish == Seen::Wish::kServe) unit.undrain = false;
    if (unit.phase == Phase::kComing) look_at_coming(step, unit);
    if (!step.input.act) continue;
    if (unit.phase == Phase::kServing) look_at_serving(step, unit);
    if (unit.phase == Phase::kDraining) look_at_draining(step, unit);
    // The packets of a backend end before it does, unless the table does not let go of it.
    const bool out = seen == nullptr || now_ - unit.since >= 3 * options_.settle_s;
    const bool due = unit.order.empty() && now_ >= unit.not_before && out;
    if (due && unit.phase == Phase::kStopping && !options_.ability.by_count)
      order_unit(step, unit, Verb::kStop);
    if (due && unit.phase == Phase::kSinking) order_unit(step, unit, Verb::kSleep);
  }
  if (step.input.act) look_for_lost(step);
}

void Fleet::look_at_coming(Step& step, Unit& unit) {
  const std::string& name = unit.member.name;
  const Seen* const seen = step.seen(name);
  if (seen != nullptr && seen->health == Seen::Health::kReady) {
    const double took = now_ - unit.asked;
    if (!unit.adopted && !unit.served) {
      if (!unit.woken) lessons_.starts.push_back({unit.member.backend_class, took});
      tell(step, false, "backend_ready",
           fmt::format("{} is ready {:.0f} s after its {}", name, took,
                       unit.woken ? "wake" : "start"));
    }
    enter(unit, Phase::kServing);
    unit.served = true;
    starts_.erase(unit.member.backend_class);
    return;
  }
  if (!step.input.act) return;
  if (step.was_refused(name)) {
    start_failed(step, unit, "the table does not take it", false);
    return enter(unit, Phase::kStopping);
  }
  // By count, whoever starts it replaces it as well.
  if (options_.ability.by_count || (seen != nullptr && seen->wish != Seen::Wish::kServe)) return;
  const double limit = start_limit(unit);
  if (now_ - unit.asked < limit) return;
  start_failed(step, unit, fmt::format("it was not ready after {:.0f} s", now_ - unit.asked), true);
  drain(unit, Unit::Next::kStop, /*lost=*/true);
}

// One that has left the table, by another's hand, and is not taken back must not count for ever.
void Fleet::look_at_serving(Step& step, Unit& unit) {
  const std::string& name = unit.member.name;
  if (step.seen(name) != nullptr || !step.was_refused(name)) return;
  tell(step, true, "backend_refused",
       fmt::format("{} is out of the table, which does not take it back; it is stopped, and "
                   "replaced where it is needed",
                   name));
  enter(unit, Phase::kStopping);
}

void Fleet::look_at_draining(Step& step, Unit& unit) {
  const std::string& name = unit.member.name;
  const Seen* const seen = step.seen(name);
  if (seen != nullptr && seen->health == Seen::Health::kReady) unit.lost = false;
  if (unit.next == Unit::Next::kLeave) return;  // until no list has it
  const double lasted = now_ - unit.since;
  const bool drains = seen != nullptr && seen->wish != Seen::Wish::kServe;
  const bool ended = drains && seen->flows == 0U && lasted >= options_.settle_s;
  if (!ended && lasted < options_.drain_limit_s && !step.was_refused(name)) return;
  if (!ended && seen != nullptr && seen->flows != 0U)
    tell(step, true, "drain_limit",
         fmt::format("{} still has {} after {:.0f} s of draining, its limit; it is stopped", name,
                     seen->flows ? fmt::format("{} flows", *seen->flows) : "flows, perhaps,",
                     lasted));
  if (ended && unit.served) lessons_.drains_s.push_back(lasted);
  enter(unit, unit.next == Unit::Next::kSleep && !unit.lost ? Phase::kSinking : Phase::kStopping);
}

// Whether some are wanted of a class whose starts fail. Of one that is not wanted none is started,
// so that its failures stay what they were: nothing may wait for their end.
bool Fleet::lacks_failing(const Step& step) const {
  return std::ranges::any_of(starts_, [&](const auto& each) {
    const auto index = index_of(each.first);
    return index < counts_.size() && index < step.input.wanted.size() &&
           counts_[index].ready + counts_[index].starting < step.input.wanted[index];
  });
}

// A backend that was ready and stays down is replaced. When half of the table or more is down at
// once, the fault may well be ours: then one at a time, the next once the one before is replaced.
void Fleet::look_for_lost(Step& step) {
  if (options_.ability.by_count) return;
  std::vector<Unit*> lost;
  for (auto& [name, unit] : units_) {
    const auto down = down_since_.find(name);
    const Seen* const seen = step.seen(name);
    if (unit.phase == Phase::kServing && down != down_since_.end() && seen != nullptr &&
        seen->wish == Seen::Wish::kServe && now_ - down->second >= options_.lost_after_s)
      lost.push_back(&unit);
  }
  if (lost.empty()) return void(mass_loss_told_ = false);
  const bool many = lost.size() > 1 && 2 * lost.size() >= step.input.backends.size();
  if (many && !std::exchange(mass_loss_told_, true))
    tell(
        step, true, "many_lost",
        fmt::format("{} of {} backends are down: they are replaced one at a time; see whether this "
                    "node reaches them",
                    lost.size(), step.input.backends.size()));
  const bool busy =
      lacks_failing(step) || std::ranges::any_of(units_, [](const auto& each) {
        return each.second.starts() || (each.second.phase == Phase::kDraining && each.second.lost);
      });
  if (many && busy) return;
  if (many) lost.resize(1);
  for (Unit* const unit : lost) {
    tell(
        step, true, "backend_lost",
        fmt::format("{} has been down for {:.0f} s; it is stopped, and replaced where it is needed",
                    unit->member.name, now_ - down_since_.at(unit->member.name)));
    drain(*unit, Unit::Next::kStop, /*lost=*/true);
  }
}

// The table is told each time in what it differs, so that nothing depends on its having listened.
void Fleet::keep_table(Step& step) {
  using Kind = Action::Kind;
  for (const auto& [name, unit] : units_) {
    const Seen* const seen = step.seen(name);
    const auto ask = [&step, &member = unit.member](Kind kind) {
      step.actions.push_back({.kind = kind, .member = member});
    };
    if (!unit.in_table()) {
      if (seen != nullptr && !seen->configured) ask(Kind::kRemove);
    } else if (seen == nullptr) {
      ask(Kind::kAdd);
    } else if (unit.phase == Phase::kDraining) {
      if (seen->wish == Seen::Wish::kServe) ask(Kind::kDrain);
    } else if (unit.undrain && seen->wish == Seen::Wish::kDrain) {
      ask(Kind::kUndrain);
    }
  }
}

void Fleet::count(const Step& step) {
  counts_.assign(options_.classes.size(), {});
  for (const auto& [name, unit] : units_) count_unit(step, unit);
  others_ = 0;
  for (const auto& backend : step.input.backends) {
    if (units_.contains(backend.name)) continue;
    count_other(backend);
    if (!backend.configured) ++others_;
  }
  if (options_.ability.by_count) counts_[0].starting += expected();
}

void Fleet::count_unit(const Step& step, const Unit& unit) {
  const auto index = index_of(unit.member.backend_class);
  if (index >= counts_.size()) return;
  auto& counts = counts_[index];
  const Seen* const seen = step.seen(unit.member.name);
  const bool held = is_held(unit, seen);
  if (unit.phase == Phase::kServing && !held) {
    const bool ready = seen != nullptr && seen->health == Seen::Health::kReady;
    ++(ready ? counts.ready : counts.starting);
  } else if (unit.starts() && !held) {
    ++counts.starting;
  } else if (can_be_taken_back(unit, seen)) {
    ++counts.draining;
  } else if (unit.phase == Phase::kAsleep || unit.phase == Phase::kSinking) {
    ++counts.asleep;
  }
}

void Fleet::count_other(const Seen& seen) {
  const auto index = index_of(seen.backend_class);
  if (index >= counts_.size() || seen.wish != Seen::Wish::kServe) return;
  if (seen.health == Seen::Health::kReady) {
    ++counts_[index].ready;
    return;
  }
  const auto down = down_since_.find(seen.name);
  if (down == down_since_.end() || now_ - down->second < options_.lost_after_s)
    ++counts_[index].starting;
}

}  // namespace sluice::actuate
