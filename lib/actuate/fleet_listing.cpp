// SPDX-License-Identifier: Apache-2.0
// What a fleet makes of a list of all that run: its own, orphans of an earlier life, strangers.
#include "actuate/fleet_step.hpp"
#include "actuate/names.hpp"

#include <fmt/format.h>

#include <utility>

namespace sluice::actuate {
namespace {

constexpr unsigned kMissedToGo = 2;  // lists in a row: one may be of a bad moment
constexpr double kCountedPeriods = 10;
constexpr double kLongestLeave = 30;  // seconds from a lowered count to the pod's end

}  // namespace

void Fleet::ask_for_list(Step& step) {
  if (!options_.ability.lists) {
    listed_ = true;
    return;
  }
  if (list_ || now_ < next_list_) return;
  list_ = Pending{.id = give(step, {.verb = Verb::kList}), .t = now_};
  next_list_ = now_ + options_.list_every_s / (options_.ability.by_count ? kCountedPeriods : 1);
}

void Fleet::take_list(Step& step, const Report& report) {
  const Pending asked = *std::exchange(list_, std::nullopt);
  const auto ended = std::exchange(ended_, {});
  if (report.end != Report::End::kDone) {
    // Starts are by name, so that one that runs already is only found so. A count is none.
    if (!options_.ability.by_count) listed_ = true;
    if (!std::exchange(list_failing_, true))
      tell(step, true, "list_failed",
           fmt::format("what runs is not to be learned: {}; asked again every {:.0f} s",
                       report.error.empty() ? name_of(report.end) : std::string_view(report.error),
                       next_list_ - asked.t));
    return;
  }
  if (std::exchange(list_failing_, false))
    tell(step, false, "list_works", "what runs is told again");
  if (report.count && !count_order_ && asked_ != report.count) {
    asked_ = report.count;
    asked_since_ = now_;
  }
  std::set<std::string> listed;
  std::set<std::string> strangers;
  foreign_.clear();
  for (const auto& member : report.members) {
    if (!listed.insert(member.name).second) continue;
    if (foreign(member)) {
      foreign_.insert(member.name);
      leave_to_owner(step, member);
      continue;
    }
    const auto known = units_.find(member.name);
    if (known != units_.end()) {
      if (known->second.since < asked.t) take_known(step, known->second, member);
      continue;
    }
    if (ended.contains(member.name)) continue;  // the next list tells whether it runs
    if (const Seen* const seen = step.seen(member.name); seen != nullptr && seen->configured)
      continue;
    if (options_.ability.by_count) {
      take_counted(step, member);
      continue;
    }
    std::size_t index = 0;
    while (index < options_.classes.size() &&
           !number_of(member.name, name_prefix(options_.pool, options_.classes[index].name)))
      ++index;
    const bool ours =
        index < options_.classes.size() &&
        (member.backend_class.empty() || member.backend_class == options_.classes[index].name);
    if (ours)
      take_orphan(step, member, index);
    else
      strangers.insert(member.name);
  }
  look_for_missed(step, listed, asked.t);
  for (const auto& name : strangers)
    if (!strangers_.contains(name))
      tell(step, true, "stranger",
           fmt::format("{} runs, and no name of ours is like it; it is left alone", name));
  strangers_ = std::move(strangers);
  listed_ = true;
  if (std::exchange(stateless_, false) && !units_.empty())
    keep_until_ = now_ + options_.found_hold_s;
}

/// Who tells no owner knows of none: then the name alone says whose it is.
bool Fleet::foreign(const Member& member) const {
  return !member.owner.empty() && !options_.owner.empty() && member.owner != options_.owner;
}

/// What is another's and was ours stays in the table, as if an operator had put it there, and is
/// not stopped: its owner does that.
void Fleet::leave_to_owner(Step& step, const Member& member) {
  const auto known = units_.find(member.name);
  if (known == units_.end()) return;
  tell(step, true, "not_ours",
       fmt::format("{} is {}'s by now; it is neither counted nor stopped any more", member.name,
                   member.owner));
  units_.erase(known);
}

void Fleet::take_known(Step& step, Unit& unit, const Member& member) {
  unit.missed = 0;
  const bool settled = unit.in_table() || unit.phase == Phase::kAsleep;
  if (settled && (member.address != unit.member.address || member.port != unit.member.port) &&
      !unit.lost && unit.next != Unit::Next::kLeave) {
    tell(step, true, "address_changed",
         fmt::format("{} is said to be at {} port {}, and was started at {} port {}; it is drained",
                     unit.member.name, member.address.text(), member.port,
                     unit.member.address.text(), unit.member.port));
    if (unit.phase == Phase::kAsleep)
      enter(unit, Phase::kStopping);
    else
      drain(unit, Unit::Next::kStop, /*lost=*/true);
    return;
  }
  if (!options_.ability.by_count) return;
  if (member.standing == Member::Standing::kLeaving && unit.in_table() &&
      !(unit.phase == Phase::kDraining && unit.next == Unit::Next::kLeave)) {
    tell(step, false, "backend_leaves", unit.member.name + " is about to end; it is drained");
    drain(unit, Unit::Next::kLeave, /*lost=*/true);
  }
  // The count was lowered for it, and another one went.
  if (unit.phase == Phase::kStopping && unit.cancelled &&
      member.standing == Member::Standing::kAwake && now_ - unit.since >= kLongestLeave) {
    enter(unit, Phase::kComing);
    unit.adopted = true;
  }
}

/// A name of ours that we know nothing of: an earlier life started it, or an order that failed has
/// come true. It is taken on where there is need; without a memory, wherever there is room.
void Fleet::take_orphan(Step& step, const Member& member, std::size_t index) {
  auto& counts = counts_[index];
  const auto& kind = options_.classes[index];
  const bool asleep = member.standing == Member::Standing::kAsleep;
  const bool wanted = index < step.input.wanted.size() &&
                      counts.ready + counts.starting + counts.draining < step.input.wanted[index];
  const bool fits =
      asleep ? options_.ability.can_sleep && counts.asleep < kind.asleep && kind.wake_s > 0
             : (stateless_ || wanted) && room(index) != 0;
  const Seen* const seen = step.seen(member.name);  // the table knows it, only we did not
  const std::string user = user_of(step, member);
  const bool kept = (fits || seen != nullptr) && user.empty();
  Unit& unit = units_[member.name];
  unit.member = member;
  unit.member.backend_class = kind.name;
  unit.member.standing = Member::Standing::kAwake;
  unit.asked = now_;
  unit.adopted = true;
  enter(unit, !kept ? Phase::kStopping : asleep ? Phase::kAsleep : Phase::kComing);
  if (kept && seen == nullptr) ++(asleep ? counts.asleep : counts.starting);
  tell(step, !kept, kept ? "orphan_adopted" : "orphan_stopped",
       fmt::format("{} runs at {} and nobody knew; it is {}", member.name, member.address.text(),
                   kept           ? "taken on"
                   : user.empty() ? "not needed, and stopped"
                                  : "stopped, for its address is that of " + user));
}

/// By count all names are news: what is told is taken on.
void Fleet::take_counted(Step& step, const Member& member) {
  if (member.standing == Member::Standing::kLeaving) return;
  if (const std::string user = user_of(step, member); !user.empty()) {
    if (strangers_.insert(member.name).second)
      tell(step, true, "address_in_use",
           fmt::format("{} is said to be at {} port {}, the address of {}; it is left alone",
                       member.name, member.address.text(), member.port, user));
    return;
  }
  const bool expected_one = expected() != 0;
  Unit& unit = units_[member.name];
  unit.member = member;
  unit.member.backend_class = options_.classes.front().name;
  unit.asked = expected_one ? asked_since_ : now_;
  unit.adopted = !expected_one;
  enter(unit, Phase::kComing);
}

/// What is ours and in no list, twice in a row, while it does not answer either, is gone.
void Fleet::look_for_missed(Step& step, const std::set<std::string>& listed, double asked) {
  std::vector<std::string> gone;
  for (auto& [name, unit] : units_) {
    if (listed.contains(name) || !unit.order.empty() || unit.since >= asked) continue;
    const Seen* const seen = step.seen(name);
    const bool answers = seen != nullptr && seen->health == Seen::Health::kReady;
    const bool ends = unit.phase == Phase::kStopping ||
                      (unit.phase == Phase::kDraining && unit.next == Unit::Next::kLeave);
    if (++unit.missed < kMissedToGo || (answers && !ends)) continue;
    if (options_.ability.by_count || unit.phase == Phase::kStopping ||
        unit.phase == Phase::kAsleep) {
      gone.push_back(name);
    } else if (unit.in_table() && !unit.lost) {
      tell(step, true, "backend_vanished",
           fmt::format("{} does not answer and does not run any more", name));
      drain(unit, Unit::Next::kStop, /*lost=*/true);
    }
  }
  for (const auto& name : gone) {
    const Seen* const seen = step.seen(name);
    tell(step, false, "backend_gone", name + " does not run any more");
    if (seen != nullptr && !seen->configured)
      step.actions.push_back({.kind = Action::Kind::kRemove, .member = units_.at(name).member});
    units_.erase(name);
  }
}

}  // namespace sluice::actuate
