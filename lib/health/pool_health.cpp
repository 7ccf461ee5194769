// SPDX-License-Identifier: Apache-2.0
#include "health/pool_health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace sluice::health {
namespace {

using std::chrono::milliseconds;

bool is_ejected(const Machine& machine) { return machine.checked() == State::kEjected; }

}  // namespace

PoolHealth::PoolHealth(const config::Pool& pool, Time now) : name_(pool.name), since_(now) {
  std::ignore = replace(pool, now);
  since_ = now;
}

Machine::Rules PoolHealth::rules() const {
  Machine::Rules rules;
  rules.probed = check_.has_value();
  if (check_) {
    rules.rise = check_->rise;
    rules.fall = check_->fall;
  }
  if (outlier_) rules.forgiven_after = outlier_->base_ejection;
  return rules;
}

std::vector<Change> PoolHealth::replace(const config::Pool& pool, Time now) {
  std::vector<Change> changes;
  check_ = pool.health;
  const bool ejected_before = outlier_.has_value();
  outlier_ = pool.outlier;
  panic_threshold_ = pool.panic_threshold;
  min_healthy_ = pool.min_healthy;
  if (!outlier_) detector_.reset();
  if (outlier_ && detector_) detector_->replace(*outlier_);
  if (outlier_ && !detector_) detector_.emplace(*outlier_, now);

  order_.clear();
  Members before = std::exchange(members_, {});
  for (const auto& backend : pool.backends) {
    auto found = before.extract(backend.name);
    if (found.empty()) {
      order_.push_back(&*members_
                             .try_emplace(backend.name, Member{backend.address, backend.port,
                                                               Machine(rules(), now)})
                             .first);
      continue;
    }
    const auto kept = members_.insert(std::move(found)).position;
    order_.push_back(&*kept);
    Member& member = kept->second;
    add(changes, backend.name, member.machine.replace_rules(rules(), now));
    if (!outlier_ && ejected_before) add(changes, backend.name, member.machine.pardon(now));
    if (member.address == backend.address && member.port == backend.port) continue;
    if (detector_) detector_->forget(backend.name);
    member.address = backend.address;
    member.port = backend.port;
    add(changes, backend.name,
        member.machine.restart(fmt::format("it is at {} now", backend.address.text()), now));
  }
  if (detector_)
    for (const auto& gone : before) detector_->forget(gone.first);
  settle(changes, now);
  return changes;
}

void PoolHealth::restore(const KeptPool& kept, milliseconds away, Time now) {
  for (const auto& [backend, what] : kept)
    if (const auto found = members_.find(backend); found != members_.end()) {
      found->second.machine.restore(what, away, now);
      if (!outlier_) std::ignore = found->second.machine.pardon(now);
    }
  std::vector<Change> ignored;
  settle(ignored, now);
  since_ = now;
}

void PoolHealth::assume(const std::function<Wish(std::string_view)>& wish) {
  for (auto& [backend, member] : members_) member.machine.assume(wish(backend));
  std::vector<Change> ignored;  // once, for all of them: it looks at each
  settle(ignored, since_);
}

KeptPool PoolHealth::kept(Time now) const {
  KeptPool kept;
  for (const auto& [backend, member] : members_) kept.emplace(backend, member.machine.kept(now));
  return kept;
}

void PoolHealth::add(std::vector<Change>& changes, std::string_view backend,
                     std::optional<Change> change) {
  if (!change) return;
  change->pool = name_;
  change->backend = backend;
  changes.push_back(std::move(*change));
}

// One step of one backend. Most change nothing, and then nothing else can have changed: what the
// pool derives depends on these four alone.
template <class Step>
std::vector<Change> PoolHealth::step(std::string_view backend, Time now, Step step) {
  const auto found = members_.find(backend);
  if (found == members_.end()) return {};
  std::vector<Change> changes;
  const auto derived_from = [&machine = found->second.machine] {
    return std::tuple(machine.state(), machine.checked(), machine.wish(), machine.hopeless());
  };
  const auto before = derived_from();
  add(changes, backend, step(found->second.machine));
  if (derived_from() != before) settle(changes, now);
  return changes;
}

std::vector<Change> PoolHealth::wish(std::string_view backend, Wish wish, Time now) {
  return step(backend, now, [&](Machine& machine) { return machine.wish(wish, now); });
}

std::vector<Change> PoolHealth::probed(std::string_view backend, const Outcome& outcome, Time now) {
  const bool last_resort = outcome.ok() && usable_ == 0;
  return step(backend, now,
              [&](Machine& machine) { return machine.answered(outcome, last_resort, now); });
}

std::vector<Change> PoolHealth::observed(std::string_view backend, const Signals& totals,
                                         Time now) {
  if (!detector_) return {};
  const auto found = members_.find(backend);
  if (found == members_.end()) return {};
  if (!takes_new_flows(found->second.machine.state())) {
    detector_->passed_over(found->first, totals);
    return {};
  }
  const auto suspicion = detector_->observed(found->first, totals, now);
  if (!suspicion) return {};
  std::vector<Change> changes;
  act(*found, *suspicion, changes, now);
  settle(changes, now);
  return changes;
}

void PoolHealth::act(Members::value_type& member, const Suspicion& suspicion,
                     std::vector<Change>& changes, Time now) {
  Machine& machine = member.second.machine;
  if (suspicion.grave && may_eject()) {
    const auto lasts = ejection_time(*outlier_, machine.ejections());
    add(changes, member.first,
        machine.eject(suspicion.why,
                      fmt::format("{}: out for {} s", suspicion.evidence,
                                  std::chrono::ceil<std::chrono::seconds>(lasts).count()),
                      now + lasts, now));
  } else {
    const auto* const limit = suspicion.grave ? ", but no more backends may be ejected" : "";
    add(changes, member.first,
        machine.suspect(suspicion.why, suspicion.evidence + limit, now + outlier_->interval, now));
  }
}

std::vector<Change> PoolHealth::tick(Time now) {
  std::vector<Change> changes;
  for (auto& [backend, member] : members_) add(changes, backend, member.machine.tick(now));
  if (detector_)
    for (const auto& [backend, suspicion] : detector_->sweep(now))
      if (const auto found = members_.find(backend);
          found != members_.end() && takes_new_flows(found->second.machine.state()))
        act(*found, suspicion, changes, now);
  settle(changes, now);
  return changes;
}

std::optional<Time> PoolHealth::next_tick() const {
  std::optional<Time> next;
  const auto sooner = [&](std::optional<Time> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  for (const auto& entry : members_) sooner(entry.second.machine.next_tick());
  if (detector_) sooner(detector_->next_sweep());
  return next;
}

std::size_t PoolHealth::ejected() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      members_, [](const auto& entry) { return is_ejected(entry.second.machine); }));
}

std::size_t PoolHealth::usable() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      members_, [](const auto& entry) { return takes_new_flows(entry.second.machine.state()); }));
}

std::size_t PoolHealth::most_ejected() const noexcept {
  return std::max<std::size_t>(members_.size() * outlier_->max_ejection_percent / 100, 1);
}

// Nobody is ejected for nobody's sake: one is left even where min_healthy is 0.
std::size_t PoolHealth::least_usable() const noexcept {
  return std::max<std::size_t>(min_healthy_, 1);
}

bool PoolHealth::may_eject() const {
  return ejected() < most_ejected() && usable() > least_usable();
}

bool PoolHealth::readmit_one(std::string_view why, std::vector<Change>& changes, Time now) {
  Members::value_type* soonest = nullptr;
  for (auto& entry : members_) {
    const Machine& machine = entry.second.machine;
    if (!is_ejected(machine) || machine.wish() != Wish::kServe || machine.bad() > 0) continue;
    if (soonest == nullptr || machine.ejected_until() < soonest->second.machine.ejected_until())
      soonest = &entry;
  }
  if (soonest == nullptr) return false;
  add(changes, soonest->first, soonest->second.machine.readmit(std::string(why), now));
  return true;
}

void PoolHealth::limit_ejections(std::vector<Change>& changes, Time now) {
  if (!outlier_) return;
  while (ejected() > most_ejected())
    if (!readmit_one("too large a share of the pool is ejected", changes, now)) break;
  while (ejected() > 0 && usable() < least_usable())
    if (!readmit_one("too few backends are left", changes, now)) break;
}

void PoolHealth::settle(std::vector<Change>& changes, Time now) {
  limit_ejections(changes, now);
  judge_pool(changes, now);
}

void PoolHealth::judge_pool(std::vector<Change>& changes, Time now) {
  // Who never was up yet, as one that loads its model, is neither missed nor sent to.
  const auto counts = [](const Machine& m) { return m.wish() == Wish::kServe && m.proven(); };
  std::size_t counted = 0;
  bool starting = false;
  bool judged = false;
  for (const auto& entry : members_) {
    const Machine& machine = entry.second.machine;
    if (machine.wish() != Wish::kServe) continue;
    counted += counts(machine) ? 1 : 0;
    (machine.checked() == State::kStarting ? starting : judged) = true;
  }
  usable_ = usable();
  panic_ = counted > 0 && usable_ * 100 < counted * panic_threshold_;

  bool any = false;
  bool moved = false;
  for (auto& entry : members_) {
    Member& member = entry.second;
    const Machine& machine = member.machine;
    // A client that is refused or gets nowhere has nothing from panic.
    const bool takes =
        takes_new_flows(machine.state()) || (panic_ && counts(machine) && !machine.hopeless());
    const bool keeps = takes || keeps_flows(machine.state());
    moved |= takes != member.takes || keeps != member.keeps;
    member.takes = takes;
    member.keeps = keeps;
    any |= takes;
  }
  if (moved) ++table_version_;

  const State before = state_;
  if (any)
    state_ = panic_ ? State::kDegraded : State::kUp;
  else  // when the daemon starts, the first answers of some say nothing of the pool yet
    state_ = starting && (!judged || before == State::kStarting) ? State::kStarting : State::kDown;
  if (state_ == before) return;
  const auto why = state_ == State::kUp         ? cause::kUsable
                   : state_ == State::kDegraded ? cause::kPanic
                                                : cause::kNoBackend;
  const auto ms = [](Time t) { return std::chrono::floor<milliseconds>(t.time_since_epoch()); };
  changes.push_back({name_,
                     {},
                     before,
                     state_,
                     std::string(why),
                     fmt::format("{} of {} backends usable", usable_, members_.size()),
                     ms(now) - ms(since_)});
  since_ = now;
}

std::vector<Standing> PoolHealth::standings() const {
  std::vector<Standing> standings;
  standings.reserve(order_.size());
  for (const auto* entry : order_) {
    const auto& [name, member] = *entry;
    const Machine& machine = member.machine;
    standings.push_back({name, machine.state(), machine.wish(), machine.checked(), machine.since(),
                         member.takes, member.keeps, machine.changing(), machine.last(),
                         machine.good(), machine.bad(), machine.ejections(),
                         machine.ejected_until(), machine.flaps(), machine.hold()});
  }
  return standings;
}

bool PoolHealth::all_known() const {
  return std::ranges::none_of(members_, [](const auto& entry) {
    return entry.second.machine.checked() == State::kStarting;
  });
}

bool PoolHealth::changing(std::string_view backend) const {
  const auto at = members_.find(backend);
  return at != members_.end() && at->second.machine.changing();
}

}  // namespace sluice::health
