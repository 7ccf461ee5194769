// SPDX-License-Identifier: Apache-2.0
#include "health/pool_health.hpp"

#include "health/steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::bad;
using test::good;
using test::pool_of;
using test::probed_pool_of;

config::Pool watched_pool_of(unsigned backends) {
  auto pool = pool_of(backends);
  pool.outlier.emplace();
  return pool;
}

struct Rig {
  explicit Rig(const config::Pool& configuration)
      : pool(configuration), health(configuration, at(0s)) {}

  std::string answer(const std::string& backend, const Outcome& outcome) {
    return test::text(health.probed(backend, outcome, at(now)));
  }
  /// The same answer of all of them, so many times.
  void all(const Outcome& outcome, int times = 1) {
    for (; times > 0; --times)
      for (const auto& backend : pool.backends) (void)health.probed(backend.name, outcome, at(now));
  }
  std::string fall(const std::string& backend, Fault fault = Fault::kTimeout) {
    std::string changes;
    for (int i = 0; i < 3; ++i) changes = answer(backend, bad(fault));
    return changes;
  }
  std::string wish(const std::string& backend, Wish what) {
    return test::text(health.wish(backend, what, at(now)));
  }
  /// Five refused connections at once: as much as an ejection asks for.
  std::string refuse(const std::string& backend) {
    (void)health.observed(backend, totals[backend], at(now));
    totals[backend].resets += 5;
    return test::text(health.observed(backend, totals[backend], at(now)));
  }
  std::string tick(std::chrono::milliseconds later) {
    now += later;
    return test::text(health.tick(at(now)));
  }
  std::string replace(const config::Pool& configuration) {
    pool = configuration;
    return test::text(health.replace(configuration, at(now)));
  }
  [[nodiscard]] Standing standing(const std::string& backend) const {
    const auto all_of = health.standings();
    return *std::ranges::find(all_of, backend, &Standing::name);
  }
  /// Names of those that take new flows.
  [[nodiscard]] std::string takers() const {
    std::string names;
    for (const auto& s : health.standings())
      if (s.takes_new_flows) names += s.name + " ";
    return names;
  }

  config::Pool pool;
  PoolHealth health;
  std::map<std::string, Signals> totals;
  std::chrono::milliseconds now{0};
};

// ---- a pool and its backends

TEST(PoolHealth, BackendsWithoutAHealthSectionAreUpAtOnce) {
  const Rig r(pool_of(3));
  EXPECT_EQ(r.takers(), "gpu-1 gpu-2 gpu-3 ");
  EXPECT_EQ(r.health.state(), State::kUp);
  EXPECT_EQ(r.health.next_tick(), std::nullopt);
}

TEST(PoolHealth, BackendsWithOneTakeFlowsFromTheirFirstGoodAnswerOn) {
  Rig r(probed_pool_of(2));
  EXPECT_EQ(r.takers(), "");
  EXPECT_EQ(r.health.state(), State::kStarting);
  EXPECT_EQ(r.answer("gpu-2", good()), "gpu-2 starting>up (answered), starting>up (usable)");
  EXPECT_EQ(r.takers(), "gpu-2 ");
  EXPECT_EQ(r.answer("gpu-1", bad()), "gpu-1 starting>down (timeout)");
}

TEST(PoolHealth, StandingsAreInTheOrderOfTheConfiguration) {
  auto pool = pool_of(12);
  std::ranges::reverse(pool.backends);
  const Rig r(pool);
  const auto standings = r.health.standings();
  ASSERT_EQ(standings.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(standings[i].name, pool.backends[i].name);
}

TEST(PoolHealth, StandingTellsAllThatIsKnown) {
  Rig r(probed_pool_of(2));
  r.all(good(), 4);
  r.now = 5s;
  (void)r.answer("gpu-1", bad(Fault::kStatus));
  const auto s = r.standing("gpu-1");
  EXPECT_EQ(s.state, State::kDegraded);
  EXPECT_EQ(s.since, at(5s));
  EXPECT_TRUE(s.takes_new_flows && s.keeps_flows && s.changing);
  EXPECT_TRUE(r.health.changing(s.name));
  EXPECT_EQ(s.last->fault, Fault::kStatus);
  EXPECT_EQ(s.bad, 1U);
  EXPECT_EQ(r.standing("gpu-2").good, 4U);
  EXPECT_FALSE(r.standing("gpu-2").changing);
  EXPECT_FALSE(r.health.changing("gpu-2") || r.health.changing("nobody"));
}

TEST(PoolHealth, NamesThatAreNotInThePoolChangeNothing) {
  Rig r(watched_pool_of(1));
  EXPECT_EQ(r.answer("gpu-9", bad()) + r.wish("gpu-9", Wish::kDrain) + r.refuse("gpu-9"), "");
}

TEST(PoolHealth, DownKeepsNoFlowsDrainingKeepsThemMaintenanceDoesNot) {
  Rig r(probed_pool_of(4));
  r.all(good());
  (void)r.fall("gpu-1");
  (void)r.wish("gpu-2", Wish::kDrain);
  (void)r.wish("gpu-3", Wish::kMaintenance);
  EXPECT_EQ(r.takers(), "gpu-4 ");
  EXPECT_FALSE(r.standing("gpu-1").keeps_flows);
  EXPECT_TRUE(r.standing("gpu-2").keeps_flows);
  EXPECT_FALSE(r.standing("gpu-3").keeps_flows);
}

TEST(PoolHealth, TableVersionMovesWithWhoTakesOrKeepsFlowsAndWithNothingElse) {
  Rig r(probed_pool_of(2));
  r.all(good());
  auto version = r.health.table_version();
  const auto moved = [&] {
    return std::exchange(version, r.health.table_version()) != r.health.table_version();
  };
  r.all(good(), 5);
  (void)r.answer("gpu-1", bad());
  EXPECT_FALSE(moved()) << "degraded takes flows as up does";
  (void)r.answer("gpu-1", bad());
  (void)r.answer("gpu-1", bad());
  EXPECT_TRUE(moved());
  (void)r.wish("gpu-1", Wish::kDrain);
  EXPECT_FALSE(moved());
  (void)r.wish("gpu-2", Wish::kDrain);
  EXPECT_TRUE(moved());
}

// ---- all at once

TEST(PoolHealth, PoolWithoutAnyBackendIsDownAndTheFirstThatAnswersServes) {
  Rig r(probed_pool_of(3));
  r.all(good());
  (void)r.fall("gpu-1");
  (void)r.fall("gpu-2");
  EXPECT_EQ(r.fall("gpu-3"), "gpu-3 degraded>down (timeout), up>down (no_backend)");
  EXPECT_EQ(r.takers(), "");
  EXPECT_EQ(r.answer("gpu-2", good()), "gpu-2 down>up (answered), down>up (usable)");
  EXPECT_EQ(r.answer("gpu-1", good()), "") << "one serves: the others rise as they should";
  EXPECT_EQ(r.answer("gpu-1", good()), "gpu-1 down>up (answered)");
}

// ---- panic

config::Pool panicking_pool_of(unsigned backends) {
  auto pool = probed_pool_of(backends);
  pool.panic_threshold = 50;
  return pool;
}

TEST(Panic, WithTooFewUsableBackendsAllThatMayAnswerTakeFlows) {
  Rig r(panicking_pool_of(4));
  r.all(good());
  (void)r.fall("gpu-1");
  EXPECT_EQ(r.fall("gpu-2"), "gpu-2 degraded>down (timeout)") << "half of them is enough";
  EXPECT_EQ(r.takers(), "gpu-3 gpu-4 ");
  EXPECT_EQ(r.fall("gpu-3"), "gpu-3 degraded>down (timeout), up>degraded (panic)");
  EXPECT_TRUE(r.health.panic());
  EXPECT_EQ(r.takers(), "gpu-1 gpu-2 gpu-3 gpu-4 ");
  EXPECT_TRUE(r.standing("gpu-1").keeps_flows);
  EXPECT_EQ(r.standing("gpu-1").state, State::kDown);
  (void)r.answer("gpu-1", good());
  EXPECT_EQ(r.answer("gpu-1", good()), "gpu-1 down>up (answered), degraded>up (usable)");
  EXPECT_EQ(r.takers(), "gpu-1 gpu-4 ");
}

TEST(Panic, ThresholdOfZeroIsNeverPanic) {
  Rig r(probed_pool_of(2));
  r.all(good());
  (void)r.fall("gpu-1");
  (void)r.fall("gpu-2");
  EXPECT_FALSE(r.health.panic());
  EXPECT_EQ(r.health.state(), State::kDown);
}

TEST(Panic, WhereNobodyListensNoFlowIsSent) {
  Rig r(panicking_pool_of(3));
  r.all(good());
  (void)r.fall("gpu-1", Fault::kRefused);
  (void)r.fall("gpu-2", Fault::kTimeout);
  EXPECT_EQ(r.takers(), "gpu-2 gpu-3 ");
  (void)r.fall("gpu-3", Fault::kUnreachable);
  EXPECT_EQ(r.takers(), "gpu-2 ");
  EXPECT_EQ(r.answer("gpu-2", bad(Fault::kRefused)), "degraded>down (no_backend)");
  EXPECT_EQ(r.takers(), "");
}

TEST(Panic, OperatorsWishesHoldInPanicToo) {
  Rig r(panicking_pool_of(4));
  r.all(good());
  (void)r.wish("gpu-1", Wish::kDrain);
  (void)r.wish("gpu-2", Wish::kMaintenance);
  EXPECT_FALSE(r.health.panic()) << "two of the two that shall serve are usable";
  (void)r.fall("gpu-3");
  (void)r.fall("gpu-4");
  EXPECT_TRUE(r.health.panic());
  EXPECT_EQ(r.takers(), "gpu-3 gpu-4 ");
}

TEST(Panic, BackendsThatNeverWereUpAreNeitherMissedNorSentTo) {
  Rig r(panicking_pool_of(2));
  r.all(good());
  auto larger = panicking_pool_of(8);
  (void)r.replace(larger);
  for (int i = 3; i <= 8; ++i) (void)r.answer(fmt::format("gpu-{}", i), bad());  // models load
  EXPECT_FALSE(r.health.panic());
  (void)r.fall("gpu-1");
  (void)r.fall("gpu-2");
  EXPECT_TRUE(r.health.panic());
  EXPECT_EQ(r.takers(), "gpu-1 gpu-2 ");
}

// ---- ejection and its limits

TEST(Ejection, BackendWhoseConnectionsFailIsOutForATimeThatGrows) {
  Rig r(watched_pool_of(4));
  EXPECT_EQ(r.refuse("gpu-2"), "gpu-2 up>ejected (failures)");
  EXPECT_EQ(r.takers(), "gpu-1 gpu-3 gpu-4 ");
  EXPECT_FALSE(r.standing("gpu-2").keeps_flows);
  EXPECT_EQ(r.standing("gpu-2").ejected_until, at(30s));
  EXPECT_EQ(r.tick(29'999ms), "");
  EXPECT_EQ(r.tick(1ms), "gpu-2 ejected>up (ejection_over)");
  (void)r.refuse("gpu-2");
  EXPECT_EQ(r.tick(59s), "");
  EXPECT_EQ(r.tick(1s), "gpu-2 ejected>up (ejection_over)");
}

TEST(Ejection, MaxEjectionPercentIsNeverExceededButOneMayAlwaysGo) {
  auto pool = watched_pool_of(20);
  Rig r(pool);
  EXPECT_EQ(r.refuse("gpu-1"), "gpu-1 up>ejected (failures)");
  EXPECT_EQ(r.refuse("gpu-2"), "gpu-2 up>ejected (failures)");
  EXPECT_EQ(r.refuse("gpu-3"), "gpu-3 up>degraded (failures)") << "10 % of 20 are two";
  for (const auto& change : r.health.observed("gpu-3", r.totals["gpu-3"], at(0s)))
    ADD_FAILURE() << test::text(change);
  pool.outlier->max_ejection_percent = 0;
  Rig none(pool);
  EXPECT_EQ(none.refuse("gpu-1"), "gpu-1 up>ejected (failures)");
  EXPECT_EQ(none.refuse("gpu-2"), "gpu-2 up>degraded (failures)");
}

TEST(Ejection, LeavesMinHealthyBackends) {
  auto pool = watched_pool_of(4);
  pool.outlier->max_ejection_percent = 100;
  pool.min_healthy = 3;
  Rig r(pool);
  EXPECT_EQ(r.refuse("gpu-1"), "gpu-1 up>ejected (failures)");
  EXPECT_EQ(r.refuse("gpu-2"), "gpu-2 up>degraded (failures)");
}

TEST(Ejection, LastBackendIsNeverEjectedEvenWhereNoneNeedBeHealthy) {
  auto pool = watched_pool_of(1);
  pool.min_healthy = 0;
  Rig r(pool);
  EXPECT_EQ(r.refuse("gpu-1"), "gpu-1 up>degraded (failures)");
}

TEST(Ejection, ProbesThatFailTakeABackendDownWhateverIsLeft) {
  auto pool = probed_pool_of(2);
  pool.min_healthy = 2;
  Rig r(pool);
  r.all(good());
  EXPECT_EQ(r.fall("gpu-1"), "gpu-1 degraded>down (timeout)");
  EXPECT_EQ(r.fall("gpu-2"), "gpu-2 degraded>down (timeout), up>down (no_backend)");
}

TEST(Ejection, EjectedBackendComesBackWhenTooFewAreLeft) {
  auto pool = probed_pool_of(2);
  pool.outlier.emplace();
  Rig r(pool);
  r.all(good());
  EXPECT_EQ(r.refuse("gpu-1"), "gpu-1 up>ejected (failures)");
  EXPECT_EQ(r.fall("gpu-2"), "gpu-2 degraded>down (timeout), gpu-1 ejected>degraded (needed)");
  EXPECT_EQ(r.takers(), "gpu-1 ");
}

TEST(Ejection, SmallerPoolOrShareTakesBackWhoWouldBeTooMany) {
  auto pool = watched_pool_of(20);
  Rig r(pool);
  (void)r.refuse("gpu-1");
  r.now += 1s;
  (void)r.refuse("gpu-2");
  pool.backends.resize(19);
  EXPECT_EQ(r.replace(pool), "gpu-1 ejected>degraded (needed)") << "who was to return first";
}

TEST(Ejection, EndsWithTheRulesThatMadeIt) {
  Rig r(watched_pool_of(4));
  (void)r.refuse("gpu-1");
  EXPECT_EQ(r.replace(pool_of(4)), "gpu-1 ejected>up (configuration)");
  EXPECT_EQ(r.refuse("gpu-1"), "");
  EXPECT_EQ(r.health.next_tick(), std::nullopt);
}

TEST(Ejection, SignalsOfWhileItWasOutDoNotEjectItAgain) {
  Rig r(watched_pool_of(4));
  (void)r.refuse("gpu-1");
  for (int i = 0; i < 10; ++i) {
    r.totals["gpu-1"].resets += 100;
    r.totals["gpu-1"].syn_repeats += 100;
    EXPECT_TRUE(r.health.observed("gpu-1", r.totals["gpu-1"], at(r.now)).empty());
  }
  (void)r.tick(30s);
  EXPECT_TRUE(r.health.observed("gpu-1", r.totals["gpu-1"], at(r.now)).empty());
  EXPECT_EQ(r.standing("gpu-1").state, State::kUp);
}

TEST(Ejection, SuccessRateEjectsAtTheEndOfTheInterval) {
  Rig r(watched_pool_of(5));
  for (const auto& backend : r.pool.backends)
    (void)r.health.observed(backend.name, r.totals[backend.name], at(0s));
  for (const auto& backend : r.pool.backends) r.totals[backend.name].handshakes = 1000;
  r.totals["gpu-4"].handshakes = 500;
  r.totals["gpu-4"].syn_repeats = 500;
  for (const auto& backend : r.pool.backends)
    (void)r.health.observed(backend.name, r.totals[backend.name], at(1s));
  EXPECT_EQ(r.health.next_tick(), at(10s));
  EXPECT_EQ(r.tick(10s), "gpu-4 up>ejected (success_rate)");
}

TEST(Ejection, SlowBackendIsDegradedAndGoesOnServing) {
  Rig r(watched_pool_of(3));
  for (const auto& backend : r.pool.backends)
    (void)r.health.observed(backend.name, r.totals[backend.name], at(0s));
  for (const auto& backend : r.pool.backends) {
    r.totals[backend.name].handshakes = 20;
    r.totals[backend.name].handshake_us = backend.name == "gpu-3" ? 10'000'000 : 10'000;
    (void)r.health.observed(backend.name, r.totals[backend.name], at(1s));
  }
  EXPECT_EQ(r.tick(10s), "gpu-3 up>degraded (slow)");
  EXPECT_EQ(r.takers(), "gpu-1 gpu-2 gpu-3 ");
  EXPECT_EQ(r.tick(10s), "gpu-3 degraded>up (calm)");
}

// ---- flapping

/// One of four flaps for a minute: good for `phase`, bad for as long, probed each `interval`.
/// How often tables changed.
std::uint64_t table_changes(std::chrono::milliseconds phase, std::chrono::milliseconds interval) {
  Rig r(probed_pool_of(4));
  r.all(good());
  const auto before = r.health.table_version();
  for (; r.now < 60s; r.now += interval) {
    for (int i = 2; i <= 4; ++i) (void)r.answer(fmt::format("gpu-{}", i), good());
    (void)r.answer("gpu-1", r.now / phase % 2 == 0 ? good() : bad());
    (void)r.health.tick(at(r.now));
  }
  return r.health.table_version() - before;
}

TEST(Flapping, BackendThatFlapsEveryTwoSecondsForAMinuteChangesTheTablesAFewTimes) {
  EXPECT_LE(table_changes(2s, 20ms), 10U);
  EXPECT_LE(table_changes(2s, 100ms), 10U);
  EXPECT_LE(table_changes(2s, 1s), 10U);
  EXPECT_LE(table_changes(1s, 20ms), 10U);
  EXPECT_GE(table_changes(2s, 20ms), 2U) << "or the test tests nothing";
}

// ---- configuration

TEST(Replace, HealthIsKeptByNameAndNewBackendsBegin) {
  Rig r(probed_pool_of(3));
  r.all(good());
  (void)r.fall("gpu-2");
  auto pool = probed_pool_of(4);
  pool.backends.erase(pool.backends.begin());
  EXPECT_EQ(r.replace(pool), "");
  EXPECT_EQ(r.takers(), "gpu-3 ");
  EXPECT_EQ(r.standing("gpu-2").state, State::kDown);
  EXPECT_EQ(r.standing("gpu-4").state, State::kStarting);
  EXPECT_EQ(r.health.standings().size(), 3U);
}

TEST(Replace, BackendOfAnotherAddressBeginsAnew) {
  Rig r(probed_pool_of(2));
  r.all(good());
  auto pool = r.pool;
  pool.backends[0].address = IpAddress::parse("10.9.9.9").value();
  EXPECT_EQ(r.replace(pool), "gpu-1 up>starting (replaced)");
  pool.backends[1].port = 8080;
  EXPECT_EQ(r.replace(pool), "gpu-2 up>starting (replaced), up>starting (no_backend)");
}

TEST(Replace, AnotherWeightOrCheckIsTheSameBackend) {
  Rig r(probed_pool_of(2));
  r.all(good());
  auto pool = r.pool;
  pool.backends[0].weight = 1;
  pool.health->interval = 5s;
  pool.health->path = "/other";
  EXPECT_EQ(r.replace(pool), "");
  EXPECT_EQ(r.takers(), "gpu-1 gpu-2 ");
}

TEST(Replace, PoolThatIsNotProbedAnyMoreIsUp) {
  Rig r(probed_pool_of(2));
  (void)r.answer("gpu-1", bad());
  EXPECT_EQ(r.replace(pool_of(2)),
            "gpu-1 down>up (configuration), gpu-2 starting>up (configuration), "
            "starting>up (usable)");
}

TEST(Replace, AllBackendsGoneIsADownPool) {
  Rig r(pool_of(2));
  EXPECT_EQ(r.replace(pool_of(0)), "up>down (no_backend)");
  EXPECT_EQ(r.replace(pool_of(1)), "down>up (usable)");
}

// ---- restarts

TEST(Restore, PoolGoesOnWhereItWasWithItsWishes) {
  auto pool = probed_pool_of(5);
  pool.outlier.emplace();
  Rig before(pool);
  before.all(good());
  before.now = 10s;
  (void)before.fall("gpu-2");
  (void)before.refuse("gpu-3");
  (void)before.wish("gpu-4", Wish::kDrain);
  before.now = 20s;

  Rig after(pool);
  after.health.restore(before.health.kept(at(20s)), 5s, at(0s));
  after.health.assume(
      [](std::string_view backend) { return backend == "gpu-4" ? Wish::kDrain : Wish::kServe; });
  EXPECT_EQ(after.takers(), "gpu-1 gpu-5 ");
  EXPECT_EQ(after.standing("gpu-2").state, State::kDown);
  EXPECT_EQ(after.standing("gpu-3").ejected_until, at(15s));
  EXPECT_EQ(after.standing("gpu-4").state, State::kDraining);
  EXPECT_EQ(after.standing("gpu-4").since, at(-15s));
  EXPECT_EQ(after.health.state(), State::kUp);
  (void)after.answer("gpu-2", good());
  EXPECT_EQ(after.answer("gpu-2", good()), "gpu-2 down>up (answered)");
}

TEST(Restore, UnknownNamesAreIgnoredAndMissingOnesBegin) {
  Rig r(probed_pool_of(2));
  Kept up;
  up.checked = State::kUp;
  up.proven = true;
  r.health.restore({{"gone", up}, {"gpu-2", up}}, 0s, at(0s));
  EXPECT_EQ(r.takers(), "gpu-2 ");
  EXPECT_EQ(r.standing("gpu-1").state, State::kStarting);
}

TEST(Restore, LimitsHoldForWhatWasKeptToo) {
  Kept ejected;
  ejected.checked = State::kEjected;
  ejected.ejected_for = 100s;
  ejected.proven = true;
  KeptPool kept;
  for (int i = 1; i <= 4; ++i) kept.emplace(fmt::format("gpu-{}", i), ejected);
  Rig r(watched_pool_of(4));
  r.health.restore(kept, 0s, at(0s));
  EXPECT_EQ(std::ranges::count(r.health.standings(), State::kEjected, &Standing::state), 1);
  Rig without(pool_of(4));
  without.health.restore(kept, 0s, at(0s));
  EXPECT_EQ(without.takers(), "gpu-1 gpu-2 gpu-3 gpu-4 ") << "nothing ejects there";
}

}  // namespace
}  // namespace sluice::health
