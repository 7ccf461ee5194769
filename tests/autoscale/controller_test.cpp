// SPDX-License-Identifier: Apache-2.0
#include "autoscale/controller.hpp"

#include "pool_fixture.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <numeric>
#include <string>

namespace sluice::autoscale {
namespace {

using config::ForecastKind;
using config::ScalePolicy;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One class, and a fleet that does at once what it is told.
class OneClass : public testing::Test {
 protected:
  void begin(ScalePolicy policy = ScalePolicy::kTarget) {
    options_ = pool_options(policy, ForecastKind::kLastValue);
    options_.classes.pop_back();
    begin(options_);
  }
  void begin(const Controller::Options& options) {
    options_ = options;
    controller_ = std::make_unique<Controller>(options);
    ready_ = options.autoscale.min;
  }
  const Decision& tick(double rate, double silent = 0, double queue = 0) {
    t_ += 5;
    const Observation seen{.t = t_,
                           .utc = static_cast<std::int64_t>(t_),
                           .arrivals = silent < 1 ? rate * 5 : 0,
                           .queue = queue,
                           .fleet = {{.ready = ready_}},
                           .silent = silent};
    const Decision& made = controller_->tick(seen);
    ready_ = made.desired;
    return made;
  }
  void ticks(int count, double rate, double silent = 0) {
    for (int i = 0; i < count; ++i) tick(rate, silent);
  }
  [[nodiscard]] static bool has(const Decision& made, Limit limit) {
    return (made.limits & static_cast<std::uint16_t>(limit)) != 0;
  }

  Controller::Options options_;
  std::unique_ptr<Controller> controller_;
  unsigned ready_ = 0;
  double t_ = 0;
};

TEST_F(OneClass, BeforeTheFirstTickAsManyAsTheLeastAreWanted) {
  begin();
  EXPECT_EQ(controller_->decision().desired, 2U);
  EXPECT_EQ(controller_->decision().wanted, (std::vector<unsigned>{2}));
  options_.autoscale.min = 5;
  controller_->configure(options_);
  EXPECT_EQ(controller_->decision().desired, 5U);
}

TEST_F(OneClass, RefusedObservationsChangeNothing) {
  begin(ScalePolicy::kPredictive);
  ticks(60, 20);
  const std::string before = controller_->save().dump();
  const auto wanted = controller_->decision().wanted;
  const Observation good{.t = t_ + 5, .arrivals = 100, .fleet = {{.ready = 5}}};
  std::vector<Observation> bad;
  for (const double absurd : {-1.0, kNan, kInfinity, 1e13})
    for (double Observation::*const field :
         {&Observation::arrivals, &Observation::served, &Observation::queue, &Observation::inflight,
          &Observation::silent}) {
      bad.push_back(good);
      bad.back().*field = absurd;
    }
  for (const double t : {t_, t_ - 1, 0.0, -1e9, kNan, kInfinity, 1e12}) {
    bad.push_back(good);
    bad.back().t = t;
  }
  bad.push_back(good);
  bad.back().fleet.resize(2);
  bad.push_back(good);
  bad.back().fleet[0] = {.ready = 0xFFFFFFFF, .starting = 0xFFFFFFFF};
  for (const auto& seen : bad) {
    const Decision& made = controller_->tick(seen);
    ASSERT_EQ(made.wanted, wanted);
    ASSERT_EQ(made.cause, Cause::kBlind);
    ASSERT_NE(made.reason.find("refused"), std::string::npos) << made.reason;
    ASSERT_EQ(controller_->save().dump(), before);
  }
}

TEST_F(OneClass, OverrideHoldsUntilItExpiresAndThenThePoliciesDecideAgain) {
  begin();
  ticks(20, 2);
  controller_->override_with(12, t_ + 50);
  EXPECT_EQ(controller_->standing(), Standing::kOverride);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(tick(2).desired, 12U);
    EXPECT_EQ(controller_->decision().cause, Cause::kOverride);
  }
  tick(2);
  EXPECT_EQ(controller_->standing(), Standing::kAuto);
  ticks(100, 2);
  EXPECT_EQ(controller_->decision().desired, 3U);
}

TEST_F(OneClass, OverrideIsWithinThePoolsBoundsAndEndsByHand) {
  begin();
  controller_->override_with(4'000'000'000, kInfinity);
  EXPECT_EQ(tick(2).desired, 30U);
  EXPECT_TRUE(has(controller_->decision(), Limit::kMax));
  ticks(1000, 2);
  EXPECT_EQ(controller_->standing(), Standing::kOverride);
  Controller other(options_);
  EXPECT_TRUE(other.restore(controller_->save(), 0));
  controller_->override_with(0, {});
  EXPECT_EQ(tick(2).desired, 2U);
  controller_->resume();
  EXPECT_EQ(controller_->standing(), Standing::kAuto);
}

TEST_F(OneClass, PausedHoldsTheLastDecisionWhateverTheLoadAndTheFleet) {
  begin();
  ticks(20, 20);
  const unsigned before = controller_->decision().desired;
  controller_->pause();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(tick(i % 2 == 0 ? 0 : 100).desired, before);
    EXPECT_EQ(controller_->decision().cause, Cause::kPaused);
    ready_ = i % 3 == 0 ? before + 3 : before - 1;
  }
  controller_->resume();
  EXPECT_GT(tick(100).desired, before);
}

TEST_F(OneClass, PausedAfterATickAtTimeZeroHoldsThatDecision) {
  begin();
  t_ = -5;
  const unsigned before = tick(60).desired;
  controller_->pause();
  ready_ = 3;
  EXPECT_EQ(tick(60).desired, before);
}

TEST_F(OneClass, ScalesToZeroWhenNobodyHasAskedForLongAndFromZeroOnTheFirstRequest) {
  for (const auto policy : {ScalePolicy::kTarget, ScalePolicy::kPredictive}) {
    begin(policy);
    options_.autoscale.min = 0;
    options_.autoscale.idle_s = 400;
    options_.autoscale.target_utilisation = 0.8;
    begin(options_);
    EXPECT_EQ(tick(0).desired, 0U);
    EXPECT_GE(tick(0.2).desired, 1U);
    EXPECT_EQ(controller_->decision().cause, Cause::kFromZero);
    ticks(100, 0.2);
    EXPECT_EQ(controller_->decision().desired, 1U);
    for (int i = 0; i < 79; ++i) ASSERT_EQ(tick(0).desired, 1U) << i;
    EXPECT_EQ(tick(0).desired, 0U);
    EXPECT_EQ(controller_->decision().cause, Cause::kIdle);
    ticks(500, 0);
    EXPECT_EQ(controller_->decision().desired, 0U);
    EXPECT_GE(tick(0, 0, 1).desired, 1U);  // one that waits, and no backend that accepted it
  }
}

TEST_F(OneClass, OneRequestAfterSilenceStartsOneBackendWhateverTheForecastMakesOfIt) {
  for (const double capacity : {0.1, 0.25, 1.0})
    for (const int idle : {6, 80, 600})
      for (const auto forecaster : {ForecastKind::kEnsemble, ForecastKind::kLinear}) {
        auto options = pool_options(ScalePolicy::kPredictive, forecaster);
        options.classes = {{.name = "l4", .capacity = capacity, .cold_start_s = 20}};
        options.autoscale.min = 0;
        options.autoscale.idle_s = 60;
        begin(options);
        ticks(idle, 0);
        ASSERT_EQ(tick(0.2, 0, 1).desired, 1U) << "one request in a tick of 5 s, which waits";
        for (int i = 0; i < 4; ++i) ASSERT_EQ(tick(0, 0, 1).desired, 1U) << "it waits on";
        for (int i = 0; i < 5; ++i) ASSERT_EQ(tick(0).desired, 1U) << "it is served";
        std::string before = controller_->save().dump();
        Controller again(options);
        ASSERT_TRUE(again.restore(nlohmann::json::parse(before), t_));
        EXPECT_EQ(again.save().dump(), before);
      }
}

TEST_F(OneClass, ManyRequestsAfterSilenceStartAsManyBackendsAsTheyTake) {
  auto options = pool_options(ScalePolicy::kPredictive);
  options.classes = {{.name = "l4", .capacity = 0.25, .cold_start_s = 20}};
  options.autoscale.min = 0;
  begin(options);
  ticks(80, 0);
  EXPECT_GT(tick(4, 0, 20).desired, 2U);
  for (int i = 0; i < 5; ++i) tick(4, 0, 60);
  EXPECT_GE(controller_->decision().desired, 16U);
}

TEST_F(OneClass, SilenceOfBackendsIsNotIdleness) {
  begin();
  options_.autoscale.min = 0;
  begin(options_);
  ticks(50, 1);
  ticks(200, 0, 1);
  for (int i = 0; i < 59; ++i) ASSERT_EQ(tick(0).desired, 1U) << i;
  EXPECT_EQ(tick(0).desired, 0U);
}

TEST_F(OneClass, KnowingNothingHoldsAndKnowingAPartTakesNothingAway) {
  for (const auto policy :
       {ScalePolicy::kTarget, ScalePolicy::kPredictive, ScalePolicy::kThreshold}) {
    begin(policy);
    ticks(400, 40);
    const unsigned before = controller_->decision().desired;
    ASSERT_GE(before, 10U);
    ticks(200, 0, 1);
    EXPECT_EQ(controller_->decision().desired, before);
    EXPECT_EQ(controller_->decision().cause, Cause::kBlind);
    ticks(200, 0, 0.2);
    EXPECT_EQ(controller_->decision().desired, before);
    EXPECT_TRUE(policy == ScalePolicy::kPredictive || has(controller_->decision(), Limit::kSilent));
    for (int i = 0; i < 200; ++i) tick(80, 0.5);
    EXPECT_GT(controller_->decision().desired, before);
  }
}

TEST_F(OneClass, AfterSilenceAFallHasToLastAsLongAsEver) {
  for (const auto policy : {ScalePolicy::kTarget, ScalePolicy::kPredictive}) {
    begin(policy);
    options_.autoscale.stabilisation_s = 300;
    begin(options_);
    ticks(200, 40);
    const unsigned before = controller_->decision().desired;
    ticks(200, 0, 1);
    for (int i = 0; i < 59; ++i) ASSERT_GE(tick(1).desired, before - 1) << i;
    ticks(5, 1);
    EXPECT_TRUE(policy != ScalePolicy::kTarget || controller_->decision().desired < before - 1);
  }
}

TEST_F(OneClass, WithoutStateItTakesNothingAwayAtFirst) {
  for (const auto policy : {ScalePolicy::kTarget, ScalePolicy::kPredictive, ScalePolicy::kThreshold,
                            ScalePolicy::kScheduled}) {
    begin(policy);
    ready_ = 20;
    for (int i = 0; i < 18; ++i) ASSERT_EQ(tick(0).desired, 20U) << i;  // a hold time
  }
}

TEST_F(OneClass, LoweredMaximumTakesAwayWhatIsOverItAndNoMore) {
  for (const auto policy :
       {ScalePolicy::kTarget, ScalePolicy::kPredictive, ScalePolicy::kThreshold}) {
    for (const bool paused : {false, true}) {
      begin(policy);
      ready_ = 20;
      tick(40);
      options_.autoscale.max = 15;
      controller_->configure(options_);
      if (paused) controller_->pause();
      EXPECT_EQ(tick(40).desired, 15U) << static_cast<int>(policy);
    }
  }
}

TEST_F(OneClass, LoweredBudgetHoldsAtOnceUnderEveryStanding) {
  for (int standing = 0; standing < 4; ++standing) {
    begin();
    ready_ = 20;
    tick(60);
    options_.autoscale.budget_per_hour = 40;
    controller_->configure(options_);
    if (standing == 1) controller_->pause();
    if (standing == 2) controller_->override_with(20, {});
    EXPECT_EQ(tick(60, standing == 3 ? 1 : 0).desired, 10U) << standing;
    EXPECT_LE(controller_->decision().cost_per_hour, 40);
  }
}

TEST_F(OneClass, ScheduleSetsFloorsAndCaps) {
  begin(ScalePolicy::kScheduled);
  using namespace std::chrono_literals;
  options_.autoscale.schedule = {{.cron = "10 * * * *", .duration = 10min, .min = 8},
                                 {.cron = "30 * * * *", .duration = 10min, .min = 1, .max = 3}};
  begin(options_);
  ticks(119, 2);
  EXPECT_EQ(controller_->decision().desired, 2U);
  EXPECT_EQ(tick(2).desired, 8U);
  EXPECT_EQ(controller_->decision().cause, Cause::kSchedule);
  ticks(119, 2);
  EXPECT_EQ(controller_->decision().desired, 8U);
  EXPECT_EQ(tick(2).desired, 2U);
}

TEST_F(OneClass, MissedTicksAreMadeUpForAtTheirMeanRate) {
  begin(ScalePolicy::kPredictive);
  ticks(400, 20);
  const unsigned before = controller_->decision().desired;
  t_ += 595;
  const Decision& made =
      controller_->tick({.t = t_ + 5, .arrivals = 20 * 600, .fleet = {{.ready = ready_}}});
  EXPECT_EQ(made.desired, before);
  EXPECT_NEAR(made.demand, 20, 1e-9);
  EXPECT_NEAR(made.forecast, 20, 1);
}

TEST_F(OneClass, TwoTicksCloseToOneAnotherMakeNoBurst) {
  begin();
  options_.autoscale.step_up = 1;
  begin(options_);
  ticks(50, 6);
  const unsigned before = ready_;
  controller_->tick({.t = t_ + 0.001, .arrivals = 40, .fleet = {{.ready = ready_}}});
  EXPECT_LE(controller_->decision().desired, before + 1);
}

TEST_F(OneClass, ReasonNamesTheFigures) {
  begin();
  ticks(10, 20);
  const Decision& rise = tick(36);
  EXPECT_NE(rise.reason.find(std::to_string(rise.before) + " to " + std::to_string(rise.desired)),
            std::string::npos)
      << rise.reason;
  const std::string demand = std::to_string(rise.demand);
  EXPECT_NE(rise.reason.find(demand.substr(0, demand.find('.') + 2)), std::string::npos)
      << rise.reason;
  options_.autoscale.max = 12;
  begin(options_);
  const Decision& bounded = tick(100);
  EXPECT_GT(bounded.uncovered, 0);
  EXPECT_NE(bounded.reason.find("stay uncovered"), std::string::npos) << bounded.reason;
  EXPECT_NE(bounded.reason.find("(bounded by max)"), std::string::npos) << bounded.reason;
}

TEST_F(OneClass, LearnedFiguresChangeWhatIsWanted) {
  begin();
  ticks(10, 20);
  const unsigned before = controller_->decision().desired;
  for (int i = 0; i < 60; ++i) controller_->learn_capacity(0, 2);
  EXPECT_DOUBLE_EQ(controller_->learned(0).capacity, 2.5);
  ticks(10, 20);
  EXPECT_GT(controller_->decision().desired, before);
  for (int i = 0; i < 20; ++i) controller_->learn_start(0, 200);
  EXPECT_EQ(tick(20).horizon_s, 205);
  controller_->learn_start(7, 1);
  controller_->learn_capacity(7, 1);
  EXPECT_EQ(controller_->learned(7).capacity, 0);
}

TEST(Controller, ConfigureKeepsWhatWasLearnedByTheNamesOfClasses) {
  auto options = pool_options();
  Controller controller(options);
  for (int i = 0; i < 20; ++i) {
    controller.learn_start(0, 100);
    controller.learn_start(1, 7);
  }
  World world(options.classes, 3);
  for (int i = 0; i < 100; ++i) world.obey(controller.tick(world.pass(5)).wanted);
  const auto wanted = controller.decision().wanted;
  auto other = options;
  other.classes = {options.classes[1], {.name = "new", .cold_start_s = 33}, options.classes[0]};
  controller.configure(other);
  EXPECT_EQ(controller.learned(0).cold_start_s, 7);
  EXPECT_EQ(controller.learned(1).cold_start_s, 33);
  EXPECT_EQ(controller.learned(2).cold_start_s, 100);
  EXPECT_EQ(controller.decision().wanted, (std::vector<unsigned>{wanted[1], 0, wanted[0]}));
}

class EveryPolicy : public testing::TestWithParam<std::pair<ScalePolicy, ForecastKind>> {
 protected:
  [[nodiscard]] static Controller::Options options() {
    return pool_options(GetParam().first, GetParam().second);
  }
};

TEST_P(EveryPolicy, SameObservationsGiveTheSameDecisionsToTheLastDigit) {
  Controller first(options());
  Controller second(options());
  const auto classes = options().classes;
  World world(classes, 1);
  for (int i = 0; i < 1500; ++i) {
    const auto seen = world.pass(5);
    ASSERT_EQ(text_of(first.tick(seen)), text_of(second.tick(seen))) << i;
    world.obey(first.decision().wanted);
  }
  EXPECT_EQ(first.save().dump(), second.save().dump());
}

TEST_P(EveryPolicy, RestartedAtAnyMomentUnderAnotherClockDecidesAsIfNothingHadHappened) {
  const auto classes = options().classes;
  World world(classes, 2);
  auto& dice = world.dice();
  Controller whole(options());
  auto restarted = std::make_unique<Controller>(options());
  double shift = 0;
  double last = 0;  // of the observations that were not refused
  for (int i = 0; i < 2500; ++i) {
    const double whole_seconds = 1 + std::floor(dice.uniform() * 12);
    auto seen = world.pass(dice.uniform() < 0.7 ? 5 : whole_seconds);
    if (dice.uniform() < 0.05) seen.silent = dice.uniform() < 0.5 ? 1 : 0.3;
    if (dice.uniform() < 0.02)
      seen.arrivals = kNan;
    else
      last = seen.t;
    auto shifted = seen;
    shifted.t += shift;
    whole.tick(seen);
    restarted->tick(shifted);
    // What stays of a decision after a refusal are its counts: the figures that led to it are told
    // once, and not kept.
    if (std::isfinite(seen.arrivals)) {
      ASSERT_EQ(text_of(whole.decision()), text_of(restarted->decision())) << i;
    } else {
      ASSERT_EQ(whole.decision().wanted, restarted->decision().wanted) << i;
    }
    world.obey(whole.decision().wanted);
    const double chance = dice.uniform();
    for (auto* const one : {&whole, restarted.get()}) {
      if (chance < 0.01) one->learn_start(0, 40 + 3000 * chance);
      if (chance > 0.9) one->learn_capacity(0, 3 + 10 * (chance - 0.9));
      if (chance > 0.5 && chance < 0.51) one->learn_drain(500 * (chance - 0.5));
      if (chance > 0.6 && chance < 0.602)
        one->override_with(7, world.t() + 60 + (one == &whole ? 0 : shift));
      if (chance > 0.7 && chance < 0.702) one->pause();
      if (chance > 0.75 && chance < 0.76) one->resume();
    }
    if (dice.uniform() < 0.1 || i < 5) {
      const std::string text = restarted->save().dump();
      const double before = shift;
      shift = std::floor(dice.uniform() * 1e6);
      auto next = std::make_unique<Controller>(options());
      const auto read = next->restore(nlohmann::json::parse(text), last + shift);
      ASSERT_TRUE(read) << read.error().where << read.error().message << before;
      restarted = std::move(next);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policies, EveryPolicy,
    testing::Values(std::pair(ScalePolicy::kPredictive, ForecastKind::kEnsemble),
                    std::pair(ScalePolicy::kPredictive, ForecastKind::kQuantile),
                    std::pair(ScalePolicy::kPredictive, ForecastKind::kArima),
                    std::pair(ScalePolicy::kCostAware, ForecastKind::kHoltWinters),
                    std::pair(ScalePolicy::kTarget, ForecastKind::kLastValue),
                    std::pair(ScalePolicy::kThreshold, ForecastKind::kLinear)));

}  // namespace
}  // namespace sluice::autoscale
