// SPDX-License-Identifier: Apache-2.0
#include "forecast/arima.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::forecast {
namespace {

TEST(Arima, ExpectsTheLastValueBeforeTheFirstFit) {
  Arima forecaster;
  for (const double value : walk(Arima::kLeast - 1, 100, 5, 1)) {
    forecaster.observe(value);
    EXPECT_EQ(forecaster.at(1), value);
    EXPECT_EQ(forecaster.at(50), value);
  }
}

TEST(Arima, ContinuesAStraightLine) {
  Arima forecaster;
  for (const double value : ramp(500, 10, 0.5)) forecaster.observe(value);
  EXPECT_NEAR(forecaster.at(20), 10 + 0.5 * 519, 1e-6);
}

TEST(Arima, TakesDifferencesOfWhatHasNoMean) {
  std::size_t differenced = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Arima forecaster;
    for (const double value : walk(600, 5000, 10, seed)) forecaster.observe(value);
    differenced += forecaster.order().d;
  }
  EXPECT_GE(differenced, 7U);
}

TEST(Arima, ReturnsToTheMeanOfWhatHasOne) {
  Dice dice(4);
  double apart = 0;
  Arima forecaster(1000, 120, {{1, 0, 0}});
  for (int i = 0; i < 1080; ++i) {
    apart = 0.8 * apart + 5 * normal(dice);
    forecaster.observe(200 + apart);
  }
  EXPECT_NEAR(forecaster.model().ar[0], 0.8, 0.08);
  forecaster.observe(260);
  // As far ahead as the deviation shrinks by the coefficient at each step.
  const double mean = forecaster.model().mean;
  const double coefficient = forecaster.model().ar[0];
  for (const std::size_t ahead : {1U, 2U, 10U, 100U})
    EXPECT_NEAR(forecaster.at(ahead),
                mean + (260 - mean) * std::pow(coefficient, static_cast<double>(ahead)), 1e-6);
}

TEST(Arima, OfOrder011IsExponentialSmoothing) {
  const Load load = with_noise(walk(900, 500, 3, 6), 20, 7);
  Arima forecaster(400, 10'000, {{0, 1, 1}});
  for (const double value : load) forecaster.observe(value);
  ASSERT_EQ(forecaster.order(), (Order{0, 1, 1}));
  const double share = 1 + forecaster.model().ma[0];
  const double drift = forecaster.model().mean;
  double level = load[0];
  for (std::size_t i = 1; i < load.size(); ++i)
    level = share * load[i] + (1 - share) * (level + drift);
  EXPECT_GT(share, 0.02);
  EXPECT_LT(share, 0.5);
  EXPECT_NEAR(forecaster.at(1), level + drift, 1);
}

TEST(Arima, FitsAnewAsTheLoadChangesItsWays) {
  Arima forecaster;
  Dice dice(9);
  for (int i = 0; i < 800; ++i) forecaster.observe(100 + 10 * normal(dice));
  EXPECT_NEAR(forecaster.at(5), 100, 4);
  const Load moving = walk(800, 100, 10, 3);
  for (const double value : moving) forecaster.observe(value);
  EXPECT_NEAR(forecaster.at(1), moving.back(), 15);
}

TEST(Arima, AForecastFarAheadStaysBounded) {
  Arima forecaster;
  for (const double value : bursts(900, 1e6, 3)) {
    forecaster.observe(value);
    ASSERT_LT(forecaster.at(4096), 5e7);
  }
}

}  // namespace
}  // namespace sluice::forecast
