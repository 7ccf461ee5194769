// SPDX-License-Identifier: Apache-2.0
#include "forecast/residuals.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

namespace sluice::forecast {
namespace {

using Json = nlohmann::json;

// Promises that stay as the last value: the truth is then `ahead` steps on.
void run(Residuals& residuals, const Load& load) {
  for (const double value : load) residuals.step(value, value);
}

TEST(Residuals, PromisesAreHeldAgainstTheStepTheyWereMadeFor) {
  Residuals residuals(3);
  for (int i = 0; i < 3; ++i) residuals.step(10, 100 + i);
  EXPECT_EQ(residuals.count(), 0U);
  residuals.step(104, 0);  // was promised as 100, three steps ago
  EXPECT_EQ(residuals.count(), 1U);
  EXPECT_DOUBLE_EQ(residuals.mean_absolute(), 4);
  residuals.step(100, 0);  // as 101
  EXPECT_DOUBLE_EQ(residuals.mean_absolute(), 2.5);
}

TEST(Residuals, TooFewErrorsGiveNoMargin) {
  Residuals residuals(1);
  for (std::size_t i = 0; i < Residuals::kEnough; ++i) residuals.step(10, 5);
  EXPECT_FALSE(residuals.enough());
  EXPECT_EQ(residuals.bound(7, 0.95), 7);
  residuals.step(10, 5);
  EXPECT_TRUE(residuals.enough());
  EXPECT_EQ(residuals.bound(7, 0.95), 14);
}

TEST(Residuals, MarginOfADenseLoadGrowsWithTheLoad) {
  Residuals residuals(5);
  run(residuals, with_noise(constant(900, 100), 10, 1));
  EXPECT_FALSE(residuals.sparse());
  const double ratio = residuals.ratio(0.95);
  EXPECT_GT(ratio, 1.1);
  EXPECT_LT(ratio, 1.5);
  EXPECT_DOUBLE_EQ(residuals.bound(100, 0.95), 100 * ratio);
  EXPECT_DOUBLE_EQ(residuals.bound(300, 0.95), 300 * ratio);
}

TEST(Residuals, MarginOfASparseLoadGrowsWithTheRootOfTheLoadAndIsThereInSilence) {
  Residuals residuals(5);
  run(residuals, bursts(900, 40, 2));
  EXPECT_TRUE(residuals.sparse());
  const double silent = residuals.bound(0, 0.97);
  EXPECT_GT(silent, 0);
  EXPECT_LT(silent, 40);
  const double more = residuals.bound(400, 0.97) - 400;
  EXPECT_DOUBLE_EQ(residuals.bound(1600, 0.97) - 1600, 2 * more);
}

TEST(Residuals, SilenceThatLastsGivesNoMargin) {
  Residuals residuals(5, 50);
  run(residuals, bursts(200, 40, 2));
  run(residuals, constant(60, 0));
  EXPECT_TRUE(residuals.sparse());
  EXPECT_EQ(residuals.bound(0, 0.99), 0);
  EXPECT_EQ(residuals.error_ratio(), 0);
}

TEST(Residuals, AsManyTruthsAsTheQuantileSaysStayBelowTheBound) {
  for (const double q : {0.5, 0.9, 0.95}) {
    for (const bool dense : {true, false}) {
      const Load load =
          dense ? with_noise(constant(6000, 50), 9, 5) : with_noise(constant(6000, 1), 1, 5);
      Residuals residuals(4);
      std::deque<double> bounds;
      double below = 0;
      double judged = 0;
      for (std::size_t i = 0; i < load.size(); ++i) {
        const double mean = dense ? 50 : 1;
        if (bounds.size() == 4) {
          if (i > 1000) {
            ++judged;
            below += load[i] <= bounds.front() ? 1 : 0;
          }
          bounds.pop_front();
        }
        residuals.step(load[i], mean);
        bounds.push_back(residuals.bound(mean, q));
      }
      EXPECT_NEAR(below / judged, q, 0.02) << dense;
      EXPECT_EQ(residuals.sparse(), !dense);
    }
  }
}

TEST(Residuals, WhatIsOlderThanTheWindowIsForgotten) {
  Residuals residuals(2, 100);
  run(residuals, walk(500, 1e9, 1e8, 3));
  run(residuals, constant(103, 5));
  EXPECT_NEAR(residuals.mean_absolute(), 0, 1e-9);
  EXPECT_DOUBLE_EQ(residuals.ratio(1), 1);
  EXPECT_DOUBLE_EQ(residuals.additive(0), 0);
}

TEST(Residuals, QuantilesAreThoseOfTheSortedWindow) {
  Residuals residuals(1, 64);
  const Load load = with_noise(constant(300, 20), 4, 9);
  run(residuals, load);
  std::vector<double> ratios;
  for (std::size_t i = load.size() - 64; i < load.size(); ++i)
    ratios.push_back(load[i] / load[i - 1]);
  std::ranges::sort(ratios);
  EXPECT_EQ(residuals.ratio(0), ratios.front());
  EXPECT_EQ(residuals.ratio(1), ratios.back());
  EXPECT_DOUBLE_EQ(residuals.ratio(0.5), (ratios[31] + ratios[32]) / 2);
}

TEST(Residuals, GoOnAfterASaveAsIfNothingHadHappened) {
  Residuals whole(5, 80);
  Residuals restarted(5, 80);
  const Load load = bursts(700, 30, 6);
  for (std::size_t i = 0; i < load.size(); ++i) {
    whole.step(load[i], load[i] / 2);
    restarted.step(load[i], load[i] / 2);
    if (i % 41 == 0) {
      Residuals next(1, 80);  // the horizon is part of the state
      ASSERT_TRUE(next.restore(Json::parse(restarted.save().dump())));
      restarted = std::move(next);
    }
    ASSERT_EQ(whole.bound(3, 0.9), restarted.bound(3, 0.9));
    ASSERT_EQ(whole.mean_absolute(), restarted.mean_absolute());
  }
  EXPECT_EQ(whole.save().dump(), restarted.save().dump());
}

TEST(Residuals, RefuseAStateThatDoesNotFitAndStayAsTheyWere) {
  Residuals residuals(5, 80);
  run(residuals, bursts(200, 30, 6));
  const Json state = residuals.save();
  const std::string before = state.dump();
  for (const auto& [key, value] : state.items()) {
    for (const Json& absurd : {Json(), Json(-1e300), Json("x"), Json(Json::array({"x"}))}) {
      Json wrong = state;
      wrong[key] = absurd;
      EXPECT_FALSE(residuals.restore(wrong)) << key;
    }
    Json without = state;
    without.erase(key);
    EXPECT_FALSE(residuals.restore(without)) << key;
  }
  Json shorter = state;
  shorter["truth"].erase(0);
  const auto result = residuals.restore(shorter);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().where, "/truth");
  EXPECT_EQ(residuals.save().dump(), before);
}

TEST(Residuals, AnotherHorizonAwaitsNoPromiseOfTheOldOne) {
  Residuals residuals(2);
  run(residuals, constant(50, 8));
  const auto known = residuals.count();
  residuals.set_horizon(6);
  for (int i = 0; i < 6; ++i) residuals.step(1000, 8);
  EXPECT_EQ(residuals.count(), known);
  residuals.step(1000, 8);
  EXPECT_EQ(residuals.count(), known + 1);
}

}  // namespace
}  // namespace sluice::forecast
