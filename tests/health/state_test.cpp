// SPDX-License-Identifier: Apache-2.0
#include "health/state.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::health {
namespace {

constexpr State kAll[] = {State::kStarting, State::kUp,      State::kDegraded,   State::kDraining,
                          State::kDown,     State::kEjected, State::kMaintenance};

TEST(State, EachHasANameOfItsOwnByWhichItIsFound) {
  std::set<std::string> names;
  for (const State state : kAll) {
    names.emplace(name(state));
    EXPECT_EQ(state_named(name(state)), state);
  }
  EXPECT_EQ(names, (std::set<std::string>{"starting", "up", "degraded", "draining", "down",
                                          "ejected", "maintenance"}));
  EXPECT_EQ(state_named(""), std::nullopt);
  EXPECT_EQ(state_named("UP"), std::nullopt);
}

TEST(State, WhoTakesNewFlowsKeepsTheOnesItHas) {
  for (const State state : kAll) {
    if (takes_new_flows(state)) {
      EXPECT_TRUE(keeps_flows(state)) << name(state);
    }
  }
}

TEST(State, DrainingKeepsFlowsAndTakesNone) {
  EXPECT_FALSE(takes_new_flows(State::kDraining));
  EXPECT_TRUE(keeps_flows(State::kDraining));
}

TEST(Wish, EachHasAName) {
  EXPECT_EQ(name(Wish::kServe), "serve");
  EXPECT_EQ(name(Wish::kDrain), "drain");
  EXPECT_EQ(name(Wish::kMaintenance), "maintenance");
}

}  // namespace
}  // namespace sluice::health
