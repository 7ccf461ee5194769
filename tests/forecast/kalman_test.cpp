// SPDX-License-Identifier: Apache-2.0
#include "forecast/kalman.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::forecast {
namespace {

TEST(Kalman, WithOneFilterIsExponentialSmoothingWithTheGainOfTheRatio) {
  const double ratio = 0.25;
  Kalman forecaster(1, {{.level = ratio, .trend = 0, .damping = 0}});
  const Load load = with_noise(constant(400, 50), 5, 1);
  // The variance p of the level settles where p + ratio, once measured, is p again; the gain is p.
  const double gain = (std::sqrt(ratio * ratio + 4 * ratio) - ratio) / 2;
  double level = load[0];
  for (const double value : load) {
    forecaster.observe(value);
    level += gain * (value - level);
  }
  EXPECT_NEAR(forecaster.at(1), level, 1e-9);
  EXPECT_NEAR(forecaster.at(40), level, 1e-9);
}

TEST(Kalman, ContinuesAStraightLineWhenTheTrendIsNotDamped) {
  Kalman forecaster(5, {{.level = 0.05, .trend = 0.01, .damping = 1}});
  for (const double value : ramp(400, 20, 0.5)) forecaster.observe(value);
  EXPECT_NEAR(forecaster.at(10), 20 + 0.5 * 409, 1e-6);
}

TEST(Kalman, FindsWhetherTheLevelMovesOrTheValuesVary) {
  Kalman calm(1);
  for (const double value : with_noise(constant(1000, 500), 20, 2)) calm.observe(value);
  Kalman moving(1);
  for (const double value : walk(1000, 5000, 20, 3)) moving.observe(value);
  EXPECT_LT(calm.level_variance(), 0.1);
  EXPECT_GT(moving.level_variance(), 0.25);
  EXPECT_NEAR(calm.at(1), 500, 10);
}

TEST(Kalman, IsAboutAsGoodAsTheBestFilterAlone) {
  for (const double noise : {0.0, 5.0, 40.0}) {
    const Load load = with_noise(walk(3000, 1000, 5, 5), noise, 6);
    const auto error_of = [&](Kalman forecaster) {
      double error = 0;
      for (std::size_t i = 0; i + 5 < load.size(); ++i) {
        forecaster.observe(load[i]);
        if (i > 500) error += std::abs(forecaster.at(5) - load[i + 5]);
      }
      return error;
    };
    double best = 1e18;
    for (const Motion& one : Kalman::kChoices) best = std::min(best, error_of(Kalman(5, {one})));
    EXPECT_LE(error_of(Kalman(5)), 1.03 * best) << noise;
  }
}

}  // namespace
}  // namespace sluice::forecast
