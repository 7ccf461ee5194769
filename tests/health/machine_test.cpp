// SPDX-License-Identifier: Apache-2.0
#include "health/machine.hpp"

#include "health/steps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::bad;
using test::good;
using testing::HasSubstr;

constexpr Machine::Rules kProbed{true, 2, 3, 30s};
constexpr Machine::Rules kUnprobed{false, 2, 3, 30s};

/// A machine with a clock: each step is a second after the last one.
struct MachineRig {
  explicit MachineRig(const Machine::Rules& rules = kProbed) : machine(rules, at(0s)) {}

  std::string answer(const Outcome& outcome, bool last_resort = false) {
    now += 1s;
    return said(machine.answered(outcome, last_resort, at(now)));
  }
  /// One letter a probe: g is good, anything else is not. What changed, in order.
  std::string answers(std::string_view letters) {
    std::string changes;
    for (const char letter : letters) changes += answer(letter == 'g' ? good() : bad());
    return changes;
  }
  std::string eject(std::chrono::seconds lasts) {
    return said(machine.eject(cause::kSilent, "", at(now + lasts), at(now)));
  }
  std::string suspect(std::chrono::seconds lasts) {
    return said(machine.suspect(cause::kSilent, "", at(now + lasts), at(now)));
  }
  std::string wish(Wish what) { return said(machine.wish(what, at(now))); }
  std::string tick(std::chrono::seconds later) {
    now += later;
    return said(machine.tick(at(now)));
  }
  std::string said(const std::optional<Change>& change) {
    if (!change) return {};
    last = *change;
    return test::text(*change) + " ";
  }

  Machine machine;
  std::chrono::milliseconds now{0};
  Change last;
};

TEST(Machine, BackendThatNobodyProbesIsUpAtOnceAndNoAnswerChangesIt) {
  MachineRig r(kUnprobed);
  EXPECT_EQ(r.machine.state(), State::kUp);
  EXPECT_EQ(r.answers("bbbbbb"), "");
  EXPECT_EQ(r.machine.next_tick(), std::nullopt);
}

TEST(Machine, NewBackendIsJudgedByItsFirstAnswer) {
  EXPECT_EQ(MachineRig().answers("g"), "starting>up (answered) ");
  EXPECT_EQ(MachineRig().answers("b"), "starting>down (timeout) ");
}

TEST(Machine, FallFailuresInARowTakeItDownAndNoFewer) {
  EXPECT_EQ(MachineRig().answers("gbb"), "starting>up (answered) up>degraded (timeout) ");
  EXPECT_EQ(MachineRig().answers("gbbb"),
            "starting>up (answered) up>degraded (timeout) degraded>down (timeout) ");
  MachineRig r;
  (void)r.answers("gbb");
  EXPECT_EQ(r.answers("gbbgbbgbb"), "") << "a good answer between them begins the count anew";
  EXPECT_EQ(r.answers("b"), "degraded>down (timeout) ");
}

TEST(Machine, FallOfOneHasNoDegradedBetween) {
  MachineRig r(Machine::Rules{true, 1, 1, 30s});
  EXPECT_EQ(r.answers("gb"), "starting>up (answered) up>down (timeout) ");
}

TEST(Machine, RiseGoodAnswersInARowBringItUpAndNoFewer) {
  MachineRig r;
  (void)r.answers("gbbb");
  EXPECT_EQ(r.answers("gbgbgb"), "");
  EXPECT_EQ(r.answers("g"), "");
  EXPECT_EQ(r.answers("g"), "down>up (answered) ");
}

TEST(Machine, DegradedIsUpAgainAfterRiseGoodAnswers) {
  MachineRig r;
  (void)r.answers("gb");
  EXPECT_EQ(r.answers("g"), "");
  EXPECT_EQ(r.answers("g"), "degraded>up (answered) ");
}

TEST(Machine, LastResortIsUpAtItsFirstGoodAnswer) {
  MachineRig r;
  (void)r.answers("gbbb");
  EXPECT_EQ(r.answer(good(), true), "down>up (answered) ");
}

TEST(Machine, ProbeThatWeCouldNotMakeCountsNeitherWay) {
  MachineRig r;
  EXPECT_EQ(r.answer(bad(Fault::kLocal)), "");
  EXPECT_EQ(r.machine.state(), State::kStarting);
  (void)r.answers("gbb");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(r.answer(bad(Fault::kLocal)), "");
  EXPECT_EQ(r.machine.bad(), 2U);
  EXPECT_EQ(r.machine.last()->fault, Fault::kLocal) << "but it is shown";
  EXPECT_EQ(r.answers("b"), "degraded>down (timeout) ");
}

TEST(Machine, ChangeNamesTheFaultAndTellsWhatHappened) {
  MachineRig r;
  (void)r.answers("gbb");
  EXPECT_EQ(r.answer(bad(Fault::kRefused)), "degraded>down (refused) ");
  EXPECT_EQ(r.last.evidence, "3 probes in a row failed, the last after 500.0 ms: no answer");
  EXPECT_EQ(r.last.lasted, 2s);
  (void)r.answers("gg");
  EXPECT_EQ(r.last.evidence, "2 good answers in a row, the last after 1.5 ms");
  EXPECT_EQ(r.last.lasted, 2s);
}

TEST(Machine, WhereNobodyListensNoFlowCanDoWell) {
  for (const auto fault : {Fault::kRefused, Fault::kUnreachable}) {
    MachineRig r;
    (void)r.answers("gbb");
    EXPECT_FALSE(r.machine.hopeless());
    (void)r.answer(bad(fault));
    EXPECT_TRUE(r.machine.hopeless());
    (void)r.answer(bad(Fault::kStatus));
    EXPECT_FALSE(r.machine.hopeless()) << "somebody listens now";
  }
}

// ---- suspicion and ejection

TEST(Machine, EjectedBackendReturnsByItselfWhenItsTimeIsOver) {
  MachineRig r(kUnprobed);
  EXPECT_EQ(r.eject(30s), "up>ejected (silent) ");
  EXPECT_EQ(r.machine.next_tick(), at(30s));
  EXPECT_EQ(r.tick(29s), "");
  EXPECT_EQ(r.tick(1s), "ejected>up (ejection_over) ");
  EXPECT_EQ(r.last.lasted, 30s);
}

TEST(Machine, ProbedBackendReturnsFromEjectionOnlyIfItAnswers) {
  MachineRig r;
  (void)r.answers("ggggg");
  (void)r.eject(5s);
  EXPECT_EQ(r.machine.next_tick(), std::nullopt) << "good answers of before do not count";
  EXPECT_EQ(r.tick(60s), "");
  EXPECT_EQ(r.answers("gb"), "");
  EXPECT_EQ(r.answers("gg"), "ejected>up (ejection_over) ");

  MachineRig quick;
  (void)quick.answers("g");
  (void)quick.eject(30s);
  EXPECT_EQ(quick.answers("ggggg"), "") << "nor does it return before its time";
  EXPECT_EQ(quick.machine.next_tick(), at(31s));
  EXPECT_EQ(quick.tick(25s), "ejected>up (ejection_over) ");
}

TEST(Machine, EjectedBackendThatFailsItsProbesIsDownAndItsEjectionForgotten) {
  MachineRig r;
  (void)r.answers("g");
  (void)r.eject(300s);
  EXPECT_EQ(r.answers("bbb"), "ejected>down (timeout) ");
  EXPECT_EQ(r.machine.ejected_until(), std::nullopt);
  EXPECT_EQ(r.answers("gg"), "down>up (answered) ");
}

TEST(Machine, OnlyWhoTakesNewFlowsIsSuspectedOrEjected) {
  MachineRig starting;
  EXPECT_EQ(starting.eject(30s) + starting.suspect(30s), "");
  MachineRig down;
  (void)down.answers("b");
  EXPECT_EQ(down.eject(30s) + down.suspect(30s), "");
  for (const auto wish : {Wish::kDrain, Wish::kMaintenance}) {
    MachineRig wished(kUnprobed);
    (void)wished.wish(wish);
    EXPECT_EQ(wished.eject(30s) + wished.suspect(30s), "");
    EXPECT_EQ(wished.machine.checked(), State::kUp);
  }
}

TEST(Machine, SuspectedBackendIsDegradedUntilItIsCalm) {
  MachineRig r(kUnprobed);
  EXPECT_EQ(r.suspect(10s), "up>degraded (silent) ");
  EXPECT_EQ(r.tick(9s), "");
  EXPECT_EQ(r.suspect(10s), "") << "it is already, but for longer";
  EXPECT_EQ(r.tick(1s), "");
  EXPECT_EQ(r.machine.next_tick(), at(19s));
  EXPECT_EQ(r.tick(9s), "degraded>up (calm) ");
}

TEST(Machine, GoodAnswersDoNotClearASuspicionThatLasts) {
  MachineRig r;
  (void)r.answers("g");
  (void)r.suspect(10s);
  EXPECT_EQ(r.answers("ggggg"), "");
  EXPECT_EQ(r.tick(5s), "degraded>up (calm) ");
}

TEST(Machine, EjectionsAreForgottenOneByOneInCalm) {
  MachineRig r(kUnprobed);
  for (int i = 0; i < 3; ++i) {
    (void)r.eject(10s);
    (void)r.tick(10s);
  }
  EXPECT_EQ(r.machine.ejections(), 3U);
  EXPECT_EQ(r.machine.next_tick(), at(60s));
  EXPECT_EQ(r.tick(29s), "");
  EXPECT_EQ(r.machine.ejections(), 3U);
  (void)r.tick(1s);
  EXPECT_EQ(r.machine.ejections(), 2U);
  (void)r.tick(60s);
  EXPECT_EQ(r.machine.ejections(), 0U);
  EXPECT_EQ(r.machine.next_tick(), std::nullopt);
}

TEST(Machine, ReadmittedBackendIsSuspectedForTheRestOfItsEjection) {
  MachineRig r(kUnprobed);
  (void)r.eject(30s);
  EXPECT_EQ(r.said(r.machine.readmit("", at(5s))), "ejected>degraded (needed) ");
  EXPECT_EQ(r.tick(29s), "");
  EXPECT_EQ(r.tick(1s), "degraded>up (calm) ");
  EXPECT_EQ(r.said(r.machine.readmit("", at(31s))), "") << "it is not ejected";
}

TEST(Machine, PardonedBackendIsUpWithACleanRecord) {
  MachineRig r(kUnprobed);
  (void)r.eject(30s);
  EXPECT_EQ(r.said(r.machine.pardon(at(1s))), "ejected>up (configuration) ");
  EXPECT_EQ(r.machine.ejections(), 0U);
}

// ---- wishes

TEST(Machine, WishHidesHealthAndLetsItShowAgain) {
  MachineRig r;
  (void)r.answers("g");
  EXPECT_EQ(r.wish(Wish::kDrain), "up>draining (operator) ");
  EXPECT_EQ(r.answers("b"), "") << "degraded and draining is draining";
  EXPECT_EQ(r.machine.checked(), State::kDegraded);
  EXPECT_EQ(r.answers("bb"), "draining>down (timeout) ") << "its flows have nobody to go to";
  EXPECT_EQ(r.wish(Wish::kServe), "");
  EXPECT_EQ(r.wish(Wish::kDrain), "");
  EXPECT_EQ(r.answers("gg"), "down>draining (answered) ");
  EXPECT_EQ(r.wish(Wish::kServe), "draining>up (operator) ");
}

TEST(Machine, BackendInMaintenanceIsProbedOnAndShowsNothing) {
  MachineRig r;
  (void)r.answers("g");
  EXPECT_EQ(r.wish(Wish::kMaintenance), "up>maintenance (operator) ");
  EXPECT_EQ(r.answers("bbbb"), "");
  EXPECT_EQ(r.wish(Wish::kServe), "maintenance>down (operator) ");
  EXPECT_EQ(r.answers("gg"), "down>up (answered) ");
}

TEST(Machine, WishAsItIsChangesNothing) {
  MachineRig r;
  EXPECT_EQ(r.wish(Wish::kServe), "");
  (void)r.wish(Wish::kDrain);
  EXPECT_EQ(r.wish(Wish::kDrain), "");
}

TEST(Machine, MaintenanceClearsTheRecord) {
  MachineRig ejected(kUnprobed);
  (void)ejected.eject(300s);
  (void)ejected.wish(Wish::kMaintenance);
  EXPECT_EQ(ejected.wish(Wish::kServe), "maintenance>up (operator) ");
  EXPECT_EQ(ejected.machine.ejections(), 0U);

  MachineRig unproven;
  (void)unproven.answers("g");
  (void)unproven.eject(300s);
  (void)unproven.wish(Wish::kMaintenance);
  EXPECT_EQ(unproven.wish(Wish::kServe), "maintenance>starting (operator) ");
}

// ---- damping

TEST(Machine, WhoFallsOftenHasToAnswerWellForLonger) {
  MachineRig r(Machine::Rules{true, 1, 1, 30s});
  (void)r.answers("g");
  EXPECT_EQ(r.answers("bgbgbg"),
            "up>down (timeout) down>up (answered) up>down (timeout) "
            "down>up (answered) up>down (timeout) down>up (answered) ");
  (void)r.answers("b");
  EXPECT_EQ(r.machine.flaps(), 4U);
  EXPECT_EQ(r.machine.hold(), 2s) << "the fourth fall within a minute";
  EXPECT_EQ(r.answers("gg"), "") << "the second comes one second after the first";
  EXPECT_EQ(r.answers("bgg"), "") << "and a failure begins it anew";
  EXPECT_EQ(r.answers("g"), "down>up (answered) ");
  EXPECT_THAT(r.last.evidence, HasSubstr("for 2 s as it fell often"));
  (void)r.answers("b");
  EXPECT_GT(r.machine.hold(), 2s);
}

TEST(Machine, LastResortIsNotHeldBack) {
  MachineRig r(Machine::Rules{true, 1, 1, 30s});
  (void)r.answers("gbgbgbgb");
  ASSERT_GT(r.machine.hold(), 0s);
  EXPECT_EQ(r.answer(good(), true), "down>up (answered) ");
}

TEST(Machine, MinutesOfCalmMakeUpForFalls) {
  MachineRig r(Machine::Rules{true, 1, 1, 30s});
  (void)r.answers("gbgbgbgb");
  EXPECT_EQ(r.answers("ggg"), "down>up (answered) ");
  r.now += 120s;
  (void)r.answers("b");
  EXPECT_EQ(r.machine.hold(), 0s);
}

TEST(Machine, AlternatingAnswersAreOneChangeAndNotManyOverTime) {
  MachineRig r(Machine::Rules{true, 1, 2, 30s});
  (void)r.answers("g");
  std::string all;
  for (int i = 0; i < 60; ++i) all += r.answers("bg");
  EXPECT_LE(std::count(all.begin(), all.end(), '>'), 12) << all;
}

// ---- changes of configuration

TEST(Machine, ProbesThatBeginFindABackendThatIsUpUp) {
  MachineRig r(kUnprobed);
  EXPECT_EQ(r.said(r.machine.replace_rules(kProbed, at(1s))), "");
  EXPECT_EQ(r.machine.state(), State::kUp);
  EXPECT_EQ(r.answers("bbb"), "up>degraded (timeout) degraded>down (timeout) ");
}

TEST(Machine, ProbesThatEndLeaveItUp) {
  MachineRig r;
  (void)r.answers("b");
  EXPECT_EQ(r.said(r.machine.replace_rules(kUnprobed, at(2s))), "down>up (configuration) ");
  EXPECT_EQ(r.machine.last(), std::nullopt);
}

TEST(Machine, OtherLimitsHoldFromTheNextAnswerOn) {
  MachineRig r;
  (void)r.answers("gbb");
  EXPECT_EQ(r.said(r.machine.replace_rules({true, 2, 4, 30s}, at(4s))), "");
  EXPECT_EQ(r.answers("b"), "");
  EXPECT_EQ(r.answers("b"), "degraded>down (timeout) ");
}

TEST(Machine, AnotherServerOfTheNameBeginsAnewButTheWishStands) {
  MachineRig r;
  (void)r.answers("gbbb");
  EXPECT_EQ(r.said(r.machine.restart("", at(5s))), "down>starting (replaced) ");
  EXPECT_FALSE(r.machine.proven());
  (void)r.wish(Wish::kDrain);
  EXPECT_EQ(r.said(r.machine.restart("", at(6s))), "");
  EXPECT_EQ(r.machine.wish(), Wish::kDrain);
}

// ---- what outlives the daemon

TEST(Machine, WhoWasUpIsUpAfterARestartAndWhoWasDownIsDownUntilItAnswers) {
  Kept kept;
  kept.proven = true;
  for (const auto state : {State::kUp, State::kDegraded}) {
    kept.checked = state;
    MachineRig r;
    r.machine.restore(kept, 1s, at(0s));
    EXPECT_EQ(r.machine.state(), State::kUp);
    EXPECT_EQ(r.answers("b"), "up>degraded (timeout) ");
  }
  kept.checked = State::kDown;
  MachineRig r;
  r.machine.restore(kept, 1s, at(0s));
  EXPECT_EQ(r.answers("g"), "");
  EXPECT_EQ(r.answers("g"), "down>up (answered) ");
  MachineRig unprobed(kUnprobed);
  unprobed.machine.restore(kept, 1s, at(0s));
  EXPECT_EQ(unprobed.machine.state(), State::kUp) << "nobody would find out";
}

TEST(Machine, TimeWhileTheDaemonWasAwayCountsForTheEjectionAndForHowLongItLasted) {
  Kept kept;
  kept.checked = State::kEjected;
  kept.proven = true;
  kept.ejections = 3;
  kept.ejected_for = 20s;
  kept.age = 10s;
  MachineRig r(kUnprobed);
  r.machine.restore(kept, 5s, at(0s));
  EXPECT_EQ(r.machine.state(), State::kEjected);
  EXPECT_EQ(r.machine.next_tick(), at(15s));
  EXPECT_EQ(r.tick(15s), "ejected>up (ejection_over) ");
  EXPECT_EQ(r.last.lasted, 30s);
  EXPECT_EQ(r.machine.ejections(), 3U);
}

TEST(Machine, WhatIsKeptIsWhatIsRestored) {
  MachineRig r(Machine::Rules{true, 1, 1, 30s});
  (void)r.answers("gbgbgbgb");
  const Kept kept = r.machine.kept(at(r.now));
  EXPECT_EQ(kept.checked, State::kDown);
  EXPECT_EQ(kept.hold, 2s);
  Machine other(Machine::Rules{true, 1, 1, 30s}, at(0s));
  other.restore(kept, 0s, at(0s));
  EXPECT_EQ(other.kept(at(0s)), kept);
}

TEST(Machine, KeptNumbersWithoutSenseDoNoHarm) {
  Kept kept;
  kept.checked = State::kDown;
  kept.age = std::chrono::milliseconds::max();
  kept.hold = std::chrono::milliseconds::max();
  kept.ejected_for = std::chrono::milliseconds::min();
  kept.penalty = 1e300;
  MachineRig r;
  r.machine.restore(kept, std::chrono::milliseconds::max(), at(0s));
  EXPECT_EQ(r.machine.hold(), 60s);
  kept.checked = State::kEjected;
  MachineRig ejected;
  ejected.machine.restore(kept, std::chrono::milliseconds::min(), at(0s));
  EXPECT_EQ(ejected.machine.ejected_until(), at(0s));
}

}  // namespace
}  // namespace sluice::health
