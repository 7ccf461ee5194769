// SPDX-License-Identifier: Apache-2.0
// The counts of active flows against the entries that the cache holds.
#include "flow/active.hpp"

#include "flow/cache.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::flow {
namespace {

constexpr std::size_t kBackends = 8;
constexpr Tick kIdle = 100;

struct ActiveFlows : testing::Test {
  static constexpr std::uint64_t hash_of(std::uint32_t number, std::uint64_t line = 0) {
    return std::uint64_t{number} << 33 | line;
  }
  void assign(std::uint64_t hash, BackendNumber backend, Tick now = 0) {
    cache.assign(hash, cache.find(hash, now, kIdle), backend, now, kIdle, false);
  }
  void touch(std::uint64_t hash, bool closing, Tick now = 0) {
    const Found found = cache.find(hash, now, kIdle);
    ASSERT_TRUE(found.hit);
    cache.touch(hash, found, now, closing);
  }
  /// What the entries say, one by one.
  [[nodiscard]] std::vector<std::uint32_t> entries() const {
    std::vector<std::uint32_t> of(kBackends);
    for (std::size_t line = 0; line < cache.lines(); ++line)
      for (unsigned way = 0; way < kFlowsInLine; ++way) {
        const auto sample = cache.sample(line, way);
        if (sample.state == State::kNew || sample.state == State::kEstablished)
          ++of[sample.backend];
      }
    return of;
  }

  std::vector<std::uint32_t> counts = std::vector<std::uint32_t>(kBackends);
  Active active{counts};
  std::vector<Line> lines = std::vector<Line>(4);
  Cache cache{lines, &active};
};

TEST_F(ActiveFlows, AFlowCountsFromItsFirstPacketUntilItCloses) {
  assign(hash_of(1), 3);
  EXPECT_EQ(active.of(3), 1U);
  touch(hash_of(1), false);
  touch(hash_of(1), false, 5);
  EXPECT_EQ(active.of(3), 1U);
  touch(hash_of(1), true, 5);
  EXPECT_EQ(active.of(3), 0U);
  touch(hash_of(1), true, 6);
  touch(hash_of(1), false, 7);
  EXPECT_EQ(active.of(3), 0U);
}

TEST_F(ActiveFlows, AConnectionThatOpensAnewCountsAgain) {
  assign(hash_of(1), 3);
  touch(hash_of(1), true);
  assign(hash_of(1), 3);
  EXPECT_EQ(active.of(3), 1U);
}

TEST_F(ActiveFlows, AFlowThatMovesCountsForItsNewBackendAlone) {
  assign(hash_of(1), 3);
  assign(hash_of(1), 4);
  EXPECT_EQ(active.of(3), 0U);
  EXPECT_EQ(active.of(4), 1U);
}

TEST_F(ActiveFlows, AFlowThatIsPushedOutOrSweptCountsNoMore) {
  for (std::uint32_t number = 0; number <= kNoWay; ++number) assign(hash_of(number), 3);
  EXPECT_EQ(active.of(3), kNoWay);
  cache.sweep(cache.lines(), kIdle + 1, kIdle);
  EXPECT_EQ(active.of(3), 0U);
}

TEST_F(ActiveFlows, CountsAreWhatTheEntriesSayWhateverHappens) {
  std::mt19937_64 random(1);
  std::uint64_t time = 0;
  for (int i = 0; i < 200'000; ++i) {
    time += random() % 4;
    const auto now = static_cast<Tick>(time & kTickMask);
    const auto hash = hash_of(static_cast<std::uint32_t>(random() % 60), random() % 4);
    const Found found = cache.find(hash, now, kIdle);
    if (found.hit && random() % 8 != 0) {
      cache.touch(hash, found, now, random() % 8 == 0);
    } else {
      cache.assign(hash, found, static_cast<BackendNumber>(random() % kBackends), now, kIdle,
                   random() % 2 == 0);
    }
    if (i % 64 == 0) cache.sweep(1, now, kIdle);
    if (i % 16 == 0) {
      ASSERT_EQ(counts, entries()) << i;
    }
  }
  std::uint32_t all = 0;
  for (const auto count : counts) all += count;
  EXPECT_GT(all, 0U);
}

TEST_F(ActiveFlows, ANumberBeyondTheMemoryHasNoFlowsAndHarmsNone) {
  assign(hash_of(1), kBackends);
  EXPECT_EQ(active.of(kBackends), 0U);
  touch(hash_of(1), true);
  EXPECT_EQ(counts, std::vector<std::uint32_t>(kBackends));
}

TEST_F(ActiveFlows, ACacheWithoutThemWorksAsEver) {
  std::vector<Line> other(2);
  Cache alone(other);
  alone.assign(hash_of(1), alone.find(hash_of(1), 0, kIdle), 2, 0, kIdle, false);
  EXPECT_EQ(alone.find(hash_of(1), 0, kIdle).backend, 2);
}

}  // namespace
}  // namespace sluice::flow
