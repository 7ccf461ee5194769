// SPDX-License-Identifier: Apache-2.0
// Demand over a long life: whatever is told, and over restarts.
#include "scrape/demand.hpp"

#include "scrape/bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sluice::scrape {
namespace {

/// Readings of four backends with silences, restarts and nonsense, by a fixed seed.
class Life {
 public:
  void step(Bench& bench) {
    for (const char* const name : {"a", "b", "c", "d"}) {
      double& completed = completed_[name];
      const unsigned what = random_() % 16;
      completed = what == 0 ? 0 : completed + static_cast<double>(random_() % 9);
      const double running = static_cast<double>(random_() % 30);
      if (what == 1)
        bench.demand.failed(name, "refused");
      else if (what == 2)
        bench.tell(name, std::nullopt, std::nullopt, completed);
      else if (what == 3)
        bench.tell(name, running, std::nullopt, std::nullopt);
      else
        bench.tell(name, running, static_cast<double>(random_() % 5), completed);
    }
    bench.flows.unanswered = static_cast<double>(random_() % 3);
  }

 private:
  std::mt19937 random_{1};
  std::map<std::string, double> completed_;
};

std::vector<double> figures(const Tick& tick) {
  std::vector<double> all{tick.arrivals, tick.served, tick.queue, tick.inflight, tick.silent};
  for (const auto& one : tick.saturated) all.push_back(one.requests_per_second);
  return all;
}

TEST(Demand, WhateverIsToldTheFiguresAreFiniteAndNotNegative) {
  Bench bench({"a", "b", "c", "d"});
  Life life;
  for (int second = 0; second < 2000; ++second, bench.now += 700ms) {
    life.step(bench);
    const Tick tick = bench.tick();
    for (const double figure : figures(tick)) {
      EXPECT_TRUE(std::isfinite(figure));
      EXPECT_GE(figure, 0);
    }
    EXPECT_LE(tick.silent, 1);
  }
}

TEST(Demand, GoesOnAfterARestartAsIfThereHadBeenNone) {
  Bench through({"a", "b", "c", "d"});
  Bench again = through;
  Life one;
  Life other;
  for (int second = 0; second < 500; ++second, through.now += 1s, again.now += 1s) {
    one.step(through);
    other.step(again);
    EXPECT_EQ(figures(through.tick()), figures(again.tick())) << second;
    if (second % 50 != 25) continue;
    const auto text = again.demand.save(again.now).dump();
    Demand fresh({.pool = "llama", .scraped = true, .stale_after = 3000ms});
    const auto done = fresh.restore(nlohmann::json::parse(text), again.now, 0ms);
    ASSERT_TRUE(done) << done.error().message;
    again.demand = std::move(fresh);
  }
}

TEST(Demand, TimeAwayIsTimeInWhichRequestsCame) {
  Bench bench = settled({"a"});
  bench.tell("a", 4, 0, 105);
  (void)bench.tick();
  const auto state = bench.demand.save(bench.now);
  // Another clock, after a reboot.
  Bench after({"a"});
  after.now = Time{} + 5min;
  ASSERT_TRUE(after.demand.restore(state, after.now, 9000ms));
  EXPECT_EQ(after.tick().silent, 1);  // the last reading is nine seconds old
  after.now += 1s;
  after.tell("a", 4, 0, 105 + 60);
  const Tick tick = after.tick();
  EXPECT_EQ(tick.silent, 0);
  EXPECT_DOUBLE_EQ(tick.served, 6);
}

TEST(Demand, StateThatIsNotOneOfOursIsRefusedAndChangesNothing) {
  Bench bench = settled({"a"});
  const auto good = bench.demand.save(bench.now);
  const auto with = [&](const char* pointer, nlohmann::json value) {
    auto state = good;
    state[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return state;
  };
  for (const auto& bad :
       {nlohmann::json(), nlohmann::json::array(), nlohmann::json{{"unserved", 1}},
        with("/unserved", -1), with("/active", "many"), with("/backends", 7),
        with("/backends/a", nullptr), with("/backends/a/age_s", -1),
        with("/backends/a/age_s", 1e300), with("/backends/a/running", 1e7),
        with("/backends/a/completed", kNaN), with("/backends/a/lack", 1),
        with("/backends/a/counted", nlohmann::json::array()), with("/backends/a/full", {1}),
        with("/backends/b", {{"age_s", 1}, {"lack", 0}})}) {
    EXPECT_FALSE(bench.demand.restore(bad, bench.now, 0ms)) << bad;
    EXPECT_EQ(bench.demand.save(bench.now), good);
  }
}

}  // namespace
}  // namespace sluice::scrape
