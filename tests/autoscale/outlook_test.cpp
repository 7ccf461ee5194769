// SPDX-License-Identifier: Apache-2.0
#include "autoscale/outlook.hpp"

#include "forecast/loads.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <deque>

namespace sluice::autoscale {
namespace {

using config::ForecastKind;
using forecast::Load;

Outlook::Options options(ForecastKind forecaster, std::size_t horizon = 5) {
  return {.forecaster = forecaster,
          .horizon = horizon,
          .unit = 2,
          .shares = {.rise = 0.763, .set = 0.947, .keep = 0.947}};
}

// Share of the requests, after some hundred steps, that what was to be set covers a horizon later.
double covered(Outlook outlook, std::size_t horizon, const Load& load) {
  std::deque<double> set;
  double below = 0;
  double all = 0;
  for (std::size_t i = 0; i < load.size(); ++i) {
    if (set.size() == horizon) {
      if (i > 400) {
        all += load[i];
        below += load[i] <= set.front() ? load[i] : 0;
      }
      set.pop_front();
    }
    outlook.observe(load[i]);
    set.push_back(outlook.cover()[1]);
  }
  return below / all;
}

class EveryOutlook : public testing::TestWithParam<ForecastKind> {};

TEST_P(EveryOutlook, CoversAboutAsManyRequestsAsWasAskedOnALoadThatStaysAsItIs) {
  using forecast::constant;
  using forecast::with_noise;
  for (const std::size_t horizon : {5U, 13U}) {
    EXPECT_NEAR(covered(Outlook(options(GetParam(), horizon)), horizon,
                        with_noise(constant(1600, 50), 8, 1)),
                0.947, 0.035)
        << horizon;
    EXPECT_NEAR(covered(Outlook(options(GetParam(), horizon)), horizon,
                        with_noise(constant(1600, 2), 2, 2)),
                0.947, 0.05)
        << horizon;
  }
}

TEST_P(EveryOutlook, SharesAndBandAreInTheirOrder) {
  Outlook outlook(options(GetParam()));
  for (const double rate : forecast::with_noise(forecast::wave(600, 60, 40, 96), 9, 3)) {
    outlook.observe(rate);
    ASSERT_LE(outlook.cover()[0], outlook.cover()[1] + 1e-9);
    ASSERT_LE(outlook.cover()[1], outlook.cover()[2] + 1e-9);
    ASSERT_LE(outlook.low(), outlook.high() + 1e-9);
    ASSERT_FALSE(outlook.forecaster().empty());
  }
}

TEST_P(EveryOutlook, OfASteadyLoadNeedsAlmostNoMargin) {
  Outlook outlook(options(GetParam()));
  for (int i = 0; i < 1200; ++i) outlook.observe(40);
  EXPECT_NEAR(outlook.expected(), 40, 0.1);
  EXPECT_GE(outlook.cover()[1], 40);
  EXPECT_LT(outlook.cover()[1], 43);
  EXPECT_NEAR(outlook.error(), 0, 1e-6);
  EXPECT_NEAR(outlook.mean(), 40, 1e-6);
}

TEST_P(EveryOutlook, StaysWithinBoundsWhateverComesAndWhateverTheHorizon) {
  Outlook outlook(options(GetParam()));
  forecast::Dice dice(5);
  for (int i = 0; i < 800; ++i) {
    outlook.observe(dice.uniform() < 0.3 ? 0 : std::pow(10.0, 14 * dice.uniform()) - 1);
    if (i % 100 == 99)
      outlook.set_horizon(1 + static_cast<std::size_t>(30 * dice.uniform()), 0.001);
    for (const double one :
         {outlook.expected(), outlook.low(), outlook.high(), outlook.error(), outlook.mean(),
          outlook.cover()[0], outlook.cover()[1], outlook.cover()[2]}) {
      ASSERT_TRUE(std::isfinite(one)) << i;
      ASSERT_GE(one, 0) << i;
      ASSERT_LE(one, 1.001 * forecast::kMostValue) << i;
    }
  }
}

TEST_P(EveryOutlook, KeptAndReadGoesOnToTheLastDigitAtAnyHorizon) {
  Outlook whole(options(GetParam()));
  Outlook restarted = Outlook(options(GetParam()));
  int i = 0;
  for (const double rate : forecast::with_noise(forecast::bursts(500, 60, 6), 1, 7)) {
    if (++i % 150 == 0) {
      whole.set_horizon(static_cast<std::size_t>(i / 50), 2);
      restarted.set_horizon(static_cast<std::size_t>(i / 50), 2);
    }
    whole.observe(rate);
    restarted.observe(rate);
    ASSERT_EQ(whole.cover(), restarted.cover()) << i;
    ASSERT_EQ(whole.expected(), restarted.expected());
    ASSERT_EQ(whole.high(), restarted.high());
    ASSERT_EQ(whole.forecaster(), restarted.forecaster());
    if (i % 70 != 3) continue;
    const auto state = forecast::write_fields([&](auto& f) { restarted.keep(f); });
    restarted = Outlook(options(GetParam()));
    ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { restarted.keep(f); }));
  }
}

TEST_P(EveryOutlook, AnotherHorizonKeepsWhatWasLearnedOfErrors) {
  Outlook outlook(options(GetParam()));
  for (const double rate : forecast::with_noise(forecast::constant(800, 50), 8, 1))
    outlook.observe(rate);
  const double before = outlook.cover()[1] - outlook.expected();
  outlook.set_horizon(9, 2);
  outlook.observe(50);
  EXPECT_GT(outlook.cover()[1] - outlook.expected(), 0.5 * before);
}

INSTANTIATE_TEST_SUITE_P(Forecasters, EveryOutlook,
                         testing::Values(ForecastKind::kEnsemble, ForecastKind::kLastValue,
                                         ForecastKind::kQuantile, ForecastKind::kLinear,
                                         ForecastKind::kHoltWinters, ForecastKind::kArima,
                                         ForecastKind::kKalman, ForecastKind::kNetwork));

TEST(Outlook, LittleKnownMeansAWideMargin) {
  Outlook outlook(options(ForecastKind::kEnsemble));
  double before = 1e9;
  for (int i = 0; i < 30; ++i) {
    outlook.observe(i % 2 == 0 ? 35 : 45);
    if (i == 2 || i == 8 || i == 28) {
      EXPECT_LT(outlook.cover()[1], before);
      EXPECT_GT(outlook.cover()[1], 40);
      before = outlook.cover()[1];
    }
  }
}

}  // namespace
}  // namespace sluice::autoscale
