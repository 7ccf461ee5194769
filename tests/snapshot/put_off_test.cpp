// SPDX-License-Identifier: Apache-2.0
// put_off(): which pools wait for the next snapshot, and that none waits for ever.
#include "snapshot/put_off.hpp"

#include "snapshot/input.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sluice::snapshot {
namespace {

using test::backends;
using test::built;
using test::pool;

constexpr std::size_t kTwo = 2 * std::size_t{test::kSmallTable};

// Pools "p0" ... of three backends each.
Input of_pools(unsigned count) {
  std::vector<PoolInput> pools;
  for (unsigned i = 0; i < count; ++i)
    pools.push_back(pool("p" + std::to_string(i), backends(3, 1 + 3 * i)));
  return test::input(std::move(pools), {});
}

// Whose table differs.
std::set<std::size_t> rebuilt(const Snapshot& before, const Snapshot& after) {
  std::set<std::size_t> pools;
  for (std::size_t i = 0; i < after.tables.size(); ++i)
    if (before.tables[i] != after.tables[i]) pools.insert(i);
  return pools;
}

TEST(PutOff, LetsSoManyEntriesPassAndTheOthersKeepTheirTables) {
  const auto before = built(of_pools(5));
  auto wanted = of_pools(5);
  for (auto& one : wanted.pools) one.backends[1].down = true;
  EXPECT_EQ(put_off(wanted, *before, 0, kTwo), 2U);
  const auto after = built(wanted, before.get());
  EXPECT_EQ(rebuilt(*before, *after), (std::set<std::size_t>{0, 1}));
  EXPECT_EQ(after->backends[2].state, State::kDown);
  EXPECT_EQ(after->backends[8].state, State::kUp) << "its table still has it";
}

TEST(PutOff, GoesOnWhereItStoppedAndComesRound) {
  auto now = built(of_pools(5));
  std::size_t from = 3;
  std::vector<std::set<std::size_t>> rounds;
  for (int i = 0; i < 3; ++i) {
    auto wanted = of_pools(5);
    for (auto& one : wanted.pools) one.backends[0].weight = 50;
    const auto next = put_off(wanted, *now, from, kTwo);
    auto after = built(std::move(wanted), now.get());
    rounds.push_back(rebuilt(*now, *after));
    now = std::move(after);
    EXPECT_EQ(next.has_value(), i < 2);
    from = next.value_or(0);
  }
  EXPECT_EQ(rounds, (std::vector<std::set<std::size_t>>{{3, 4}, {0, 1}, {2}}));
}

TEST(PutOff, OneTableIsBuiltHoweverLargeItIs) {
  const auto before = built(of_pools(2));
  auto wanted = of_pools(2);
  for (auto& one : wanted.pools) one.backends[0].draining = true;
  EXPECT_EQ(put_off(wanted, *before, 0, 1), 1U);
  EXPECT_TRUE(wanted.pools[0].backends[0].draining);
  EXPECT_FALSE(wanted.pools[1].backends[0].draining);
}

TEST(PutOff, WhatElseIsSaidOfABackendDoesNotWait) {
  const auto before = built(of_pools(2));
  auto wanted = of_pools(2);
  for (auto& one : wanted.pools) {
    one.backends[0].draining = true;
    one.backends[0].load = 7;
    one.backends[1].hop.reset();
  }
  EXPECT_EQ(put_off(wanted, *before, 0, 1), 1U);
  EXPECT_EQ(wanted.pools[1].backends[0].load, 7U);
  EXPECT_FALSE(wanted.pools[1].backends[1].hop);
}

// No flow may go to a backend of a pool that is not as it was, nor to one that is all down.
TEST(PutOff, PoolsThatAreNotTheSameOrHaveNobodyLeftNeverWait) {
  const auto before = built(of_pools(6));
  auto wanted = of_pools(6);
  for (auto& one : wanted.pools) one.backends[0].down = true;
  wanted.pools[1].backends.pop_back();
  wanted.pools[2].table_size = 2003;
  wanted.pools[3].backends[2].name = "other";
  wanted.pools[4].backends[1].down = wanted.pools[4].backends[2].down = true;
  const auto asked = wanted;
  EXPECT_EQ(put_off(wanted, *before, 0, 1), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(wanted.pools[i], asked.pools[i]) << i;
  EXPECT_EQ(wanted.pools[5], before->input.pools[5]);
  auto more = of_pools(8);
  EXPECT_EQ(put_off(more, *before, 7, 1), std::nullopt) << "new ones, and nothing changed";
}

// However pools change meanwhile, each comes to its turn within as many calls as there are pools.
TEST(PutOff, NobodyWaitsForEver) {
  std::mt19937 dice(7);
  auto now = built(of_pools(7));
  std::size_t from = 0;
  std::vector<int> waits(7, 0);
  for (int call = 0; call < 100; ++call) {
    auto wanted = of_pools(7);
    for (auto& one : wanted.pools)
      one.backends[0].weight = static_cast<std::uint32_t>(1 + dice() % 90);
    const auto asked = wanted;
    from = put_off(wanted, *now, from, kTwo).value_or(0);
    for (std::size_t i = 0; i < 7; ++i) {
      waits[i] = wanted.pools[i] == asked.pools[i] ? 0 : waits[i] + 1;
      ASSERT_LE(waits[i], 3) << i;
    }
    now = built(std::move(wanted), now.get());
  }
}

}  // namespace
}  // namespace sluice::snapshot
