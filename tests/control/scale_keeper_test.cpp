// SPDX-License-Identifier: Apache-2.0
#include "control/scale_keeper.hpp"

#include "control/scale_fixture.hpp"

namespace sluice::control {
namespace {

TEST_F(ScaleKeeperTest, AnEmptyPoolGetsItsLeastNumberAndEachDecisionIsTold) {
  settings().min = 2;
  keep();
  pass(3s);
  EXPECT_EQ(ordered(Verb::kStart).size(), 2U) << "and not again while they start";
  EXPECT_TRUE(table_.empty()) << "who has no address yet is in no table";
  obey();
  ASSERT_EQ(table_.size(), 2U);
  EXPECT_EQ(table_[0].backend_class, "h100");
  serve(3s);
  EXPECT_EQ(pool().fleet().counts()[0].ready, 2U);
  ASSERT_FALSE(told("decided").empty());
  EXPECT_THAT(told("decided")[0], HasSubstr("pool llama: "));
  EXPECT_THAT(told("decided")[0], HasSubstr("demand "));
  EXPECT_EQ(ordered(Verb::kStart).size(), 2U);
}

TEST_F(ScaleKeeperTest, APoolGrowsWithItsFlowsAndShrinksByDrainingFirst) {
  keep();
  serve(5s);
  serve(30s, 30);
  const auto most = pool().fleet().counts()[0].ready;
  EXPECT_GE(most, 3U) << "30 flows/s of 10 each";
  EXPECT_TRUE(ordered(Verb::kStop).empty());
  for (int i = 0; i < 120 && table_.size() > 1; ++i) {
    for (const auto& name : ordered(Verb::kStop))
      for (const auto& seen : table_) EXPECT_NE(seen.name, name) << "it left the table first";
    serve(5s, 1);
  }
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(ordered(Verb::kStop).size(), most - 1);
}

TEST_F(ScaleKeeperTest, WhoAsksAPoolAtZeroWaitsForNoTick) {
  settings().min = 0;
  settings().tick_s = 30;
  keep();
  pass(31s);
  EXPECT_TRUE(ordered(Verb::kStart).empty());
  EXPECT_TRUE(pool().awaits()) << "its clients are kept waiting";
  EXPECT_EQ(keeper_->awaiting(), (std::set<std::string>{"llama"}));
  ++unserved_;
  pass(2 * ScaleKeeper::kWatch);
  EXPECT_EQ(ordered(Verb::kStart).size(), 1U);
  obey();
  EXPECT_TRUE(pool().awaits()) << "while it starts, too";
  const auto changes = awaiting_changes_;
  serve(31s);
  EXPECT_FALSE(pool().awaits());
  EXPECT_GT(awaiting_changes_, changes);
}

TEST_F(ScaleKeeperTest, ClientsOfABackendThatFellAreRefused) {
  keep();
  serve(5s);
  ASSERT_FALSE(pool().awaits());
  table_[0].health = Seen::Health::kDown;
  pass(2s);
  EXPECT_FALSE(pool().awaits()) << "that is no scaling";
}

TEST_F(ScaleKeeperTest, AnIdlePoolGoesToZeroAndWaits) {
  settings().min = 0;
  keep();
  ++unserved_;
  pass(2s);
  serve(5s, 2);
  ASSERT_EQ(table_.size(), 1U);
  for (int i = 0; i < 100 && !table_.empty(); ++i) serve(5s);
  EXPECT_TRUE(table_.empty());
  EXPECT_TRUE(pool().awaits());
}

TEST_F(ScaleKeeperTest, AdviceIsToldAndNothingIsDone) {
  settings().mode = config::ScaleMode::kAdvise;
  settings().min = 2;
  keep();
  pass(5s);
  EXPECT_EQ(pool().controller().decision().desired, 2U);
  EXPECT_TRUE(ordered(Verb::kStart).empty());
  EXPECT_TRUE(table_.empty());
  EXPECT_FALSE(pool().awaits());
  ASSERT_FALSE(told("decided").empty());
  EXPECT_THAT(told("decided")[0], HasSubstr("advises "));
}

TEST_F(ScaleKeeperTest, ACountByHandHoldsUntilItExpiresAndSaysWhoWishedIt) {
  keep();
  serve(5s);
  pass(700ms);
  ASSERT_TRUE(pool().override_with(3, 60s, "uid 0"));
  EXPECT_EQ(ordered(Verb::kStart).size(), 3U) << "at once";
  serve(50s);
  EXPECT_EQ(table_.size(), 3U);
  EXPECT_NEAR(pool().override_left().value(), 10, 0.5);
  EXPECT_THAT(told("override").at(0), HasSubstr("3 backends for 60 s, by uid 0"));
  EXPECT_TRUE(told("override_ended").empty());
  serve(12s);
  EXPECT_EQ(told("override_ended").size(), 1U);
  EXPECT_FALSE(pool().override_left());
}

TEST_F(ScaleKeeperTest, ACountBeyondTheBoundsIsRefused) {
  keep();
  const auto refused = pool().override_with(9, std::nullopt, "uid 0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_EQ(refused.error().message,
            "9 is not from 1 to 8, the pool's min and max; give such a number, or change them in "
            "the configuration");
  EXPECT_FALSE(pool().override_with(0, std::nullopt, "uid 0"));
  EXPECT_EQ(pool().controller().standing(), autoscale::Standing::kAuto);
}

TEST_F(ScaleKeeperTest, APausedPoolKeepsItsSizeUntilResumed) {
  keep();
  serve(5s);
  pool().pause("uid 0");
  serve(30s, 50);
  EXPECT_EQ(table_.size(), 1U);
  pool().resume("uid 0");
  serve(20s, 50);
  EXPECT_GT(table_.size(), 1U);
}

TEST_F(ScaleKeeperTest, TicksThatComeLateAndClocksThatJumpAreTold) {
  keep();
  pass(3s);
  EXPECT_TRUE(told("tick_late").empty());
  EXPECT_TRUE(told("clock_jumped").empty());
  now_ += 10s;  // the node slept
  wall_ += 10s;
  pass(1s);
  EXPECT_EQ(told("tick_late").size(), 1U);
  EXPECT_EQ(pool().counts().late_ticks, 1U);
  wall_ -= 3600s;
  pass(1s);
  ASSERT_EQ(told("clock_jumped").size(), 1U);
  EXPECT_THAT(told("clock_jumped")[0], HasSubstr("-3600 s"));
}

TEST_F(ScaleKeeperTest, AReloadTakesOptionsAndForgetsNothing) {
  keep();
  serve(5s);
  ASSERT_EQ(table_.size(), 1U);
  settings().min = 3;
  settings().tick_s = 2;
  keeper_->follow(configuration_);
  serve(8s);
  EXPECT_EQ(table_.size(), 3U);
  EXPECT_EQ(ordered(Verb::kStart).size(), 3U) << "the one that was there stays";
}

TEST_F(ScaleKeeperTest, APoolThatIsScaledNoMoreKeepsItsBackends) {
  keep();
  serve(5s);
  configuration_.pools[0].autoscale.reset();
  keeper_->follow(configuration_);
  EXPECT_EQ(keeper_->find("llama"), nullptr);
  const auto orders = orders_.size();
  pass(10s);
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(orders_.size(), orders);
  EXPECT_EQ(told("given_up").size(), 1U);
}

TEST_F(ScaleKeeperTest, AnActuatorThatCannotBeMadeIsToldOnceAndTriedAgain) {
  actuator_problem_ = "the secret is not there";
  keep();
  pass(5s);
  EXPECT_EQ(told("actuator_not_ready").size(), 1U);
  EXPECT_EQ(pool().actuator(), nullptr);
  EXPECT_THAT(pool().trouble(), HasSubstr("the secret is not there"));
  actuator_problem_.clear();
  // Failed orders are held back for a while.
  for (int i = 0; i < 100 && table_.empty(); ++i) serve(10s);
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(ScaleKeeperTest, ABackendThatTheTableRefusesIsToldAndNotServed) {
  table_full_ = true;
  keep();
  pass(2s);
  obey();
  EXPECT_TRUE(table_.empty());
  EXPECT_FALSE(told("not_changed").empty());
  pass(2s);
  EXPECT_EQ(pool().fleet().counts()[0].ready, 0U);
}

TEST_F(ScaleKeeperTest, ReportsThatNobodyWaitsForChangeNothing) {
  keep();
  serve(5s);
  actuator_->report({.order_id = "edge-1-0-77", .end = Report::End::kDone});
  pass(2s);
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(ordered(Verb::kStart).size(), 1U);
}

}  // namespace
}  // namespace sluice::control
