// SPDX-License-Identifier: Apache-2.0
#include "actuate/order.hpp"

#include "actuate/unit.hpp"

#include <algorithm>
#include <array>

namespace sluice::actuate {
namespace {

constexpr std::array<std::string_view, 6> kVerbs{"start", "stop", "sleep", "wake", "list", "count"};
constexpr std::array<std::string_view, 4> kEnds{"done", "failed", "timed out", "refused"};
constexpr std::array<std::string_view, 8> kPhases{"ordered",  "coming",  "serving", "draining",
                                                  "stopping", "sinking", "asleep",  "waking"};

template <class E>
std::optional<E> named(const auto& names, std::string_view name) noexcept {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

}  // namespace

std::string_view name_of(Verb verb) noexcept { return kVerbs[static_cast<std::size_t>(verb)]; }
std::optional<Verb> verb_named(std::string_view name) noexcept { return named<Verb>(kVerbs, name); }
std::string_view name_of(Report::End end) noexcept { return kEnds[static_cast<std::size_t>(end)]; }
std::string_view name_of(Phase phase) noexcept { return kPhases[static_cast<std::size_t>(phase)]; }
std::optional<Phase> phase_named(std::string_view name) noexcept {
  return named<Phase>(kPhases, name);
}

}  // namespace sluice::actuate
