// SPDX-License-Identifier: Apache-2.0
#include "forecast/season.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::forecast {
namespace {

std::size_t season_of(const Load& load) {
  SeasonFinder finder;
  for (const double value : load) finder.observe(value);
  return finder.find();
}

TEST(Season, IsFoundInACleanWave) {
  EXPECT_EQ(season_of(wave(400, 50, 20, 24)), 24U);
  EXPECT_EQ(season_of(wave(1000, 50, 20, 96)), 96U);
}

TEST(Season, IsFoundUnderNoiseAndTrend) {
  Load load = with_noise(wave(1500, 50, 20, 120), 8, 1);
  for (std::size_t i = 0; i < load.size(); ++i) load[i] += 0.05 * static_cast<double>(i);
  const auto season = static_cast<double>(season_of(load));
  EXPECT_NEAR(season, 120, 2);
}

TEST(Season, OfADayIsFoundInStepsOfFifteenSeconds) {
  const auto season =
      static_cast<double>(season_of(with_noise(wave(5760 * 4, 50, 20, 5760), 8, 2)));
  EXPECT_NEAR(season, 5760, 16 * 2);  // to within two buckets
}

TEST(Season, IsNotSeenInOneOrTwoPeriods) { EXPECT_EQ(season_of(wave(250, 50, 20, 96)), 0U); }

TEST(Season, IsNotSeenWhereThereIsNone) {
  EXPECT_EQ(season_of(constant(2000, 12.1)), 0U);
  EXPECT_EQ(season_of(ramp(2000, 12, 0.1)), 0U);
  EXPECT_EQ(season_of(with_noise(constant(2000, 50), 10, 3)), 0U);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(season_of(walk(2000, 200, 3, seed)), 0U) << seed;
    EXPECT_EQ(season_of(bursts(2000, 30, seed)), 0U) << seed;
  }
}

TEST(Season, ThatIsWeakIsNone) {
  // A day is like the one before only by a quarter: most of what is seen would mislead.
  EXPECT_EQ(season_of(with_noise(wave(2000, 50, 8, 100), 10, 5)), 0U);
}

TEST(Season, HistoryIsBoundedAndKeepsTheNewest) {
  SeasonFinder finder;
  std::size_t due = 0;
  for (std::size_t i = 0; i < 300'000; ++i) due += finder.observe(static_cast<double>(i)) ? 1 : 0;
  EXPECT_LE(finder.buckets().size(), SeasonFinder::kBuckets);
  EXPECT_EQ(finder.width(), SeasonFinder::kWidest);
  const auto end = 300'000 - finder.open();
  EXPECT_DOUBLE_EQ(finder.buckets().back(), static_cast<double>(end) - 32.5);
  EXPECT_GT(due, 20U);
  EXPECT_LT(due, 120U);  // it is looked for rarely: the cost is in proportion to the history
}

}  // namespace
}  // namespace sluice::forecast
