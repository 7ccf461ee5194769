// SPDX-License-Identifier: Apache-2.0
// What a fleet does where others start backends by a count, and name them.
#include "actuate/fleet_step.hpp"
#include "actuate/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace sluice::actuate {
namespace {

bool leaves(const Unit& unit) {
  return (unit.phase == Phase::kDraining && unit.next == Unit::Next::kLeave) ||
         (unit.phase == Phase::kStopping && unit.cancelled);
}

}  // namespace

/// Backends that the count asks for and that nobody has seen yet.
unsigned Fleet::expected() const {
  if (!asked_) return 0;
  const auto here = options_.ability.lists
                        ? static_cast<unsigned>(std::ranges::count_if(
                              units_, [](const auto& each) { return !leaves(each.second); }))
                        : others_;
  return *asked_ > here ? *asked_ - here : 0;
}

void Fleet::balance_counted(Step& step) {
  unsigned wanted = 0;
  for (const unsigned of_class : step.input.wanted)
    wanted += std::min(of_class, options_.max - std::min(options_.max, wanted));
  if (!options_.ability.lists) return publish_count(step, wanted);
  if (!asked_) return;  // how many there are must be known before it is changed
  unsigned present = 0;
  for (const auto& counts : counts_) present += counts.ready + counts.starting;
  if (present < wanted) add_counted(step, wanted - present);
  if (present > wanted && now_ >= keep_until_) take_away_counted(step, present - wanted);
  stop_counted(step);
  const bool late =
      expected() != 0 && now_ - asked_since_ >= start_limit({.member = {.backend_class = {}}});
  if (late && !std::exchange(expected_told_, true))
    tell(step, true, "starts_late",
         fmt::format("{} of {} backends that are asked for have not come "
                     "after {:.0f} s",
                     expected(), *asked_, now_ - asked_since_));
  if (expected() == 0) expected_told_ = false;
}

// Whoever reads it starts and stops as many, and which ones is theirs to choose.
void Fleet::publish_count(Step& step, unsigned wanted) {
  const auto configured =
      static_cast<unsigned>(std::ranges::count_if(step.input.backends, [](const Seen& backend) {
        return backend.configured && backend.wish == Seen::Wish::kServe &&
               backend.health == Seen::Health::kReady;
      }));
  const unsigned count = wanted > configured ? wanted - configured : 0;
  if (asked_ != count) order_count(step, count, {});
}

void Fleet::add_counted(Step& step, unsigned deficit) {
  std::vector<Unit*> drains;
  for (auto& [name, unit] : units_)
    if (can_be_taken_back(unit, step.seen(name))) drains.push_back(&unit);
  // Where the last leaves, the first is taken back, so that those that drain are the last ones.
  std::ranges::stable_sort(drains, {}, [&](const Unit* unit) {
    const Seen* const seen = step.seen(unit->member.name);
    return std::tuple(options_.ability.last_leaves ? ordinal_of(unit->member.name) : 0,
                      std::numeric_limits<std::uint64_t>::max() - seen->flows.value_or(0));
  });
  drains.resize(std::min<std::size_t>(drains.size(), deficit));
  for (Unit* const unit : drains) {
    enter(*unit, unit->served ? Phase::kServing : Phase::kComing);
    unit->undrain = true;
    tell(step, false, "drain_undone", unit->member.name + " is needed again");
  }
  deficit -= static_cast<unsigned>(drains.size());
  if (deficit != 0) order_count(step, *asked_ + deficit, {});
}

void Fleet::take_away_counted(Step& step, unsigned surplus) {
  const unsigned unseen = std::min(surplus, expected());
  if (unseen != 0) {
    order_count(step, *asked_ - unseen, {});
    surplus -= unseen;
  }
  std::vector<Unit*> found;
  for (auto& [name, unit] : units_) {
    if ((unit.phase == Phase::kServing || unit.phase == Phase::kComing) &&
        !is_held(unit, step.seen(name)))
      found.push_back(&unit);
  }
  std::ranges::stable_sort(found, {}, [&](const Unit* unit) {
    const Seen* const seen = step.seen(unit->member.name);
    const bool ready = seen != nullptr && seen->health == Seen::Health::kReady;
    const auto unknown = std::numeric_limits<std::uint64_t>::max();
    return std::tuple(
        options_.ability.last_leaves ? kHighestNumber - ordinal_of(unit->member.name) : 0, ready,
        !ready ? 0 : seen->flows.value_or(unknown));
  });
  found.resize(std::min<std::size_t>(found.size(), surplus));
  for (Unit* const unit : found) {
    drain(*unit, Unit::Next::kStop, /*lost=*/false);
    tell(step, false, "drain_begun",
         unit->member.name + " gets no new flows; when it has none left the count is lowered");
  }
}

// The count goes down by one for each that has no flows any more; it is named, so that it is the
// one to go.
void Fleet::stop_counted(Step& step) {
  if (count_order_) return;
  Unit* victim = nullptr;
  for (auto& [name, unit] : units_) {
    if (leaves(unit)) continue;
    const bool later = victim == nullptr || ordinal_of(name) > ordinal_of(victim->member.name);
    if (options_.ability.last_leaves ? later : victim == nullptr && unit.phase == Phase::kStopping)
      victim = &unit;
  }
  if (victim == nullptr || victim->phase != Phase::kStopping || *asked_ == 0) return;
  order_count(step, *asked_ - 1, victim->member.name);
}

void Fleet::order_count(Step& step, unsigned count, const std::string& victim) {
  if (count_order_ || now_ < count_not_before_) return;
  Order order{.verb = Verb::kCount, .name = victim, .count = count};
  order.id = give(step, order);
  count_order_ = std::move(order);
  count_order_t_ = now_;
}

void Fleet::take_count(Step& step, const Report& report) {
  const Order order = *std::exchange(count_order_, std::nullopt);
  if (report.end != Report::End::kDone) {
    count_not_before_ = now_ + back_off_s(++count_failures_);
    return tell(
        step, true, "count_failed",
        fmt::format("the count was not set to {}: {}; again in {:.0f} s", order.count,
                    report.error.empty() ? name_of(report.end) : std::string_view(report.error),
                    count_not_before_ - now_));
  }
  count_failures_ = 0;
  if (!asked_ || *asked_ < order.count) asked_since_ = now_;
  asked_ = order.count;
  const auto victim = units_.find(order.name);
  if (victim != units_.end() && victim->second.phase == Phase::kStopping) {
    victim->second.cancelled = true;  // until no list has it
    victim->second.since = now_;
  }
  tell(step, false, "count_set", fmt::format("{} backends are asked for", order.count));
}

}  // namespace sluice::actuate
