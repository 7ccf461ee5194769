// SPDX-License-Identifier: Apache-2.0
#include "forecast/nelder_mead.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::forecast {
namespace {

TEST(NelderMead, FindsTheFloorOfABowl) {
  const auto at = nelder_mead({4, -3, 1}, 0.5, 600, [](std::span<const double> x) {
    return 1 + std::pow(x[0] - 1, 2) + 3 * std::pow(x[1] + x[0], 2) + std::pow(x[2], 2);
  });
  EXPECT_NEAR(at[0], 1, 0.01);
  EXPECT_NEAR(at[1], -1, 0.01);
  EXPECT_NEAR(at[2], 0, 0.01);
}

TEST(NelderMead, FollowsABentValley) {
  const auto at = nelder_mead({-1.2, 1}, 0.3, 2000, [](std::span<const double> x) {
    return 1 + 100 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(1 - x[0], 2);
  });
  EXPECT_NEAR(at[0], 1, 0.05);
  EXPECT_NEAR(at[1], 1, 0.1);
}

TEST(NelderMead, EndsAfterAboutAsManyEvaluationsAsItMay) {
  std::size_t spent = 0;
  (void)nelder_mead({0, 0, 0}, 1, 50, [&](std::span<const double> x) {
    ++spent;
    return std::sin(100 * x[0]) + std::cos(70 * x[1]) * x[2];
  });
  EXPECT_LE(spent, 50U + 5U);
}

TEST(NelderMead, ReturnsNothingWorseThanItsStart) {
  const auto jagged = [](std::span<const double> x) {
    return std::abs(std::sin(40 * x[0])) + x[0];
  };
  for (double start = -1; start < 1; start += 0.1) {
    const std::vector<double> from = {start};
    EXPECT_LE(jagged(nelder_mead(from, 0.2, 40, jagged)), jagged(from));
  }
}

}  // namespace
}  // namespace sluice::forecast
