// SPDX-License-Identifier: Apache-2.0
#include "snapshot/input.hpp"
#include "snapshot/snapshot.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::snapshot {
namespace {

using test::backend;
using test::backends;
using test::built;
using test::input;
using test::kSmallTable;
using test::pool;

std::uint64_t share_of(const Snapshot& snapshot, std::size_t pool, BackendNumber number) {
  return static_cast<std::uint64_t>(std::ranges::count(snapshot.pools[pool].slots, number));
}

TEST(Movement, NothingMovesBetweenEqualSnapshots) {
  const auto a = built(input({pool("p", backends(10))}));
  const auto b = built(input({pool("p", backends(10))}));
  const auto m = movement(*a, *b);
  EXPECT_EQ(m.moved, 0U);
  EXPECT_EQ(m.least, 0U);
  EXPECT_EQ(m.total, kSmallTable);
}

TEST(Movement, RemovingOneOfTenMustMoveItsShareAndLittleElseMoves) {
  auto p = pool("p", backends(10));
  p.table_size = maglev::kDefaultSize;
  const auto before = built(input({p}));
  p.backends.erase(p.backends.begin() + 4);
  const auto after = built(input({p}));
  const auto m = movement(*before, *after);
  EXPECT_EQ(m.least, share_of(*before, 0, 5)) << "b5 has the number 5";
  EXPECT_GE(m.moved, m.least);
  EXPECT_LE(m.moved - m.least, m.total / 100) << "at most 1 % of the others";
  EXPECT_EQ(m.total, maglev::kDefaultSize);
}

TEST(Movement, DrainingCountsLikeRemoving) {
  auto p = pool("p", backends(4));
  const auto before = built(input({p}));
  p.backends[0].draining = true;
  const auto after = built(input({p}));
  EXPECT_EQ(movement(*before, *after).least, share_of(*before, 0, 1));
}

TEST(Movement, AddedBackendNeedsItsOwnShare) {
  const auto before = built(input({pool("p", backends(4))}));
  const auto after = built(input({pool("p", backends(5))}));
  EXPECT_EQ(movement(*before, *after).least, share_of(*after, 0, 5));
  EXPECT_EQ(movement(*after, *before).least, share_of(*after, 0, 5)) << "and the way back likewise";
}

TEST(Movement, ExchangeOfOneBackendForAnotherIsOneShareNotTwo) {
  auto p = pool("p", backends(4));
  const auto before = built(input({p}));
  p.backends[0] = backend("new", 1);
  const auto after = built(input({p}));
  const auto m = movement(*before, *after);
  EXPECT_GE(m.least, share_of(*before, 0, 1));
  EXPECT_LE(m.least, share_of(*before, 0, 1) + 3) << "a slot for each of the others, from rounding";
}

TEST(Movement, NewNumberOfTheSameBackendIsNoMovement) {
  const auto before = built(input({pool("p", backends(10))}));
  const auto after = built(input({pool("p", backends(10, 500))}));
  EXPECT_EQ(movement(*before, *after).moved, 0U);
}

TEST(Movement, OldNumberOfAnotherBackendIsMovement) {
  const auto before = built(input({pool("p", {backend("a", 1)})}));
  const auto after = built(input({pool("p", {backend("b", 1)})}));
  EXPECT_EQ(movement(*before, *after).moved, kSmallTable);
}

TEST(Movement, ChangedSizeMovesThePoolWhole) {
  auto p = pool("p", backends(3));
  const auto before = built(input({p}));
  p.table_size = 2003;
  const auto after = built(input({p}));
  const auto m = movement(*before, *after);
  EXPECT_EQ(m.moved, 2003U);
  EXPECT_EQ(m.least, 2003U);
  EXPECT_EQ(m.total, 2003U);
}

TEST(Movement, PoolThatLosesItsLastBackendMovesWhole) {
  auto p = pool("p", backends(1));
  const auto before = built(input({p}));
  p.backends[0].weight = 0;
  const auto after = built(input({p}));
  EXPECT_EQ(movement(*before, *after).moved, kSmallTable);
  EXPECT_EQ(movement(*after, *after).total, 0U) << "nothing to move in an empty pool";
}

TEST(Movement, PoolsAreMatchedByNameAndSummed) {
  const auto before = built(input({pool("p", backends(2)), pool("q", backends(3, 11))}));
  const auto after = built(
      input({pool("q", backends(3, 11)), pool("new", backends(1, 21)), pool("p", backends(1))}));
  const auto m = movement(*before, *after);
  EXPECT_EQ(m.total, 2 * kSmallTable) << "a pool that is new has nothing to move";
  EXPECT_EQ(m.moved, share_of(*before, 0, 2));
}

TEST(Movement, PoolThatGoesIsNotCounted) {
  const auto before = built(input({pool("p", backends(2)), pool("q", backends(3, 11))}));
  const auto after = built(input({pool("p", backends(2))}));
  EXPECT_EQ(movement(*before, *after).total, kSmallTable);
}

const Loss* loss_of(const PoolMovement& pool, BackendNumber number) {
  const auto at = std::ranges::find(pool.losses, number, &Loss::number);
  return at == pool.losses.end() ? nullptr : &*at;
}

TEST(MovementByPool, NothingIsToldOfPoolsThatStay) {
  const auto before = built(input({pool("p", backends(4)), pool("q", backends(4, 11))}));
  EXPECT_TRUE(movement_by_pool(*before, *before).empty());
}

TEST(MovementByPool, ABackendThatGoesLosesAllAndTheOthersOnlyWhatMoves) {
  auto p = pool("p", backends(4));
  const auto before = built(input({p}));
  p.backends.erase(p.backends.begin());
  const auto after = built(input({p}));
  const auto pools = movement_by_pool(*before, *after);
  ASSERT_EQ(pools.size(), 1U);
  const auto* gone = loss_of(pools[0], 1);
  ASSERT_NE(gone, nullptr) << "b1 has the number 1";
  EXPECT_TRUE(gone->left);
  EXPECT_EQ(gone->had, share_of(*before, 0, 1));
  EXPECT_EQ(gone->lost, gone->had);
  std::uint64_t lost = 0;
  for (const auto& loss : pools[0].losses) lost += loss.lost;
  EXPECT_EQ(lost, pools[0].movement.moved) << "what moves, somebody lost";
}

TEST(MovementByPool, ADrainingBackendLosesItsEntriesAndHasNotLeft) {
  auto p = pool("p", backends(4));
  const auto before = built(input({p}));
  p.backends[0].draining = true;
  const auto pools = movement_by_pool(*before, *built(input({p})));
  ASSERT_EQ(pools.size(), 1U);
  const auto* drained = loss_of(pools[0], 1);
  ASSERT_NE(drained, nullptr);
  EXPECT_FALSE(drained->left);
  EXPECT_EQ(drained->lost, drained->had);
}

TEST(MovementByPool, OfAPoolThatIsGoneEveryBackendHasLeft) {
  const auto before = built(input({pool("p", backends(2)), pool("q", backends(3, 11))}));
  const auto pools = movement_by_pool(*before, *built(input({pool("p", backends(2))})));
  ASSERT_EQ(pools.size(), 1U);
  EXPECT_EQ(pools[0].pool, "q");
  EXPECT_EQ(pools[0].losses.size(), 3U);
  for (const auto& loss : pools[0].losses) EXPECT_TRUE(loss.left && loss.lost == loss.had);
}

}  // namespace
}  // namespace sluice::snapshot
