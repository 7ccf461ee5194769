// SPDX-License-Identifier: Apache-2.0
// The flow cache, fact by fact: look-up, states, ageing, replacement, sweeping, sampling.
#include "flow/cache.hpp"

#include "flow/cache_fixture.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace sluice::flow {
namespace {

TEST_F(FlowCache, FlowIsFoundWithItsBackendOnceAssigned) {
  EXPECT_FALSE(find(hash_of(7), 0).hit);
  assign(hash_of(7), 65535, 0);
  const auto found = find(hash_of(7), 0);
  EXPECT_TRUE(found.hit);
  EXPECT_EQ(found.backend, 65535);
  EXPECT_EQ(found.state, State::kNew);
}

TEST_F(FlowCache, EmptyCacheHasNoFlowNotEvenWithTagZero) {
  const auto found = find(0, 0);
  EXPECT_FALSE(found.hit);
  EXPECT_EQ(found.way, kNoWay);
  EXPECT_EQ(found.state, State::kFree);
}

TEST_F(FlowCache, FlowsDifferByTagAndByLine) {
  assign(hash_of(7, 1), 10, 0);
  EXPECT_FALSE(find(hash_of(7, 2), 0).hit);
  EXPECT_FALSE(find(hash_of(8, 1), 0).hit);
  EXPECT_TRUE(find(hash_of(7, 1 + 4), 0).hit) << "only the low bits choose among four lines";
}

TEST_F(FlowCache, LiveEntryIsFoundBehindDeadOnesOfTheSameTag) {
  constexpr std::uint32_t kTag = Cache::tag_of(hash_of(7));
  lines[0].tag[0] = kTag;  // free: its mark is 0
  lines[0].tag[1] = kTag;
  lines[0].mark[1] = detail::mark_of(State::kEstablished, 0);
  lines[0].tag[5] = kTag;
  lines[0].mark[5] = detail::mark_of(State::kNew, kTimeout);
  EXPECT_EQ(find(hash_of(7), kTimeout + 1).way, 5);
}

TEST_F(FlowCache, EightFlowsFitOneLine) {
  for (std::uint32_t tag = 0; tag < 8; ++tag) assign(hash_of(tag), BackendNumber(tag + 1), 0, true);
  for (std::uint32_t tag = 0; tag < 8; ++tag) EXPECT_EQ(find(hash_of(tag), 0).backend, tag + 1);
  EXPECT_EQ(cache.stats().inserts.value(), 8U);
  EXPECT_EQ(cache.stats().evictions_established.value(), 0U);
}

TEST_F(FlowCache, FindWritesNothing) {
  std::mt19937_64 random(1);
  for (auto& line : lines)
    for (unsigned w = 0; w < kFlowsInLine; ++w) {
      line.tag[w] = static_cast<std::uint32_t>(random() % 16);
      line.mark[w] = static_cast<std::uint16_t>(random());
      line.backend[w] = static_cast<BackendNumber>(random());
    }
  const auto before = lines;
  std::size_t hits = 0;
  for (int i = 0; i < 10'000; ++i)
    hits += find(hash_of(static_cast<std::uint32_t>(random() % 8), random() % 4),
                 static_cast<Tick>(random() & kTickMask))
                .hit;
  EXPECT_GT(hits, 0U);
  EXPECT_EQ(std::memcmp(before.data(), lines.data(), lines.size() * sizeof(Line)), 0);
}

TEST(FlowCacheDeathTest, TouchStoresOnlyWhenTheTickOrStateChanges) {
  constexpr std::size_t kPage = 4096;
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  Cache cache({static_cast<Line*>(page), 2});
  cache.assign(5, cache.find(5, 9, kTimeout), 1, 9, kTimeout, true);
  ASSERT_EQ(mprotect(page, kPage, PROT_READ), 0);
  EXPECT_EXIT(
      {
        cache.touch(5, cache.find(5, 9, kTimeout), 9, false);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_DEATH(cache.touch(5, cache.find(5, 10, kTimeout), 10, false), "");
  EXPECT_EQ(munmap(page, kPage), 0);
}

TEST(FlowCacheDeathTest, LinesThatAreNoPowerOfTwoOrOneAloneBreakAnInvariant) {
  std::vector<Line> three(3);
  EXPECT_DEATH(Cache{std::span<Line>(three).first(1)}, "at least two");
  EXPECT_DEATH(Cache{three}, "power of two");
  EXPECT_DEATH(Cache{std::span<Line>{}}, "power of two");
}

TEST(FlowCacheSize, LinesHoldAtLeastTheFlowsAskedForAndArePowersOfTwo) {
  EXPECT_EQ(Cache::lines_for(0), 2U);
  EXPECT_EQ(Cache::lines_for(8), 2U);
  EXPECT_EQ(Cache::lines_for(9), 2U);
  EXPECT_EQ(Cache::lines_for(17), 4U);
  EXPECT_EQ(Cache::lines_for(1U << 20), 1U << 17);
  std::vector<Line> lines(Cache::lines_for(100));
  EXPECT_EQ(Cache(lines).lines(), 16U);
  EXPECT_EQ(Cache(lines).capacity(), 128U);
}

TEST_F(FlowCache, SecondPacketMakesAFlowEstablished) {
  assign(hash_of(1), 3, 0);
  touch(hash_of(1), 1);
  EXPECT_EQ(find(hash_of(1), 1).state, State::kEstablished);
  EXPECT_EQ(find(hash_of(1), 1).backend, 3);
}

TEST_F(FlowCache, SettledIsAnEstablishedFlowThatWasSeenInThisTick) {
  BackendNumber backend = 0;
  const auto seen = [&](Tick now) { return cache.glance(hash_of(7), now, backend); };
  EXPECT_EQ(seen(3), Glance::kAbsent);
  assign(hash_of(7), 9, 3);
  EXPECT_EQ(seen(3), Glance::kOther);  // it is new
  touch(hash_of(7), 3);
  EXPECT_EQ(seen(3), Glance::kSettled);
  EXPECT_EQ(backend, 9);
  EXPECT_EQ(seen(4), Glance::kOther);  // its tick is to be written
  touch(hash_of(7), 4);
  EXPECT_EQ(seen(4), Glance::kSettled);
  EXPECT_EQ(cache.glance(hash_of(8), 4, backend), Glance::kAbsent);
  touch(hash_of(7), 4, /*closing=*/true);
  EXPECT_EQ(seen(4), Glance::kOther);
}

TEST_F(FlowCache, SettledIsNobodyWhoseTagAnEntryBeforeItHas) {
  close(hash_of(7), 1, 0);
  lines[0].tag[1] = lines[0].tag[0];  // what no assign() leaves behind
  lines[0].backend[1] = 2;
  lines[0].mark[1] = detail::mark_of(State::kEstablished, 0);
  BackendNumber backend = 0;
  EXPECT_EQ(cache.glance(hash_of(7), 0, backend), Glance::kOther);  // as find() takes the first
}

TEST_F(FlowCache, FlowMetInItsMiddleIsEstablishedAtOnce) {
  assign(hash_of(1), 3, 0, /*established=*/true);
  EXPECT_EQ(find(hash_of(1), 0).state, State::kEstablished);
}

TEST_F(FlowCache, EntryOutlivesItsTimeoutByNoTick) {
  assign(hash_of(1), 3, 0, true);
  EXPECT_TRUE(find(hash_of(1), kTimeout).hit);
  EXPECT_FALSE(find(hash_of(1), kTimeout + 1).hit);
}

TEST_F(FlowCache, PacketRenewsTheTimeout) {
  assign(hash_of(1), 3, 0, true);
  touch(hash_of(1), kTimeout);
  EXPECT_TRUE(find(hash_of(1), 2 * kTimeout).hit);
  EXPECT_FALSE(find(hash_of(1), 2 * kTimeout + 1).hit);
}

TEST_F(FlowCache, AgeCountsAcrossTheWrapOfTheClock) {
  assign(hash_of(1), 3, kTickMask - 10, true);
  EXPECT_TRUE(find(hash_of(1), kTimeout - 11).hit);
  EXPECT_FALSE(find(hash_of(1), kTimeout - 10).hit);
}

TEST_F(FlowCache, TickZeroIsATickLikeAnyOther) {
  for (const bool established : {false, true}) {
    assign(hash_of(1), 3, 0, established);
    EXPECT_TRUE(find(hash_of(1), 0).hit);
  }
}

TEST_F(FlowCache, ClosingFlowEndsAfterItsTicksOfSilence) {
  close(hash_of(1), 3, 10);
  EXPECT_TRUE(find(hash_of(1), 10 + kClosingTicks).hit);
  EXPECT_FALSE(find(hash_of(1), 10 + kClosingTicks + 1).hit);
}

TEST_F(FlowCache, HalfClosedFlowThatReadsOnKeepsItsBackendAndStaysClosing) {
  close(hash_of(1), 3, 10);
  Tick now = 10;
  for (int packet = 0; packet < 10; ++packet) {
    now = static_cast<Tick>(now + kClosingTicks);
    const auto found = find(hash_of(1), now);
    ASSERT_TRUE(found.hit) << now;
    EXPECT_EQ(found.state, State::kClosing);
    EXPECT_EQ(found.backend, 3);
    cache.touch(hash_of(1), found, now, /*closing=*/packet % 2 == 0);
  }
  EXPECT_FALSE(find(hash_of(1), static_cast<Tick>(now + kClosingTicks + 1)).hit);
}

TEST_F(FlowCache, AssigningAClosingFlowStartsItAnew) {
  close(hash_of(1), 3, 10);
  assign(hash_of(1), 4, 11);
  EXPECT_EQ(find(hash_of(1), 11 + kTimeout).backend, 4);
  EXPECT_EQ(find(hash_of(1), 11).state, State::kNew);
  EXPECT_EQ(cache.stats().inserts.value(), 1U);
}

TEST_F(FlowCache, FinThenAckOfOneBurstLeaveTheFlowClosing) {
  assign(hash_of(1), 3, 0, true);
  const auto found = find(hash_of(1), 0);  // the burst is looked up as a whole
  cache.touch(hash_of(1), found, 0, /*closing=*/true);
  cache.touch(hash_of(1), found, 0, /*closing=*/false);
  EXPECT_EQ(find(hash_of(1), 0).state, State::kClosing);
}

TEST_F(FlowCache, FlowMissedTwiceInOneBurstGetsOneEntry) {
  const auto missed = find(hash_of(1), 0);
  cache.assign(hash_of(1), missed, 3, 0, kTimeout, false);
  cache.assign(hash_of(1), missed, 3, 0, kTimeout, false);
  EXPECT_EQ(cache.stats().inserts.value(), 1U);
  EXPECT_EQ(cache.stats().misses.value(), 2U);
  std::size_t used = 0;
  for (unsigned w = 0; w < kFlowsInLine; ++w) used += cache.sample(0, w).state != State::kFree;
  EXPECT_EQ(used, 1U);
}

TEST_F(FlowCache, EntryThatWentToAnotherFlowIsNeitherTouchedNorOverwritten) {
  fill(1, 1);
  for (std::uint32_t tag = 0; tag < 8; ++tag) assign(hash_of(tag), 1, tag == 3 ? 0 : 1, tag != 3);
  const auto stale = find(hash_of(3), 1);
  assign(hash_of(8), 2, 1);  // evicts the only kNew flow
  ASSERT_FALSE(find(hash_of(3), 1).hit);
  cache.touch(hash_of(3), stale, 1, /*closing=*/true);
  EXPECT_EQ(find(hash_of(8), 1).state, State::kNew);
  touch(hash_of(8), 1);
  cache.assign(hash_of(3), stale, 5, 2, kTimeout, true);
  EXPECT_EQ(find(hash_of(3), 2).backend, 5);
  EXPECT_EQ(cache.stats().evictions_established.value(), 1U)
      << "of the oldest, not of the stale way";
}

TEST_F(FlowCache, FlowTakesItsOwnExpiredEntryBeforeAFreeOne) {
  assign(hash_of(1), 3, 0, true);
  assign(hash_of(1), 4, kTimeout + 1, true);
  EXPECT_EQ(cache.stats().expired.value(), 1U);
  EXPECT_EQ(cache.sample(0, 1).state, State::kFree);
  // A longer timeout, as after a reload, must not bring the first backend back.
  EXPECT_EQ(cache.find(hash_of(1), kTimeout + 2, kLongestTimeout).backend, 4);
}

TEST_F(FlowCache, SweepFreesWhatIsPastItsTimeAndNothingElse) {
  assign(hash_of(1, 0), 3, 0, true);
  assign(hash_of(2, 1), 3, 1, true);
  close(hash_of(3, 2), 3, kTimeout - kClosingTicks);
  close(hash_of(4, 3), 3, kTimeout - kClosingTicks + 1);
  cache.sweep(4, kTimeout + 1, kTimeout);
  EXPECT_EQ(cache.sample(0, 0).state, State::kFree);
  EXPECT_EQ(cache.sample(1, 0).state, State::kEstablished);
  EXPECT_EQ(cache.sample(2, 0).state, State::kFree);
  EXPECT_EQ(cache.sample(3, 0).state, State::kClosing);
  EXPECT_EQ(cache.stats().expired.value(), 2U);
}

TEST_F(FlowCache, SweepGoesOnWhereItStopped) {
  for (std::uint64_t line = 0; line < 4; ++line) assign(hash_of(1, line), 3, 0, true);
  for (std::uint64_t swept = 1; swept <= 4; ++swept) {
    cache.sweep(1, kTimeout + 1, kTimeout);
    EXPECT_EQ(cache.stats().expired.value(), swept);
  }
  for (std::uint64_t line = 0; line < 4; ++line) assign(hash_of(1, line), 3, 0, true);
  cache.sweep(1'000'000, kTimeout + 1, kTimeout);
  EXPECT_EQ(cache.stats().expired.value(), 8U);
}

TEST_F(FlowCache, EntrySweptInTimeNeverComesBackWhenTheClockWraps) {
  assign(hash_of(1), 3, 0, true);
  constexpr unsigned kPeriod = 1U << 13;
  for (unsigned time = 1; time < 5U << 14; ++time) {
    const auto now = static_cast<Tick>(time & kTickMask);
    EXPECT_EQ(cache.find(hash_of(1), now, kLongestTimeout).hit, time <= kLongestTimeout) << time;
    if (time % (kPeriod / 4) == 100) cache.sweep(1, now, kLongestTimeout);
  }
}

TEST_F(FlowCache, TagsMatchExactlyWhereASlowLoopSaysSo) {
  std::mt19937 random(3);
  Line line{};
  for (int round = 0; round < 10'000; ++round) {
    for (auto& tag : line.tag)
      tag = random() % 3 == 0 ? 0x80000001U : static_cast<std::uint32_t>(random());
    unsigned expected = 0;
    for (unsigned w = 0; w < kFlowsInLine; ++w)
      expected |= (line.tag[w] == 0x80000001U ? 1U : 0U) << w;
    ASSERT_EQ(detail::matches(line, 0x80000001U), expected);
  }
}

TEST_F(FlowCache, SampleTellsWhatAnEntryHolds) {
  assign(hash_of(9, 2), 77, 123, true);
  const auto sample = cache.sample(2, 0);
  EXPECT_EQ(sample.state, State::kEstablished);
  EXPECT_EQ(sample.tick, 123);
  EXPECT_EQ(sample.backend, 77);
  EXPECT_EQ(sample.tag, Cache::tag_of(hash_of(9, 2)));
}

TEST_F(FlowCache, SamplesMayBeTakenWhileTheOwnerWrites) {
  std::atomic<bool> done{false};
  std::size_t seen = 0;
  std::thread reader([&] {
    do {
      for (std::size_t line = 0; line < cache.lines(); ++line)
        for (unsigned w = 0; w < kFlowsInLine; ++w) {
          const auto sample = cache.sample(line, w);
          if (sample.state == State::kFree) continue;
          ++seen;
          EXPECT_LT(sample.backend, 100);
        }
      seen += cache.stats().inserts.value();
    } while (!done.load(std::memory_order_acquire));
  });
  std::mt19937_64 random(4);
  for (int i = 0; i < 100'000; ++i) {
    const auto hash = hash_of(static_cast<std::uint32_t>(random() % 64), random() % 4);
    const auto now = static_cast<Tick>(i / 100 & kTickMask);
    const auto found = find(hash, now);
    if (found.hit) {
      cache.touch(hash, found, now, random() % 8 == 0);
    } else {
      cache.assign(hash, found, static_cast<BackendNumber>(random() % 100), now, kTimeout, false);
    }
    if (i % 64 == 0) cache.sweep(1, now, kTimeout);
  }
  done.store(true, std::memory_order_release);  // pairs with the reader's acquire load
  reader.join();
  EXPECT_GT(seen, 0U);
}

}  // namespace
}  // namespace sluice::flow
