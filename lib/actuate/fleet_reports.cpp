// SPDX-License-Identifier: Apache-2.0
// What becomes of a fleet by what is reported of its orders.
#include "actuate/fleet_step.hpp"

#include <fmt/format.h>

#include <utility>

namespace sluice::actuate {

void Fleet::take_reports(Step& step) {
  for (const auto& report : step.input.reports) take_report(step, report);
  // A report that never comes must not hold a name for ever.
  const auto overdue = [&](double since) { return now_ - since >= options_.order_limit_s; };
  const auto silence = [&](std::string id) {
    return Report{.order_id = std::move(id),
                  .end = Report::End::kTimedOut,
                  .error = fmt::format("no report in {:.0f} s", options_.order_limit_s)};
  };
  std::vector<std::string> late;
  for (const auto& [name, unit] : units_)
    if (!unit.order.empty() && overdue(unit.ordered)) late.push_back(unit.order);
  if (list_ && overdue(list_->t)) late.push_back(list_->id);
  if (count_order_ && overdue(count_order_t_)) late.push_back(count_order_->id);
  for (auto& id : late) take_report(step, silence(std::move(id)));
}

void Fleet::take_report(Step& step, const Report& report) {
  if (list_ && list_->id == report.order_id) return take_list(step, report);
  if (count_order_ && count_order_->id == report.order_id) return take_count(step, report);
  const auto found = std::ranges::find_if(units_, [&](const auto& each) {
    return !report.order_id.empty() && each.second.order == report.order_id;
  });
  if (found == units_.end())
    return tell(step, true, "report_ignored",
                fmt::format("a report of order {}, '{}', which is not under way", report.order_id,
                            name_of(report.end)));
  found->second.order.clear();
  take_end(step, found->second, report);
}

void Fleet::take_end(Step& step, Unit& unit, const Report& report) {
  const Verb verb = unit.verb;
  if (verb == Verb::kStart || verb == Verb::kWake) {
    const std::string trouble = against(step, unit, verb, report);
    if (trouble.empty()) return came_up(step, unit, report);
    start_failed(step, unit, trouble, false);
    if (report.end == Report::End::kDone) ++lessons_.disbelieved;
    const bool others = !report.members.empty() && foreign(report.members.front());
    if (others) foreign_.insert(unit.member.name);
    if (others || (report.end == Report::End::kRefused && verb == Verb::kStart))
      forget(unit);
    else
      enter(unit, Phase::kStopping);  // something may have come of it
    return;
  }
  if (report.end != Report::End::kDone) return try_later(step, unit, report);
  if (verb == Verb::kSleep) return enter(unit, Phase::kAsleep);
  tell(step, false, "backend_stopped", unit.member.name + " is stopped");
  forget(unit);
}

/// A list that is under way may have been made before: what it says of the name is no news.
void Fleet::forget(const Unit& unit) {
  const std::string name = unit.member.name;  // which goes with the unit
  if (list_) ended_.insert(name);
  units_.erase(name);
}

/// Why a report of a start or a wake is none to go by; empty: it is.
std::string Fleet::against(const Step& step, const Unit& unit, Verb verb,
                           const Report& report) const {
  if (report.end != Report::End::kDone)
    return report.error.empty() ? std::string(name_of(report.end)) : report.error;
  if (verb == Verb::kWake && report.members.empty()) return {};  // it is where it was
  if (report.members.size() != 1)
    return fmt::format("the answer has {} backends instead of one", report.members.size());
  const Member& member = report.members.front();
  if (member.name != unit.member.name)
    return fmt::format("the answer is of another backend, '{}'", member.name);
  if (foreign(member)) return fmt::format("one of that name runs for {}", member.owner);
  if (!member.backend_class.empty() && member.backend_class != unit.member.backend_class)
    return fmt::format("the answer is of another class, '{}'", member.backend_class);
  if (member.address.is_unspecified() || member.address.is_multicast())
    return fmt::format("its address, {}, is none of one host", member.address.text());
  const std::string user = user_of(step, member);
  if (!user.empty())
    return fmt::format("its address, {} port {}, is that of {}", member.address.text(), member.port,
                       user);
  return {};
}

/// Who else has the address; empty: nobody.
std::string Fleet::user_of(const Step& step, const Member& member) const {
  const auto same = [&](const auto& other) {
    return other.name != member.name && other.address == member.address &&
           other.port == member.port;
  };
  for (const auto& [name, unit] : units_)
    if (unit.phase != Phase::kOrdered && same(unit.member)) return name;
  for (const auto& backend : step.input.backends)
    if (same(backend)) return backend.name;
  return {};
}

void Fleet::came_up(Step& step, Unit& unit, const Report& report) {
  if (!report.members.empty()) {
    unit.member.address = report.members.front().address;
    unit.member.port = report.members.front().port;
  }
  const bool cancelled = unit.cancelled;
  enter(unit, Phase::kComing);
  if (!cancelled)
    return tell(step, false, "backend_started",
                fmt::format("{} is at {}; it gets flows once it is healthy", unit.member.name,
                            unit.member.address.text()));
  enter(unit, unit.woken ? Phase::kSinking : Phase::kStopping);
}

void Fleet::start_failed(Step& step, const Unit& unit, const std::string& why, bool late) {
  Starts& starts = starts_[unit.member.backend_class];
  ++starts.failures;
  if (late) ++starts.late;
  starts.not_before = now_ + back_off_s(starts.failures);
  starts.held_back_told = false;
  tell(step, true, "start_failed",
       fmt::format("{} did not come up: {}; failure {} of class {} in a row, the next start is in "
                   "{:.0f} s at the earliest",
                   unit.member.name, why, starts.failures, unit.member.backend_class,
                   starts.not_before - now_));
}

void Fleet::try_later(Step& step, Unit& unit, const Report& report) {
  const unsigned failures = unit.failures + 1;
  const bool stops = unit.verb == Verb::kStop;
  if (!stops) enter(unit, Phase::kStopping);  // what does not sleep costs as if it served
  unit.failures = failures;
  unit.not_before = now_ + (stops ? back_off_s(failures) : 0);
  tell(step, true, stops ? "stop_failed" : "sleep_failed",
       fmt::format("{} was not {}: {}; {}", unit.member.name, stops ? "stopped" : "put to sleep",
                   report.error.empty() ? name_of(report.end) : std::string_view(report.error),
                   stops ? fmt::format("again in {:.0f} s", unit.not_before - now_)
                         : std::string("it is stopped")));
}

}  // namespace sluice::actuate
