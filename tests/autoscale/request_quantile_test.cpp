// SPDX-License-Identifier: Apache-2.0
#include "autoscale/request_quantile.hpp"

#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sluice::autoscale {
namespace {

using forecast::Dice;
using Entries = std::vector<std::pair<double, double>>;

// The least value that at least the share of the weight lies at or below, by a sort.
double by_sort(Entries entries, double share) {
  std::ranges::sort(entries);
  double all = 0;
  for (const auto& [value, weight] : entries) all += weight;
  if (all <= 0) return entries.back().first;
  double below = 0;
  for (const auto& [value, weight] : entries) {
    below += weight;
    if (weight > 0 && below >= share * all) return value;
  }
  return entries.back().first;
}

// Eighths and whole weights, so that sums are exact in any order.
Entries random_entries(Dice& dice, std::size_t count) {
  Entries entries;
  for (std::size_t i = 0; i < count; ++i)
    entries.emplace_back(std::floor(dice.uniform() * 64) / 8 - 4, std::floor(dice.uniform() * 4));
  return entries;
}

TEST(RequestQuantile, IsThatOfTheSortedWindowByWeight) {
  Dice dice(1);
  for (const std::size_t window : {1U, 2U, 7U, 50U}) {
    RequestQuantile quantile(window);
    Entries kept;
    for (const auto& [value, weight] : random_entries(dice, 300)) {
      quantile.add(value, weight);
      kept.emplace_back(value, weight);
      if (kept.size() > window) kept.erase(kept.begin());
      ASSERT_EQ(quantile.size(), kept.size());
      for (const double share : {0.125, 0.25, 0.5, 0.75, 0.875, 1.0})
        ASSERT_EQ(quantile.at(share), by_sort(kept, share)) << window << " " << share;
    }
  }
}

TEST(RequestQuantile, OfNothingIsNothing) { EXPECT_EQ(RequestQuantile(5).at(0.9), 0); }

TEST(RequestQuantile, WhatIsRareIsLeftOutHoweverHeavyItIs) {
  RequestQuantile quantile(50);
  for (int i = 0; i < 40; ++i) quantile.add(i / 40.0, 1);
  quantile.add(1000, 500);
  quantile.add(900, 500);
  EXPECT_EQ(quantile.at(0.95), 1000);
  EXPECT_EQ(quantile.at(0.95, 1), 900);
  EXPECT_EQ(quantile.at(0.95, 2), 39 / 40.0);
  EXPECT_EQ(quantile.at(0.95, 1'000'000), 0);  // all but the least
}

TEST(RequestQuantile, WhereNothingWeighsIsTheGreatest) {
  RequestQuantile quantile(5);
  for (const double value : {1.0, 3.0, 2.0}) quantile.add(value, 0);
  EXPECT_EQ(quantile.at(0.1), 3);
}

TEST(RequestQuantile, AStepWithManyRequestsSpeaksForAllOfThem) {
  RequestQuantile quantile(100);
  for (int i = 0; i < 99; ++i) quantile.add(0, 0.01);
  quantile.add(50, 99);
  EXPECT_EQ(quantile.at(0.5), 50);
}

TEST(RequestQuantile, GrowsWithTheShare) {
  Dice dice(2);
  RequestQuantile quantile(40);
  for (int i = 0; i < 200; ++i) {
    quantile.add(dice.uniform() - 0.5, dice.uniform());
    for (int share = 1; share <= 20; ++share)
      ASSERT_LE(quantile.at((share - 1) / 20.0), quantile.at(share / 20.0));
  }
}

TEST(RequestQuantile, KeptAndReadAgainGoesOnToTheLastBit) {
  Dice dice(3);
  RequestQuantile whole(30);
  RequestQuantile restarted(30);
  for (int i = 0; i < 200; ++i) {
    const double value = dice.uniform();
    const double weight = dice.uniform();
    whole.add(value, weight);
    restarted.add(value, weight);
    if (i % 17 == 3) {
      const auto state = forecast::write_fields([&](auto& f) { restarted.keep(f, "errors"); });
      RequestQuantile next(30);
      ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { next.keep(f, "errors"); }));
      restarted = next;
    }
    for (const double share : {0.0, 0.05, 0.5, 0.763, 0.947, 1.0})
      ASSERT_EQ(whole.at(share), restarted.at(share)) << i;
  }
}

}  // namespace
}  // namespace sluice::autoscale
