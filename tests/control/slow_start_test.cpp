// SPDX-License-Identifier: Apache-2.0
#include "control/slow_start.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

/// A pool of two, 60 s of slow start, and a clock to turn.
struct Ramp {
  config::Configuration configuration = sample(2);
  SlowStart slow_start;
  SlowStart::Time now{1000h};

  Ramp() { configuration.pools[0].slow_start = 60s; }

  /// Weights in force, by backend.
  std::vector<std::uint32_t> weights() {
    snapshot::Input input;
    auto& pool = input.pools.emplace_back();
    pool.name = "llama";
    for (const auto& backend : configuration.pools[0].backends) {
      auto& made = pool.backends.emplace_back();
      made.name = backend.name;
      made.weight = backend.weight;
    }
    slow_start.apply(configuration, now, input);
    std::vector<std::uint32_t> weights;
    for (const auto& backend : input.pools[0].backends) weights.push_back(backend.weight);
    return weights;
  }
  void add(const std::string& name, std::uint32_t weight = 100) {
    configuration.pools[0].backends.push_back(backend(name, "10.0.1.77", weight));
  }
};

using Weights = std::vector<std::uint32_t>;

TEST(SlowStart, WhoIsThereFromTheStartHasItsWholeWeight) {
  Ramp r;
  EXPECT_EQ(r.weights(), (Weights{100, 100}));
  EXPECT_FALSE(r.slow_start.next_step());
}

TEST(SlowStart, NewcomerRisesByTenthsAndEndsWithItsOwnWeight) {
  Ramp r;
  (void)r.weights();
  r.add("new", 200);
  for (std::uint32_t tenth = 1; tenth <= 10; ++tenth) {
    EXPECT_EQ(r.weights(), (Weights{100, 100, 20 * tenth}));
    if (tenth < 10) {
      ASSERT_TRUE(r.slow_start.next_step());
      EXPECT_EQ(*r.slow_start.next_step(), r.now + 6s);
    }
    r.now += 3s;
    EXPECT_EQ(r.weights()[2], 20 * tenth) << "between two steps";
    r.now += 3s;
  }
  EXPECT_EQ(r.weights(), (Weights{100, 100, 200}));
  EXPECT_FALSE(r.slow_start.next_step());
}

TEST(SlowStart, WhoComesBackStartsAgain) {
  Ramp r;
  (void)r.weights();
  r.configuration.pools[0].backends[1].weight = 0;
  EXPECT_EQ(r.weights(), (Weights{100, 0}));
  r.now += 1h;
  r.configuration.pools[0].backends[1].weight = 100;
  EXPECT_EQ(r.weights(), (Weights{100, 10}));
}

TEST(SlowStart, PoolOfNewcomersOnlyStartsAtOnce) {
  Ramp r;
  (void)r.weights();
  r.configuration.pools[0].backends = {backend("a", "10.0.1.8"), backend("b", "10.0.1.9")};
  EXPECT_EQ(r.weights(), (Weights{100, 100}));
}

TEST(SlowStart, SmallWeightsAreNeverNone) {
  Ramp r;
  (void)r.weights();
  r.add("new", 1);
  EXPECT_EQ(r.weights()[2], 1U);
}

TEST(SlowStart, OfOneSecondHasStepsToo) {
  Ramp r;
  r.configuration.pools[0].slow_start = 1s;
  (void)r.weights();
  r.add("new");
  EXPECT_EQ(r.weights()[2], 10U);
  r.now += 100ms;
  EXPECT_EQ(r.weights()[2], 20U);
}

TEST(SlowStart, RaisingTheTimeDoesNotMakeOldOnesNew) {
  Ramp r;
  r.configuration.pools[0].slow_start = 0s;
  (void)r.weights();
  r.now += 10s;
  r.configuration.pools[0].slow_start = 3600s;
  EXPECT_EQ(r.weights(), (Weights{100, 100}));
}

}  // namespace
}  // namespace sluice::control
