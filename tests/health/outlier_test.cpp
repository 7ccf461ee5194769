// SPDX-License-Identifier: Apache-2.0
#include "health/outlier.hpp"

#include "health/steps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;
using testing::HasSubstr;

/// Traffic of some backends, told of every 50 ms.
struct OutlierRig {
  explicit OutlierRig(const config::Outlier& limits = {})
      : rules(limits), detector(limits, at(0s)) {}

  Signals& operator[](const std::string& backend) { return totals[backend]; }

  /// Flows that get through, each after `handshake`.
  void works(const std::string& backend, std::uint64_t flows,
             std::chrono::microseconds handshake = 200us) {
    Signals& s = totals[backend];
    s.new_flows += flows;
    s.handshakes += flows;
    s.handshake_us += flows * static_cast<std::uint64_t>(handshake.count());
  }
  /// One turn of all backends that had traffic so far.
  std::string turn() {
    now += 50ms;
    std::string found;
    for (const auto& [backend, signals] : totals)
      if (const auto suspicion = detector.observed(backend, signals, at(now)))
        found += told(backend, *suspicion);
    return found;
  }
  /// Turns for so long, or until there is a suspicion.
  std::string turns(std::chrono::milliseconds time) {
    std::string found;
    for (const auto end = now + time; now < end && found.empty();) found = turn();
    return found;
  }
  std::string sweep() {
    now += rules.interval;
    std::string found;
    for (const auto& [backend, suspicion] : detector.sweep(at(now)))
      found += told(backend, suspicion);
    return found;
  }
  std::string told(const std::string& backend, const Suspicion& suspicion) {
    evidence = suspicion.evidence;
    return fmt::format("{}: {}{} ", backend, suspicion.why, suspicion.grave ? "" : ", not grave");
  }

  config::Outlier rules;
  OutlierDetector detector;
  std::map<std::string, Signals> totals;
  std::chrono::milliseconds now{0};
  std::string evidence;
};

// ---- silence: SYNs again, no handshake

/// Flows that begin at the pace of `per_second` at a backend that died at time 0, and ask again a
/// second later; a healthy one beside it. How long until it is suspected.
std::chrono::milliseconds time_to_find(unsigned per_second, bool healthy_beside = true) {
  OutlierRig r;
  r.works("dead", 100);
  r.works("live", 100);
  (void)r.turns(500ms);
  const auto died = r.now;
  std::string found;
  while (found.empty() && r.now - died < 60s) {
    const auto turn_of = [&](std::chrono::milliseconds since) {
      return since < 0ms ? 0 : static_cast<std::uint64_t>(since.count()) * per_second / 1000;
    };
    const auto since = r.now - died;
    r["dead"].new_flows = 100 + turn_of(since);
    r["dead"].syn_repeats = turn_of(since - 1s);
    if (healthy_beside) r.works("live", turn_of(since + 50ms) - turn_of(since));
    found = r.turn();
  }
  EXPECT_EQ(found, healthy_beside ? "dead: silent " : "dead: silent, not grave ");
  return r.now - died;
}

TEST(Silence, DeadBackendIsFoundWithinOneAndAHalfSecondsWithoutAnyProbe) {
  EXPECT_LT(time_to_find(20), 1500ms);
  EXPECT_LT(time_to_find(1000), 1500ms);
  EXPECT_LT(time_to_find(10), 1500ms);
}

TEST(Silence, FewerFlowsThanTheLimitWithinTheWindowSayNothing) {
  OutlierRig r;
  r.works("live", 10);
  (void)r.turn();
  for (int second = 0; second < 20; ++second) {
    r["slow"].new_flows += 2;
    r["slow"].syn_repeats += 2;
    r.works("live", 10);
    EXPECT_EQ(r.turns(1050ms), "") << second;
  }
}

TEST(Silence, OneFlowThatGetsThroughIsProofOfLife) {
  OutlierRig r;
  r.works("live", 10);
  r.works("lossy", 10);
  (void)r.turn();
  for (int i = 0; i < 100; ++i) {
    r["lossy"].syn_repeats += 5;
    if (i % 10 == 0) r.works("lossy", 1);
    EXPECT_EQ(r.turn(), "");
  }
}

// All SYNs of 300 ms were lost on the way. Their clients ask again a second later, and are answered
// one round trip after that: at no moment between may the backend be taken for dead.
TEST(Silence, HiccupOfTheNetworkEjectsNobody) {
  for (const auto round_trip : {0ms, 50ms, 100ms}) {
    OutlierRig r;
    for (int i = 0; i < 20; ++i) {
      r.works("gpu-1", 5, round_trip);
      r.works("gpu-2", 5, round_trip);
      (void)r.turn();
    }
    for (const auto* backend : {"gpu-1", "gpu-2"}) r[backend].new_flows += 30;
    EXPECT_EQ(r.turns(1000ms), "") << "and no others came meanwhile";
    for (const auto* backend : {"gpu-1", "gpu-2"}) r[backend].syn_repeats += 30;
    EXPECT_EQ(r.turns(round_trip + 50ms), "") << round_trip.count();
    r.works("gpu-1", 30, round_trip);
    r.works("gpu-2", 30, round_trip);
    EXPECT_EQ(r.turns(5s), "") << round_trip.count();
  }
}

TEST(Silence, WhereNoBackendGetsThroughNoneIsToBlame) {
  OutlierRig r;
  r.works("gpu-1", 10);
  r.works("gpu-2", 10);
  (void)r.turns(1s);
  for (const auto* backend : {"gpu-1", "gpu-2"}) {
    r[backend].new_flows += 100;
    r[backend].syn_repeats += 100;
  }
  const auto found = r.turns(2s);
  EXPECT_EQ(found, "gpu-1: silent, not grave gpu-2: silent, not grave ");
  EXPECT_THAT(r.evidence, HasSubstr("nor did any of the other backends"));
}

TEST(Silence, IdleBackendsBesideItAreNoExcuse) {
  OutlierRig r;
  r.works("dead", 10);
  r.works("idle", 10);
  (void)r.turns(3s);
  r["dead"].new_flows += 10;
  (void)r.turns(1s);
  r["dead"].syn_repeats += 10;
  EXPECT_EQ(r.turns(2s), "dead: silent ");
}

TEST(Silence, LimitOfZeroFindsNothing) {
  config::Outlier rules;
  rules.silent_flows = 0;
  OutlierRig r(rules);
  (void)r.turn();
  r["dead"].syn_repeats += 1000;
  EXPECT_EQ(r.turns(5s), "");
}

TEST(Silence, WhatWasBeforeItTookFlowsDoesNotCount) {
  OutlierRig r;
  r.works("live", 10);
  (void)r.turn();
  r["back"].syn_repeats = 1000;
  r.detector.passed_over("back", r["back"]);
  EXPECT_EQ(r.turns(5s), "");
}

TEST(Silence, TotalsThatGoBackBeginAnew) {
  OutlierRig r;
  r.works("live", 10);
  r["gpu-1"].syn_repeats = 1000;
  r["gpu-1"].new_flows = 1000;
  (void)r.turn();
  r["gpu-1"] = {};  // the worker that counted is another one
  EXPECT_EQ(r.turn(), "");
  r["gpu-1"].syn_repeats = 2;
  r.works("live", 10);
  EXPECT_EQ(r.turns(2s), "");
}

// ---- failures in a row

TEST(FailuresInARow, AsManyAsTheLimitAreASuspicionAndNoFewer) {
  OutlierRig r;
  (void)r["gpu-1"];
  (void)r.turn();
  r["gpu-1"].resets += 4;
  EXPECT_EQ(r.turn(), "");
  r["gpu-1"].resets += 1;
  EXPECT_EQ(r.turn(), "gpu-1: failures ");
  EXPECT_EQ(r.evidence, "5 connections in a row failed, 5 of them refused");
  EXPECT_EQ(r.turns(5s), "") << "it is told once";
}

TEST(FailuresInARow, EachKindCountsAndOneThatShowsTwiceCountsOnce) {
  OutlierRig r;
  (void)r["gpu-1"];
  (void)r.turn();
  r["gpu-1"].syn_unanswered += 3;
  r["gpu-1"].unreachables += 3;  // the same three
  EXPECT_EQ(r.turn(), "");
  r["gpu-1"].unreachables += 1;
  r["gpu-1"].resets += 1;
  EXPECT_EQ(r.turn(), "gpu-1: failures ");
}

TEST(FailuresInARow, AnyThatGotThroughForgivesThem) {
  OutlierRig r;
  (void)r["gpu-1"];
  (void)r.turn();
  for (int i = 0; i < 20; ++i) {
    r["gpu-1"].resets += 4;
    EXPECT_EQ(r.turn(), "");
    r["gpu-1"].resets += 4;
    (i % 2 == 0 ? r["gpu-1"].handshakes : r["gpu-1"].responses) += 1;
    EXPECT_EQ(r.turn(), "");
  }
}

TEST(FailuresInARow, LimitOfZeroFindsNothing) {
  config::Outlier rules;
  rules.consecutive_failures = 0;
  OutlierRig r(rules);
  (void)r["gpu-1"];
  (void)r.turn();
  r["gpu-1"].resets += 1000;
  EXPECT_EQ(r.turns(2s), "");
}

// ---- success rate

/// Five backends; the first has so many failures in 1000 flows, the others none.
std::string sweep_of(OutlierRig& r, std::uint64_t failures, unsigned backends = 5,
                     std::uint64_t flows = 1000) {
  for (unsigned i = 1; i <= backends; ++i) (void)r[fmt::format("gpu-{}", i)];
  (void)r.turn();
  for (unsigned i = 1; i <= backends; ++i) r.works(fmt::format("gpu-{}", i), flows);
  r["gpu-1"].handshakes -= failures;
  r["gpu-1"].syn_repeats += failures;
  (void)r.turn();
  return r.sweep();
}

TEST(SuccessRate, BackendFarBelowTheOthersIsSuspected) {
  OutlierRig r;
  EXPECT_EQ(sweep_of(r, 300), "gpu-1: success_rate ");
  EXPECT_EQ(r.evidence, "70.0 % of its flows get through, 94.0 % of the pool's");
}

// Four that differ by nothing make any fifth an outlier: the deviation alone would eject a backend
// for one failed flow in a thousand.
TEST(SuccessRate, DifferenceThatNobodyWouldNoticeIsNone) {
  OutlierRig r;
  EXPECT_EQ(sweep_of(r, 1), "");
  EXPECT_EQ(sweep_of(r, 50), "");
}

TEST(SuccessRate, TooFewBackendsOrFlowsSayNothing) {
  OutlierRig few;
  EXPECT_EQ(sweep_of(few, 300, 4), "");
  OutlierRig idle;
  EXPECT_EQ(sweep_of(idle, 90, 5, 99), "");
}

TEST(SuccessRate, PoolThatFailsAsAWholeHasNoOutlier) {
  OutlierRig r;
  for (unsigned i = 1; i <= 10; ++i) (void)r[fmt::format("gpu-{}", i)];
  (void)r.turn();
  for (unsigned i = 1; i <= 10; ++i) {
    auto& s = r[fmt::format("gpu-{}", i)];
    s.new_flows += 1000;
    s.handshakes += 300 + 10 * i;
    s.syn_repeats += 700 - 10 * i;
  }
  (void)r.turn();
  EXPECT_EQ(r.sweep(), "");
}

TEST(SuccessRate, EachIntervalIsJudgedByItself) {
  OutlierRig r;
  EXPECT_EQ(sweep_of(r, 300), "gpu-1: success_rate ");
  EXPECT_EQ(sweep_of(r, 0), "");
}

TEST(SuccessRate, NothingIsJudgedBeforeTheIntervalIsOver) {
  OutlierRig r;
  r.works("gpu-1", 1);
  EXPECT_EQ(r.detector.next_sweep(), at(10s));
  EXPECT_TRUE(r.detector.sweep(at(9999ms)).empty());
  (void)r.detector.sweep(at(10s));
  EXPECT_EQ(r.detector.next_sweep(), at(20s));
}

TEST(SuccessRate, FactorOfZeroFindsNothing) {
  config::Outlier rules;
  rules.success_rate_factor = 0;
  OutlierRig r(rules);
  EXPECT_EQ(sweep_of(r, 900), "");
}

// ---- speed

TEST(Speed, BackendThatIsMuchSlowerThanThePoolIsSuspectedButNotGravely) {
  OutlierRig r;
  for (const auto* backend : {"gpu-1", "gpu-2", "gpu-3"}) (void)r[backend];
  (void)r.turn();
  r.works("gpu-1", 20, 1ms);
  r.works("gpu-2", 20, 2ms);
  r.works("gpu-3", 20, 400ms);
  (void)r.turn();
  EXPECT_EQ(r.sweep(), "gpu-3: slow, not grave ");
  EXPECT_EQ(r.evidence, "a handshake takes 400 ms, 2 ms in the pool's middle");
}

TEST(Speed, FirstAnswersCountWhereTheyAreSeen) {
  OutlierRig r;
  for (const auto* backend : {"gpu-1", "gpu-2", "gpu-3"}) (void)r[backend];
  (void)r.turn();
  for (const auto* backend : {"gpu-1", "gpu-2", "gpu-3"}) {
    r[backend].responses += 20;
    r[backend].response_us += 20 * 300'000;
  }
  r["gpu-2"].response_us += 20 * 2'000'000;
  (void)r.turn();
  EXPECT_EQ(r.sweep(), "gpu-2: slow, not grave ");
}

TEST(Speed, SmallDifferencesAndFewFlowsSayNothing) {
  for (const auto& [flows, slowest] : {std::pair{20, 50ms}, std::pair{9, 900ms}}) {
    OutlierRig r;
    for (const auto* backend : {"gpu-1", "gpu-2", "gpu-3"}) (void)r[backend];
    (void)r.turn();
    r.works("gpu-1", 20, 1ms);
    r.works("gpu-2", 20, 2ms);
    r.works("gpu-3", static_cast<std::uint64_t>(flows), slowest);
    (void)r.turn();
    EXPECT_EQ(r.sweep(), "");
  }
}

// ---- how long

TEST(EjectionTime, DoublesUpToTheLongest) {
  const config::Outlier rules;
  const std::chrono::seconds times[] = {30s, 60s, 120s, 240s, 300s, 300s};
  for (unsigned before = 0; before < 6; ++before)
    EXPECT_EQ(ejection_time(rules, before), times[before]);
  EXPECT_EQ(ejection_time(rules, 1'000'000), 300s);
}

}  // namespace
}  // namespace sluice::health
