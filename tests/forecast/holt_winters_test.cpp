// SPDX-License-Identifier: Apache-2.0
#include "forecast/holt_winters.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice::forecast {
namespace {

// The method as textbooks write it down: everything kept, nothing folded, powers one by one.
class Textbook {
 public:
  Textbook(Smoothing with, std::size_t season) : with_(with), season_(season) {}

  void observe(double y) {
    values_.push_back(y);
    const std::size_t n = values_.size();
    if (n == 1 || n == season_) return n == 1 ? begin_level(y) : begin_season();
    const double l = level_;
    const double b = trend_;
    const double s = seasonal_.empty() ? 0 : seasonal_[n - 1 - season_];
    level_ = with_.level * (y - s) + (1 - with_.level) * (l + with_.damping * b);
    trend_ = with_.trend * (level_ - l) + (1 - with_.trend) * with_.damping * b;
    if (!seasonal_.empty())
      seasonal_.push_back(with_.season * (y - l - with_.damping * b) + (1 - with_.season) * s);
  }
  [[nodiscard]] double at(std::size_t ahead) const {
    double expected = level_;
    for (std::size_t i = 1; i <= ahead; ++i)
      expected += std::pow(with_.damping, static_cast<double>(i)) * trend_;
    if (!seasonal_.empty())
      expected += seasonal_[seasonal_.size() - season_ + (ahead - 1) % season_];
    return std::fmax(expected, 0);
  }

 private:
  void begin_level(double y) { level_ = y; }
  void begin_season() {
    double sum = 0;
    for (const double value : values_) sum += value;
    level_ = sum / static_cast<double>(season_);
    trend_ = 0;
    for (const double value : values_) seasonal_.push_back(value - level_);
  }

  Smoothing with_;
  std::size_t season_;
  std::vector<double> values_;
  std::vector<double> seasonal_;  ///< By step, from the first on.
  double level_ = 0;
  double trend_ = 0;
};

class HoltWintersFormulas : public testing::TestWithParam<Smoothing> {};

TEST_P(HoltWintersFormulas, AreThoseOfTheTextbook) {
  for (const std::size_t season : {1U, 24U, 96U}) {
    HoltWinters ours(season, 5, {GetParam()});
    Textbook theirs(GetParam(), season == 1 ? 0 : season);
    for (const double value : with_noise(wave(600, 80, 30, 24), 10, season)) {
      ours.observe(value);
      theirs.observe(value);
      for (const std::size_t ahead : {1U, 5U, 24U, 61U})
        ASSERT_NEAR(ours.at(ahead), theirs.at(ahead), 1e-7) << ahead;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Choices, HoltWintersFormulas,
    testing::Values(Smoothing{.level = 0.1, .trend = 0.05, .season = 0.3, .damping = 0.95},
                    Smoothing{.level = 0.7, .trend = 0.3, .season = 0.1, .damping = 0.8},
                    Smoothing{.level = 0.3, .trend = 0.1, .season = 0.5, .damping = 1}));

TEST(HoltWinters, ContinuesASeasonThatIsGivenExactly) {
  const Load load = wave(1000, 100, 60, 48);
  HoltWinters forecaster(48);
  for (std::size_t i = 0; i < 300; ++i) forecaster.observe(load[i]);
  for (std::size_t ahead = 1; ahead <= 120; ++ahead)
    EXPECT_NEAR(forecaster.at(ahead), load[299 + ahead], 1e-9);
}

TEST(HoltWinters, ContinuesAStraightLineWhenTheTrendIsNotDamped) {
  HoltWinters forecaster(1, 5, {{.level = 0.5, .trend = 0.3, .season = 0.1, .damping = 1}});
  for (const double value : ramp(400, 20, 0.5)) forecaster.observe(value);
  EXPECT_NEAR(forecaster.at(10), 20 + 0.5 * 409, 1e-6);
}

TEST(HoltWinters, FindsASeasonAndContinuesIt) {
  const Load load = wave(2000, 100, 60, 96);
  HoltWinters forecaster;
  for (std::size_t i = 0; i < 1000; ++i) forecaster.observe(load[i]);
  EXPECT_EQ(forecaster.season(), 96U);
  for (const std::size_t ahead : {1U, 13U, 50U})
    EXPECT_NEAR(forecaster.at(ahead), load[999 + ahead], 5) << ahead;
}

TEST(HoltWinters, FindsALongSeasonAndIsBetterForIt) {
  const Load load = with_noise(wave(5760 * 5, 100, 60, 5760), 5, 1);
  HoltWinters with(0, 400);
  HoltWinters without(1, 400);
  double error_with = 0;
  double error_without = 0;
  for (std::size_t i = 0; i + 400 < load.size(); ++i) {
    with.observe(load[i]);
    without.observe(load[i]);
    if (i < 5760 * 4) continue;
    error_with += std::abs(with.at(400) - load[i + 400]);
    error_without += std::abs(without.at(400) - load[i + 400]);
  }
  EXPECT_NEAR(static_cast<double>(with.season()), 5760, 32);
  EXPECT_LT(error_with, 0.5 * error_without);
}

TEST(HoltWinters, LeavesASeasonThatIsNoMore) {
  HoltWinters forecaster;
  for (const double value : wave(1000, 100, 60, 96)) forecaster.observe(value);
  ASSERT_NE(forecaster.season(), 0U);
  for (const double value : with_noise(constant(3000, 100), 10, 1)) forecaster.observe(value);
  EXPECT_EQ(forecaster.season(), 0U);
  EXPECT_NEAR(forecaster.at(10), 100, 10);
}

TEST(HoltWinters, FollowsAsFastAsTheLoadAsksFor) {
  // A walk is best followed at once, noise about a mean hardly at all.
  const Load moving = walk(800, 500, 10, 2);
  HoltWinters follower(1, 1);
  for (const double value : moving) follower.observe(value);
  EXPECT_NEAR(follower.at(1), moving.back(), 15);
  HoltWinters calm(1, 1);
  for (const double value : with_noise(constant(800, 500), 50, 3)) calm.observe(value);
  EXPECT_NEAR(calm.at(1), 500, 30);
}

}  // namespace
}  // namespace sluice::forecast
