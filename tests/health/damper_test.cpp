// SPDX-License-Identifier: Apache-2.0
#include "health/damper.hpp"

#include "health/steps.hpp"

#include <gtest/gtest.h>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;

TEST(Damper, ThreeFallsAreFreeAndEachFurtherOneDoublesTheHold) {
  Damper damper;
  const std::chrono::seconds holds[] = {0s, 0s, 0s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
  for (const auto hold : holds) {
    damper.fall(at(0s));
    EXPECT_EQ(damper.hold(at(0s)), hold);
  }
}

TEST(Damper, PenaltyHalvesEachMinute) {
  Damper damper;
  damper.fall(at(0s));
  damper.fall(at(0s));
  EXPECT_DOUBLE_EQ(damper.penalty(at(60s)), 1);
  EXPECT_DOUBLE_EQ(damper.penalty(at(120s)), 0.5);
}

TEST(Damper, WorstRecordIsForgivenAfterTwoMinutes) {
  Damper damper;
  for (int i = 0; i < 1000; ++i) damper.fall(at(0s));
  EXPECT_GT(damper.hold(at(119s)), 0s);
  EXPECT_EQ(damper.hold(at(120s)), 0s);
}

TEST(Damper, ClockThatGoesBackMakesNoPenaltyGrow) {
  Damper damper;
  damper.fall(at(60s));
  EXPECT_DOUBLE_EQ(damper.penalty(at(0s)), 1);
}

}  // namespace
}  // namespace sluice::health
