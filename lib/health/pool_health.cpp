// SPDX-License-Identifier: Apache-2.0
#include "health/pool_health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace sluice::health {
namespace {

using std::chrono::milliseconds;

bool may_be_readmitted(const Machine& machine) {
  return machine.checked() == State::kEjected && machine.wish() == Wish::kServe &&
         machine.bad() == 0;
}

}  // namespace

// `times`: 1, or -1 to take it out again.
void PoolHealth::Tally::add(const Part& part, std::size_t times) noexcept {
  const auto count = [times](std::size_t& of, bool is) { of += is ? times : 0; };
  const bool serves = part.wish == Wish::kServe;
  const bool is_unheard = part.checked == State::kStarting;
  count(usable, takes_new_flows(part.state));
  count(counted, part.counts());
  count(spare, part.spare());
  count(ejected, part.checked == State::kEjected);
  count(unheard, is_unheard);
  count(starting, serves && is_unheard);
  count(judged, serves && !is_unheard);
}

bool PoolHealth::recount(Members::value_type& entry) {
  auto& [name, member] = entry;
  const Machine& machine = member.machine;
  ++looked_at_;
  std::optional<Time> readmissible_from;
  if (may_be_readmitted(machine)) readmissible_from = machine.ejected_until();
  if (readmissible_from != member.readmissible_from) {
    if (member.readmissible_from) readmissible_.erase({*member.readmissible_from, name});
    if (readmissible_from) readmissible_.emplace(*readmissible_from, name);
    member.readmissible_from = readmissible_from;
  }
  const Part now{.state = machine.state(),
                 .checked = machine.checked(),
                 .wish = machine.wish(),
                 .proven = machine.proven(),
                 .hopeless = machine.hopeless()};
  if (!member.is_new && now == member.part) return false;
  if (!std::exchange(member.is_new, false)) tally_.add(member.part, static_cast<std::size_t>(-1));
  tally_.add(now, 1);
  member.part = now;
  if (!std::exchange(member.touched, true)) touched_.push_back(&entry);
  return true;
}

// Also where members have come or gone.
void PoolHealth::recount_all() {
  tally_ = {};
  readmissible_.clear();
  touched_.clear();
  for (auto& entry : members_) {
    entry.second.is_new = true;
    entry.second.touched = false;
    entry.second.readmissible_from.reset();
    std::ignore = recount(entry);
  }
}

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
  recount_all();
  settle(changes, now);
  return changes;
}

void PoolHealth::restore(const KeptPool& kept, milliseconds away, Time now) {
  for (const auto& [backend, what] : kept)
    if (const auto found = members_.find(backend); found != members_.end()) {
      found->second.machine.restore(what, away, now);
      if (!outlier_) std::ignore = found->second.machine.pardon(now);
    }
  recount_all();
  std::vector<Change> ignored;
  settle(ignored, now);
  since_ = now;
}

void PoolHealth::assume(const std::function<Wish(std::string_view)>& wish) {
  for (auto& [backend, member] : members_) member.machine.assume(wish(backend));
  recount_all();
  std::vector<Change> ignored;
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

// One step of one backend. Most change nothing, and then nothing else can have changed.
template <class Step>
std::vector<Change> PoolHealth::step(std::string_view backend, Time now, Step step) {
  const auto found = members_.find(backend);
  if (found == members_.end()) return {};
  std::vector<Change> changes;
  add(changes, backend, step(found->second.machine));
  if (recount(*found)) settle(changes, now);
  return changes;
}

std::vector<Change> PoolHealth::wish(std::string_view backend, Wish wish, Time now) {
  return step(backend, now, [&](Machine& machine) { return machine.wish(wish, now); });
}

std::vector<Change> PoolHealth::probed(std::string_view backend, const Outcome& outcome, Time now) {
  const bool last_resort = outcome.ok() && tally_.usable == 0;
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
  std::ignore = recount(member);
}

std::vector<Change> PoolHealth::tick(Time now) {
  std::vector<Change> changes;
  for (auto& entry : members_) {
    add(changes, entry.first, entry.second.machine.tick(now));
    std::ignore = recount(entry);
  }
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

std::size_t PoolHealth::most_ejected() const noexcept {
  return std::max<std::size_t>(members_.size() * outlier_->max_ejection_percent / 100, 1);
}

// Nobody is ejected for nobody's sake: one is left even where min_healthy is 0.
std::size_t PoolHealth::least_usable() const noexcept {
  return std::max<std::size_t>(min_healthy_, 1);
}

bool PoolHealth::may_eject() const noexcept {
  return tally_.ejected < most_ejected() && tally_.usable > least_usable();
}

bool PoolHealth::readmit_one(std::string_view why, std::vector<Change>& changes, Time now) {
  if (readmissible_.empty()) return false;
  auto& soonest = *members_.find(readmissible_.begin()->second);
  add(changes, soonest.first, soonest.second.machine.readmit(std::string(why), now));
  return recount(soonest);
}

void PoolHealth::limit_ejections(std::vector<Change>& changes, Time now) {
  if (!outlier_) return;
  while (tally_.ejected > most_ejected())
    if (!readmit_one("too large a share of the pool is ejected", changes, now)) break;
  while (tally_.ejected > 0 && tally_.usable < least_usable())
    if (!readmit_one("too few backends are left", changes, now)) break;
}

void PoolHealth::settle(std::vector<Change>& changes, Time now) {
  limit_ejections(changes, now);
  judge_pool(changes, now);
}

// Goes by the counts, and looks at those alone that have changed: a pool may have thousands, and
// all of them may change one after the other.
void PoolHealth::judge_pool(std::vector<Change>& changes, Time now) {
  const auto& [usable, counted, spare, ejected, unheard, starting, judged] = tally_;
  const bool panic = counted > 0 && usable * 100 < counted * panic_threshold_;
  const bool panic_before = std::exchange(panic_, panic);

  bool moved = false;
  std::size_t others = spare;  // that are not touched: they take flows in panic and else none
  for (auto* const entry : touched_) {
    ++looked_at_;
    Member& member = entry->second;
    moved |= takes(member.judged, panic_before) != takes(member.part, panic) ||
             keeps(member.judged, panic_before) != keeps(member.part, panic);
    others -= member.part.spare() ? 1 : 0;
    member.judged = member.part;
    member.touched = false;
  }
  touched_.clear();
  moved |= panic != panic_before && others > 0;
  if (moved) ++table_version_;
  const bool any = usable > 0 || (panic && spare > 0);

  const State before = state_;
  if (any)
    state_ = panic_ ? State::kDegraded : State::kUp;
  else  // when the daemon starts, the first answers of some say nothing of the pool yet
    state_ = starting > 0 && (judged == 0 || before == State::kStarting) ? State::kStarting
                                                                         : State::kDown;
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
                     fmt::format("{} of {} backends usable", usable, members_.size()),
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
                         takes(member.part, panic_), keeps(member.part, panic_), machine.changing(),
                         machine.last(), machine.good(), machine.bad(), machine.ejections(),
                         machine.ejected_until(), machine.flaps(), machine.hold()});
  }
  return standings;
}

bool PoolHealth::changing(std::string_view backend) const {
  const auto at = members_.find(backend);
  return at != members_.end() && at->second.machine.changing();
}

}  // namespace sluice::health
