// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix_search.hpp"

#include "forecast/dice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace sluice::autoscale {
namespace {

using forecast::Dice;

constexpr std::size_t kNodes = 200'000;
constexpr double kNever = std::numeric_limits<double>::infinity();

// The cheapest cover of a need in whole units, by a dynamic programme over what is left open:
// another method altogether, which knows neither totals nor changes.
double cheapest_cover(const std::vector<SearchClass>& classes, std::size_t need) {
  std::vector<double> price(need + 1, kNever);  // by what is left open
  price[need] = 0;
  for (const auto& c : classes) {
    for (unsigned left = c.most, some = 1; left > 0;
         left -= some, some = std::min(2 * some, left)) {
      some = std::min(some, left);
      const auto capacity = static_cast<std::size_t>(c.capacity) * some;
      for (std::size_t open = 1; open <= need; ++open) {
        if (price[open] == kNever) continue;
        double& next = price[open - std::min(open, capacity)];
        next = std::min(next, price[open] + some * c.price);
      }
    }
  }
  return price[0];
}

std::vector<SearchClass> eight(Dice& dice, bool alike) {
  std::vector<SearchClass> classes;
  for (int i = 0; i < 8; ++i) {
    const double capacity = 1 + std::floor(30 * dice.uniform());
    const double price = alike ? 2 * capacity : 1 + std::floor(60 * dice.uniform());
    classes.push_back({.capacity = capacity,
                       .price = price,
                       .most = 5 + static_cast<unsigned>(dice.uniform() * 995),
                       .present = static_cast<unsigned>(dice.uniform() * 40)});
  }
  return classes;
}

TEST(MixSearch, OfEightClassesWithUpToAThousandEachFindsTheCheapestThatADynamicProgrammeFinds) {
  Dice dice(3);
  for (int round = 0; round < 120; ++round) {
    const auto classes = eight(dice, round % 3 == 0);
    const double need = 1 + std::floor(5000 * dice.uniform());
    MixSearch search(classes, {.capacity = need, .most = 8000, .price_step = 1});
    std::optional<Found> found;
    std::size_t nodes = kNodes;
    search.cheapest(found, nodes);
    ASSERT_TRUE(found);
    ASSERT_GT(nodes, 0U) << round;
    const double cheapest = cheapest_cover(classes, static_cast<std::size_t>(need));
    if (cheapest == kNever) {
      EXPECT_GT(found->worth.uncovered, 0) << round;
      continue;
    }
    EXPECT_EQ(found->worth.uncovered, 0) << round;
    EXPECT_EQ(found->worth.price, cheapest) << round;
    EXPECT_LE(search.limit().price, cheapest * (1 + kSameWorth)) << round;
    double capacity = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      EXPECT_LE(found->counts[i], classes[i].most);
      capacity += found->counts[i] * classes[i].capacity;
    }
    EXPECT_GE(capacity, need) << round;
  }
}

TEST(MixSearch, CalmestIsWorthAsMuchAndChangesNoMore) {
  Dice dice(4);
  unsigned calmer = 0;
  for (int round = 0; round < 100; ++round) {
    const auto classes = eight(dice, true);
    MixSearch search(
        classes, {.capacity = std::floor(3000 * dice.uniform()), .most = 8000, .price_step = 2});
    std::optional<Found> found;
    std::size_t nodes = kNodes;
    search.cheapest(found, nodes);
    ASSERT_TRUE(found);
    const Worth before = found->worth;
    search.calmest(found, nodes);
    EXPECT_EQ(found->worth.uncovered, before.uncovered);
    EXPECT_EQ(found->worth.price, before.price);
    EXPECT_LE(found->worth.changes, before.changes);
    calmer += found->worth.changes < before.changes ? 1 : 0;
    unsigned changes = 0;
    for (std::size_t i = 0; i < classes.size(); ++i)
      changes += std::max(found->counts[i], classes[i].present) -
                 std::min(found->counts[i], classes[i].present);
    EXPECT_EQ(found->worth.changes, changes);
  }
  EXPECT_GT(calmer, 30U);
}

TEST(MixSearch, LimitOfBoundsThatCannotBeKeptIsInfiniteAndNothingIsFound) {
  const std::vector<SearchClass> classes{{.capacity = 1, .price = 2, .least = 3, .most = 9}};
  for (const SearchBounds& bounds :
       {SearchBounds{.capacity = 1, .most = 2}, SearchBounds{.capacity = 1, .most = 9, .budget = 5},
        SearchBounds{.capacity = 1, .least = 10, .most = 10}}) {
    MixSearch search(classes, bounds);
    EXPECT_EQ(search.limit().price, kNever);
    std::optional<Found> found;
    std::size_t nodes = kNodes;
    search.cheapest(found, nodes);
    EXPECT_FALSE(found);
  }
}

TEST(MixSearch, WithoutNodesIsCutOffWithWhatWasKnown) {
  const std::vector<SearchClass> classes{{.capacity = 1, .price = 1, .most = 9}};
  MixSearch search(classes, {.capacity = 5, .most = 9});
  std::optional<Found> found = Found{{9}, {.price = 9, .total = 9}};
  std::size_t nodes = 0;
  search.cheapest(found, nodes);
  EXPECT_EQ(found->counts.front(), 9U);
  EXPECT_FALSE(search.certain(*found));
  nodes = kNodes;
  search.cheapest(found, nodes);
  EXPECT_EQ(found->counts.front(), 5U);
  EXPECT_TRUE(search.certain(*found));
}

}  // namespace
}  // namespace sluice::autoscale
