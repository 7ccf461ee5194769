// SPDX-License-Identifier: Apache-2.0
// States that are not ours, and two weeks of faults.
#include "autoscale/controller_state.hpp"

#include "pool_fixture.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <limits>
#include <numeric>
#include <string>

namespace sluice::autoscale {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;
using config::ForecastKind;
using config::ScalePolicy;

// A controller that has seen much, is changing its mix and has an override and a learned drain.
Controller seasoned(const Controller::Options& options, int ticks = 700) {
  Controller controller(options);
  World world(options.classes, 4);
  for (int i = 0; i < ticks; ++i) {
    world.obey(controller.tick(world.pass(5)).wanted);
    if (i % 50 == 7) controller.learn_start(0, 50 + i % 30);
    if (i % 20 == 7) controller.learn_capacity(1, 1.2);
  }
  controller.learn_drain(44);
  controller.override_with(9, world.t() + 100);
  return controller;
}

void each_value(const Json& whole, const Pointer& at,
                const std::function<void(const Pointer&)>& f) {
  const Json& value = whole.at(at);
  if (at.to_string() != "") f(at);
  if (value.is_object())
    for (const auto& [key, inner] : value.items()) each_value(whole, at / key, f);
  if (value.is_array() && !value.empty()) f(at / (value.size() / 2));
}

TEST(ControllerState, EveryFieldDroppedMistypedOrOutOfBoundsIsRefusedAndNothingHasChanged) {
  const auto options = pool_options();
  Controller controller = seasoned(options);
  const Json state = controller.save();
  const std::string before = state.dump();
  std::size_t spoilt = 0;
  each_value(state, Pointer(), [&](const Pointer& at) {
    const auto refused = [&](const Json& wrong) {
      ++spoilt;
      const auto read = controller.restore(wrong, 17);
      EXPECT_FALSE(read) << at;
      if (!read) {
        EXPECT_EQ(read.error().code, Errc::kInvalid);
        EXPECT_FALSE(read.error().message.empty());
      }
    };
    // A class that it does not know, or any name of one, is nothing wrong.
    const bool of_class = at.parent_pointer() == Pointer("/classes");
    if (state.at(at.parent_pointer()).is_object() && !of_class) {
      Json without = state;
      without[at.parent_pointer()].erase(at.back());
      refused(without);
    }
    for (const Json& absurd :
         {Json(), Json("x"), Json(-1e300), Json(1e300), Json(Json::array({"x"}))}) {
      // Names of classes may be any.
      if (at.parent_pointer() == Pointer("/order") && absurd.is_string()) continue;
      if (at == Pointer("/order") && absurd.is_array()) continue;
      Json wrong = state;
      wrong[at] = absurd;
      refused(wrong);
    }
  });
  EXPECT_GT(spoilt, 2000U);
  EXPECT_EQ(controller.save().dump(), before);
}

TEST(ControllerState, WhatIsNoStateIsRefused) {
  Controller controller(pool_options());
  for (const Json& none : {Json(), Json(1), Json("x"), Json::array(), Json::object()})
    EXPECT_FALSE(controller.restore(none, 0));
  EXPECT_FALSE(controller.restore(Controller(pool_options()).save(),
                                  std::numeric_limits<double>::quiet_NaN()));
}

TEST(ControllerState, StateThatIsReadCanBeWrittenAndTickedWhateverItsNumbersAre) {
  const auto options = pool_options(ScalePolicy::kCostAware);
  Controller controller = seasoned(options, 300);
  const Json state = controller.save();
  forecast::Dice dice(9);
  std::vector<Pointer> places;
  each_value(state, Pointer(), [&](const Pointer& at) {
    if (state.at(at).is_number()) places.push_back(at);
  });
  int taken = 0;
  for (int round = 0; round < 150; ++round) {
    Json mutant = state;
    for (int i = 0; i < 3; ++i) {
      const auto& at =
          places[static_cast<std::size_t>(dice.uniform() * static_cast<double>(places.size()))];
      const double size = std::pow(10.0, std::floor(dice.uniform() * 40) - 20);
      if (mutant.at(at).is_number_unsigned())
        mutant[at] = static_cast<std::uint64_t>(std::min(1e15, size));
      else
        mutant[at] = dice.uniform() < 0.3 ? -size : size;
    }
    Controller other(options);
    if (!other.restore(mutant, 1000)) continue;
    ++taken;
    for (int i = 0; i < 40; ++i) {
      const Decision& made =
          other.tick({.t = 1005.0 + 5 * i, .arrivals = 40, .fleet = {{.ready = 3}}});
      ASSERT_GE(made.desired, 2U);
      ASSERT_LE(made.desired, 30U);
    }
    Controller third(options);
    const auto again = third.restore(other.save(), 5);
    ASSERT_TRUE(again) << again.error().where << again.error().message;
  }
  EXPECT_GT(taken, 30);
}

TEST(ControllerState, ReadUnderAnotherConfigurationIsAsReloadedUnderIt) {
  const auto options = pool_options();
  const Controller controller = seasoned(options);
  std::vector<Controller::Options> others(6, options);
  others[0].autoscale.max = 40;
  others[1].autoscale.policy = ScalePolicy::kTarget;
  others[2].autoscale.forecaster = ForecastKind::kKalman;
  std::swap(others[3].classes[0], others[3].classes[1]);
  others[4].classes.push_back({.name = "more", .capacity = 9, .price_per_hour = 90});
  others[5].classes.erase(others[5].classes.begin());
  for (const auto& other : others) {
    Controller restarted(other);
    ASSERT_TRUE(restarted.restore(controller.save(), 3500));
    Controller reloaded(options);
    ASSERT_TRUE(reloaded.restore(controller.save(), 3500));
    reloaded.configure(other);
    World world(other.classes, 5);
    for (int i = 0; i < 100; ++i) {
      auto seen = world.pass(5);
      seen.t += 3500;
      ASSERT_EQ(text_of(restarted.tick(seen)), text_of(reloaded.tick(seen)));
      world.obey(restarted.decision().wanted);
    }
  }
}

TEST(ControllerState, HostileRatesLeaveAStateThatCanBeReadAgain) {
  for (const auto policy : {ScalePolicy::kPredictive, ScalePolicy::kTarget}) {
    auto options = pool_options(policy);
    options.classes[0].capacity = 0.001;
    options.autoscale.late_cost = 1e6;
    Controller controller(options);
    forecast::Dice dice(6);
    double t = 0;
    for (int i = 0; i < 400; ++i) {
      t += dice.uniform() < 0.1 ? 0.001 : 5;
      const double much = dice.uniform() < 0.3 ? 0 : std::pow(10.0, 12 * dice.uniform());
      controller.tick({.t = t, .arrivals = much, .queue = much, .fleet = {{.ready = 3}}});
      ASSERT_LE(controller.decision().desired, 30U);
      if (i % 40 != 0) continue;
      Controller other(options);
      const auto read = other.restore(Json::parse(controller.save().dump()), 0);
      ASSERT_TRUE(read) << read.error().where << " " << read.error().message;
    }
  }
}

bool of_need(Cause cause) {
  return cause == Cause::kHold || cause == Cause::kLoad || cause == Cause::kBacklog ||
         cause == Cause::kBurst || cause == Cause::kForecast || cause == Cause::kThreshold;
}

// A fleet that dies, appears, does not follow; observations that are refused or silent; ticks that
// are late or missed; restarts; a budget and steps.
void two_weeks(ScalePolicy policy, ForecastKind forecaster, std::uint64_t seed) {
  auto options = pool_options(policy, forecaster);
  auto& scale = options.autoscale;
  scale.budget_per_hour = 70;
  scale.step_up = 6;
  scale.step_down = 3;
  scale.tick_s = 15;
  World world(options.classes, seed);
  auto& dice = world.dice();
  auto controller = std::make_unique<Controller>(options);
  bool deaf = false;
  int silent_ticks = 0;
  int refused_ticks = 0;
  int falls = 0;
  int deficits = 0;
  std::vector<unsigned> asked_before;
  std::vector<unsigned> fleet_before;
  double needed_before = 0;
  while (world.t() < 14 * 86400) {
    double seconds = 15;
    if (dice.uniform() < 0.05) seconds = 1 + std::floor(dice.uniform() * 40);
    if (dice.uniform() < 0.002) seconds = 600;
    if (dice.uniform() < 0.01) world.fail(0);
    if (dice.uniform() < 0.01) world.fail(1);
    if (dice.uniform() < 0.005) world.appear(1);
    if (dice.uniform() < 0.01) deaf = !deaf;
    Observation seen = world.pass(seconds);
    if (dice.uniform() < 0.02) seen.arrivals *= 50;
    if (dice.uniform() < 0.02) seen.arrivals = 0;
    if (dice.uniform() < 0.05) seen.silent = dice.uniform() < 0.3 ? 1 : dice.uniform();
    const double chance = dice.uniform();
    if (chance < 0.005) seen.queue = std::numeric_limits<double>::quiet_NaN();
    if (chance > 0.995) seen.t -= 1e6;
    const Decision before = controller->decision();
    const Decision& made = controller->tick(seen);
    ASSERT_EQ(std::accumulate(made.wanted.begin(), made.wanted.end(), 0U), made.desired);
    ASSERT_GE(made.desired, scale.min) << made.reason;
    ASSERT_LE(made.desired, scale.max) << made.reason;
    double price = 0;
    for (std::size_t i = 0; i < made.wanted.size(); ++i)
      price += made.wanted[i] * options.classes[i].price_per_hour;
    ASSERT_LE(price, scale.budget_per_hour) << made.reason;
    ASSERT_FALSE(made.reason.empty());
    if (chance < 0.005 || chance > 0.995) {
      ++refused_ticks;
      ASSERT_EQ(made.wanted, before.wanted);
      continue;
    }
    // What appeared by itself may be over the bounds; these hold at once.
    double there = 0;
    for (std::size_t i = 0; i < seen.fleet.size(); ++i)
      there += (seen.fleet[i].ready + seen.fleet[i].starting) * options.classes[i].price_per_hour;
    const bool over = there > scale.budget_per_hour || made.before > scale.max;
    if (seen.silent > 0 && !over) {
      ++silent_ticks;
      ASSERT_GE(made.desired, std::min(made.before, before.desired)) << made.reason;
      if (seen.silent < 1) {
        ASSERT_GE(made.desired, made.before) << made.reason;
      }
    }
    // One deficit, one step: what was ordered in full is not ordered again, neither while the fleet
    // stands as it did nor when it has followed, unless more is needed.
    const auto fleet_is = [&](const std::vector<unsigned>& counts) {
      return std::ranges::equal(counts, seen.fleet, [](unsigned count, const Fleet& one) {
        return count == one.ready + one.starting;
      });
    };
    if (asked_before == before.wanted && before.desired > before.before && before.uncovered == 0 &&
        (fleet_is(fleet_before) || fleet_is(before.wanted)) && made.needed <= needed_before &&
        of_need(before.cause) && of_need(made.cause) && made.cause != Cause::kBurst) {
      ++deficits;
      ASSERT_LE(price, std::max(before.cost_per_hour, there) * (1 + 1e-9))
          << before.reason << " then " << made.reason;
    }
    if (made.desired > made.before && made.cause != Cause::kCost && made.cause != Cause::kBlind &&
        made.before >= scale.min) {
      ASSERT_GT(made.needed, 0) << made.reason;
    }
    falls += made.desired < made.before ? 1 : 0;
    asked_before = made.wanted;
    fleet_before.clear();
    for (const auto& one : seen.fleet) fleet_before.push_back(one.ready + one.starting);
    needed_before = made.needed;
    if (!deaf) world.obey(made.wanted);
    if (dice.uniform() < 0.002) {
      const Json state = controller->save();
      asked_before.clear();  // the figures that led to a decision are told once, and not kept
      controller = std::make_unique<Controller>(options);
      if (dice.uniform() < 0.8) {
        ASSERT_TRUE(controller->restore(state, seen.t));
      }
    }
  }
  EXPECT_GT(silent_ticks, 1000);
  EXPECT_GT(refused_ticks, 300);
  EXPECT_GT(falls, 50);
  EXPECT_GT(deficits, 20);
}

TEST(ControllerState, TwoWeeksOfFaultsBreakNoBoundByTheTarget) {
  two_weeks(ScalePolicy::kTarget, ForecastKind::kLastValue, 1);
}
TEST(ControllerState, TwoWeeksOfFaultsBreakNoBoundByTheThreshold) {
  two_weeks(ScalePolicy::kThreshold, ForecastKind::kLastValue, 2);
}
TEST(ControllerState, TwoWeeksOfFaultsBreakNoBoundByTheForecast) {
  two_weeks(ScalePolicy::kPredictive, ForecastKind::kEnsemble, 3);
}
TEST(ControllerState, TwoWeeksOfFaultsBreakNoBoundByTheCost) {
  two_weeks(ScalePolicy::kCostAware, ForecastKind::kQuantile, 4);
}

}  // namespace
}  // namespace sluice::autoscale
