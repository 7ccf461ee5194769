// SPDX-License-Identifier: Apache-2.0
#include "autoscale/constant_need.hpp"

#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace sluice::autoscale {
namespace {

TEST(ConstantNeed, IsUnknownBeforeAnythingWasSeen) {
  EXPECT_EQ(ConstantNeed(1, 20, {}).backends(), 0U);
}

TEST(ConstantNeed, OfASteadyLoadCoversItAndLittleMore) {
  ConstantNeed need(2, 100, {});
  for (int i = 0; i < 2000; ++i) need.observe(40 * 5, 5);
  EXPECT_GE(need.backends(), 20U);
  EXPECT_LE(need.backends(), 23U);
  EXPECT_GE(need.cost(), 40 * 5);
}

TEST(ConstantNeed, OfNoLoadIsTheLeast) {
  ConstantNeed need(2, 100, {});
  for (int i = 0; i < 100; ++i) need.observe(0, 5);
  EXPECT_EQ(need.backends(), 1U);
}

TEST(ConstantNeed, IsNeverMoreThanThereMayBe) {
  for (const unsigned most : {1U, 7U, 65535U}) {
    ConstantNeed need(0.001, most, {});
    for (int i = 0; i < 50; ++i) need.observe(1e12, 5);
    EXPECT_LE(need.backends(), most);
  }
}

TEST(ConstantNeed, OfBurstsIsMoreTheDearerLateRequestsAre) {
  unsigned before = 0;
  for (const double late_cost : {20.0, 400.0}) {
    ConstantNeed need(1, 200, {.late_cost = late_cost});
    forecast::Dice dice(3);
    for (int i = 0; i < 4000; ++i)
      need.observe(dice.uniform() < 0.02 ? 600 * dice.uniform() : 0, 5);
    EXPECT_GT(need.backends(), before);
    before = need.backends();
  }
}

TEST(ConstantNeed, KeptAndReadGoesOnToTheLastDigit) {
  ConstantNeed whole(1, 60, {});
  ConstantNeed restarted(1, 60, {});
  forecast::Dice dice(4);
  for (int i = 0; i < 500; ++i) {
    const double arrivals = 200 * dice.uniform();
    whole.observe(arrivals, 5);
    restarted.observe(arrivals, 5);
    ASSERT_EQ(whole.cost(), restarted.cost());
    ASSERT_EQ(whole.backends(), restarted.backends());
    if (i % 13 != 0) continue;
    const auto state = forecast::write_fields([&](auto& f) { restarted.keep(f); });
    restarted = ConstantNeed(1, 60, {});
    ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { restarted.keep(f); }));
  }
}

}  // namespace
}  // namespace sluice::autoscale
