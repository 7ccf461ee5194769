// SPDX-License-Identifier: Apache-2.0
#include "actuate/one_fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::actuate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(OneFleet, StartsTheLowestFreeNumbersOnceAndTellsHowLongTheyTook) {
  EXPECT_THAT(step(2), ElementsAre("start llama-h100-1", "start llama-h100-2"));
  EXPECT_THAT(step(2), IsEmpty());
  reports_ = {done(given_[0])};
  EXPECT_THAT(step(2), IsEmpty());
  EXPECT_EQ(counts().starting, 2U);
  table_.at(0).health = Seen::Health::kReady;
  step(2, 20);
  ASSERT_EQ(fleet_->lessons().starts.size(), 1U);
  EXPECT_EQ(fleet_->lessons().starts[0].seconds, 22);
  EXPECT_EQ(counts().ready, 1U);
  EXPECT_EQ(counts().starting, 1U);
}

TEST_F(OneFleet, NeverPassesMax) { EXPECT_EQ(step(99).size(), 4U); }

TEST_F(OneFleet, NamesOfTheTableAreNotGivenAgain) {
  table_ = {{.name = "llama-h100-1", .health = Seen::Health::kReady, .configured = true}};
  EXPECT_THAT(step(2), ElementsAre("start llama-h100-2"));  // and it counts
}

TEST_F(OneFleet, VictimHasTheFewestFlowsAndIsStoppedWhenItHasNone) {
  grow(3, 7);
  row("llama-h100-2").flows = 4;
  step(2);
  EXPECT_EQ(row("llama-h100-2").wish, Seen::Wish::kDrain);
  EXPECT_EQ(counts().draining, 1U);
  EXPECT_THAT(step(2, 20), IsEmpty());
  row("llama-h100-2").flows = 0;
  step(2);
  EXPECT_EQ(table_.size(), 2U);  // out of the table first
  EXPECT_THAT(step(2), ElementsAre("stop llama-h100-2"));
  EXPECT_THAT(step(2), IsEmpty());
  reports_ = {done(last_)};
  step(2);
  EXPECT_EQ(fleet_->units().size(), 2U);
}

TEST_F(OneFleet, FlowsThatAreNotKnownCountAsSome) {
  grow(2, 0);
  for (auto& each : table_) each.flows.reset();
  step(1);
  EXPECT_THAT(step(1, 90), IsEmpty());
  EXPECT_EQ(table_.size(), 2U);
}

TEST_F(OneFleet, DrainLimitEndsADrainAndSaysSo) {
  grow(2, 5);
  step(1);
  step(1, 101);
  EXPECT_THAT(events_, Contains("drain_limit"));
  EXPECT_THAT(step(1), ElementsAre("stop llama-h100-2"));
}

TEST_F(OneFleet, WhatDrainsIsTakenBackBeforeAnythingStarts) {
  grow(3, 5);
  step(1);
  EXPECT_EQ(counts().draining, 2U);
  EXPECT_THAT(step(3), IsEmpty());
  EXPECT_EQ(counts().ready, 3U);
  step(3);
  for (const auto& each : table_) EXPECT_EQ(each.wish, Seen::Wish::kServe);
  EXPECT_THAT(step(4), ElementsAre("start llama-h100-4"));
}

TEST_F(OneFleet, YoungestStartIsCancelledAndTakenBackWhileItIsUnderWay) {
  grow(1);
  step(2);
  step(3);
  const Order youngest = last_;
  step(2);
  EXPECT_THAT(events_, Contains("start_cancelled"));
  EXPECT_EQ(counts().starting, 1U);
  EXPECT_THAT(step(3), IsEmpty());  // the same start, not another
  EXPECT_EQ(counts().starting, 2U);
  step(2);
  reports_ = {done(youngest)};
  EXPECT_THAT(step(2), ElementsAre("stop " + youngest.name));
}

TEST_F(OneFleet, SleepsRatherThanStopsWhereAClassKeepsSome) {
  options_.classes[0].asleep = 1;
  options_.classes[0].wake_s = 3;
  begin(options_.ability);
  grow(3);
  step(1);
  step(1, 5);
  const auto orders = step(1);
  EXPECT_THAT(orders, ElementsAre("stop llama-h100-2", "sleep llama-h100-3"));
  for (const auto& order : std::vector(given_.end() - 2, given_.end()))
    reports_.push_back({.order_id = order.id});
  step(1);
  EXPECT_EQ(counts().asleep, 1U);
  EXPECT_THAT(step(2), ElementsAre("wake llama-h100-3"));
  reports_ = {{.order_id = last_.id}};
  step(2);
  row("llama-h100-3").health = Seen::Health::kReady;
  step(2);
  EXPECT_EQ(counts().ready, 2U);
  EXPECT_THAT(fleet_->lessons().starts, IsEmpty());  // a wake is no cold start
}

TEST_F(OneFleet, FailedStartsAreOneAtATimeAndLaterEachTime) {
  EXPECT_EQ(step(3).size(), 3U);
  for (const auto& order : given_)
    reports_.push_back({.order_id = order.id, .end = Report::End::kRefused, .error = "no quota"});
  EXPECT_THAT(step(3), IsEmpty());
  EXPECT_THAT(events_, Contains("starts_held_back"));
  EXPECT_EQ(fleet_->failures("h100"), 3U);
  EXPECT_THAT(step(3, 39), IsEmpty());
  EXPECT_THAT(step(3), ElementsAre("start llama-h100-1"));
  EXPECT_THAT(step(3), IsEmpty());
  reports_ = {done(last_)};
  step(3);
  row("llama-h100-1").health = Seen::Health::kReady;
  EXPECT_EQ(step(3).size(), 2U);  // one that comes up ends it
  EXPECT_EQ(fleet_->failures("h100"), 0U);
}

TEST_F(OneFleet, StartThatNeverServesIsStoppedAndGivenLongerNextTime) {
  step(1);
  reports_ = {done(last_)};
  step(1);
  step(1, 87);
  EXPECT_THAT(events_, IsEmpty());
  step(1, 2);  // three cold starts
  EXPECT_THAT(events_, Contains("start_failed"));
  step(1, 4);
  EXPECT_THAT(step(1), ElementsAre("stop llama-h100-1"));
  reports_ = {done(last_)};
  step(1);
  while (last_.verb != Verb::kStart) step(1);
  reports_ = {done(last_)};
  step(1);
  step(1, 170);
  EXPECT_EQ(counts().starting, 1U);
  EXPECT_EQ(fleet_->failures("h100"), 1U);
}

class LyingStart : public OneFleet, public testing::WithParamInterface<std::vector<Member>> {};

TEST_P(LyingStart, IsAFailureAndStopped) {
  table_ = {{.name = "own",
             .address = address_of(200),
             .health = Seen::Health::kReady,
             .configured = true}};
  step(2);
  reports_ = {{.order_id = last_.id, .members = GetParam()}};
  EXPECT_THAT(step(2), ElementsAre("stop llama-h100-1"));
  EXPECT_THAT(events_, Contains("start_failed"));
  EXPECT_EQ(fleet_->lessons().disbelieved, 1U);  // nobody else can count it: it was told as done
  EXPECT_EQ(table_.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, LyingStart,
    testing::Values(std::vector<Member>{},
                    std::vector<Member>{{.name = "llama-h100-2", .address = address_of(9)}},
                    std::vector<Member>{{.name = "llama-h100-1", .address = address_of(200)}},
                    std::vector<Member>{{.name = "llama-h100-1", .address = {}}},
                    std::vector<Member>{
                        {.name = "llama-h100-1", .address = address_of(9), .backend_class = "l4"}},
                    std::vector<Member>{{.name = "llama-h100-1", .address = address_of(9)},
                                        {.name = "llama-h100-2", .address = address_of(8)}}));

TEST_F(OneFleet, ReportsThatAreLateOrComeTwiceAreToldAndChangeNothing) {
  step(1);
  const Report report = done(last_);
  reports_ = {report, report, {.order_id = "edge-1-999"}, {.order_id = ""}};
  EXPECT_THAT(step(1), IsEmpty());
  EXPECT_EQ(std::ranges::count(events_, "report_ignored"), 3);
  EXPECT_EQ(fleet_->units().size(), 1U);
}

TEST_F(OneFleet, OrderWithoutAReportTimesOutAndItsNameIsFreedByAStop) {
  step(1);
  EXPECT_THAT(step(1, 50), ElementsAre("stop llama-h100-1"));
  EXPECT_EQ(fleet_->failures("h100"), 1U);
}

TEST_F(OneFleet, BackendThatStaysDownIsReplaced) {
  grow(3, 5);
  row("llama-h100-1").health = Seen::Health::kDown;
  row("llama-h100-1").flows = 0;
  step(3);
  EXPECT_EQ(counts().starting, 1U);  // for a while it counts as on its way
  EXPECT_THAT(step(3, 59), IsEmpty());
  EXPECT_THAT(step(3), ElementsAre("start llama-h100-4"));
  EXPECT_THAT(events_, Contains("backend_lost"));
}

TEST_F(OneFleet, ManyThatAreDownAtOnceAreReplacedOneAtATime) {
  grow(4);
  for (auto& each : table_) each.health = Seen::Health::kDown;
  step(4);
  EXPECT_THAT(step(4, 61), ElementsAre("start llama-h100-5"));
  EXPECT_THAT(events_, Contains("many_lost"));
  EXPECT_THAT(step(4), IsEmpty());
  EXPECT_EQ(table_.size(), 4U);
}

TEST_F(OneFleet, FailuresOfAClassThatIsNotWantedHoldNoReplacementUp) {
  options_.classes = {{.name = "h100", .cold_start_s = 30}, {.name = "l4", .cold_start_s = 30}};
  begin({});
  const auto want = [&](unsigned h100, unsigned l4, double after = 1) {
    others_ = {l4};
    return step(h100, after);
  };
  EXPECT_THAT(want(0, 1), ElementsAre("start llama-l4-1"));
  reports_ = {{.order_id = last_.id, .end = Report::End::kRefused, .error = "no quota"}};
  want(0, 0);
  ASSERT_EQ(fleet_->failures("l4"), 1U);
  others_ = {0};
  grow(2);
  for (auto& each : table_) each.health = Seen::Health::kDown;
  want(2, 0);
  EXPECT_THAT(want(2, 0, 61), ElementsAre("start llama-h100-3"));
  EXPECT_THAT(events_, Contains("many_lost"));
}

TEST_F(OneFleet, AReplacementThatFailsKeepsTheOthersThatAreDown) {
  grow(4);
  for (auto& each : table_) each.health = Seen::Health::kDown;
  step(4);
  EXPECT_THAT(step(4, 61), ElementsAre("start llama-h100-5"));
  reports_ = {{.order_id = last_.id, .end = Report::End::kRefused, .error = "no quota"}};
  for (int i = 0; i < 5; ++i) step(4);
  EXPECT_EQ(std::ranges::count(fleet_->units(), Phase::kServing,
                               [](const auto& each) { return each.second.phase; }),
            3);
}

TEST_F(OneFleet, AStartThatTheOperatorHoldsDoesNotKeepTheNextOneBack) {
  step(1);
  reports_ = {{.order_id = last_.id, .end = Report::End::kRefused, .error = "no quota"}};
  step(1);
  EXPECT_THAT(step(1, 11), ElementsAre("start llama-h100-1"));
  reports_ = {done(last_)};
  step(1);
  row("llama-h100-1").wish = Seen::Wish::kMaintenance;  // before it was ready
  EXPECT_THAT(step(1), ElementsAre("start llama-h100-2"));
}

TEST_F(OneFleet, WhatTheTableDoesNotTakeBackIsReplaced) {
  grow(2);
  std::erase_if(table_, [](const Seen& each) { return each.name == "llama-h100-1"; });
  refuses_ = "llama-h100-1";
  step(2);
  const auto orders = step(2);
  EXPECT_THAT(events_, Contains("backend_refused"));
  EXPECT_THAT(orders, testing::IsSupersetOf({"start llama-h100-3", "stop llama-h100-1"}));
}

TEST_F(OneFleet, WhatTheOperatorTakesOutIsReplacedAndLeftAlone) {
  grow(2);
  row("llama-h100-1").wish = Seen::Wish::kMaintenance;
  EXPECT_THAT(step(2), ElementsAre("start llama-h100-3"));
  step(1);
  EXPECT_EQ(row("llama-h100-1").wish, Seen::Wish::kMaintenance);
}

TEST_F(OneFleet, AdviceChangesNothing) {
  act_ = false;
  EXPECT_THAT(step(3), IsEmpty());
  EXPECT_TRUE(fleet_->units().empty());
}

TEST_F(OneFleet, BackendsOfAClassThatIsNoMoreAreDrained) {
  grow(2, 3);
  options_.classes = {{.name = "l4"}};
  fleet_->configure(options_);
  step(0);
  for (const auto& each : table_) EXPECT_EQ(each.wish, Seen::Wish::kDrain);
}

}  // namespace
}  // namespace sluice::actuate
