// SPDX-License-Identifier: Apache-2.0
// Which entry of the flow cache a new flow takes, and the flows that are beside their line.
#include "flow/cache.hpp"

#include "flow/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::flow {
namespace {

class FlowCacheRoom : public FlowCache {};

/// Fills line 0 with one candidate of every kind; each assign() must take the next best.
TEST_F(FlowCacheRoom, RoomIsMadeInTheOrderFreeExpiredNewOrClosingOldest) {
  constexpr Tick kNow = 1000;
  fill(1, kNow);
  assign(hash_of(0), 0, kNow - 50, true);            // fifth: the oldest established
  assign(hash_of(1), 0, kNow - 40, true);            // sixth
  assign(hash_of(2), 0, kNow - kTimeout - 1, true);  // second: expired
  assign(hash_of(3), 0, kNow - 1);                   // fourth: new
  close(hash_of(4), 0, kNow - 2);                    // third: closing, older
  assign(hash_of(5), 0, kNow, true);
  assign(hash_of(6), 0, kNow, true);
  const auto gone = [&](std::uint32_t tag) { return !find(hash_of(tag), kNow).hit; };
  const auto& stats = cache.stats();

  assign(hash_of(10), 0, kNow, true);  // takes the free way
  EXPECT_EQ(stats.expired.value(), 0U);
  assign(hash_of(11), 0, kNow, true);
  EXPECT_EQ(stats.expired.value(), 1U);
  EXPECT_FALSE(gone(4));
  assign(hash_of(12), 0, kNow, true);
  EXPECT_TRUE(gone(4));
  EXPECT_EQ(stats.evictions_closing.value(), 1U);
  EXPECT_FALSE(gone(3));
  assign(hash_of(13), 0, kNow, true);
  EXPECT_TRUE(gone(3));
  EXPECT_EQ(stats.evictions_new.value(), 1U);
  EXPECT_FALSE(gone(0));
  assign(hash_of(14), 0, kNow, true);
  EXPECT_TRUE(gone(0));
  EXPECT_EQ(stats.evictions_established.value(), 1U);
  EXPECT_FALSE(gone(1));
  assign(hash_of(15), 0, kNow, true);
  EXPECT_TRUE(gone(1));
  for (const std::uint32_t tag : {5U, 6U, 10U, 11U, 12U, 13U, 14U, 15U}) EXPECT_FALSE(gone(tag));
}

/// The order told entry by entry, for what any two lines hold: a way of the first or of the other.
unsigned easiest_of(const Line& own, const Line& beside, Tick now) {
  unsigned best = 0;
  unsigned way = 0;
  for (unsigned w = 0; w < kNoWay; ++w) {
    if (w == kFlowsInLine && best >= 2U << 14) break;  // its own line has room
    const auto mark = (w < kFlowsInLine ? own : beside).mark[w % kFlowsInLine];
    const State state = detail::state_of(mark);
    const unsigned ease = state == State::kFree                              ? 3
                          : detail::is_expired(mark, now, kTimeout)          ? 2
                          : state == State::kNew || state == State::kClosing ? 1
                                                                             : 0;
    const unsigned rank = (ease << 14 | detail::age_of(mark, now)) + 1;
    if (rank > best) way = w;
    best = std::max(best, rank);
  }
  return way;
}

TEST_F(FlowCacheRoom, ItIsMadeAsASlowLoopMakesItWhateverTheTwoLinesHold) {
  std::mt19937 random(5);
  std::size_t taken_beside = 0;
  for (int round = 0; round < 50'000; ++round) {
    const auto now = static_cast<Tick>(random() & kTickMask);
    const bool crowded = round % 2 == 0;
    for (std::uint32_t of : {0U, 1U})
      for (unsigned way = 0; way < kFlowsInLine; ++way) {
        lines[of].tag[way] = Cache::tag_of(hash_of(way, of));
        // Ages around both timeouts, the same ones often, and any.
        const auto age = static_cast<unsigned>(
            crowded ? random() % 20 : random() % (random() % 4 == 0 ? 1U << 16 : kTimeout + 3U));
        const auto state = static_cast<unsigned>(crowded ? 1 + random() % 3 : random() % 4);
        lines[of].mark[way] = static_cast<std::uint16_t>(
            state == 0 ? 0
                       : detail::mark_of(static_cast<State>(state), static_cast<Tick>(now - age)));
      }
    const std::uint32_t own = random() % 2;
    const unsigned wanted = easiest_of(lines[own], lines[1 - own], now);
    taken_beside += wanted / kFlowsInLine;
    assign(hash_of(100, own), 1, now);
    const Line& line = lines[own ^ wanted / kFlowsInLine];
    ASSERT_EQ(line.tag[wanted % kFlowsInLine], Cache::tag_of(hash_of(100, own))) << round;
    ASSERT_EQ(find(hash_of(100, own), now).way, wanted) << round;
  }
  EXPECT_GT(taken_beside, 5'000U);
}

TEST_F(FlowCacheRoom, FlowBesideItsFullLineIsFoundTouchedAndAssignedAnew) {
  fill(2, 0);
  assign(hash_of(7, 2), 9, 0);
  ASSERT_GE(find(hash_of(7, 2)).way, kFlowsInLine);
  EXPECT_EQ(find(hash_of(7, 2)).backend, 9);
  EXPECT_TRUE(cache.touch(hash_of(7, 2), find(hash_of(7, 2)), 3, false));
  EXPECT_EQ(find(hash_of(7, 2), 3).state, State::kEstablished);
  EXPECT_TRUE(find(hash_of(7, 2), 3 + kTimeout).hit);
  assign(hash_of(7, 2), 4, 3);
  EXPECT_EQ(find(hash_of(7, 2), 3).backend, 4);
  EXPECT_EQ(cache.stats().inserts.value(), 9U);
  EXPECT_EQ(cache.stats().evictions_established.value(), 0U);
}

TEST_F(FlowCacheRoom, FlowsOfTwoLinesSideBySideDifferWhereverTheyAre) {
  fill(0, 0);
  assign(hash_of(7, 0), 9, 0);  // on line 1
  EXPECT_FALSE(find(hash_of(7, 1)).hit);
  assign(hash_of(7, 1), 8, 0);
  EXPECT_EQ(find(hash_of(7, 0)).backend, 9);
  EXPECT_EQ(find(hash_of(7, 1)).backend, 8);
}

TEST_F(FlowCacheRoom, OfALineThatWasFullAGlanceDoesNotTellWhoIsBeside) {
  assign(hash_of(1000), 1, 0, true);
  BackendNumber backend = 0;
  EXPECT_EQ(cache.glance(hash_of(7), 0, backend), Glance::kAbsent);
  fill(0, 0);
  EXPECT_EQ(cache.glance(hash_of(7), 0, backend), Glance::kOther);
  assign(hash_of(7), 9, 0, true);
  EXPECT_EQ(cache.glance(hash_of(7), 0, backend), Glance::kOther);
  EXPECT_EQ(cache.glance(hash_of(1000), 0, backend), Glance::kSettled);
}

TEST_F(FlowCacheRoom, FlowBesideItsLineIsFoundAfterTheLineWasSwept) {
  fill(0, 0);
  assign(hash_of(7), 9, kTimeout, true);
  cache.sweep(cache.lines(), kTimeout + 1, kTimeout);  // frees the whole line
  for (unsigned way = 0; way < kFlowsInLine; ++way)
    EXPECT_EQ(cache.sample(0, way).state, State::kFree);
  EXPECT_EQ(find(hash_of(7), kTimeout + 1).backend, 9);
  assign(hash_of(7), 4, kTimeout + 1, true);
  EXPECT_EQ(find(hash_of(7), kTimeout + 1).backend, 4);
  EXPECT_EQ(cache.stats().inserts.value(), 9U) << "it has no second entry";
}

TEST_F(FlowCacheRoom, LineWithoutFlowsBesideItIsLookedAtAloneOnceItWasSwept) {
  fill(0, 0);
  assign(hash_of(7), 9, 0, true);
  ASSERT_TRUE(detail::was_full(lines[0]));
  cache.sweep(1, kTimeout + 1, kTimeout);
  EXPECT_TRUE(detail::was_full(lines[0]));
  cache.sweep(cache.lines(), kTimeout + 1, kTimeout);  // the flow beside goes, after line 0
  cache.sweep(1, kTimeout + 1, kTimeout);
  EXPECT_FALSE(detail::was_full(lines[0]));
  EXPECT_EQ(cache.stats().expired.value(), 9U);
}

TEST_F(FlowCacheRoom, SampleShowsTheLineBesideBehindTheLine) {
  assign(hash_of(9, 3), 77, 5);
  EXPECT_EQ(cache.sample(2, kFlowsInLine).backend, 77);
  EXPECT_EQ(cache.sample(3, 0).backend, 77);
}

}  // namespace
}  // namespace sluice::flow
