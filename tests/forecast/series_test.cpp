// SPDX-License-Identifier: Apache-2.0
#include "forecast/series.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace sluice::forecast {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;

// Everything kept by the second for ever: what a Series must agree with while it lasts.
class Ledger {
 public:
  void add(std::int64_t t, double value, std::int64_t seconds) {
    for (std::int64_t s = t; s > t - seconds && !known_.contains(s); --s)
      known_[s] = static_cast<float>(value);
  }
  [[nodiscard]] std::optional<double> mean(std::int64_t from, std::int64_t to) const {
    double sum = 0;
    double count = 0;
    for (auto at = known_.lower_bound(from); at != known_.end() && at->first < to; ++at) {
      sum += static_cast<double>(at->second);
      count += 1;
    }
    return count > 0 ? std::optional(sum / count) : std::nullopt;
  }

 private:
  std::map<std::int64_t, float> known_;
};

void expect_same(const std::optional<double>& ours, const std::optional<double>& theirs) {
  ASSERT_EQ(ours.has_value(), theirs.has_value());
  if (ours) {
    ASSERT_NEAR(*ours, *theirs, 1e-6 * (1 + *theirs));
  }
}

bool same_bytes(const Series& a, const Series& b) { return a.checkpoint() == b.checkpoint(); }

TEST(Series, MeansAreThoseOfALedgerWithEverySecond) {
  Dice dice(1);
  for (int round = 0; round < 4; ++round) {
    Series series;
    Ledger ledger;
    std::int64_t t = round == 0 ? 0 : kStart + round;
    for (int i = 0; i < 9000; ++i) {
      const std::int64_t seconds = 1 + static_cast<std::int64_t>(8 * dice.uniform());
      t += dice.uniform() < 0.01 ? 500 : 1 + static_cast<std::int64_t>(6 * dice.uniform());
      const double value = 100 * dice.uniform();
      ASSERT_TRUE(series.add(t, value, seconds));
      // What the seconds before the first are, a ledger knows and a time before 0 does not have.
      ledger.add(t, value, std::min(seconds, t + 1));
    }
    for (int i = 0; i < 500; ++i) {
      const auto from = t - static_cast<std::int64_t>(80'000 * dice.uniform());
      const auto to = from + static_cast<std::int64_t>(2000 * dice.uniform() * dice.uniform());
      if (from < 0) continue;
      expect_same(series.mean(from, to), ledger.mean(from, to));
    }
    // By whole minutes, what is older than a day: each minute is the mean of its seconds.
    for (std::int64_t back = 1500; back < 1600; ++back) {
      const std::int64_t from = 60 * (t / 60 - back);
      if (from >= 0) expect_same(series.mean(from, from + 60), ledger.mean(from, from + 60));
    }
  }
}

TEST(Series, SecondsOfADayAndMinutesOfFourteenDaysAreThere) {
  Series series;
  const std::int64_t end = kStart + 15 * Series::kSeconds;
  for (std::int64_t t = kStart; t < end; t += 60)
    ASSERT_TRUE(series.add(t + 59, static_cast<double>(t % 977), 60));
  const std::int64_t newest = *series.newest();
  const auto value_of = [](std::int64_t t) {
    return static_cast<double>((t - (t - kStart) % 60) % 977);
  };
  EXPECT_EQ(series.mean(newest - Series::kSeconds + 1, newest - Series::kSeconds + 2),
            value_of(newest - Series::kSeconds + 1));
  // kStart is not on a minute, so a minute is the mean of parts of two values.
  const std::int64_t old = 60 * (newest / 60 - Series::kMinutes + 1);
  double expected = 0;
  for (std::int64_t s = old; s < old + 60; ++s) expected += value_of(s) / 60;
  EXPECT_NEAR(series.mean(old, old + 60).value_or(-1), expected, 1e-3);
  EXPECT_EQ(series.mean(old - 200, old - 120), std::nullopt);
}

TEST(Series, AGapIsUnknownAndNotZero) {
  Series series;
  ASSERT_TRUE(series.add(kStart, 10));
  ASSERT_TRUE(series.add(kStart + 100, 20));
  EXPECT_EQ(series.mean(kStart + 1, kStart + 100), std::nullopt);
  EXPECT_EQ(series.mean(kStart, kStart + 101), 15);
  const auto means = series.means(kStart, 50, 3);
  ASSERT_EQ(means.size(), 3U);
  EXPECT_EQ(means[0], 10);
  EXPECT_TRUE(std::isnan(means[1]));
  EXPECT_EQ(means[2], 20);
}

TEST(Series, AClockThatJumpsLosesNoMoreThanItPassesOver) {
  Series series;
  for (std::int64_t t = 0; t < 7200; ++t) ASSERT_TRUE(series.add(kStart + t, 5));
  const std::int64_t later = kStart + 3 * Series::kSeconds;
  ASSERT_TRUE(series.add(later, 7));
  EXPECT_EQ(series.mean(later - Series::kSeconds, later), std::nullopt);
  EXPECT_EQ(series.mean(kStart, kStart + 7200), 5);  // by minutes
  const std::int64_t much_later = later + 100 * Series::kSeconds;
  ASSERT_TRUE(series.add(much_later, 8));
  EXPECT_EQ(series.mean(0, much_later), std::nullopt);
  EXPECT_EQ(series.mean(0, much_later + 1), 8);
}

TEST(Series, AValueForALongTimeFillsEveryMinuteOfIt) {
  Series series;
  ASSERT_TRUE(series.add(kStart, 1));
  const std::int64_t t = kStart + 2 * Series::kSeconds;
  ASSERT_TRUE(series.add(t, 6, 10 * Series::kSeconds));  // no more than a day is taken
  ASSERT_TRUE(series.add(t + Series::kSeconds, 9));
  EXPECT_EQ(series.mean(t - Series::kSeconds + 1, t + 1), 6);
  EXPECT_EQ(series.mean(kStart + 60, t - Series::kSeconds - 60), std::nullopt);
}

TEST(Series, WhatCannotBeIsRefusedAndChangesNothing) {
  Series series;
  ASSERT_TRUE(series.add(kStart, 5));
  const Series before = series;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(series.add(kStart, 6));
  EXPECT_FALSE(series.add(kStart - 1, 6));
  EXPECT_FALSE(series.add(-1, 6));
  EXPECT_FALSE(series.add(Series::kMostTime + 1, 6));
  EXPECT_FALSE(series.add(std::numeric_limits<std::int64_t>::max(), 6));
  EXPECT_FALSE(series.add(kStart + 1, -1));
  EXPECT_FALSE(series.add(kStart + 1, kNan));
  EXPECT_FALSE(series.add(kStart + 1, kInfinity));
  EXPECT_FALSE(series.add(kStart + 1, 6, 0));
  EXPECT_TRUE(same_bytes(series, before));
  EXPECT_TRUE(series.add(kStart + 1, 1e300, std::numeric_limits<std::int64_t>::max()));
  EXPECT_NEAR(series.mean(kStart + 1, kStart + 2).value_or(0), 1e12, 1e6);
  EXPECT_EQ(series.means(std::numeric_limits<std::int64_t>::min(), -5, 1U << 30U).size(),
            Series::kMostPoints);
}

TEST(Series, ACheckpointGoesOnAsTheSeriesItWasTakenOf) {
  Series series;
  EXPECT_TRUE(same_bytes(series, Series::restore(series.checkpoint()).value()));
  Dice dice(2);
  std::int64_t t = kStart;
  for (int i = 0; i < 20'000; ++i) {
    t += 1 + static_cast<std::int64_t>(i % 1000 == 0 ? 5000 : 8 * dice.uniform());
    ASSERT_TRUE(series.add(t, i % 3000 < 1000 ? 3 : dice.uniform(), 4));
    if (i % 4001 != 0) continue;
    auto restored = Series::restore(series.checkpoint());
    ASSERT_TRUE(restored) << restored.error().text();
    ASSERT_EQ(restored->newest(), series.newest());
    ASSERT_TRUE(same_bytes(*restored, series));
    ASSERT_EQ(restored->mean(0, t), series.mean(0, t));
    series = std::move(*restored);
  }
}

TEST(Series, ACheckpointIsSmallWhereLittleIsKnown) {
  Series series;
  EXPECT_LT(series.checkpoint().size(), 64U);
  for (std::int64_t t = 0; t < 3600; ++t) ASSERT_TRUE(series.add(kStart + t, 12.5));
  EXPECT_LT(series.checkpoint().size(), 512U);
  Dice dice(3);
  for (std::int64_t t = 3600; t < 2 * Series::kSeconds; ++t)
    ASSERT_TRUE(series.add(kStart + t, dice.uniform()));
  EXPECT_LT(series.checkpoint().size(), Series::kBytes + 64);
}

void seal(std::vector<std::byte>& bytes) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (std::size_t i = 0; i + 8 < bytes.size(); ++i) {
    hash ^= static_cast<std::uint64_t>(bytes[i]);
    hash *= 0x100000001B3U;
  }
  std::memcpy(bytes.data() + bytes.size() - 8, &hash, 8);
}

TEST(Series, BytesThatAreNoCheckpointAreRefused) {
  Series series;
  for (std::int64_t t = 0; t < 500; ++t)
    ASSERT_TRUE(series.add(kStart + t, static_cast<double>(t % 7)));
  const auto good = series.checkpoint();
  for (std::size_t size = 0; size < good.size(); size += 13) {
    auto cut = std::vector(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(Series::restore(cut)) << size;
    if (size >= 8) seal(cut);
    EXPECT_FALSE(Series::restore(cut)) << size;
  }
  for (std::size_t at = 0; at < good.size(); at += 5) {
    auto bent = good;
    bent[at] ^= std::byte{0x41};
    const auto result = Series::restore(bent);
    ASSERT_FALSE(result) << at;
    EXPECT_EQ(result.error().code, Errc::kInvalid);
    EXPECT_FALSE(result.error().message.empty());
  }
  auto longer = good;
  longer.insert(longer.end() - 8, std::byte{0});
  seal(longer);
  EXPECT_FALSE(Series::restore(longer));
}

// Under a right checksum anything may be said; what is taken up is then a series like any other.
TEST(Series, WhatIsTakenUpOfBentBytesWorksAndCanBeWrittenAgain) {
  Series series;
  for (std::int64_t t = 0; t < 700; ++t)
    ASSERT_TRUE(series.add(kStart + t, static_cast<double>(t % 7)));
  const auto good = series.checkpoint();
  Dice dice(4);
  std::size_t taken = 0;
  for (int i = 0; i < 150; ++i) {
    auto bent = good;
    const auto at = static_cast<std::size_t>(dice.uniform() * static_cast<double>(bent.size() - 8));
    bent[at] = static_cast<std::byte>(dice.bits());
    seal(bent);
    auto result = Series::restore(bent);
    if (!result) continue;
    ++taken;
    const auto mean = result->mean(0, Series::kMostTime);
    EXPECT_TRUE(!mean || (std::isfinite(*mean) && *mean >= 0));
    const auto again = Series::restore(result->checkpoint());
    ASSERT_TRUE(again);
    EXPECT_TRUE(same_bytes(*again, *result));
    (void)result->add(result->newest().value_or(0) + 1, 4);
  }
  EXPECT_GT(taken, 10U);
}

TEST(Series, WhatAWrongClockPutDownIsForgottenAndNothingElse) {
  Series right;
  Series wrong;
  for (std::int64_t t = kStart; t < kStart + 3000; ++t) {
    ASSERT_TRUE(right.add(t, static_cast<double>(t % 97)));
    ASSERT_TRUE(wrong.add(t, static_cast<double>(t % 97)));
  }
  ASSERT_TRUE(wrong.add(kStart + 6000, 5, 1000));
  wrong.go_back_to(kStart + 2999);
  EXPECT_EQ(wrong.newest(), right.newest());
  for (std::int64_t t = kStart - 100; t < kStart + 7000; t += 10)
    expect_same(wrong.mean(t, t + 10), right.mean(t, t + 10));
  ASSERT_TRUE(wrong.add(kStart + 3000, 7));
  EXPECT_EQ(wrong.mean(kStart + 3000, kStart + 3001), 7);
}

TEST(Series, SecondsThatAWrongClockReplacedAreByMinutesAgain) {
  Series series;
  for (std::int64_t t = kStart; t < kStart + 7200; ++t)
    ASSERT_TRUE(series.add(t, static_cast<double>(t % 60)));
  ASSERT_TRUE(
      series.add(kStart + Series::kSeconds + 1800, 5));  // the first half hour is passed over
  series.go_back_to(kStart + 7199);
  const auto minute = 60 * (kStart / 60 + 5);
  EXPECT_NEAR(*series.mean(minute + 7, minute + 8), 29.5, 1e-4);
  EXPECT_EQ(series.mean(kStart + 7000, kStart + 7001), static_cast<double>((kStart + 7000) % 60));
  series.go_back_to(kStart + 9000);
  EXPECT_EQ(series.newest(), kStart + 7199) << "that is not back";
  series.go_back_to(-1);
  EXPECT_FALSE(series.newest().has_value());
}

}  // namespace
}  // namespace sluice::forecast
