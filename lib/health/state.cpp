// SPDX-License-Identifier: Apache-2.0
#include "health/state.hpp"

#include <array>
#include <cstddef>

namespace sluice::health {
namespace {

constexpr std::array<std::string_view, 7> kStates = {
    "starting", "up", "degraded", "draining", "down", "ejected", "maintenance"};
constexpr std::array<std::string_view, 3> kWishes = {"serve", "drain", "maintenance"};

}  // namespace

std::string_view name(State state) noexcept { return kStates[static_cast<std::size_t>(state)]; }

std::string_view name(Wish wish) noexcept { return kWishes[static_cast<std::size_t>(wish)]; }

std::optional<State> state_named(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kStates.size(); ++i)
    if (kStates[i] == text) return static_cast<State>(i);
  return std::nullopt;
}

}  // namespace sluice::health
