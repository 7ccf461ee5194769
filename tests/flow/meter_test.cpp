// SPDX-License-Identifier: Apache-2.0
// The source meter against a bucket that is counted in tokens, and in crowds.
#include "flow/meter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::flow {
namespace {

constexpr std::uint64_t kNanosOfSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 5 * kNanosOfSecond;

constexpr std::uint64_t source(std::uint32_t tag, std::uint32_t line = 0) {
  return std::uint64_t{tag} << 32 | line;
}

/// A bucket in plain words, in units of a token's cycles.
class Tokens {
 public:
  explicit Tokens(const Rate& rate) : rate_(rate), level_(rate.burst * rate.cycles_per_token) {}
  bool allow(std::uint64_t now) {
    level_ = std::min(level_ + (now - last_), rate_.burst * rate_.cycles_per_token);
    last_ = now;
    if (level_ < rate_.cycles_per_token) return false;
    level_ -= rate_.cycles_per_token;
    return true;
  }

 private:
  Rate rate_;
  std::uint64_t level_;
  std::uint64_t last_ = kStart;
};

TEST(SourceMeter, DoesWhatABucketOfTokensDoesForAsManySourcesAsFitALine) {
  std::array<MeterLine, 1> lines{};
  SourceMeter meter(lines);
  const Rate rate{1000, 7};
  std::vector<Tokens> model(kSourcesInLine, Tokens(rate));
  std::mt19937_64 random(1);
  std::uint64_t now = kStart;
  std::size_t refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += random() % 400;
    const auto who = static_cast<std::uint32_t>(random() % model.size());
    const bool expected = model[who].allow(now);
    ASSERT_EQ(meter.allow(source(who + 1), now, rate), expected) << i;
    refused += expected ? 0 : 1;
  }
  EXPECT_GT(refused, 1000U);
}

TEST(SourceMeter, AllowsABurstAndThenTheRate) {
  std::array<MeterLine, 1> lines{};
  SourceMeter meter(lines);
  const Rate rate = Rate::of(100, 1, kNanosOfSecond);
  ASSERT_EQ(rate.burst, 10U);
  std::size_t allowed = 0;
  for (std::uint64_t t = 0; t < kNanosOfSecond; t += kNanosOfSecond / 10'000)
    allowed += meter.allow(source(1), kStart + t, rate) ? 1 : 0;
  EXPECT_GE(allowed, 109U);
  EXPECT_LE(allowed, 110U);
}

TEST(SourceMeter, NeverRefusesASourceForWhatOthersOfItsLineSend) {
  std::array<MeterLine, 1> lines{};
  SourceMeter meter(lines);
  const Rate rate{1000, 4};
  std::uint64_t now = kStart;
  std::mt19937 random(2);
  for (int i = 0; i < 50'000; ++i) {
    now += 10;
    (void)meter.allow(source(static_cast<std::uint32_t>(1000 + random() % 5000)), now,
                      rate);  // a crowd far over its rate
    if (i % 100 == 0) {       // one token in its time, no more
      ASSERT_TRUE(meter.allow(source(1), now, rate)) << i;
    }
  }
}

TEST(SourceMeter, TheBusiestOfALineStaysLimitedWhileStrangersPass) {
  std::array<MeterLine, 1> lines{};
  SourceMeter meter(lines);
  const Rate rate{1000, 16};
  std::uint64_t now = kStart;
  std::uint32_t stranger = 100;
  std::size_t allowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    now += 10;
    allowed += meter.allow(source(1), now, rate) ? 1 : 0;
    if (i % 10 == 0) {
      EXPECT_TRUE(meter.allow(source(stranger++), now, rate));
    }
  }
  EXPECT_LE(allowed, 16U + 10'000 * 10 / 1000);
}

TEST(SourceMeter, AChangeOfTheRateBlocksNobodyLongerThanTheNewRateSays) {
  std::array<MeterLine, 1> lines{};
  SourceMeter meter(lines);
  const Rate slow{kNanosOfSecond, 100};
  for (int i = 0; i < 200; ++i) (void)meter.allow(source(1), kStart, slow);
  const Rate fast{1000, 4};
  EXPECT_FALSE(meter.allow(source(1), kStart, fast));
  EXPECT_FALSE(meter.allow(source(1), kStart + 999, fast));
  EXPECT_TRUE(meter.allow(source(1), kStart + 1000, fast));
}

TEST(SourceMeter, LinesDoNotKnowOfEachOther) {
  std::array<MeterLine, 2> lines{};
  SourceMeter meter(lines);
  const Rate rate{1000, 1};
  EXPECT_TRUE(meter.allow(source(1, 0), kStart, rate));
  EXPECT_TRUE(meter.allow(source(1, 1), kStart, rate));
  EXPECT_FALSE(meter.allow(source(1, 0), kStart, rate));
  EXPECT_FALSE(meter.allow(source(1, 1), kStart, rate));
}

TEST(Bucket, GivesNoMoreThanItHoldsAndThenWhatComesBack) {
  Bucket bucket;
  EXPECT_TRUE(bucket.take(kStart, 60, 100));
  EXPECT_FALSE(bucket.take(kStart, 60, 100));
  EXPECT_TRUE(bucket.take(kStart, 40, 100));
  EXPECT_FALSE(bucket.take(kStart + 9, 10, 100));
  EXPECT_TRUE(bucket.take(kStart + 10, 10, 100));
  EXPECT_FALSE(bucket.take(kStart + 1000, 101, 100)) << "more than it ever holds";
  EXPECT_TRUE(bucket.take(kStart + 1000, 100, 100));
}

TEST(Bucket, ASmallerOneIsEmptyAtMostAsLongAsItTakesToFill) {
  Bucket bucket;
  EXPECT_TRUE(bucket.take(kStart, 1'000'000, 1'000'000));
  EXPECT_FALSE(bucket.take(kStart, 10, 100));
  EXPECT_TRUE(bucket.take(kStart + 100, 100, 100));
}

TEST(MeterRate, IsDividedAmongWorkersAndNeverAboveWhatWasAskedFor) {
  for (const std::uint64_t tokens : {1U, 3U, 100U, 999U, 1'000'000U})
    for (const unsigned workers : {1U, 2U, 7U}) {
      const Rate rate = Rate::of(tokens, workers, kNanosOfSecond);
      EXPECT_GE(rate.cycles_per_token * tokens, kNanosOfSecond * workers) << tokens;
      EXPECT_LT((rate.cycles_per_token - 1) * tokens, kNanosOfSecond * workers) << tokens;
    }
}

TEST(MeterRate, OutOfRangeBecomesTheNearestThatCanBeKept) {
  EXPECT_EQ(Rate::of(0, 1, kNanosOfSecond), (Rate{(std::uint64_t{1} << 40) - 1, 1}));
  EXPECT_EQ(Rate::of(10 * kNanosOfSecond, 1, kNanosOfSecond), (Rate{1, 65536}));
  EXPECT_EQ(Rate::of(5, 1, kNanosOfSecond, 3).burst, 3U);
}

}  // namespace
}  // namespace sluice::flow
