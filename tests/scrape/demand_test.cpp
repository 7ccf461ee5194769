// SPDX-License-Identifier: Apache-2.0
#include "scrape/demand.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace sluice::scrape {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A pool of ready backends of one class; each step is a second.
struct Bench {
  Demand demand{{.pool = "llama", .scraped = true, .stale_after = 3000ms}};
  Time now = Time{} + 1h;
  std::vector<Member> members;
  FlowSignals flows = {};

  explicit Bench(std::vector<const char*> names, double capacity = 10) {
    for (const char* const name : names)
      members.push_back({.name = name, .ready = true, .capacity = capacity, .service_time_s = 2});
  }
  void tell(const std::string& backend, std::optional<double> running,
            std::optional<double> waiting, std::optional<double> completed) {
    Reading reading;
    reading.at = now;
    reading.running = running;
    reading.waiting = waiting;
    reading.completed = completed;
    const std::array<bool, kSignals> told{running.has_value(), waiting.has_value(),
                                          completed.has_value(), false};
    for (std::size_t i = 0; i < kSignals; ++i)
      reading.faults[i] = told[i] ? Fault::kNone : Fault::kMissing;
    demand.read(backend, reading);
  }
  Tick tick() { return demand.tick(now, members, flows); }
  std::vector<std::string> notices() {
    return demand.notices(now, [](const std::string&) { return true; });
  }
};

/// After a first reading and a first tick, a second ago.
Bench settled(std::vector<const char*> names) {
  Bench bench(names);
  for (const auto& member : bench.members) bench.tell(std::string(member.name), 4, 0, 100);
  (void)bench.tick();
  bench.now += 1s;
  return bench;
}

TEST(Demand, IsWhatWasCompletedAndWhatTheBackendsHaveMoreThanBefore) {
  Bench bench = settled({"a", "b"});
  bench.tell("a", 6, 3, 105);  // 5 done, 5 more inside
  bench.tell("b", 2, 0, 107);  // 7 done, 2 fewer inside
  const Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.arrivals, 5 + 5 + 7 - 2);
  EXPECT_DOUBLE_EQ(tick.served, 12);
  EXPECT_DOUBLE_EQ(tick.queue, 3);
  EXPECT_DOUBLE_EQ(tick.inflight, 11);
  EXPECT_EQ(tick.silent, 0);
}

TEST(Demand, BeforeTheSecondReadingNothingIsKnown) {
  Bench bench({"a"});
  EXPECT_EQ(bench.tick().silent, 1);
  bench.now += 1s;
  bench.tell("a", 50, 5, 1000);
  const Tick tick = bench.tick();
  EXPECT_EQ(tick.silent, 1);
  EXPECT_EQ(tick.arrivals, 0);
}

TEST(Demand, RatesAreOverTheTimeBetweenReadingsNotBetweenTicks) {
  Bench bench = settled({"a"});
  bench.now += 1s;  // the scrape of the second before was late
  bench.tell("a", 4, 0, 120);
  Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.arrivals, 20);  // 10 a second, over two
  bench.now += 1s;
  tick = bench.tick();  // no scrape at all: as before
  EXPECT_DOUBLE_EQ(tick.arrivals, 10);
  EXPECT_DOUBLE_EQ(tick.served, 10);
  bench.now += 1s;
  bench.tell("a", 4, 0, 140);
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 10);
}

TEST(Demand, IsNeverNegative) {
  Bench bench = settled({"a", "b"});
  bench.tell("a", 0, 0, 100);  // its four were given up
  bench.tell("b", 4, 0, 103);
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 3);
}

TEST(Demand, WhatOneStepLacksTheNextOneSetsOffAndNoLaterOne) {
  Bench bench = settled({"a"});
  bench.tell("a", 0, 0, 100);  // the gauge has fallen before its counter rose
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 0);
  bench.now += 1s;
  bench.tell("a", 0, 0, 104);
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 0);
  bench.now += 1s;
  bench.tell("a", 0, 0, 108);
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 4);
}

TEST(Demand, GivenUpRequestsHideThoseOfOneStepAtMost) {
  Bench bench({"a"});
  bench.tell("a", 1000, 0, 0);
  (void)bench.tick();
  for (const double expected : {0.0, 0.0, 10.0, 10.0}) {
    bench.now += 1s;
    const bool first = bench.demand.last("a")->running == 1000.0;
    bench.tell("a", 0, 0, *bench.demand.last("a")->completed + (first ? 0 : 10));
    EXPECT_DOUBLE_EQ(bench.tick().arrivals, expected);
  }
}

TEST(Demand, BackendWhoseCounterGoesBackIsSilentForATimeAndThenCountsOn) {
  Bench bench = settled({"a", "b"});
  bench.tell("a", 4, 0, 105);
  bench.tell("b", 4, 0, 107);
  (void)bench.tick();
  (void)bench.notices();
  for (int second = 0; second < 4; ++second) {
    bench.now += 1s;
    bench.tell("a", 4, 0, 110 + 5 * second);
    bench.tell("b", 4, 0, 7 * second);
    const Tick tick = bench.tick();
    EXPECT_DOUBLE_EQ(tick.silent, second < 3 ? 0.5 : 0) << second;
    EXPECT_DOUBLE_EQ(tick.served, second < 3 ? 10 : 12) << second;  // as the other one, or its own
    EXPECT_EQ(bench.demand.inside("b", bench.now).has_value(), second == 3) << second;
    if (second != 0) continue;
    EXPECT_THAT(bench.notices(), ElementsAre(HasSubstr("b tells no load: its count of completed "
                                                       "requests went back")));
  }
  EXPECT_THAT(bench.notices(), ElementsAre("backend llama/b tells its load again"));
}

TEST(Demand, TwoProcessesThatAnswerInTurnAreNoLoad) {
  Bench bench = settled({"a"});
  for (int second = 0; second < 20; ++second, bench.now += 1s) {
    bench.tell("a", 4, 0, second % 2 == 0 ? 50 + second : 50'000 + second);
    const Tick tick = bench.tick();
    EXPECT_EQ(tick.silent, 1) << second;
    EXPECT_LE(tick.served, 10) << second;
  }
}

/// A second each with `flows` flows more at "b", of which `active` are there; "b" tells the same.
Tick untold(Bench& bench, int seconds, double flows, double active) {
  Tick tick;
  bench.members.at(1).new_flows = flows;
  bench.members.at(1).active_flows = active;
  for (int second = 0; second < seconds; ++second) {
    bench.now += 1s;
    bench.tell("a", 4, 0, *bench.demand.last("a")->completed + 5);
    bench.tell("b", 4, 0, 100);
    tick = bench.tick();
  }
  return tick;
}

TEST(Demand, BackendThatTellsTheSameWhileFlowsBeginAndStayIsSilent) {
  Bench bench = settled({"a", "b"});
  EXPECT_EQ(untold(bench, 3, 3, 9).silent, 0);
  EXPECT_EQ(untold(bench, 2, 3, 9).silent, 0.5);
  EXPECT_THAT(bench.notices(), ElementsAre(HasSubstr("b tells no load: its figures stand still")));
  EXPECT_EQ(untold(bench, 60, 0, 0).silent, 0.5);  // nothing has shown yet that they move
  bench.now += 1s;
  bench.tell("a", 4, 0, 1000);
  bench.tell("b", 5, 0, 100);
  EXPECT_EQ(bench.tick().silent, 0);
  EXPECT_THAT(bench.notices(), ElementsAre("backend llama/b tells its load again"));
}

TEST(Demand, BackendThatNobodyAsksMayTellTheSame) {
  Bench bench = settled({"a", "b"});
  EXPECT_EQ(untold(bench, 60, 0, 3).silent, 0) << "long requests";
  EXPECT_EQ(untold(bench, 60, 5, 0).silent, 0) << "somebody looks whether the port is open";
  EXPECT_EQ(untold(bench, 7, 1, 3).silent, 0) << "few";
}

TEST(Demand, CounterThatLeapsWasReplacedAndCountsForNothing) {
  Bench bench = settled({"a"});
  bench.tell("a", 4, 0, 9e11);
  EXPECT_DOUBLE_EQ(bench.tick().served, 0);
  bench.now += 1s;
  bench.tell("a", 4, 0, 9e11 + 8);
  EXPECT_DOUBLE_EQ(bench.tick().served, 8);
}

TEST(Demand, WithoutACounterTheClassSaysHowLongRequestsTake) {
  Bench bench({"a"});
  bench.tell("a", 6, 0, std::nullopt);
  (void)bench.tick();
  bench.now += 1s;
  bench.tell("a", 6, 2, std::nullopt);
  const Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.served, 3);  // six of two seconds each
  EXPECT_DOUBLE_EQ(tick.arrivals, 5);
  bench.now += 1s;
  bench.tell("a", 600, 2, std::nullopt);
  bench.now += 1s;
  bench.tell("a", 600, 2, std::nullopt);
  EXPECT_DOUBLE_EQ(bench.tick().served, 20);  // no more than it can
}

TEST(Demand, SilentBackendCountsWithTheMeanOfThoseThatTell) {
  Bench bench = settled({"a", "b", "c", "d"});
  for (int second = 0; second < 4; ++second) {
    bench.now += 1s;
    for (const char* const name : {"a", "b", "c"}) bench.tell(name, 4, 2, 100 + 5.0 * (second + 1));
  }
  bench.demand.failed("d", "no answer in 500 ms");
  const Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.silent, 0.25);
  EXPECT_NEAR(tick.served / 5, 4 * (20.0 / 5), 1e-9);
  EXPECT_DOUBLE_EQ(tick.inflight, 4 * 6);
  EXPECT_DOUBLE_EQ(tick.queue, 6);  // what is told, no more
}

TEST(Demand, WhenMostAreSilentTheyCountWithTheirOwnLastFigures) {
  Bench bench = settled({"a", "b", "c"});
  for (const char* const name : {"a", "b", "c"}) bench.tell(name, 4, 0, 103);
  EXPECT_DOUBLE_EQ(bench.tick().served, 9);
  for (int second = 1; second <= 4; ++second) {
    bench.now += 1s;
    bench.tell("a", 4, 0, 103 + 9.0 * second);
    (void)bench.tick();
  }
  bench.now += 1s;
  bench.tell("a", 4, 0, 103 + 9.0 * 5);
  const Tick tick = bench.tick();
  EXPECT_NEAR(tick.silent, 2.0 / 3, 1e-12);
  EXPECT_DOUBLE_EQ(tick.served, 9 + 3 + 3);
}

TEST(Demand, SilentBackendIsNeverThoughtToDoMoreThanItCan) {
  Bench bench = settled({"a", "b"});
  bench.demand.retain([](const std::string& name) { return name == "a"; });
  bench.tell("a", 4, 500, 150);
  const Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.silent, 0.5);
  EXPECT_DOUBLE_EQ(tick.served, 50 + 10);
  EXPECT_DOUBLE_EQ(tick.arrivals, 550 + 10);
}

TEST(Demand, OnlyReadyBackendsAreMissedButAllThatTellCount) {
  Bench bench = settled({"a", "b", "c"});
  bench.members[1].ready = false;  // drains
  bench.members[2].ready = false;
  bench.demand.retain([](const std::string& name) { return name != "c"; });
  bench.tell("a", 4, 0, 105);
  bench.tell("b", 1, 0, 103);
  const Tick tick = bench.tick();
  EXPECT_EQ(tick.silent, 0);
  EXPECT_DOUBLE_EQ(tick.served, 8);
  EXPECT_DOUBLE_EQ(tick.inflight, 5);
}

TEST(Demand, BackendThatLeftThePoolCountsForNothing) {
  Bench bench = settled({"a", "b"});
  bench.tell("a", 4, 0, 105);
  bench.tell("b", 4, 0, 105);
  bench.members.pop_back();
  EXPECT_DOUBLE_EQ(bench.tick().served, 5);
}

TEST(Demand, WithoutAnyBackendNothingIsMissed) {
  Bench bench({});
  bench.flows.refused = 3;
  (void)bench.tick();
  bench.now += 1s;
  bench.flows.refused = 8;
  const Tick tick = bench.tick();
  EXPECT_EQ(tick.silent, 0);
  EXPECT_DOUBLE_EQ(tick.queue, 8);
  EXPECT_DOUBLE_EQ(tick.arrivals, 5);
}

TEST(Demand, WhoNobodyAcceptsWaitsAndIsNotCountedAgainOnceServed) {
  Bench bench = settled({"a"});
  bench.tell("a", 4, 0, 100);
  bench.flows.unanswered = 6;
  EXPECT_DOUBLE_EQ(bench.tick().arrivals, 6);
  bench.now += 1s;
  bench.tell("a", 10, 0, 100);
  bench.flows.unanswered = 0;
  const Tick tick = bench.tick();
  EXPECT_DOUBLE_EQ(tick.arrivals, 0);
  EXPECT_DOUBLE_EQ(tick.inflight, 10);
}

TEST(Demand, PoolWithoutMetricsGoesByItsFlows) {
  Demand demand({.pool = "llama", .scraped = false});
  const Time start = Time{} + 1h;
  const Tick first = demand.tick(start, {}, {.new_flows = 1000, .active = 50});
  EXPECT_EQ(first.arrivals, 0);  // since when is not known
  const Tick tick =
      demand.tick(start + 1s, {}, {.new_flows = 10, .unanswered = 2, .refused = 3, .active = 55});
  EXPECT_DOUBLE_EQ(tick.arrivals, 13);
  EXPECT_DOUBLE_EQ(tick.served, 5);
  EXPECT_DOUBLE_EQ(tick.queue, 5);
  EXPECT_DOUBLE_EQ(tick.inflight, 58);
  EXPECT_EQ(tick.silent, 0);
  const Tick wrong = demand.tick(
      start + 2s, {}, {.new_flows = kNaN, .unanswered = -3, .refused = kNaN, .active = -1});
  EXPECT_EQ(wrong.arrivals, 0);
  EXPECT_EQ(wrong.queue, 0);
}

TEST(Demand, FullBackendShowsWhatItCanDo) {
  Bench bench = settled({"a"});
  bench.members[0].backend_class = 2;
  std::vector<Saturated> learned;
  for (int second = 1; second <= 12; ++second, bench.now += 1s) {
    bench.tell("a", 8, 3, 100 + 4.0 * second);
    for (const auto& one : bench.tick().saturated) learned.push_back(one);
  }
  // The first step began without a queue. Twenty are together after five seconds.
  ASSERT_EQ(learned.size(), 2U);
  for (const auto& one : learned) {
    EXPECT_EQ(one.backend_class, 2U);
    EXPECT_DOUBLE_EQ(one.requests_per_second, 4);
  }
}

TEST(Demand, SlowBackendIsLearnedFromWithinAMinute) {
  Bench bench({"a"});
  std::vector<Saturated> learned;
  for (int second = 0; second <= 60; ++second, bench.now += 1s) {
    bench.tell("a", 8, 3, std::floor(second * 0.1));
    for (const auto& one : bench.tick().saturated) learned.push_back(one);
  }
  ASSERT_EQ(learned.size(), 1U);
  EXPECT_DOUBLE_EQ(learned[0].requests_per_second, 0.1);
}

TEST(Demand, NothingIsLearnedAcrossAMomentWithoutAQueueOrARestart) {
  for (const bool restart : {false, true}) {
    Bench bench({"a"});
    double completed = 1000;
    for (int second = 0; second < 40; ++second, bench.now += 1s) {
      const bool broken = second % 4 == 3;
      completed = broken && restart ? 1 : completed + 4;
      bench.tell("a", 8, broken && !restart ? 0 : 3, completed);
      EXPECT_THAT(bench.tick().saturated, IsEmpty()) << second;
    }
  }
}

TEST(Demand, LoadIsKnownUntilItIsStale) {
  Bench bench({"a"});
  EXPECT_FALSE(bench.demand.inside("a", bench.now));
  bench.tell("a", 3, 2, std::nullopt);
  bench.now += 3s;
  EXPECT_EQ(bench.demand.inside("a", bench.now), 5);
  bench.now += 1ms;
  EXPECT_FALSE(bench.demand.inside("a", bench.now));
}

TEST(Demand, ReadingThatSaysNothingUsableLetsTheLastOneGrowStale) {
  Bench bench = settled({"a"});
  for (int second = 0; second < 4; ++second, bench.now += 1s)
    bench.tell("a", std::nullopt, std::nullopt, 500);
  EXPECT_FALSE(bench.demand.inside("a", bench.now));
  EXPECT_EQ(bench.demand.problem("a"), "running is missing, waiting is missing");
  EXPECT_EQ(bench.tick().silent, 1);
}

TEST(Demand, SilenceIsToldOncePerChange) {
  Bench bench = settled({"a", "b"});
  EXPECT_THAT(bench.notices(), IsEmpty());
  for (int second = 0; second < 5; ++second, bench.now += 1s) {
    bench.tell("a", 4, 0, 100);
    bench.demand.failed("b", fmt::format("no answer in {} ms", 500 + second));
  }
  EXPECT_THAT(bench.notices(),
              ElementsAre("backend llama/b tells no load: no answer in 504 ms; it counts as "
                          "present for capacity and as busy for new flows"));
  bench.demand.failed("b", "refused");
  EXPECT_THAT(bench.notices(), IsEmpty());
  bench.tell("b", 4, 0, 100);
  EXPECT_THAT(bench.notices(), ElementsAre("backend llama/b tells its load again"));
  EXPECT_THAT(bench.notices(), IsEmpty());
  bench.now += 1s;
  bench.tell("b", 4, 0, std::nullopt);
  EXPECT_THAT(bench.notices(),
              ElementsAre("backend llama/b tells its load in part: completed is missing"));
}

TEST(Demand, OfABackendOutOfServiceNothingIsTold) {
  Bench bench({"a"});
  bench.demand.failed("a", "refused");
  EXPECT_THAT(bench.demand.notices(bench.now, [](const std::string&) { return false; }), IsEmpty());
  EXPECT_THAT(bench.notices(), ElementsAre(HasSubstr("refused")));
}

TEST(Demand, CounterThatBeginsWithTheFirstRequestIsNotMissedBefore) {
  Bench bench({"a"});
  bench.tell("a", 0, 0, std::nullopt);
  EXPECT_THAT(bench.notices(), IsEmpty());
}

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
