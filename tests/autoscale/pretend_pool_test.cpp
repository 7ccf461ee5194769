// SPDX-License-Identifier: Apache-2.0
#include "autoscale/pretend_pool.hpp"

#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace sluice::autoscale {
namespace {

// The slow, obvious version: hundredths of a second, each with its arrivals and their wait.
double pass_slowly(double& queue, double arrivals, double capacity, double seconds, double slo) {
  const int parts = static_cast<int>(seconds * 100);
  double late = 0;
  for (int i = 0; i < parts; ++i) {
    queue += arrivals / parts;
    if (queue > capacity * slo) late += arrivals / parts;
    queue -= std::min(queue, capacity / 100);
  }
  return late;
}

TEST(Pass, RequestsThatWaitLongerThanTheyShouldAreLate) {
  double queue = 0;
  EXPECT_EQ(pass(queue, 50, 10, 5, 5), 0);
  EXPECT_EQ(queue, 0);
  EXPECT_EQ(pass(queue, 100, 10, 5, 5), 0);  // the last one waits 5 s
  EXPECT_EQ(queue, 50);
  EXPECT_EQ(pass(queue, 100, 10, 5, 5), 100);
  EXPECT_EQ(queue, 100);
  EXPECT_DOUBLE_EQ(pass(queue, 0, 10, 5, 5), 0);
  queue = 40;
  EXPECT_DOUBLE_EQ(pass(queue, 70, 10, 5, 5), 35);  // 4 s at first, 6 s at last
}

TEST(Pass, WithoutCapacityEveryRequestThatComesToAQueueIsLate) {
  double queue = 1;
  EXPECT_EQ(pass(queue, 10, 0, 5, 5), 10);
  EXPECT_EQ(queue, 11);
}

TEST(Pass, AgreesWithASlowModel) {
  forecast::Dice dice(1);
  double fast_queue = 0;
  double slow_queue = 0;
  double fast_late = 0;
  double slow_late = 0;
  double all = 0;
  for (int i = 0; i < 3000; ++i) {
    const double capacity = 5 + std::floor(dice.uniform() * 10);
    const double arrivals = dice.uniform() < 0.1 ? 150 * dice.uniform() : 70 * dice.uniform();
    fast_late += pass(fast_queue, arrivals, capacity, 5, 3);
    slow_late += pass_slowly(slow_queue, arrivals, capacity, 5, 3);
    all += arrivals;
    ASSERT_NEAR(fast_queue, slow_queue, 1 + 0.05 * fast_queue) << i;
    slow_queue = fast_queue;
  }
  EXPECT_GT(slow_late, 0.02 * all);
  EXPECT_NEAR(fast_late, slow_late, 0.1 * slow_late);
}

TEST(PretendPool, WhatIsAddedServesAfterItsStartAndIsPaidFromTheOrderOn) {
  PretendPool pool(2, {.slo_wait_s = 5, .late_cost = 20, .half_life_s = 1e12});
  pool.begin(1);
  pool.observe(5, 0, 5);
  EXPECT_NEAR(pool.cost(), 10, 1e-6);
  pool.follow(5, 3, 10, 30);
  EXPECT_EQ(pool.backends(), 3U);
  pool.observe(10, 100, 5);  // one serves: 10 of 100
  EXPECT_EQ(pool.queue(), 90);
  pool.observe(15, 0, 5);
  EXPECT_EQ(pool.queue(), 80);
  pool.observe(20, 0, 5);  // now three do
  EXPECT_EQ(pool.queue(), 50);
}

TEST(PretendPool, WhatIsTakenAwayIsPaidUntilItIsDrainedAndWhatStartsIsTakenFirst) {
  PretendPool pool(2, {.half_life_s = 1e12});
  pool.begin(4);
  pool.follow(0, 6, 60, 30);
  pool.follow(0, 5, 60, 30);
  EXPECT_EQ(pool.cost(), 0);
  pool.follow(0, 2, 60, 30);
  EXPECT_EQ(pool.backends(), 2U);
  EXPECT_EQ(pool.cost(), 2 * 30 * 2);
}

TEST(PretendPool, CostsFade) {
  PretendPool pool(2, {.half_life_s = 100});
  pool.begin(1);
  pool.observe(5, 0, 5);
  const double before = pool.cost();
  pool.follow(5, 0, 60, 0);
  pool.observe(105, 0, 100);
  EXPECT_NEAR(pool.cost(), before / 2, 1e-9);
}

TEST(PretendPool, KeptUnderAnotherOriginGoesOnToTheLastDigit) {
  forecast::Dice dice(2);
  PretendPool whole(2, {});
  PretendPool restarted(2, {});
  double shift = 0;
  for (int i = 1; i < 500; ++i) {
    const double t = 5 * i;
    const double arrivals = std::floor(dice.uniform() * 100);
    const auto wanted = static_cast<std::size_t>(1 + dice.uniform() * 12);
    whole.observe(t, arrivals, 5);
    whole.follow(t, wanted, 60, 30);
    restarted.observe(t + shift, arrivals, 5);
    restarted.follow(t + shift, wanted, 60, 30);
    ASSERT_EQ(whole.cost(), restarted.cost());
    ASSERT_EQ(whole.queue(), restarted.queue());
    if (i % 9 != 0) continue;
    const auto state = forecast::write_fields([&](auto& f) { restarted.keep(f, t + shift); });
    shift = std::floor(1e6 * dice.uniform());
    restarted = PretendPool(2, {});
    ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { restarted.keep(f, t + shift); }));
  }
}

}  // namespace
}  // namespace sluice::autoscale
