// SPDX-License-Identifier: Apache-2.0
// What of the scaling of pools outlives the daemon.
#include "control/scale_fixture.hpp"

namespace sluice::control {
namespace {

TEST_F(ScaleKeeperTest, ARestartInTheMiddleOfAStartRepeatsItsOrderAndGivesNoOther) {
  keep();
  pass(2s);
  const auto before = ordered(Verb::kStart);
  ASSERT_EQ(before.size(), 1U);
  std::string id;
  for (const auto& order : orders_)
    if (order.verb == Verb::kStart) id = order.id;
  restart();
  pass(3s);
  ASSERT_EQ(ordered(Verb::kStart), before);
  for (const auto& order : orders_) {
    if (order.verb != Verb::kStart) continue;
    EXPECT_EQ(order.id, id) << "an idempotency key";
  }
  EXPECT_EQ(told("restored").size(), 1U);
}

TEST_F(ScaleKeeperTest, ARestartGoesOnWithAnOverride) {
  keep();
  serve(5s);
  ASSERT_TRUE(pool().override_with(2, 100s, "uid 0"));
  serve(5s);
  restart();
  EXPECT_EQ(pool().controller().standing(), autoscale::Standing::kOverride);
  serve(5s);
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_TRUE(pool().override_left().has_value());
}

TEST_F(ScaleKeeperTest, AnOverrideRunsOutWhileTheDaemonIsAway) {
  keep();
  serve(5s);
  ASSERT_TRUE(pool().override_with(2, 100s, "uid 0"));
  serve(5s);
  const auto away = [&](std::chrono::seconds time) {
    keeper_->save();
    keeper_.reset();
    wall_ += time;
    demands_.clear();
    keep();
  };
  away(40s);
  ASSERT_TRUE(pool().override_left().has_value());
  EXPECT_NEAR(*pool().override_left(), 55, 2);
  EXPECT_EQ(pool().controller().standing(), autoscale::Standing::kOverride);
  away(-100'000s);
  EXPECT_NEAR(*pool().override_left(), 55, 2) << "a clock that goes back prolongs nothing";
  away(60s);
  EXPECT_EQ(*pool().override_left(), 0);
  serve(3s);
  EXPECT_EQ(pool().controller().standing(), autoscale::Standing::kAuto);
  EXPECT_EQ(told("override_ended").size(), 1U);
}

TEST_F(ScaleKeeperTest, WithoutStateNothingIsTakenAwayBlind) {
  keep();
  serve(5s);
  serve(30s, 40);
  const auto size = table_.size();
  ASSERT_GT(size, 2U);
  keeper_.reset();
  std::filesystem::remove_all(directory_);
  demands_.clear();
  orders_.clear();
  obeyed_ = 0;
  keep();
  pass(5s);
  EXPECT_TRUE(ordered(Verb::kStop).empty());
  for (const auto& seen : table_) EXPECT_EQ(seen.wish, Seen::Wish::kServe) << seen.name;
}

TEST_F(ScaleKeeperTest, ADamagedStateIsToldKeptBesideAndNotBelieved) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ / "scale.json") << R"({"version": 1, "checksum": "0", "body": {}})";
  keep();
  EXPECT_EQ(told("state_not_loaded").size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(directory_ / "scale.json.damaged-1"));
  pass(2s);
  EXPECT_EQ(ordered(Verb::kStart).size(), 1U);
}

TEST_F(ScaleKeeperTest, AStateThatIsNoPoolsStateIsToldAndThePoolBeginsAnew) {
  keep();
  pass(1s);
  restart();
  keeper_.reset();
  // Good by its checksum and version, and absurd.
  std::filesystem::create_directories(directory_);
  ASSERT_TRUE(save_state(directory_ / "scale.json", ScaleKeeper::kVersion,
                         {{"saved_ms", 1}, {"life", 7}, {"pools", {{"llama", {{"fleet", 3}}}}}}));
  demands_.clear();
  keep();
  EXPECT_EQ(told("not_restored").size(), 1U);
  pass(2s);
  EXPECT_TRUE(pool().decided());
}

TEST_F(ScaleKeeperTest, IdsOfOrdersDifferInEachLifeAlsoWhenTheClockGoesBack) {
  keep();
  pass(2s);
  const auto id_of_list = [&] {
    for (const auto& order : orders_)
      if (order.verb == Verb::kList) return order.id;
    return std::string("none");
  };
  const auto first = id_of_list();
  wall_ -= 24h;
  restart();
  pass(2s);
  EXPECT_NE(id_of_list(), first);
  EXPECT_THAT(first, HasSubstr("edge-1-"));
}

TEST_F(ScaleKeeperTest, TheHistoryOfTheLoadOutlivesTheDaemonAlsoOneThatIsKilled) {
  keep();
  serve(30s, 4);
  keeper_->save_histories();
  restart();
  const auto kept = pool().history().stretch(1, std::nullopt).requests_per_s;
  ASSERT_GT(kept.size(), 20U);
  EXPECT_NEAR(kept.back(), 4, 1);
  const auto file = directory_ / "history" / "llama.series";
  std::filesystem::remove(file);
  pass(std::chrono::minutes(11), 4);
  EXPECT_TRUE(std::filesystem::exists(file)) << "written now and then";
}

TEST_F(ScaleKeeperTest, AHistoryThatCannotBeReadIsToldAndCostsNothingElse) {
  keep();
  serve(30s, 4);
  restart();
  keeper_->save_histories();
  std::ofstream(directory_ / "history" / "llama.series") << "torn";
  restart();
  ASSERT_EQ(told("history_not_loaded").size(), 1U);
  EXPECT_THAT(told("history_not_loaded")[0], HasSubstr("llama.series.damaged-1"));
  EXPECT_EQ(told("restored").size(), 2U) << "the state of the controller";
}

TEST_F(ScaleKeeperTest, TheHistoryOfAPoolThatLeavesTheFileGoesAndThatOfOneNotScaledStays) {
  keep();
  serve(30s, 4);
  keeper_->save_histories();
  const auto file = directory_ / "history" / "llama.series";
  ASSERT_TRUE(std::filesystem::exists(file));
  keeper_->forget_histories(configuration_);
  EXPECT_TRUE(std::filesystem::exists(file)) << "its pool is there";
  auto unscaled = configuration_;
  unscaled.pools[0].autoscale.reset();
  keeper_->follow(unscaled);
  keeper_->forget_histories(unscaled);
  EXPECT_TRUE(std::filesystem::exists(file)) << "it may be scaled again";
  auto without = configuration_;
  without.pools.clear();
  keeper_->follow(without);
  EXPECT_TRUE(std::filesystem::exists(file)) << "applied, not in the file";
  keeper_->forget_histories(without);
  EXPECT_FALSE(std::filesystem::exists(file));
  ASSERT_EQ(told("history_removed").size(), 1U);
  EXPECT_THAT(told("history_removed")[0], HasSubstr("pool llama"));
  keeper_->forget_histories(without);
  EXPECT_EQ(told("history_removed").size(), 1U) << "once";
}

}  // namespace
}  // namespace sluice::control
