// SPDX-License-Identifier: Apache-2.0
#include "health/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::Eq;
using testing::Ge;
using testing::Le;

config::Health every(std::chrono::milliseconds interval, std::chrono::milliseconds fast = 0ms) {
  config::Health check;
  check.interval = interval;
  check.fast_interval = fast;
  return check;
}

std::vector<std::chrono::microseconds> many(auto&& draw) {
  std::vector<std::chrono::microseconds> drawn(2000);
  std::ranges::generate(drawn, draw);
  return drawn;
}

TEST(Schedule, FirstProbesSpreadOverAMillisecondForEach) {
  Schedule schedule(1);
  const auto drawn = many([&] { return schedule.first(every(1h), 500); });
  EXPECT_THAT(drawn, Each(Ge(0us)));
  EXPECT_THAT(drawn, Each(Le(500ms)));
  for (int tenth = 0; tenth < 10; ++tenth)  // no part of the time is left out or crowded
    EXPECT_NEAR(static_cast<double>(std::ranges::count_if(
                    drawn, [&](auto d) { return d >= tenth * 50ms && d < (tenth + 1) * 50ms; })),
                200.0, 70.0);
}

TEST(Schedule, FirstProbesSpreadOverTheIntervalAtMost) {
  Schedule schedule(1);
  EXPECT_THAT(many([&] { return schedule.first(every(20ms), 100'000); }), Each(Le(20ms)));
}

TEST(Schedule, IntervalVariesByTheJitterBothWaysAndKeepsItsMean) {
  Schedule schedule(1);
  auto check = every(1000ms);
  check.jitter = 0.2;
  const auto drawn = many([&] { return schedule.next(check, false); });
  const auto [least, most] = std::ranges::minmax(drawn);
  EXPECT_GE(least, 800ms);
  EXPECT_LT(least, 820ms);
  EXPECT_LE(most, 1200ms);
  EXPECT_GT(most, 1180ms);
  double sum = 0;
  for (const auto d : drawn) sum += static_cast<double>(d.count());
  EXPECT_NEAR(sum / 2000, 1e6, 2e4);
}

TEST(Schedule, WithoutJitterTheIntervalIsExact) {
  Schedule schedule(1);
  auto check = every(1000ms, 50ms);
  check.jitter = 0;
  EXPECT_THAT(many([&] { return schedule.next(check, false); }), Each(Eq(1000ms)));
  EXPECT_THAT(many([&] { return schedule.next(check, true); }), Each(Eq(50ms)));
}

TEST(Schedule, WithoutAFastIntervalHurryChangesNothing) {
  Schedule schedule(1);
  auto check = every(1000ms);
  check.jitter = 0;
  EXPECT_EQ(schedule.next(check, true), 1000ms);
}

TEST(Schedule, SameSeedGivesTheSameTimesAndAnotherOthers) {
  Schedule a(7);
  Schedule b(7);
  Schedule c(8);
  const auto draw = [](Schedule& s) { return many([&] { return s.next(every(1000ms), false); }); };
  const auto first = draw(a);
  EXPECT_EQ(first, draw(b));
  EXPECT_NE(first, draw(c));
}

}  // namespace
}  // namespace sluice::health
