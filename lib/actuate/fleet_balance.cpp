// SPDX-License-Identifier: Apache-2.0
// What a fleet does about too few and too many, where backends are started by name.
#include "actuate/fleet_step.hpp"
#include "actuate/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace sluice::actuate {
namespace {

std::uint64_t flows_of(const Seen* seen) {
  return seen != nullptr && seen->flows ? *seen->flows : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

void Fleet::balance(Step& step) {
  const auto present = [&](std::size_t i) { return counts_[i].ready + counts_[i].starting; };
  for (auto& [name, unit] : units_) {  // classes that the configuration has no more
    if (index_of(unit.member.backend_class) < options_.classes.size()) continue;
    if (unit.phase == Phase::kComing || unit.phase == Phase::kServing)
      drain(unit, Unit::Next::kStop, /*lost=*/false);
    if (unit.phase == Phase::kAsleep) enter(unit, Phase::kStopping);
    unit.cancelled = unit.phase == Phase::kOrdered || unit.phase == Phase::kWaking;
  }
  for (std::size_t i = 0; i < options_.classes.size(); ++i) {
    if (present(i) > step.input.wanted[i] && now_ >= keep_until_)
      take_away(step, i, present(i) - step.input.wanted[i]);
    // Fewer are to sleep than do.
    for (auto& [name, unit] : units_)
      if (unit.phase == Phase::kAsleep && index_of(unit.member.backend_class) == i &&
          counts_[i].asleep > options_.classes[i].asleep) {
        enter(unit, Phase::kStopping);
        --counts_[i].asleep;
      }
  }
  for (std::size_t i = 0; i < options_.classes.size(); ++i)
    if (present(i) < step.input.wanted[i])
      add_some(step, i, std::min(step.input.wanted[i] - present(i), room(i)));
}

/// How many more of the class may be ready or starting.
unsigned Fleet::room(std::size_t index) const {
  const auto left = [](unsigned most, unsigned have) { return most > have ? most - have : 0; };
  unsigned all = 0;
  for (const auto& counts : counts_) all += counts.ready + counts.starting;
  const unsigned pool = left(options_.max, all);
  const unsigned of_class = options_.classes[index].max;
  const auto& own = counts_[index];
  return of_class == 0 ? pool : std::min(pool, left(of_class, own.ready + own.starting));
}

void Fleet::add_some(Step& step, std::size_t index, unsigned deficit) {
  unsigned left = deficit - take_back(step, index, deficit);
  auto& counts = counts_[index];
  for (auto& [name, unit] : units_) {
    if (left == 0) return;
    if (unit.phase != Phase::kAsleep || index_of(unit.member.backend_class) != index) continue;
    enter(unit, Phase::kWaking);
    unit.woken = true;
    unit.served = false;
    unit.adopted = false;
    unit.asked = now_;
    order_unit(step, unit, Verb::kWake);
    --counts.asleep;
    ++counts.starting;
    --left;
  }
  if (left != 0) start(step, index, left);
}

/// Starts that were cancelled first, then what drains, the busiest first. @return how many.
unsigned Fleet::take_back(Step& step, std::size_t index, unsigned deficit) {
  std::vector<Unit*> found;
  for (auto& [name, unit] : units_)
    if (index_of(unit.member.backend_class) == index &&
        (unit.cancelled || can_be_taken_back(unit, step.seen(name))))
      found.push_back(&unit);
  std::ranges::stable_sort(found, [&](const Unit* a, const Unit* b) {
    const auto rank = [&](const Unit* unit) {
      return std::tuple(unit->cancelled, flows_of(step.seen(unit->member.name)));
    };
    return rank(a) > rank(b);
  });
  found.resize(std::min<std::size_t>(found.size(), deficit));
  for (Unit* const unit : found) {
    if (unit->cancelled) {
      unit->cancelled = false;
      ++counts_[index].starting;
      continue;
    }
    enter(*unit, unit->served ? Phase::kServing : Phase::kComing);
    unit->undrain = true;
    --counts_[index].draining;
    const Seen* const seen = step.seen(unit->member.name);
    ++(unit->served && seen->health == Seen::Health::kReady ? counts_[index].ready
                                                            : counts_[index].starting);
    tell(step, false, "drain_undone", unit->member.name + " is needed again");
  }
  return static_cast<unsigned>(found.size());
}

void Fleet::start(Step& step, std::size_t index, unsigned how_many) {
  const std::string& backend_class = options_.classes[index].name;
  const auto failed = starts_.find(backend_class);
  if (failed != starts_.end()) {
    // One at a time until one comes up: what fails should fail once.
    // One that the operator holds proves nothing, however long he does.
    const bool trying = std::ranges::any_of(units_, [&](const auto& each) {
      return each.second.starts() && each.second.member.backend_class == backend_class &&
             !is_held(each.second, step.seen(each.first));
    });
    if (trying) return;
    if (now_ < failed->second.not_before) {
      if (!std::exchange(failed->second.held_back_told, true))
        tell(step, true, "starts_held_back",
             fmt::format("{} more of class {} are wanted; after {} failures the next start is in "
                         "{:.0f} s",
                         how_many, backend_class, failed->second.failures,
                         failed->second.not_before - now_));
      return;
    }
    how_many = 1;
  }
  for (; how_many != 0; --how_many) {
    auto member = next_member(step, index);
    if (!member) {
      if (!std::exchange(no_room_told_, true))
        tell(step, true, "none_left",
             fmt::format("{} more of class {} are wanted, and there is none left to start",
                         how_many, backend_class));
      return;
    }
    no_room_told_ = false;
    Unit& unit = units_[member->name];
    unit.member = std::move(*member);
    unit.since = unit.asked = now_;
    order_unit(step, unit, Verb::kStart);
    ++counts_[index].starting;
  }
}

/// A backend whose name nobody has: one of those that are known, or of our own making.
std::optional<Member> Fleet::next_member(const Step& step, std::size_t index) const {
  const std::string& backend_class = options_.classes[index].name;
  const auto taken = [&](const std::string& name) {
    return units_.contains(name) || step.seen(name) != nullptr || foreign_.contains(name);
  };
  if (!options_.ability.known.empty()) {
    for (Member known : options_.ability.known) {
      if (index_of(known.backend_class) != index || taken(known.name) ||
          !user_of(step, known).empty())
        continue;
      known.backend_class = backend_class;
      return known;
    }
    return std::nullopt;
  }
  const std::string prefix = name_prefix(options_.pool, backend_class);
  for (unsigned n = 1; n <= kHighestNumber; ++n) {
    std::string name = prefix + std::to_string(n);
    if (!taken(name)) return Member{.name = std::move(name), .backend_class = backend_class};
  }
  return std::nullopt;
}

void Fleet::take_away(Step& step, std::size_t index, unsigned surplus) {
  const unsigned cancelled = cancel(step, index, surplus);
  if (cancelled < surplus) drain_some(step, index, surplus - cancelled);
}

/// Those on their way, the youngest first. @return how many.
unsigned Fleet::cancel(Step& step, std::size_t index, unsigned surplus) {
  std::vector<Unit*> found;
  for (auto& [name, unit] : units_)
    if (unit.starts() && index_of(unit.member.backend_class) == index) {
      if (!is_held(unit, step.seen(name))) found.push_back(&unit);
    }
  std::ranges::stable_sort(found, [](const Unit* a, const Unit* b) {
    return std::tie(a->asked, a->member.name) > std::tie(b->asked, b->member.name);
  });
  found.resize(std::min<std::size_t>(found.size(), surplus));
  for (Unit* const unit : found) {
    tell(step, false, "start_cancelled", unit->member.name + " is not needed any more");
    --counts_[index].starting;
    if (unit->phase != Phase::kComing) {
      unit->cancelled = true;  // until the report of its order
    } else if (unit->adopted || step.seen(unit->member.name) != nullptr) {
      drain(*unit, sleeps_next(*unit) ? Unit::Next::kSleep : Unit::Next::kStop, /*lost=*/false);
    } else {
      enter(*unit, unit->woken ? Phase::kSinking : Phase::kStopping);
    }
  }
  return static_cast<unsigned>(found.size());
}

/// Those with the fewest flows; what does not answer before all others.
void Fleet::drain_some(Step& step, std::size_t index, unsigned surplus) {
  std::vector<Unit*> found;
  for (auto& [name, unit] : units_) {
    if (unit.phase == Phase::kServing && !is_held(unit, step.seen(name)) &&
        index_of(unit.member.backend_class) == index)
      found.push_back(&unit);
  }
  std::ranges::reverse(found);  // of equals the one with the highest number
  const auto rank = [&](const Unit* unit) {
    const Seen* const seen = step.seen(unit->member.name);
    const bool ready = seen != nullptr && seen->health == Seen::Health::kReady;
    return std::tuple(ready, ready ? flows_of(seen) : 0, -unit->asked);
  };
  std::ranges::stable_sort(found, [&](const Unit* a, const Unit* b) { return rank(a) < rank(b); });
  found.resize(std::min<std::size_t>(found.size(), surplus));
  for (Unit* const unit : found) {
    const Seen* const seen = step.seen(unit->member.name);
    const bool ready = seen != nullptr && seen->health == Seen::Health::kReady;
    const bool sleeps = sleeps_next(*unit);
    --(ready ? counts_[index].ready : counts_[index].starting);
    drain(*unit, sleeps ? Unit::Next::kSleep : Unit::Next::kStop, /*lost=*/false);
    tell(step, false, "drain_begun",
         fmt::format("{} gets no new flows; {} it is {}", unit->member.name,
                     seen != nullptr && seen->flows ? fmt::format("after its {}", *seen->flows)
                                                    : std::string("when it has none left"),
                     sleeps ? "put to sleep" : "stopped"));
  }
}

/// Whether there is a place among those that sleep.
bool Fleet::sleeps_next(const Unit& unit) const {
  const auto index = index_of(unit.member.backend_class);
  if (!options_.ability.can_sleep || index >= options_.classes.size()) return false;
  const auto& kind = options_.classes[index];
  if (kind.wake_s <= 0 || kind.asleep == 0) return false;
  const auto sleepers = std::ranges::count_if(units_, [&](const auto& each) {
    const Unit& other = each.second;
    return other.member.backend_class == kind.name &&
           (other.phase == Phase::kAsleep || other.phase == Phase::kSinking ||
            (other.phase == Phase::kDraining && other.next == Unit::Next::kSleep) ||
            (other.phase == Phase::kWaking && other.cancelled));
  });
  return static_cast<std::size_t>(sleepers) < kind.asleep;
}

}  // namespace sluice::actuate
