// SPDX-License-Identifier: Apache-2.0
#include "autoscale/decision.hpp"

#include <array>
#include <utility>

namespace sluice::autoscale {

std::string_view name_of(Standing standing) noexcept {
  switch (standing) {
    case Standing::kAuto:
      return "auto";
    case Standing::kOverride:
      return "override";
    case Standing::kPaused:
      return "paused";
  }
  return "";
}

std::string_view name_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::kHold:
      return "hold";
    case Cause::kLoad:
      return "load";
    case Cause::kBacklog:
      return "backlog";
    case Cause::kBurst:
      return "burst";
    case Cause::kForecast:
      return "forecast";
    case Cause::kSchedule:
      return "schedule";
    case Cause::kThreshold:
      return "threshold";
    case Cause::kCost:
      return "cost";
    case Cause::kFromZero:
      return "from_zero";
    case Cause::kIdle:
      return "idle";
    case Cause::kFall:
      return "fall";
    case Cause::kOverride:
      return "override";
    case Cause::kPaused:
      return "paused";
    case Cause::kBlind:
      return "blind";
  }
  return "";
}

std::string names_of_limits(std::uint16_t limits) {
  static constexpr std::array<std::pair<Limit, std::string_view>, 13> kNames{{
      {Limit::kMin, "min"},
      {Limit::kMax, "max"},
      {Limit::kBudget, "budget"},
      {Limit::kStep, "step"},
      {Limit::kStabilisation, "stabilisation"},
      {Limit::kHoldTime, "hold_time"},
      {Limit::kCooldown, "cooldown"},
      {Limit::kTolerance, "tolerance"},
      {Limit::kStarting, "starting"},
      {Limit::kSilent, "silent"},
      {Limit::kDomain, "domain"},
      {Limit::kClass, "class"},
      {Limit::kSchedule, "schedule"},
  }};
  std::string text;
  for (const auto& [limit, name] : kNames) {
    if ((limits & static_cast<std::uint16_t>(limit)) == 0) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

}  // namespace sluice::autoscale
