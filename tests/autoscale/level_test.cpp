// SPDX-License-Identifier: Apache-2.0
#include "autoscale/level.hpp"

#include "autoscale/tuning.hpp"
#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>

namespace sluice::autoscale {
namespace {

constexpr std::array kOptions{kFastLevel, kMiddleLevel, kSlowLevel};

void observe(Level& level, int steps, auto value) {
  for (int i = 0; i < steps; ++i) level.observe(value(i));
}

TEST(Level, ExpectsOfAConstantLoadThatItStays) {
  for (const auto& options : kOptions) {
    Level level(options);
    observe(level, 500, [](int) { return 12.5; });
    for (const std::size_t ahead : {1U, 5U, 200U}) EXPECT_NEAR(level.at(ahead), 12.5, 1e-9);
  }
}

TEST(Level, YoungIsTheMeanOfWhatWasSeen) {
  Level level(kSlowLevel);
  for (const double value : {10.0, 20.0, 60.0}) level.observe(value);
  EXPECT_NEAR(level.at(1), 30, 1e-9);
}

TEST(Level, ShortMemoryFollowsAStepSoonerThanALongOne) {
  Level middle(kMiddleLevel);
  Level slow(kSlowLevel);
  for (auto* const level : {&middle, &slow}) {
    observe(*level, 300, [](int) { return 10.0; });
    observe(*level, 10, [](int) { return 50.0; });
  }
  EXPECT_GT(middle.at(5), slow.at(5) + 5);
  EXPECT_LT(middle.at(5), 50);
}

TEST(Level, TrendDiesAway) {
  Level level({.name = "level", .level = 1, .trend = 0.5, .damping = 0.5});
  observe(level, 50, [](int i) { return 100.0 + i; });
  const double last = 149;
  EXPECT_GT(level.at(1), last);
  EXPECT_GT(level.at(2), level.at(1));
  EXPECT_LT(level.at(4000), last + 1);
}

TEST(Level, LeansBackToTheLongMean) {
  Level level({.name = "level", .level = 1, .reversion = 0.25, .long_mean = 0.001});
  observe(level, 1000, [](int) { return 10.0; });
  level.observe(50);
  EXPECT_NEAR(level.at(1), 50 - 0.25 * 40, 0.1);
}

TEST(Level, ExpectsNothingBelowNothing) {
  Level level(kFastLevel);
  observe(level, 60, [](int i) { return 600.0 - 10 * i; });
  observe(level, 3, [](int) { return 0.0; });
  EXPECT_GE(level.at(1), 0);
  EXPECT_GE(level.at(4096), 0);
}

TEST(Level, SavedAndRestoredGoesOnToTheLastBit) {
  for (const auto& options : kOptions) {
    forecast::Dice dice(5);
    Level whole(options);
    Level restarted(options);
    for (int i = 0; i < 300; ++i) {
      const double value = 100 * dice.uniform();
      whole.observe(value);
      restarted.observe(value);
      if (i % 20 == 1) {
        Level next(options);
        ASSERT_TRUE(next.restore(nlohmann::json::parse(restarted.save().dump())));
        restarted = next;
      }
      ASSERT_EQ(whole.at(5), restarted.at(5));
    }
  }
}

}  // namespace
}  // namespace sluice::autoscale
