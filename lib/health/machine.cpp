// SPDX-License-Identifier: Apache-2.0
#include "health/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::health {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kMostInARow = 1'000'000;       // it need not count on
constexpr std::chrono::hours kLongest{24 * 365};  // that a stored time may span

// Whole milliseconds of the clock, so that the times between changes add up.
milliseconds between(Time from, Time to) {
  const auto ms = [](Time t) { return std::chrono::floor<milliseconds>(t.time_since_epoch()); };
  return ms(to) - ms(from);
}

milliseconds bounded(milliseconds time) {
  return std::clamp<milliseconds>(time, milliseconds{0}, kLongest);
}

std::string in_ms(std::chrono::microseconds took) {
  return fmt::format("{:.1f} ms", static_cast<double>(took.count()) / 1000);
}

std::string bad_evidence(unsigned bad, const Outcome& last) {
  return fmt::format("{} {} after {}{}{}", bad,
                     bad == 1 ? "probe failed," : "probes in a row failed, the last",
                     in_ms(last.took), last.detail.empty() ? "" : ": ", last.detail);
}

}  // namespace

Machine::Machine(const Rules& rules, Time now)
    : rules_(rules),
      checked_(rules.probed ? State::kStarting : State::kUp),
      since_(now),
      proven_(!rules.probed),
      calm_since_(now) {}

State Machine::state() const noexcept {
  if (wish_ == Wish::kMaintenance) return State::kMaintenance;
  if (wish_ == Wish::kDrain && keeps_flows(checked_)) return State::kDraining;
  return checked_;
}

std::optional<Change> Machine::shown(State before, std::string_view why, std::string evidence,
                                     Time now) {
  const State after = state();
  if (after == before) return std::nullopt;
  const auto lasted = between(since_, now);
  since_ = now;
  return Change{{}, {}, before, after, std::string(why), std::move(evidence), lasted};
}

std::optional<Change> Machine::move(State to, std::string_view why, std::string evidence,
                                    Time now) {
  const State before = state();
  if (to == State::kUp) {
    proven_ = true;
    calm_since_ = now;
  }
  if (to != State::kDegraded) suspected_until_.reset();
  if (to != State::kDegraded && to != State::kDown) hold_ = milliseconds{0};
  checked_ = to;
  return shown(before, why, std::move(evidence), now);
}

std::string Machine::good_evidence() const {
  return fmt::format("{} {} after {}", good_,
                     good_ == 1 ? "good answer," : "good answers in a row, the last",
                     in_ms(last_->took));
}

std::optional<Change> Machine::answered(const Outcome& outcome, bool last_resort, Time now) {
  if (!rules_.probed) return std::nullopt;  // of a check that is no more
  last_ = outcome;
  if (!outcome.counts()) return std::nullopt;
  if (outcome.ok()) return well(last_resort, now);
  return badly(outcome, now);
}

std::optional<Change> Machine::well(bool last_resort, Time now) {
  bad_ = 0;
  if (good_ == 0) good_since_ = now;
  good_ = std::min(good_ + 1, kMostInARow);
  switch (checked_) {
    case State::kStarting:
      return move(State::kUp, cause::kAnswered, good_evidence(), now);
    case State::kDegraded:
      if (!steady(now) || (suspected_until_ && *suspected_until_ > now)) return std::nullopt;
      return move(State::kUp, cause::kAnswered, good_evidence(), now);
    case State::kDown:
      if (last_resort)
        return move(State::kUp, cause::kAnswered, good_evidence() + ", and no other is usable",
                    now);
      if (!steady(now)) return std::nullopt;
      return move(State::kUp, cause::kAnswered,
                  hold_ == milliseconds{0}
                      ? good_evidence()
                      : fmt::format("{}, for {} s as it fell often", good_evidence(),
                                    std::chrono::ceil<std::chrono::seconds>(hold_).count()),
                  now);
    case State::kEjected:
      return tick(now);
    default:
      return std::nullopt;
  }
}

std::optional<Change> Machine::badly(const Outcome& outcome, Time now) {
  good_ = 0;
  bad_ = std::min(bad_ + 1, kMostInARow);
  const auto why = name(outcome.fault);
  const bool fallen = bad_ >= rules_.fall;
  switch (checked_) {
    case State::kStarting:
      fell_by_ = outcome.fault;
      hold_ = milliseconds{0};
      return move(State::kDown, why, bad_evidence(bad_, outcome), now);
    case State::kUp:
      if (!fallen) {
        unease_.fall(now);
        hold_ = unease_.hold(now);
        return move(State::kDegraded, why, bad_evidence(bad_, outcome), now);
      }
      [[fallthrough]];
    case State::kDegraded:
    case State::kEjected:
      if (!fallen) return std::nullopt;
      ++flaps_;
      falls_.fall(now);
      hold_ = falls_.hold(now);
      fell_by_ = outcome.fault;
      return move(State::kDown, why, bad_evidence(bad_, outcome), now);
    case State::kDown:
      fell_by_ = outcome.fault;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Change> Machine::suspect(std::string_view why, std::string evidence, Time until,
                                       Time now) {
  if (!takes_new_flows(state())) return std::nullopt;
  suspected_until_ = std::max(suspected_until_.value_or(until), until);
  calm_since_ = now;
  if (checked_ == State::kDegraded) return std::nullopt;
  return move(State::kDegraded, why, std::move(evidence), now);
}

std::optional<Change> Machine::eject(std::string_view why, std::string evidence, Time until,
                                     Time now) {
  if (!takes_new_flows(state())) return std::nullopt;
  ejected_until_ = until;
  ejections_ = std::min(ejections_ + 1, kMostInARow);
  good_ = 0;  // it answered well while its traffic failed: only what comes from now on counts
  return move(State::kEjected, why, std::move(evidence), now);
}

std::optional<Change> Machine::readmit(std::string evidence, Time now) {
  if (checked_ != State::kEjected) return std::nullopt;
  const auto change = move(State::kDegraded, cause::kNeeded, std::move(evidence), now);
  suspected_until_ = ejected_until_;
  return change;
}

std::optional<Change> Machine::pardon(Time now) {
  ejections_ = 0;
  suspected_until_.reset();
  if (checked_ == State::kEjected)
    return move(State::kUp, cause::kConfiguration, "traffic ejects no longer", now);
  return tick(now);
}

bool Machine::steady(Time now) const noexcept {
  return good_ >= rules_.rise && now - good_since_ >= hold_;
}

bool Machine::ejection_is_over(Time now) const noexcept {
  return ejected_until_ <= now && (!rules_.probed || good_ >= rules_.rise);
}

std::optional<Change> Machine::tick(Time now) {
  while (ejections_ > 0 && checked_ == State::kUp && calm_since_ + rules_.forgiven_after <= now) {
    --ejections_;
    calm_since_ += rules_.forgiven_after;
  }
  if (checked_ == State::kEjected && ejection_is_over(now))
    return move(State::kUp, cause::kEjectionOver,
                rules_.probed ? "its time is over, and it answers" : "its time is over", now);
  if (suspected_until_ && *suspected_until_ <= now) suspected_until_.reset();
  if (checked_ == State::kDegraded && !suspected_until_ && (!rules_.probed || steady(now)))
    return move(State::kUp, cause::kCalm, "nothing is wrong any more", now);
  return std::nullopt;
}

std::optional<Time> Machine::next_tick() const {
  if (checked_ == State::kEjected) {
    if (rules_.probed && good_ < rules_.rise) return std::nullopt;  // the next probe decides
    return ejected_until_;
  }
  if (suspected_until_) return suspected_until_;
  if (checked_ == State::kDegraded && good_ >= rules_.rise) return good_since_ + hold_;
  if (checked_ == State::kUp && ejections_ > 0) return calm_since_ + rules_.forgiven_after;
  return std::nullopt;
}

std::optional<Change> Machine::wish(Wish wish, Time now) {
  const State before = state();
  const bool back = wish_ == Wish::kMaintenance && wish != Wish::kMaintenance;
  wish_ = wish;
  if (back) {  // it was seen to: its record is clean
    ejections_ = 0;
    falls_.restore(0, now);
    unease_.restore(0, now);
    hold_ = milliseconds{0};
    suspected_until_.reset();
    calm_since_ = now;
    if (checked_ == State::kEjected)
      checked_ = !rules_.probed || good_ > 0 ? State::kUp : State::kStarting;
  }
  return shown(before, cause::kOperator, fmt::format("the operator's wish is {}", name(wish)), now);
}

std::optional<Change> Machine::replace_rules(const Rules& rules, Time now) {
  const bool was_probed = std::exchange(rules_, rules).probed;
  if (was_probed == rules.probed) return std::nullopt;
  good_ = 0;
  bad_ = 0;
  last_.reset();
  if (rules.probed || checked_ == State::kEjected) return tick(now);
  return move(State::kUp, cause::kConfiguration, "it is not probed any more", now);
}

std::optional<Change> Machine::restart(std::string evidence, Time now) {
  const State before = state();
  checked_ = rules_.probed ? State::kStarting : State::kUp;
  proven_ = !rules_.probed;
  last_.reset();
  good_ = bad_ = ejections_ = flaps_ = 0;
  suspected_until_.reset();
  calm_since_ = now;
  falls_ = unease_ = {};
  hold_ = milliseconds{0};
  return shown(before, cause::kReplaced, std::move(evidence), now);
}

bool Machine::changing() const noexcept {
  switch (checked_) {
    case State::kStarting:
    case State::kDegraded:
      return true;
    case State::kDown:
    case State::kEjected:
      return good_ > 0 && good_ < rules_.rise;
    default:
      return false;
  }
}

bool Machine::hopeless() const noexcept {
  return checked_ == State::kDown &&
         (fell_by_ == Fault::kRefused || fell_by_ == Fault::kUnreachable);
}

std::optional<Time> Machine::ejected_until() const noexcept {
  if (checked_ != State::kEjected) return std::nullopt;
  return ejected_until_;
}

Kept Machine::kept(Time now) const {
  return {checked_,
          proven_,
          bounded(between(since_, now)),
          ejections_,
          checked_ == State::kEjected ? bounded(between(now, ejected_until_)) : milliseconds{0},
          hold(),
          falls_.penalty(now)};
}

void Machine::restore(const Kept& kept, milliseconds away, Time now) {
  away = bounded(away);
  since_ = now - bounded(kept.age) - away;
  calm_since_ = now;
  proven_ = kept.proven || !rules_.probed;
  ejections_ = std::min(kept.ejections, kMostInARow);
  falls_.restore(kept.penalty, now - away);
  switch (kept.checked) {
    case State::kUp:
    case State::kDegraded:  // a restart is no reason to refuse clients: the next probes tell
      checked_ = State::kUp;
      proven_ = true;
      break;
    case State::kDown:
      if (rules_.probed) {
        checked_ = State::kDown;
        hold_ = std::min<milliseconds>(bounded(kept.hold), Damper::kLongestHold);
      }
      break;
    case State::kEjected:
      checked_ = State::kEjected;
      ejected_until_ = now + std::max(bounded(kept.ejected_for) - away, milliseconds{0});
      break;
    default:
      break;  // starting, as it is
  }
}

}  // namespace sluice::health
