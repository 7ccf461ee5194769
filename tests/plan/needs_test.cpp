// SPDX-License-Identifier: Apache-2.0
#include "plan/needs.hpp"

#include "plan/traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::plan {
namespace {

using testing::ElementsAre;

// Two hours and a half: 2, 4 and 8 requests/s.
Arrivals hours() {
  std::vector<double> requests(120, 2 * 30.0);
  requests.insert(requests.end(), 120, 4 * 30.0);
  requests.insert(requests.end(), 60, 8 * 30.0);
  return Arrivals(trace_of(30, std::move(requests)));
}

PoolModel small_and_large() {
  auto pool = pool_of(0);
  pool.classes = {{.name = "small", .capacity = 1, .price_per_hour = 1},
                  {.name = "large", .capacity = 4, .price_per_hour = 3}};
  return pool;
}

TEST(Needs, EachHourHasTheCheapestBackendsForItsBusiestSecond) {
  const auto needs = needs_of(hours(), small_and_large(), 0);
  ASSERT_EQ(needs.hours.size(), 3U);
  EXPECT_THAT(needs.hours[0].counts, ElementsAre(2, 0));
  EXPECT_THAT(needs.hours[1].counts, ElementsAre(0, 1));
  EXPECT_THAT(needs.hours[2].counts, ElementsAre(0, 2));
  EXPECT_EQ(needs.hours[2].seconds, 1800U);
  EXPECT_EQ(needs.hours[1].requests, 4 * 3600.0);
  EXPECT_NEAR(needs.hours[1].peak_rate, 4.0, 0.1);
  EXPECT_DOUBLE_EQ(needs.cost, 2 + 3 + 3);
  EXPECT_EQ(needs.backend_seconds, 2U * 3600 + 3600 + 2 * 1800);
}

TEST(Needs, ThatOfTheWholeTraceIsTheWorstHours) {
  const auto needs = needs_of(hours(), small_and_large(), 0);
  EXPECT_EQ(needs.all.counts, needs.hours[2].counts);
  EXPECT_DOUBLE_EQ(needs.all.cost, 6 * 2.5);
  EXPECT_GE(needs.all.cost, needs.cost);
}

TEST(Needs, WhatTheBudgetOrTheBoundsLeaveOutIsTold) {
  const auto bounded = needs_of(hours(), small_and_large(), 3);
  EXPECT_THAT(bounded.hours[2].counts, ElementsAre(0, 1));
  EXPECT_NEAR(bounded.hours[2].uncovered, 4.0, 0.1);
  EXPECT_EQ(bounded.hours[0].uncovered, 0.0);
}

TEST(Needs, AHourWithoutLoadTakesWhatThePoolHasAtLeast) {
  auto pool = small_and_large();
  pool.min = 3;
  const auto needs = needs_of(Arrivals(steady(0, 3600)), pool, 0);
  EXPECT_THAT(needs.hours[0].counts, ElementsAre(3, 0));
}

}  // namespace
}  // namespace sluice::plan
