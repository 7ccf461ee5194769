// SPDX-License-Identifier: Apache-2.0
#include "plan/simulated_pool.hpp"

#include "plan/traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace sluice::plan {
namespace {

using testing::ElementsAre;

TEST(SimulatedPool, BeginsWithBackendsForTheFirstMinutesAtSeventyPercent) {
  Scripted keep(Wants{{7}});
  const auto course = simulate(Arrivals(steady(4.9, 10)), pool_of(60), keep);
  EXPECT_EQ(course.ready.front(), 7U);
  auto pool = pool_of(60, 3);
  EXPECT_EQ(simulate(Arrivals(steady(4.9, 10)), pool, keep).ready.front(), 3U) << "max bounds it";
}

TEST(SimulatedPool, OneThatIsStartedServesAfterItsColdStartAndIsBilledAtOnce) {
  Scripted grow(Wants{{2}});
  const auto course = simulate(Arrivals(steady(0, 6)), pool_of(3), grow);
  EXPECT_THAT(course.ready, ElementsAre(1, 1, 1, 1, 2, 2));
  EXPECT_THAT(course.billed, ElementsAre(1, 2, 2, 2, 2, 2));
}

TEST(SimulatedPool, OneThatIsStoppedServesNoMoreAndIsBilledItsDrain) {
  auto pool = pool_of(0);
  pool.drain_s = 2;
  Scripted shrink(Wants{{3}, {1}});
  const auto course = simulate(Arrivals(steady(0, 6)), pool, shrink);
  EXPECT_THAT(course.ready, ElementsAre(1, 3, 1, 1, 1, 1));
  EXPECT_THAT(course.billed, ElementsAre(1, 3, 3, 3, 1, 1));
}

TEST(SimulatedPool, StartingOnesGoFirstAndTheYoungestOfThem) {
  Scripted script(Wants{{3}, {5}, {2}});
  auto pool = pool_of(4);
  pool.drain_s = 10;
  const auto course = simulate(Arrivals(steady(0, 8)), pool, script);
  EXPECT_THAT(course.ready, ElementsAre(1, 1, 1, 1, 1, 2, 2, 2)) << "of the first order, after 4 s";
  EXPECT_THAT(course.billed, ElementsAre(1, 3, 5, 2, 2, 2, 2, 2)) << "no drain: none had served";
}

TEST(SimulatedPool, WhatDoesNotFitWaitsAndNothingIsLost) {
  Scripted keep(Wants{{1}});
  const auto course = simulate(Arrivals(trace_of(1, {0.5, 3, 0, 0, 0})), pool_of(0, 1), keep);
  EXPECT_THAT(course.served, ElementsAre(0, 0.5, 1.5, 2.5, 3.5, 3.5));
  EXPECT_EQ(course.underserved, 3.0);
}

TEST(SimulatedPool, WantsAreBoundedByMinAndMax) {
  auto pool = pool_of(0, 4);
  pool.min = 2;
  Scripted script(Wants{{9}, {0}, {-5}});
  EXPECT_THAT(simulate(Arrivals(steady(0, 4)), pool, script).ready, ElementsAre(2, 4, 2, 2));
}

TEST(SimulatedPool, TheScalerIsAskedEveryTickAndNotAtTheStart) {
  Scripted keep(Wants{{1}}, 5);
  (void)simulate(Arrivals(steady(1, 17)), pool_of(0), keep);
  EXPECT_THAT(keep.views, ElementsAre(5, 10, 15));
}

TEST(SimulatedPool, ClassesAddTheirCapacities) {
  auto pool = pool_of(0);
  pool.classes.push_back({.name = "large", .capacity = 4, .cold_start_s = 2});
  Scripted script(Wants{{1, 1}});
  const auto course = simulate(Arrivals(steady(10, 5)), pool, script);
  EXPECT_EQ(course.capacity[1], 1.0) << "the large one is starting";
  EXPECT_EQ(course.capacity[3], 5.0);
  EXPECT_EQ(course.capacity_at(4, pool), 5.0);
}

TEST(SimulatedPool, AnExchangeBetweenClassesIsAnActionOfNoChange) {
  auto pool = pool_of(0);
  pool.classes.push_back({.name = "other", .capacity = 1});
  Scripted script(Wants{{2, 1}, {1, 2}});
  const auto course = simulate(Arrivals(steady(0, 4)), pool, script);
  ASSERT_EQ(course.actions.size(), 2U);
  EXPECT_EQ(course.actions[1].change, 0);
  EXPECT_EQ(course.actions[1].wanted, 3U);
}

TEST(SimulatedPool, TheSleepingAreWokenFirstAndGoBackToSleep) {
  auto pool = pool_of(50);
  pool.drain_s = 0;
  pool.classes.front().wake_s = 1;
  pool.classes.front().asleep = 1;
  Scripted script(Wants{{3}, {3}, {1}, {2}});
  const auto course = simulate(Arrivals(steady(0, 6)), pool, script);
  EXPECT_THAT(course.ready, ElementsAre(1, 1, 2, 1, 1, 2)) << "one woken, one cold";
  std::vector<std::uint32_t> asleep;
  for (const auto& count : script.counts) asleep.push_back(count.front().asleep);
  EXPECT_THAT(asleep, ElementsAre(1, 0, 0, 1, 0));
}

TEST(SimulatedPool, BilledSecondsOfTheClassesAreTheBilledOnes) {
  auto pool = pool_of(3);
  pool.classes.push_back({.name = "other", .capacity = 2, .cold_start_s = 1});
  Scripted script(Wants{{3, 1}, {1, 4}, {2, 0}});
  const auto course = simulate(Arrivals(steady(2, 40)), pool, script);
  EXPECT_EQ(course.billed_seconds[0] + course.billed_seconds[1],
            std::accumulate(course.billed.begin(), course.billed.end(), std::uint64_t{0}));
}

TEST(SimulatedPool, AFactorMultipliesEveryInterval) {
  const Arrivals arrivals(trace_of(10, {20, 40}), 2.5);
  EXPECT_EQ(arrivals.total(), 150.0);
  EXPECT_EQ(arrivals.at(9), 5.0);
  EXPECT_EQ(arrivals.at(10), 10.0);
  EXPECT_THAT(arrivals.requests(), ElementsAre(50, 100));
}

TEST(SimulatedPool, ProgressGoesForward) {
  std::vector<std::size_t> told;
  Scripted keep(Wants{{1}});
  (void)simulate(Arrivals(steady(1, 5000)), pool_of(0), keep,
                 [&](std::size_t t) { told.push_back(t); });
  EXPECT_GT(told.size(), 100U);
  EXPECT_LT(told.size(), 300U);
  EXPECT_TRUE(std::ranges::is_sorted(told));
}

TEST(SimulatedPool, AScheduleIsFollowedToTheLetter) {
  const auto pool = pool_of(0);
  const auto course = follow(Arrivals(steady(2, 3)), pool, {2, 1, 2}, {3, 2, 2});
  EXPECT_THAT(course.served, ElementsAre(0, 2, 3, 5));
  EXPECT_THAT(course.billed_seconds, ElementsAre(7));
  EXPECT_EQ(course.underserved, 4.0) << "the second one's, and those it made wait";
}

}  // namespace
}  // namespace sluice::plan
