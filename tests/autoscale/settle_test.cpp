// SPDX-License-Identifier: Apache-2.0
#include "autoscale/settle.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <vector>

namespace sluice::autoscale {
namespace {

using Counts = std::vector<unsigned>;

constexpr double kDrain = 30;
constexpr double kUnbounded = std::numeric_limits<double>::max();

// A pool whose fleet does at once what is asked of it, unless told otherwise.
class Settle : public testing::Test {
 protected:
  void SetUp() override {
    options_.min = 1;
    options_.max = 50;
    classes_ = {{.name = "large", .capacity = 4, .price_per_hour = 4, .cold_start_s = 60},
                {.name = "small", .capacity = 1, .price_per_hour = 1.5, .cold_start_s = 60}};
    fleet_ = {{.ready = 2}, {.ready = 0}};
  }

  [[nodiscard]] Present present() const {
    Present now{.t = t_, .fleet = fleet_, .min = options_.min, .max = options_.max};
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const double capacity = classes_[i].capacity;
      now.learned.push_back({.cold_start_s = classes_[i].cold_start_s, .capacity = capacity});
      now.ready += fleet_[i].ready * capacity;
      now.capacity += now.of(i) * capacity;
      now.count += now.of(i);
    }
    return now;
  }
  Settled settle(const Need& need, bool burst = false, bool blind = false) {
    last_ = settling_.settle(present(), need, options_, classes_, kDrain, burst, blind);
    return last_;
  }
  // Exactly so much is needed.
  Settled settle(double need) { return settle({.rise = need, .set = need, .floor = need}); }
  Settled set(unsigned count) {
    last_ = settling_.set(present(), count, options_, classes_);
    return last_;
  }
  void obey() {
    for (std::size_t i = 0; i < fleet_.size(); ++i) fleet_[i] = {.ready = last_.wanted[i]};
  }
  // As long as what was there at first is held.
  void grow_old() {
    settle(present().capacity);
    t_ += 1000;
  }
  [[nodiscard]] bool has(Limit limit) const {
    return (last_.limits & static_cast<std::uint16_t>(limit)) != 0;
  }

  config::Autoscale options_;
  std::vector<config::BackendClass> classes_;
  std::vector<Fleet> fleet_;
  Settling settling_;
  Settled last_;
  double t_ = 1000;
};

TEST_F(Settle, RisesToWhatIsToBeSetByTheCheapestThatCoversIt) {
  EXPECT_EQ(settle({.rise = 9, .set = 12}).wanted, (Counts{3, 0}));
  EXPECT_EQ(settle({.rise = 9, .set = 13}).wanted, (Counts{3, 1}));
  EXPECT_EQ(last_.cause, Cause::kLoad);
  EXPECT_EQ(last_.uncovered, 0);
}

TEST_F(Settle, StaysBetweenRiseAndFloor) {
  grow_old();
  EXPECT_EQ(settle({.rise = 8, .set = 20, .floor = 8}).wanted, (Counts{2, 0}));
  EXPECT_EQ(last_.cause, Cause::kHold);
}

TEST_F(Settle, AsksForNothingMoreWhileWhatIsStartingCoversTheNeed) {
  settle(16);
  fleet_ = {{.ready = 2, .starting = 2}, {}};
  for (int i = 0; i < 20; ++i) {
    t_ += 5;
    EXPECT_EQ(settle(16).wanted, (Counts{4, 0}));
    EXPECT_TRUE(has(Limit::kStarting));
  }
}

TEST_F(Settle, AsksForTheSameWhileTheFleetDoesNotFollow) {
  for (int i = 0; i < 20; ++i) {
    t_ += 5;
    EXPECT_EQ(settle(16).wanted, (Counts{4, 0}));
  }
}

TEST_F(Settle, FallsOneHoldTimeAfterTheLastOnesCame) {
  grow_old();
  settle(16);
  obey();
  for (int i = 0; i < 90; i += 5) {
    EXPECT_EQ(settle(8).wanted, (Counts{4, 0})) << i;
    EXPECT_TRUE(has(Limit::kHoldTime));
    t_ += 5;
  }
  EXPECT_EQ(settle(8).wanted, (Counts{2, 0}));
  EXPECT_EQ(last_.cause, Cause::kFall);
}

TEST_F(Settle, TakesNothingAwayForOneHoldTimeAfterItBegan) {
  options_.hold_s = 40;
  EXPECT_EQ(settle(4).wanted, (Counts{2, 0}));
  t_ += 39;
  EXPECT_EQ(settle(4).wanted, (Counts{2, 0}));
  t_ += 1;
  EXPECT_EQ(settle(4).wanted, (Counts{1, 0}));
}

TEST_F(Settle, StepsUpAreBoundedButInABurstAndFromNothing) {
  options_.step_up = 2;
  EXPECT_EQ(settle(40).wanted, (Counts{4, 0}));
  EXPECT_TRUE(has(Limit::kStep));
  EXPECT_EQ(last_.uncovered, 24);
  EXPECT_EQ(settle({.rise = 40, .set = 40}, true).wanted, (Counts{10, 0}));
  EXPECT_EQ(last_.cause, Cause::kBurst);
  fleet_ = {{}, {}};
  EXPECT_EQ(settle(40).wanted, (Counts{10, 0}));
}

TEST_F(Settle, StepsDownAreBoundedAndApartByTheCooldown) {
  options_.step_down = 3;
  options_.cooldown_s = 100;
  fleet_[0].ready = 10;
  grow_old();
  EXPECT_EQ(settle(4).wanted, (Counts{7, 0}));
  EXPECT_TRUE(has(Limit::kStep));
  obey();
  t_ += 99;
  EXPECT_EQ(settle(4).wanted, (Counts{7, 0}));
  EXPECT_TRUE(has(Limit::kCooldown));
  t_ += 1;
  EXPECT_EQ(settle(4).wanted, (Counts{4, 0}));
}

TEST_F(Settle, TakesNothingAwayBlind) {
  fleet_[0].ready = 10;
  grow_old();
  EXPECT_EQ(settle({.floor = 4}, false, true).wanted, (Counts{10, 0}));
  EXPECT_TRUE(has(Limit::kSilent));
}

TEST_F(Settle, BoundsThatWereLoweredHoldAtOnceAndLeaveAllThatTheyLet) {
  fleet_[0].ready = 10;
  options_.max = 6;
  // Whatever the need: "as much as there is", nothing at all, or more than there may be.
  for (const Need& need :
       {Need{.floor = kUnbounded}, Need{.rise = 100, .set = 100, .floor = 100}}) {
    for (const bool blind : {false, true}) {
      EXPECT_EQ(settle(need, false, blind).wanted, (Counts{6, 0}));
      EXPECT_TRUE(has(Limit::kMax));
    }
  }
  EXPECT_EQ(last_.uncovered, 76);
}

TEST_F(Settle, BudgetThatWasLoweredHoldsAtOnceAndLeavesAllThatItPaysFor) {
  fleet_ = {{.ready = 10}, {.ready = 4}};
  options_.budget_per_hour = 22;
  for (const Need& need :
       {Need{.floor = kUnbounded}, Need{.rise = 100, .set = 100, .floor = 100}}) {
    EXPECT_EQ(settle(need).wanted, (Counts{5, 1}));
    EXPECT_TRUE(has(Limit::kBudget));
  }
}

TEST_F(Settle, BudgetBindsARiseAndWhatIsLeftOpenIsSaid) {
  options_.budget_per_hour = 13;
  EXPECT_EQ(settle(40).wanted, (Counts{3, 0}));
  EXPECT_TRUE(has(Limit::kBudget));
  EXPECT_EQ(last_.uncovered, 28);
}

TEST_F(Settle, MinIsFilledWhateverTheNeedAndComesBeforeTheBudget) {
  options_.min = 5;
  options_.budget_per_hour = 9;
  EXPECT_EQ(settle({.floor = kUnbounded}).wanted, (Counts{2, 3}));
  fleet_ = {{}, {}};
  EXPECT_EQ(settle({.floor = kUnbounded}).wanted, (Counts{0, 5}));
}

TEST_F(Settle, CountSetByHandIsWithinTheBoundsAndTheBudget) {
  EXPECT_EQ(set(5).wanted, (Counts{2, 3}));
  EXPECT_EQ(last_.cause, Cause::kOverride);
  EXPECT_EQ(set(1).wanted, (Counts{1, 0}));
  options_.max = 4;
  EXPECT_EQ(set(9).wanted, (Counts{2, 2}));
  EXPECT_TRUE(has(Limit::kMax));
  options_.min = 3;
  EXPECT_EQ(set(0).wanted, (Counts{2, 1}));
  EXPECT_TRUE(has(Limit::kMin));
}

TEST_F(Settle, CountSetByHandIsAsLargeAsTheBudgetLets) {
  classes_.pop_back();
  fleet_.pop_back();
  options_.budget_per_hour = 24;
  EXPECT_EQ(set(10).wanted, (Counts{6}));
  EXPECT_TRUE(has(Limit::kBudget));
  options_.budget_per_hour = 4;  // lowered below what is there
  EXPECT_EQ(set(10).wanted, (Counts{1}));
  EXPECT_EQ(set(2).wanted, (Counts{1}));
}

class SettleMix : public Settle {
 protected:
  void SetUp() override {
    Settle::SetUp();
    options_.policy = config::ScalePolicy::kCostAware;
    fleet_ = {{.ready = 0}, {.ready = 8}};  // 12 an hour, for what costs 8
  }
  // Until the replacement is ordered.
  void wait() {
    grow_old();
    for (int i = 0; i < 200 && settle(8).cause != Cause::kCost; ++i) t_ += 5;
    ASSERT_EQ(last_.cause, Cause::kCost);
  }
};

TEST_F(SettleMix, WhatIsNewComesFirstAndWhatIsOldGoesWhenTheNewIsReady) {
  wait();
  EXPECT_EQ(last_.wanted, (Counts{2, 8}));
  fleet_[0] = {.starting = 2};
  t_ += 60;
  EXPECT_EQ(settle(8).wanted, (Counts{2, 8}));
  fleet_[0] = {.ready = 1, .starting = 1};
  EXPECT_EQ(settle(8).wanted, (Counts{2, 8}));
  fleet_[0] = {.ready = 2};
  EXPECT_EQ(settle(8).wanted, (Counts{2, 0}));
  obey();
  t_ += 5;
  EXPECT_EQ(settle(8).wanted, (Counts{2, 0}));
  EXPECT_EQ(last_.cause, Cause::kHold);
}

TEST_F(SettleMix, MustHaveBeenCheaperForLong) {
  fleet_ = {{.ready = 2}, {}};
  grow_old();
  fleet_ = {{}, {.ready = 8}};
  for (int i = 0; i < 20; ++i) {
    t_ += 290;
    EXPECT_EQ(settle(8).wanted, (Counts{0, 8}));
    t_ += 5;
    EXPECT_EQ(settle(8).cause, Cause::kHold);
    fleet_[0] = {.ready = 2};  // for a moment there is nothing to gain
    fleet_[1] = {};
    EXPECT_EQ(settle(8).cause, Cause::kHold);
    fleet_[0] = {};
    fleet_[1] = {.ready = 8};
  }
}

TEST_F(SettleMix, GivesUpInTimeWhenTheNewDoesNotCome) {
  wait();
  t_ += 180;
  EXPECT_EQ(settle(8).wanted, (Counts{2, 8}));
  t_ += 5;
  EXPECT_EQ(settle(8).wanted, (Counts{0, 8}));
  EXPECT_EQ(last_.cause, Cause::kHold);
}

TEST_F(SettleMix, IsLeftAloneWhereThereIsNoRoomForBothAtOnce) {
  options_.max = 9;
  grow_old();
  for (int i = 0; i < 200; ++i) {
    t_ += 5;
    ASSERT_EQ(settle(8).wanted, (Counts{0, 8}));
  }
}

TEST_F(SettleMix, IsLeftAloneWhereTheBudgetDoesNotPayForBothAtOnce) {
  options_.budget_per_hour = 19;
  grow_old();
  bool said = false;
  for (int i = 0; i < 200; ++i) {
    t_ += 5;
    ASSERT_EQ(settle(8).wanted, (Counts{0, 8}));
    said |= has(Limit::kBudget);
  }
  EXPECT_TRUE(said);
}

TEST_F(SettleMix, IsNotBegunBlindAndEndsWhenMoreIsNeeded) {
  grow_old();
  for (int i = 0; i < 200; ++i) {
    t_ += 5;
    ASSERT_EQ(settle({.rise = 8, .set = 8, .floor = 8}, false, true).wanted, (Counts{0, 8}));
  }
  wait();
  EXPECT_EQ(settle(16).wanted, (Counts{2, 8}));
  EXPECT_EQ(last_.cause, Cause::kLoad);
}

TEST_F(SettleMix, GoesOnAfterARestartInItsMidst) {
  wait();
  const auto state = forecast::write_fields([&](auto& fields) { settling_.keep(fields, t_, 2); });
  settling_ = {};
  t_ += 5000;  // another clock
  ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { settling_.keep(f, t_, 2); }));
  t_ += 180;
  EXPECT_EQ(settle(8).wanted, (Counts{2, 8}));
  t_ += 5;
  EXPECT_EQ(settle(8).wanted, (Counts{0, 8}));
}

TEST_F(SettleMix, ReadsNoTargetOfOtherClasses) {
  wait();
  auto state = forecast::write_fields([&](auto& fields) { settling_.keep(fields, t_, 2); });
  state["target"] = {3.0};
  const auto read = forecast::read_fields(state, [&](auto& f) { settling_.keep(f, t_, 2); });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().where, "/target");
}

}  // namespace
}  // namespace sluice::autoscale
