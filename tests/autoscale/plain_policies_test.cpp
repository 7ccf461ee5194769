// SPDX-License-Identifier: Apache-2.0
#include "autoscale/plain_policies.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

constexpr double kUnit = 2;  // requests/s of a backend

config::Autoscale options() {
  config::Autoscale scale;
  scale.min = 3;
  scale.max = 100;
  scale.target_utilisation = 0.8;
  scale.slo_wait_s = 10;
  scale.tolerance = 0.1;
  scale.stabilisation_s = 60;
  return scale;
}

TEST(TargetPolicy, NeedIsTheLeastAndAShareOfTheLoad) {
  TargetPolicy policy;
  policy.observe(0, 40, 0, kUnit, 6, options());
  const Need need = policy.need(6, options());
  EXPECT_DOUBLE_EQ(need.set, 3 * kUnit + 40 / 0.8);
  EXPECT_EQ(need.rise, need.set);
  EXPECT_EQ(need.cause, Cause::kLoad);
}

TEST(TargetPolicy, WaitingRequestsAreLoadThatIsServedWithinTheTimeToWait) {
  TargetPolicy policy;
  policy.observe(0, 40, 200, kUnit, 6, options());
  const Need need = policy.need(6, options());
  EXPECT_DOUBLE_EQ(need.set, 3 * kUnit + (40 + 200 / 10.0) / 0.8);
  EXPECT_EQ(need.cause, Cause::kBacklog);
}

TEST(TargetPolicy, ChangesWithinTheToleranceAreNotActedOn) {
  TargetPolicy policy;
  policy.observe(0, 40, 0, kUnit, 54, options());
  EXPECT_EQ(policy.need(52, options()).rise, 0);   // 56 wanted, 7.7 % more
  EXPECT_GT(policy.need(50, options()).rise, 50);  // 12 % more
  EXPECT_GE(policy.need(60, options()).floor, 60);
}

TEST(TargetPolicy, FallCountsAfterTheStabilisationAndARiseAtOnce) {
  TargetPolicy policy;
  policy.observe(0, 80, 0, kUnit, 106, options());
  for (int t = 5; t < 60; t += 5) {
    policy.observe(t, 8, 0, kUnit, 106, options());
    EXPECT_GE(policy.need(106, options()).floor, 106) << t;
  }
  policy.observe(60, 8, 0, kUnit, 106, options());
  EXPECT_DOUBLE_EQ(policy.need(106, options()).floor, 3 * kUnit + 10);
  policy.observe(65, 160, 0, kUnit, 16, options());
  EXPECT_DOUBLE_EQ(policy.need(16, options()).rise, 3 * kUnit + 200);
}

TEST(TargetPolicy, WhatIsThereAtFirstStaysForTheStabilisation) {
  TargetPolicy policy;
  policy.observe(0, 0, 0, kUnit, 50, options());
  EXPECT_GE(policy.need(50, options()).floor, 50);
  policy.observe(60, 0, 0, kUnit, 50, options());
  EXPECT_DOUBLE_EQ(policy.need(50, options()).floor, 3 * kUnit);
}

TEST(TargetPolicy, TimeOfWhichNothingIsKnownIsNotPartOfTheStabilisation) {
  TargetPolicy policy;
  policy.observe(0, 80, 0, kUnit, 106, options());
  for (int t = 5; t <= 600; t += 5) policy.hold(t);
  policy.observe(605, 0, 0, kUnit, 106, options());
  EXPECT_GE(policy.need(106, options()).floor, 106);
}

TEST(Threshold, StepsUpAboveAndDownBelow) {
  auto scale = options();
  scale.thresholds = {.up = 0.8, .down = 0.4, .step_up = 3, .step_down = 2};
  const Need up = threshold_need(17, 0, 20, 0, kUnit, scale);
  EXPECT_EQ(up.rise, 26);
  EXPECT_EQ(up.cause, Cause::kThreshold);
  const Need between = threshold_need(12, 0, 20, 0, kUnit, scale);
  EXPECT_EQ(between.rise, 0);
  EXPECT_EQ(between.floor, 20);
  const Need down = threshold_need(7, 0, 20, 0, kUnit, scale);
  EXPECT_EQ(down.rise, 0);
  EXPECT_EQ(down.floor, 16);
}

TEST(Threshold, WaitsForWhatIsStartingBeforeItGoesOnEitherWay) {
  auto scale = options();
  const Need covered = threshold_need(17, 0, 20, 4, kUnit, scale);
  EXPECT_EQ(covered.rise, 0);
  const Need not_covered = threshold_need(40, 0, 20, 4, kUnit, scale);
  EXPECT_EQ(not_covered.rise, 26);
  const Need low = threshold_need(1, 0, 20, 4, kUnit, scale);
  EXPECT_EQ(low.floor, 24);
}

TEST(Threshold, WithNothingReadyAnyLoadAsksForAStepButNoneDoesNot) {
  EXPECT_EQ(threshold_need(0.1, 0, 0, 0, kUnit, options()).rise, kUnit);
  EXPECT_EQ(threshold_need(0, 4, 0, 0, kUnit, options()).rise, kUnit);
  EXPECT_EQ(threshold_need(0, 0, 0, 0, kUnit, options()).rise, 0);
}

TEST(Schedule, OverlappingEntriesGiveTheGreatestFloorAndTheLeastCap) {
  constexpr std::int64_t kHour = 3600;
  const Schedule schedule({{.cron = "0 8 * * *", .duration = 4h, .min = 5, .max = 20},
                           {.cron = "0 10 * * *", .duration = 1h, .min = 8},
                           {.cron = "0 9 * * *", .duration = 2h, .min = 2, .max = 10}});
  const auto at = [&](double hour) {
    const auto bounds = schedule.at(static_cast<std::int64_t>(hour * kHour));
    return std::pair(bounds.min, bounds.max);
  };
  EXPECT_EQ(at(7.99), std::pair(0U, 0U));
  EXPECT_EQ(at(8), std::pair(5U, 20U));
  EXPECT_EQ(at(9.5), std::pair(5U, 10U));
  EXPECT_EQ(at(10.5), std::pair(8U, 10U));
  EXPECT_EQ(at(11), std::pair(5U, 20U));
  EXPECT_EQ(at(12), std::pair(0U, 0U));
}

TEST(Schedule, TimesThatNoYearHasHaveNoBounds) {
  const Schedule schedule({{.cron = "* * * * *", .min = 5}});
  EXPECT_EQ(schedule.at(INT64_MIN).min, 0U);
  EXPECT_EQ(schedule.at(INT64_MAX).min, 0U);
  EXPECT_EQ(schedule.at(0).min, 5U);
}

}  // namespace
}  // namespace sluice::autoscale
