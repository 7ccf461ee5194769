// SPDX-License-Identifier: Apache-2.0
#include "scrape/demand.hpp"

#include "scrape/bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

namespace sluice::scrape {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

}  // namespace
}  // namespace sluice::scrape
