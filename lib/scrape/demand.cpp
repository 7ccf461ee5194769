// SPDX-License-Identifier: Apache-2.0
#include "scrape/demand.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::scrape {
namespace {

// A counter that runs faster was not incremented but replaced.
constexpr double kFastestCounter = 1e6;  // requests/s
// What a figure of a saturated backend is made of: enough requests over enough time that neither
// one long request nor one lucky second makes it.
constexpr double kFullRequests = 20;
constexpr double kFullSeconds = 5;
constexpr double kFullLongest = 60;  // seconds after which fewer requests will do

double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

double sound(double value) { return std::isfinite(value) && value > 0 ? value : 0; }

double weight_of(const Member& member) { return member.capacity > 0 ? member.capacity : 1; }

double capped(double rate, const Member& member) {
  return member.capacity > 0 ? std::min(rate, member.capacity) : rate;
}

bool same(const Reading& a, const Reading& b) {
  return a.running == b.running && a.waiting == b.waiting && a.completed == b.completed &&
         a.cache == b.cache;
}

bool waits(const Reading& reading) { return reading.waiting && *reading.waiting > 0; }

}  // namespace

const Demand::Account* Demand::find(std::string_view backend) const {
  const auto at = accounts_.find(backend);
  return at == accounts_.end() ? nullptr : &at->second;
}

bool Demand::silent(const Account* account, Time now) const {
  return account == nullptr || !account->last || now - account->last->at > options_.stale_after ||
         now < account->doubted_until || account->still;
}

void Demand::read(const std::string& backend, const Reading& reading) {
  Account& account = accounts_[backend];
  if (!reading.inside()) {
    account.problem = reading.trouble();
    return;
  }
  if (account.last && reading.at <= account.last->at) return;
  account.problem.clear();
  if (account.last) {
    look_whether_still(account, reading);
    step(account, reading);
  }
  account.last = reading;
  if (reading.at < account.doubted_until)
    account.problem = "its count of completed requests went back";
  else if (account.still)
    account.problem = "its figures stand still while flows begin at it";
}

void Demand::look_whether_still(Account& account, const Reading& reading) const {
  if (!same(*account.last, reading)) {
    account.untold = 0;
    account.still = false;
    return;
  }
  const auto patience = std::max<std::chrono::milliseconds>(options_.stale_after, kUntoldFor);
  if (account.untold >= kUntoldFlows && reading.at - account.untold_since >= patience)
    account.still = true;
}

// What neither stays nor tells was no request: somebody looked whether the port is open.
void Demand::count_untold(Account& account, const Member& member, Time now) {
  const double stayed = std::min(sound(member.new_flows), sound(member.active_flows));
  if (stayed <= 0) return;
  if (account.untold == 0) account.untold_since = now;
  account.untold += stayed;
}

// Takes what happened between two readings into the books.
void Demand::step(Account& account, const Reading& reading) const {
  const Reading& before = *account.last;
  const double dt = seconds_between(before.at, reading.at);
  const double inside = *reading.inside();
  const double inside_before = *before.inside();
  bool full = waits(before) && waits(reading);
  if (reading.completed && before.completed) {
    double done = *reading.completed - *before.completed;
    // Another process since; or several that answer in turn, of which no two figures fit together.
    if (done < 0) account.doubted_until = reading.at + options_.stale_after;
    if (reading.at < account.doubted_until) {
      account.completed = account.growth = account.running_seconds = account.seconds = 0;
      account.lack = account.full_completed = account.full_seconds = 0;
      return;
    }
    if (done > kFastestCounter * std::max(dt, 1.0)) done = 0, full = false;
    account.completed += done;
    if (full) account.full_completed += done, account.full_seconds += dt;
  } else {
    account.running_seconds +=
        dt * (before.running.value_or(inside_before) + reading.running.value_or(inside)) / 2;
    full = false;
  }
  if (!full) account.full_completed = account.full_seconds = 0;
  account.growth += inside - inside_before;
  account.seconds += dt;
}

void Demand::failed(const std::string& backend, std::string why) {
  accounts_[backend].problem = std::move(why);
}

void Demand::retain(const std::function<bool(const std::string&)>& stays) {
  std::erase_if(accounts_, [&](const auto& one) { return !stays(one.first); });
}

// Makes rates of what came together since the last time.
void Demand::settle(Account& account, const Member& member) {
  if (account.seconds <= 0) return;
  double completed = account.completed;
  if (account.running_seconds > 0 && member.service_time_s > 0) {
    // Without a counter: by Little's law, as far as the class goes.
    const double most = member.capacity > 0 ? member.capacity * account.seconds : kMostInside;
    completed += std::min(account.running_seconds / member.service_time_s, most);
  }
  double arrived = completed + account.growth + account.lack;
  // Counters and gauges of some servers are not of the same instant, so that what one step lacks
  // the next one has too much. Requests that were given up lack for good, and must not hide others
  // for ever: a lack is set off once.
  account.lack = account.lack == 0 ? std::min(arrived, 0.0) : 0;
  arrived = std::max(arrived, 0.0);
  account.rates = Rates{arrived / account.seconds, completed / account.seconds};
  account.completed = account.growth = account.running_seconds = account.seconds = 0;
}

void Demand::learn(Account& account, const Member& member, std::vector<Saturated>& into) {
  const bool enough =
      account.full_completed >= kFullRequests && account.full_seconds >= kFullSeconds;
  const bool long_enough = account.full_completed >= 1 && account.full_seconds >= kFullLongest;
  if (!enough && !long_enough) return;
  into.push_back({member.backend_class, account.full_completed / account.full_seconds});
  account.full_completed = account.full_seconds = 0;
}

Tick Demand::by_flows(const FlowSignals& flows) {
  const double refused = sound(flows.refused);
  const double started = sound(flows.new_flows);
  const double active = sound(flows.active);
  Tick tick;
  // A flow that nobody answers is a new one already; one that was refused is not.
  tick.arrivals = started + std::max(refused - unserved_, 0.0);
  tick.served = std::max(started - (active - active_), 0.0);
  tick.queue = sound(flows.unanswered) + refused;
  tick.inflight = active + refused;
  unserved_ = refused;
  active_ = active;
  return tick;
}

Tick Demand::tick(Time now, std::span<const Member> members, const FlowSignals& flows) {
  const double dt = ticked_ ? std::max(seconds_between(*ticked_, now), 0.0) : 0;
  const bool first = !ticked_;
  ticked_ = now;
  if (!options_.scraped) {
    Tick tick = by_flows(flows);
    if (first) tick.arrivals = tick.served = 0;
    return tick;
  }

  Tick tick;
  Rates told;               // of all that tell
  Rates ready_told;         // of the ready ones among them
  double ready_inside = 0;  // likewise
  double telling = 0;       // capacity of the ready ones that tell ...
  double mute = 0;          // ... and of those that do not
  std::vector<std::pair<const Member*, const Account*>> quiet;
  for (const Member& member : members) {
    const auto at = accounts_.find(member.name);
    Account* const account = at == accounts_.end() ? nullptr : &at->second;
    if (account != nullptr) {
      count_untold(*account, member, now);
      settle(*account, member);
    }
    if (silent(account, now) || !account->rates) {
      if (!member.ready) continue;
      mute += weight_of(member);
      quiet.emplace_back(&member, account);
      continue;
    }
    const double inside = *account->last->inside();
    told.arrivals += account->rates->arrivals;
    told.served += account->rates->served;
    tick.queue += account->last->waiting.value_or(0);
    tick.inflight += inside;
    learn(*account, member, tick.saturated);
    if (!member.ready) continue;
    telling += weight_of(member);
    ready_told.arrivals += account->rates->arrivals;
    ready_told.served += account->rates->served;
    ready_inside += inside;
  }
  for (const auto& [member, account] : quiet) {
    const double part = telling > 0 ? weight_of(*member) / telling : 0;
    if (telling >= mute) {
      told.arrivals += capped(ready_told.arrivals * part, *member);
      told.served += capped(ready_told.served * part, *member);
      tick.inflight += ready_inside * part;
    } else if (account != nullptr && account->rates) {
      told.arrivals += capped(account->rates->arrivals, *member);
      told.served += capped(account->rates->served, *member);
      tick.inflight += *account->last->inside();
    }
  }
  tick.silent = telling + mute > 0 ? mute / (telling + mute) : 0;

  const double unserved = sound(flows.unanswered) + sound(flows.refused);
  tick.arrivals = std::max(told.arrivals * dt + unserved - unserved_, 0.0);
  if (first) tick.arrivals = 0;
  tick.served = told.served * dt;
  tick.queue += unserved;
  tick.inflight += unserved;
  unserved_ = unserved;
  return tick;
}

std::optional<double> Demand::inside(std::string_view backend, Time now) const {
  const Account* const account = find(backend);
  return silent(account, now) ? std::nullopt : account->last->inside();
}

const Reading* Demand::last(std::string_view backend) const {
  const Account* const account = find(backend);
  return account == nullptr || !account->last ? nullptr : &*account->last;
}

std::string_view Demand::problem(std::string_view backend) const {
  const Account* const account = find(backend);
  return account == nullptr ? std::string_view() : account->problem;
}

std::vector<std::string> Demand::notices(
    Time now, const std::function<bool(const std::string&)>& in_service) {
  std::vector<std::string> lines;
  for (auto& [backend, account] : accounts_) {
    if (in_service && !in_service(backend)) {
      account.told.clear();
      continue;
    }
    std::string trouble;  // its kind; numbers in it would make each time a new one
    std::string line;
    if (silent(&account, now)) {
      if (account.problem.empty()) continue;  // not asked yet
      trouble = "silent";
      line = fmt::format(
          "backend {}/{} tells no load: {}; it counts as present for capacity and as busy for new "
          "flows",
          options_.pool, backend, account.problem);
    } else if (trouble = account.last->trouble(); !trouble.empty()) {
      // Some servers have no counter until they have served somebody.
      if (!account.last->completed && account.last->inside() == 0.0 && account.told.empty())
        continue;
      line =
          fmt::format("backend {}/{} tells its load in part: {}", options_.pool, backend, trouble);
    } else {
      line = fmt::format("backend {}/{} tells its load again", options_.pool, backend);
    }
    if (trouble == account.told) continue;
    account.told = std::move(trouble);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace sluice::scrape
