// SPDX-License-Identifier: Apache-2.0
#include "plan/prediction.hpp"

#include "plan/traces.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace sluice::plan {
namespace {

using Kind = config::ForecastKind;

TEST(Prediction, SpansTheHorizonInEvenSteps) {
  const auto prediction = predict(Arrivals(steady(5, 7200)), Kind::kLastValue, 0, 3600);
  ASSERT_FALSE(prediction.rates.empty());
  EXPECT_LE(prediction.rates.size(), 24U);
  EXPECT_EQ(prediction.rates.back().ahead_s,
            prediction.step_s * (3600 / prediction.step_s + (3600 % prediction.step_s != 0)));
  EXPECT_TRUE(std::ranges::is_sorted(prediction.rates, {}, &PredictedRate::ahead_s));
  EXPECT_EQ(prediction.forecaster, "last_value");
}

TEST(Prediction, ASteadyLoadIsExpectedToStaySo) {
  for (const auto kind : {Kind::kLastValue, Kind::kQuantile, Kind::kLinear, Kind::kHoltWinters,
                          Kind::kKalman, Kind::kEnsemble})
    for (const auto& rate : predict(Arrivals(steady(5, 7200)), kind, 0, 1800).rates) {
      EXPECT_NEAR(rate.expected, 5.0, 0.05);
      EXPECT_NEAR(rate.low, 5.0, 0.1);
      EXPECT_NEAR(rate.high, 5.0, 0.1);
    }
}

TEST(Prediction, ARiseGoesOnWithALine) {
  std::vector<double> rising;
  for (int i = 0; i < 3600; ++i) rising.push_back(i / 60.0);
  const auto prediction = predict(Arrivals(trace_of(1, rising)), Kind::kLinear, 0, 600);
  EXPECT_NEAR(prediction.rates.back().expected, 70.0, 1.0);
}

TEST(Prediction, BandsAreOrderedAndHoldMostOfWhatCame) {
  std::vector<double> waves;
  for (int i = 0; i < 20'000; ++i)
    waves.push_back(10 + 5 * std::sin(i / 300.0) + (i * 7919 % 100) / 50.0);
  for (const auto& rate : predict(Arrivals(trace_of(1, waves)), Kind::kLastValue, 0, 600).rates) {
    EXPECT_LE(rate.low, rate.expected * 1.2);
    EXPECT_LT(rate.low, rate.high);
    EXPECT_GT(rate.errors, 100U);
    EXPECT_GT(rate.error, 0.0);
  }
}

TEST(Prediction, ATraceShorterThanTheHorizonHasNoErrorsToGoBy) {
  const auto prediction = predict(Arrivals(steady(3, 60)), Kind::kEnsemble, 0, 86'400);
  for (const auto& rate : prediction.rates) {
    EXPECT_EQ(rate.errors, 0U);
    EXPECT_EQ(rate.low, rate.expected);
  }
}

}  // namespace
}  // namespace sluice::plan
