// SPDX-License-Identifier: Apache-2.0
#include "autoscale/reason.hpp"

#include <fmt/format.h>

namespace sluice::autoscale {
namespace {

bool has(const Decision& decision, Limit limit) {
  return (decision.limits & static_cast<std::uint16_t>(limit)) != 0;
}

std::string backends(const Decision& decision) {
  if (decision.desired == decision.before)
    return fmt::format("{} backend{} stay", decision.desired, decision.desired == 1 ? "" : "s");
  return fmt::format("{} to {} backend{}", decision.before, decision.desired,
                     decision.desired == 1 ? "" : "s");
}

std::string because(const Decision& d) {
  switch (d.cause) {
    case Cause::kHold:
      return fmt::format("{:.1f} requests/s now, {:.1f} expected in {:.0f} s, {:.1f} of capacity",
                         d.demand, d.forecast, d.horizon_s, d.provided);
    case Cause::kLoad:
      return fmt::format("{:.1f} requests/s now need {:.1f} of capacity", d.demand, d.needed);
    case Cause::kBacklog:
      return fmt::format("{:.0f} requests wait, and {:.1f} a second come", d.backlog, d.demand);
    case Cause::kBurst:
      return fmt::format("{:.1f} requests/s and {:.0f} that wait, for {:.1f} of capacity", d.demand,
                         d.backlog, d.capacity);
    case Cause::kForecast:
      return fmt::format("{:.1f} requests/s expected in {:.0f} s, with a margin of {:.1f} ({})",
                         d.forecast, d.horizon_s, d.margin, d.forecaster);
    case Cause::kSchedule:
      return "the schedule's bounds";
    case Cause::kThreshold:
      return fmt::format("utilisation {:.0f} %", 100 * d.saturation);
    case Cause::kCost:
      return fmt::format("another mix of classes is cheaper, {:.2f} an hour", d.cost_per_hour);
    case Cause::kFromZero:
      return "somebody asks, and there is no backend";
    case Cause::kIdle:
      return "nobody has asked for long";
    case Cause::kFall:
      return fmt::format("{:.1f} requests/s expected in {:.0f} s, up to {:.1f}, for long enough",
                         d.forecast, d.horizon_s, d.high);
    case Cause::kOverride:
      return "set by hand";
    case Cause::kPaused:
      return "paused";
    case Cause::kBlind:
      return "too little is known of the load";
  }
  return {};
}

std::string expectation(const Decision& d) {
  if (d.uncovered > 0)
    return fmt::format("{:.1f} requests/s of what is needed stay uncovered", d.uncovered);
  if (d.desired > d.before)
    return fmt::format("{:.1f} requests/s of capacity in {:.0f} s", d.provided, d.horizon_s);
  if (d.desired < d.before)
    return fmt::format("{:.1f} requests/s of capacity stay, {:.2f} an hour", d.provided,
                       d.cost_per_hour);
  return {};
}

}  // namespace

std::string reason_of(const Decision& decision) {
  std::string text = backends(decision) + ": " + because(decision);
  if (has(decision, Limit::kStarting) && decision.desired == decision.before)
    text += "; what is starting will do";
  if (auto effect = expectation(decision); !effect.empty()) text += "; " + effect;
  // What held it back, where that is not the sentence itself.
  if (const auto limits = names_of_limits(
          decision.limits & static_cast<std::uint16_t>(~static_cast<unsigned>(Limit::kStarting)));
      !limits.empty())
    text += " (bounded by " + limits + ")";
  return text;
}

}  // namespace sluice::autoscale
