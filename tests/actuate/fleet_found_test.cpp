// SPDX-License-Identifier: Apache-2.0
// What a fleet makes of backends that it finds: by lists, after a restart, of another node.
#include "actuate/one_fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::actuate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(OneFleet, WithoutAMemoryTakesOnAllThatRunsBeforeItStartsAnything) {
  begin({.lists = true});
  EXPECT_THAT(step(1), ElementsAre("list"));
  EXPECT_THAT(step(1, 5), IsEmpty());
  Report list{.order_id = last_.id};
  for (unsigned char i = 1; i <= 3; ++i)
    list.members.push_back({.name = "llama-h100-" + std::to_string(i), .address = address_of(i)});
  list.members.push_back({.name = "web-1", .address = address_of(99)});
  reports_ = {list};
  EXPECT_THAT(step(1), IsEmpty());
  EXPECT_EQ(std::ranges::count(events_, "orphan_adopted"), 3);
  EXPECT_EQ(std::ranges::count(events_, "stranger"), 1);
  // What is wanted was decided before; then it is drained, not stopped, what is too much.
  EXPECT_THAT(step(1, 29), IsEmpty());
  EXPECT_EQ(counts().starting, 3U);
  EXPECT_THAT(step(1), IsEmpty());
  EXPECT_EQ(counts().draining, 2U);
}

TEST_F(OneFleet, LaterOrphansAreStoppedWhereNoneIsWanted) {
  begin({.lists = true});
  step(0);
  reports_ = {{.order_id = last_.id}};
  step(0);
  EXPECT_THAT(step(0, 60), ElementsAre("list"));
  reports_ = {
      {.order_id = last_.id, .members = {{.name = "llama-h100-7", .address = address_of(7)}}}};
  EXPECT_THAT(step(0), ElementsAre("stop llama-h100-7"));
}

TEST_F(OneFleet, AListMadeBeforeAStopEndedDoesNotBringTheDeadOneBack) {
  options_.list_every_s = 10;
  begin({.lists = true});
  step(0);
  reports_ = {{.order_id = last_.id}};
  grow(2);
  EXPECT_THAT(step(1), IsEmpty());  // drains the second
  EXPECT_THAT(step(1, 4), IsEmpty());
  EXPECT_THAT(step(1), ElementsAre("stop llama-h100-2"));
  const Order stop = last_;
  EXPECT_THAT(step(1, 10), ElementsAre("list"));
  const Order list = last_;
  Report listed{.order_id = list.id};
  for (const auto& [name, unit] : fleet_->units()) listed.members.push_back(unit.member);
  ASSERT_EQ(listed.members.size(), 2U);
  reports_ = {done(stop)};
  step(1);
  // Restarts do not make it forget what ended.
  const auto saved = fleet_->save();
  fleet_.emplace(options_);
  ASSERT_TRUE(fleet_->restore(saved, t_));
  reports_ = {listed};
  EXPECT_THAT(step(2), testing::Not(Contains("stop llama-h100-2")));
  EXPECT_THAT(events_, testing::Not(Contains("orphan_adopted")));
  EXPECT_EQ(fleet_->units().at("llama-h100-2").phase, Phase::kOrdered) << "a new start, not it";
}

TEST_F(OneFleet, WhatRunsOnAfterItsStopIsFoundByTheNextList) {
  options_.list_every_s = 10;
  begin({.lists = true});
  step(0);
  reports_ = {{.order_id = last_.id}};
  grow(2);
  step(1);
  step(1, 4);
  step(1);
  const Order stop = last_;
  const Member lives = fleet_->units().at("llama-h100-2").member;
  reports_ = {done(stop)};
  EXPECT_THAT(step(1, 10), ElementsAre("list"));
  reports_ = {
      {.order_id = last_.id, .members = {fleet_->units().at("llama-h100-1").member, lives}}};
  EXPECT_THAT(step(1), ElementsAre("stop llama-h100-2"));
}

TEST_F(OneFleet, OneListWithoutABackendIsNoProofAndTwoAreOneThatIsDown) {
  begin({.lists = true});
  step(0);
  reports_ = {{.order_id = last_.id}};
  grow(2);
  for (int lists = 0; lists < 3; ++lists) {
    EXPECT_THAT(step(2, 61), Contains("list"));
    const auto list = std::ranges::find(given_.rbegin(), given_.rend(), Verb::kList, &Order::verb);
    if (lists == 1) row("llama-h100-1").health = Seen::Health::kDown;
    reports_ = {{.order_id = list->id}};
    step(2);
    const bool vanished = std::ranges::count(events_, "backend_vanished") == 1;
    EXPECT_EQ(vanished, lists == 1) << lists;  // the other one answers, whatever the list says
  }
}

TEST_F(OneFleet, AfterARestartOrdersAreGivenAgainUnderTheirIds) {
  step(2);
  const auto before = given_;
  const auto saved = fleet_->save();
  fleet_.emplace(options_);
  ASSERT_TRUE(fleet_->restore(saved, 5000));
  t_ = 5000;
  given_.clear();
  step(2);
  EXPECT_EQ(given_, before);
  EXPECT_THAT(step(2), IsEmpty());
  EXPECT_THAT(step(3), ElementsAre("start llama-h100-3"));
  EXPECT_EQ(last_.id, "edge-1-3");
}

TEST_F(OneFleet, AfterARestartWhatRunsIsAskedForAtOnce) {
  begin({.lists = true});
  step(1);
  reports_ = {{.order_id = last_.id}};
  grow(1);
  const auto saved = fleet_->save();
  fleet_.emplace(options_);
  ASSERT_TRUE(fleet_->restore(saved, ++t_));
  EXPECT_THAT(step(1), ElementsAre("list"));
  reports_ = {
      {.order_id = last_.id, .members = {{.name = "llama-h100-7", .address = address_of(7)}}}};
  EXPECT_THAT(step(1), ElementsAre("stop llama-h100-7"));
  EXPECT_THAT(step(1, 50), IsEmpty());
}

TEST_F(OneFleet, OddStateIsRefusedAndChangesNothing) {
  grow(2);
  const auto whole = fleet_->save();
  for (const auto& [key, value] : whole.items()) {
    auto broken = whole;
    broken[key] = nlohmann::json::array({nlohmann::json::object()});
    EXPECT_FALSE(fleet_->restore(broken, t_)) << key;
    broken.erase(key);
    EXPECT_FALSE(fleet_->restore(broken, t_)) << key;
    EXPECT_EQ(fleet_->save(), whole);
  }
  for (const auto& [key, value] : whole["units"][0].items()) {
    auto broken = whole;
    broken["units"][0][key] = nullptr;
    EXPECT_FALSE(fleet_->restore(broken, t_)) << key;
  }
}

TEST_F(OneFleet, AnotherNodesBackendsAreNeitherTakenOnNorStoppedNorGivenTheirName) {
  options_.owner = "edge-1/llama";
  begin({.lists = true});
  step(0);
  const Member others{.name = "llama-h100-1", .address = address_of(1), .owner = "edge-2/llama"};
  const Member ours{.name = "llama-h100-2", .address = address_of(2), .owner = "edge-1/llama"};
  reports_ = {{.order_id = last_.id, .members = {others, ours}}};
  step(0);
  EXPECT_EQ(last_.owner, "edge-1/llama") << "orders say for whom";
  EXPECT_THAT(events_, ElementsAre("orphan_adopted"));
  EXPECT_FALSE(fleet_->units().contains("llama-h100-1"));
  EXPECT_THAT(step(3), ElementsAre("start llama-h100-3", "start llama-h100-4"));
}

TEST_F(OneFleet, AStartThatFindsAnotherNodesBackendStopsNothingAndTriesAnotherName) {
  options_.owner = "edge-1/llama";
  begin({});
  EXPECT_THAT(step(1), ElementsAre("start llama-h100-1"));
  Report found = done(last_);
  found.members.front().owner = "edge-2/llama";
  reports_ = {found};
  EXPECT_THAT(step(1), IsEmpty());
  EXPECT_THAT(events_, Contains("start_failed"));
  EXPECT_TRUE(table_.empty());
  EXPECT_THAT(step(1, 30), ElementsAre("start llama-h100-2"));
}

TEST_F(OneFleet, ABackendThatBecameAnotherNodesStaysInTheTableAndIsNotStopped) {
  options_.owner = "edge-1/llama";
  begin({.lists = true});
  step(0);
  reports_ = {{.order_id = last_.id}};
  step(0);
  grow(1);
  for (int i = 0; i < 20 && last_.verb != Verb::kList; ++i) step(1, 10);
  ASSERT_EQ(last_.verb, Verb::kList);
  reports_ = {
      {.order_id = last_.id,
       .members = {
           {.name = "llama-h100-1", .address = table_.front().address, .owner = "edge-2/llama"}}}};
  const auto orders = step(0);
  EXPECT_THAT(orders, testing::Not(Contains("stop llama-h100-1")));
  EXPECT_THAT(events_, Contains("not_ours"));
  EXPECT_EQ(table_.size(), 1U);
}

}  // namespace
}  // namespace sluice::actuate
