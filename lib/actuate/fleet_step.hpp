// SPDX-License-Identifier: Apache-2.0
// One call of Fleet::step(): the input by name, and what is to be done so far. For fleet*.cpp.
//
// Threads: a value of one thread.
#pragma once

#include "actuate/fleet.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

namespace sluice::actuate {

struct Fleet::Step {
  explicit Step(const Input& of) : input(of) {
    for (const auto& backend : of.backends) by_name.emplace(backend.name, &backend);
  }

  [[nodiscard]] const Seen* seen(std::string_view name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second;
  }
  [[nodiscard]] bool was_refused(const std::string& name) const {
    return std::ranges::find(input.refused, name) != input.refused.end();
  }

  const Input& input;
  std::map<std::string_view, const Seen*> by_name;
  std::vector<Action> actions;
};

/// Taken out by the operator: nobody's to count on.
[[nodiscard]] inline bool is_held(const Unit& unit, const Seen* seen) {
  return seen != nullptr && !unit.undrain && seen->wish != Seen::Wish::kServe;
}

/// What drains and can serve again at once.
[[nodiscard]] inline bool can_be_taken_back(const Unit& unit, const Seen* seen) {
  return unit.phase == Phase::kDraining && unit.next != Unit::Next::kLeave && !unit.lost &&
         seen != nullptr && seen->health != Seen::Health::kDown;
}

/// A pause that doubles with each failure in a row, seconds.
[[nodiscard]] inline double back_off_s(unsigned failures) {
  constexpr double kFirst = 10;
  constexpr double kLongest = 600;
  return std::min(kLongest, kFirst * static_cast<double>(1U << std::clamp(failures, 1U, 8U) >> 1U));
}

}  // namespace sluice::actuate
