// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix.hpp"

#include "autoscale/decision.hpp"
#include "forecast/dice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace sluice::autoscale {
namespace {

using Counts = std::vector<unsigned>;
using forecast::Dice;

unsigned sum(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), 0U); }

bool has(const Mix& mix, Limit limit) {
  return (mix.limits & static_cast<std::uint16_t>(limit)) != 0;
}

// The slow, obvious version: every mix there is.
struct Exhaustive {
  const std::vector<MixClass>& classes;
  MixBounds bounds;
  bool priced = false;
  using Worth = std::tuple<double, double, unsigned, unsigned>;
  std::optional<Worth> best = std::nullopt;
  Counts counts = {};

  void each() {
    if (counts.size() < classes.size()) {
      const auto& c = classes[counts.size()];
      for (unsigned n = c.least; n <= std::max(c.least, c.most); ++n) {
        counts.push_back(n);
        each();
        counts.pop_back();
      }
      return;
    }
    const unsigned total = sum(counts);
    unsigned reachable = 0;
    double capacity = 0;
    double price = 0;
    unsigned changes = 0;
    std::map<std::string, unsigned> domains;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const auto& c = classes[i];
      reachable += std::max(c.least, c.most);
      capacity += counts[i] * c.capacity;
      price += counts[i] * (priced ? c.price : 1);
      changes += std::max(counts[i], c.present) - std::min(counts[i], c.present);
      if (!c.domain.empty()) domains[std::string(c.domain)] += counts[i];
    }
    if (total > bounds.most || total < std::min(bounds.least, reachable)) return;
    if (priced && bounds.budget > 0 && price > bounds.budget) return;
    if (bounds.domain_share < 1)
      for (const auto& [name, count] : domains)
        if (count > 1 && count > bounds.domain_share * total + 1e-9) return;
    const Worth worth{std::max(0.0, bounds.capacity - capacity), price, changes, total};
    if (!best || worth < *best) best = worth;
  }
};

// Uncovered requests/s, price, changes and total of the best there is; capacities and prices are
// whole numbers, so that sums are exact.
Exhaustive::Worth best_of(const std::vector<MixClass>& classes, const MixBounds& bounds) {
  const bool priced = std::ranges::any_of(classes, [](const auto& c) { return c.price > 0; });
  MixBounds within = bounds;
  for (int dropped = 0; dropped < 3; ++dropped) {
    if (dropped == 1) within.capacity = within.budget = 0;
    if (dropped == 2) within.domain_share = 1;
    Exhaustive search{.classes = classes, .bounds = within, .priced = priced};
    search.each();
    if (search.best) return *search.best;
  }
  ADD_FAILURE() << "no mix at all";
  return {};
}

std::vector<MixClass> random_classes(Dice& dice, std::size_t count) {
  static const std::vector<std::string_view> kDomains{"", "", "east", "west"};
  const auto whole = [&](unsigned most) {
    return static_cast<unsigned>(dice.uniform() * (most + 1));
  };
  const bool priced = dice.uniform() < 0.8;
  std::vector<MixClass> classes;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned least = dice.uniform() < 0.7 ? 0 : whole(2);
    classes.push_back({.capacity = 1.0 + whole(7),
                       .price = priced ? 1.0 + whole(5) : 0.0,
                       .least = least,
                       .most = least + whole(5),
                       .present = whole(4),
                       .domain = kDomains[whole(3)]});
  }
  return classes;
}

TEST(Mix, IsTheBestOfAllThatThereAre) {
  Dice dice(1);
  int budgets = 0;
  int shares = 0;
  int open = 0;
  for (int round = 0; round < 4000; ++round) {
    const auto classes = random_classes(dice, 1 + static_cast<std::size_t>(dice.uniform() * 4));
    unsigned floor = 0;
    for (const auto& c : classes) floor += c.least;
    MixBounds bounds{.capacity = std::floor(dice.uniform() * 40)};
    bounds.least = static_cast<unsigned>(dice.uniform() * 6);
    bounds.most = std::max({1U, floor, bounds.least}) + static_cast<unsigned>(dice.uniform() * 12);
    if (dice.uniform() < 0.5) bounds.budget = 1 + std::floor(dice.uniform() * 30);
    if (dice.uniform() < 0.3) bounds.domain_share = 0.5;
    const auto mix = cheapest_mix(classes, bounds);
    const auto [uncovered, price, changes, total] = best_of(classes, bounds);
    const bool priced = std::ranges::any_of(classes, [](const auto& c) { return c.price > 0; });
    double found_price = 0;
    double found_capacity = 0;
    unsigned found_changes = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      ASSERT_GE(mix.counts[i], classes[i].least);
      ASSERT_LE(mix.counts[i], classes[i].most);
      found_price += mix.counts[i] * (priced ? classes[i].price : 1);
      found_capacity += mix.counts[i] * classes[i].capacity;
      found_changes +=
          std::max(mix.counts[i], classes[i].present) - std::min(mix.counts[i], classes[i].present);
    }
    ASSERT_TRUE(mix.exact);
    ASSERT_EQ(found_capacity, mix.capacity);
    ASSERT_EQ(std::max(0.0, bounds.capacity - found_capacity), mix.uncovered);
    if (uncovered > 0 || found_capacity >= bounds.capacity) {
      ASSERT_EQ(mix.uncovered, uncovered) << round;
    }
    ASSERT_EQ(found_price, price) << round;
    ASSERT_EQ(found_changes, changes) << round;
    ASSERT_EQ(sum(mix.counts), total) << round;
    budgets += has(mix, Limit::kBudget) ? 1 : 0;
    shares += has(mix, Limit::kDomain) ? 1 : 0;
    open += mix.uncovered > 0 ? 1 : 0;
  }
  // Every kind of bound has been met.
  EXPECT_GT(budgets, 50);
  EXPECT_GT(shares, 50);
  EXPECT_GT(open, 500);
}

TEST(Mix, WithoutNeedIsWhatTheBoundsAskFor) {
  const std::vector<MixClass> classes{{.capacity = 4, .price = 4, .most = 9},
                                      {.capacity = 1, .price = 2, .least = 1, .most = 9}};
  EXPECT_EQ(cheapest_mix(classes, {.most = 9}).counts, (Counts{0, 1}));
  EXPECT_EQ(cheapest_mix(classes, {.least = 3, .most = 9}).counts, (Counts{0, 3}));
}

TEST(Mix, BudgetHoldsUnlessTheLeastAsksForMoreAndThenTheCheapestIsTaken) {
  const std::vector<MixClass> classes{{.capacity = 10, .price = 10, .most = 9},
                                      {.capacity = 1, .price = 1, .most = 9}};
  const auto within = cheapest_mix(classes, {.capacity = 100, .least = 2, .most = 9, .budget = 3});
  EXPECT_EQ(within.counts, (Counts{0, 3}));
  EXPECT_EQ(within.uncovered, 97);
  EXPECT_TRUE(has(within, Limit::kBudget));
  const auto over = cheapest_mix(classes, {.capacity = 100, .least = 5, .most = 9, .budget = 3});
  EXPECT_EQ(over.counts, (Counts{0, 5}));
}

TEST(Mix, WithoutPricesEachBackendCostsTheSameAndNoBudgetBinds) {
  const std::vector<MixClass> classes{{.capacity = 3, .most = 9}, {.capacity = 1, .most = 9}};
  const auto mix = cheapest_mix(classes, {.capacity = 7, .most = 9, .budget = 1});
  EXPECT_EQ(sum(mix.counts), 3U);
  EXPECT_GE(mix.capacity, 7);
  EXPECT_EQ(mix.price, 0);
}

TEST(Mix, MoreOfAnotherDomainMayBeNeededThanTheNeedItself) {
  const std::vector<MixClass> classes{{.capacity = 10, .price = 1, .most = 9, .domain = "east"},
                                      {.capacity = 1, .price = 1, .most = 9, .domain = "west"}};
  const auto mix = cheapest_mix(classes, {.capacity = 20, .most = 9, .domain_share = 0.5});
  EXPECT_EQ(mix.counts, (Counts{2, 2}));
  EXPECT_EQ(mix.uncovered, 0);
}

TEST(Mix, LeastComesBeforeTheShareOfTheOnlyDomain) {
  const std::vector<MixClass> classes{{.capacity = 1, .most = 9, .domain = "east"}};
  const auto mix =
      cheapest_mix(classes, {.capacity = 5, .least = 3, .most = 9, .domain_share = 0.5});
  EXPECT_EQ(mix.counts, (Counts{3}));
  EXPECT_TRUE(has(mix, Limit::kDomain));
}

TEST(Mix, NeedBeyondAllMeasureTakesAllThatThereMayBe) {
  const std::vector<MixClass> classes{{.capacity = 3, .price = 2, .most = 5},
                                      {.capacity = 1, .price = 1, .most = 9}};
  const auto mix = cheapest_mix(classes, {.capacity = 1e300, .most = 8});
  EXPECT_EQ(mix.counts, (Counts{5, 3}));
  EXPECT_TRUE(has(mix, Limit::kMax));
}

TEST(Mix, OfEightClassesWithAThousandEachIsExact) {
  static const std::vector<std::string_view> kDomains{"a", "b", "c", "d", "e", "f", "g", "h"};
  // Values that differ, that are the same (sizes of 1, 2, 4 ... of the same thing), and classes
  // that are alike in all.
  for (const int kind : {0, 1, 2}) {
    for (const double share : {1.0, 1.0 / 7}) {
      std::vector<MixClass> classes;
      for (unsigned i = 0; i < 8; ++i) {
        const double size = kind == 0 ? 1 + 1.37 * i : (kind == 1 ? 1U << i : 4);
        const double price = kind == 0 ? 1 + 1.5 * i + 0.01 * i * i : 2 * size;
        classes.push_back({.capacity = size,
                           .price = price,
                           .most = 1000,
                           .present = 7 * i,
                           .domain = share < 1 ? kDomains[i] : ""});
      }
      for (const double need : {0.5, 37.0, 200.0, 999.9}) {
        for (const double budget : {0.0, 777.0}) {
          const auto mix = cheapest_mix(
              classes, {.capacity = need, .most = 1000, .budget = budget, .domain_share = share});
          EXPECT_TRUE(mix.exact) << kind << " " << share << " " << need << " " << budget;
          EXPECT_LE(mix.price, budget > 0 ? budget : 1e9);
        }
      }
    }
  }
}

TEST(Mix, ShareOfEightDomainsIsKeptAndExact) {
  // Eight classes in eight domains, none of which may have more than a seventh: hard to spread.
  static const std::vector<std::string_view> kDomains{"a", "b", "c", "d", "e", "f", "g", "h"};
  std::vector<MixClass> classes;
  for (std::size_t i = 0; i < 8; ++i)
    classes.push_back({.capacity = 1 + 0.37 * static_cast<double>(i),
                       .price = 1 + 0.5 * static_cast<double>(i * i),
                       .least = 1,
                       .most = 1000,
                       .domain = kDomains[i]});
  const auto mix = cheapest_mix(
      classes,
      {.capacity = 2000, .least = 8, .most = 4000, .budget = 9000, .domain_share = 1.0 / 7});
  EXPECT_TRUE(mix.exact);
  for (const unsigned count : mix.counts) {
    EXPECT_GE(count, 1U);
    EXPECT_LE(count, sum(mix.counts) / 7.0);
  }
  EXPECT_EQ(mix.uncovered, 0);
  EXPECT_LE(mix.price, 9000);
}

TEST(Mix, ValuesWithinAPercentOfOneAnotherAndANumberThatHardlyDoesAreExact) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Dice dice(seed);
    std::vector<MixClass> classes;
    double greatest = 0;
    for (int i = 0; i < 8; ++i) {
      const double capacity = 0.5 + 5 * dice.uniform();
      greatest = std::max(greatest, capacity);
      classes.push_back(
          {.capacity = capacity, .price = capacity * (1 + 0.01 * dice.uniform()), .most = 1000});
    }
    const double need = greatest * 1000 * 0.8;
    const auto mix = cheapest_mix(classes, {.capacity = need, .most = 1000});
    EXPECT_TRUE(mix.exact) << seed;
    EXPECT_GE(mix.capacity, need * (1 - 1e-9)) << seed;
    EXPECT_LE(sum(mix.counts), 1000U) << seed;
    EXPECT_LE(mix.price, need * 1.011) << seed;
  }
}

}  // namespace
}  // namespace sluice::autoscale
