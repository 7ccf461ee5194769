// SPDX-License-Identifier: Apache-2.0
// Fleets whose backends others start by a count: a Deployment, a StatefulSet, a published figure.
#include "actuate/fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::actuate {
namespace {

using Kind = Action::Kind;

/// A workload with pods that are ready at once, and a table that does as it is told.
class CountedFleet : public testing::Test {
 protected:
  void begin(Ability ability, unsigned running) {
    Fleet::Options options;
    options.pool = "llama";
    options.id_prefix = "edge-1";
    options.classes = {{.name = "h100", .cold_start_s = 30}};
    options.max = 8;
    options.drain_limit_s = 100;
    options.ability = ability;
    fleet_.emplace(options);
    ability_ = ability;
    for (replicas_ = 0; replicas_ < running; ++replicas_) pod();
  }
  void pod() {
    ++made_;
    pods_.push_back({.name = "llama-" + std::to_string(made_),
                     .address = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(made_)})});
  }
  /// One second; what was ordered is reported in the next.
  void second(unsigned wanted) {
    Input input{.t = ++t_, .wanted = {wanted}, .backends = table_};
    std::swap(input.reports, reports_);
    for (const auto& action : fleet_->step(input)) take(action);
  }
  void seconds(int n, unsigned wanted) {
    for (int i = 0; i < n; ++i) second(wanted);
  }
  void take(const Action& action) {
    const auto row = std::ranges::find(table_, action.member.name, &Seen::name);
    if (action.kind == Kind::kAdd)
      table_.push_back({.name = action.member.name,
                        .address = action.member.address,
                        .health = Seen::Health::kReady,
                        .flows = flows_});
    if (action.kind == Kind::kDrain) row->wish = Seen::Wish::kDrain;
    if (action.kind == Kind::kUndrain) row->wish = Seen::Wish::kServe;
    if (action.kind == Kind::kRemove) table_.erase(row);
    if (action.kind == Kind::kEvent) events_.push_back(action.event);
    if (action.kind != Kind::kOrder) return;
    Report report{.order_id = action.order.id, .count = replicas_};
    if (action.order.verb == Verb::kList) {
      report.members = pods_;
    } else {
      orders_.push_back(action.order);
      if (!fails_) replicas_ = action.order.count;
      report.count = replicas_;
      if (fails_) report = {.order_id = action.order.id, .end = Report::End::kFailed};
      if (grows_ && !fails_)
        while (pods_.size() < replicas_) pod();
      if (pods_.size() > replicas_)
        std::erase_if(pods_, [&](const Member& each) { return each.name == action.order.name; });
    }
    reports_.push_back(report);
  }
  [[nodiscard]] const autoscale::Fleet& counts() const { return fleet_->counts().front(); }

  std::optional<Fleet> fleet_;
  Ability ability_;
  std::vector<Member> pods_;
  std::vector<Seen> table_;
  std::vector<Report> reports_;
  std::vector<Order> orders_;
  std::vector<std::string> events_;
  std::uint64_t flows_ = 0;
  unsigned replicas_ = 0;
  unsigned made_ = 0;
  bool grows_ = true;
  bool fails_ = false;
  double t_ = 0;
};

constexpr auto kDeployment = [] { return Ability{.by_count = true, .lists = true}; };
constexpr auto kStatefulSet = [] {
  return Ability{.by_count = true, .lists = true, .last_leaves = true};
};

TEST_F(CountedFleet, TakesOnWhatRunsBeforeItChangesTheCount) {
  begin(kDeployment(), 4);
  seconds(5, 1);
  EXPECT_GT(counts().ready + counts().draining, 0U);
  EXPECT_EQ(table_.size(), 4U);
  EXPECT_TRUE(orders_.empty());  // nothing is lowered before it has drained
}

TEST_F(CountedFleet, OneCountForOneDeficitAndWhatIsExpectedCountsAsStarting) {
  begin(kDeployment(), 1);
  grows_ = false;
  seconds(30, 4);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(orders_[0].count, 4U);
  EXPECT_EQ(counts().ready, 1U);
  EXPECT_EQ(counts().starting, 3U);
  while (pods_.size() < replicas_) pod();
  seconds(15, 4);
  EXPECT_EQ(counts().ready, 4U);
  EXPECT_EQ(counts().starting, 0U);
  EXPECT_EQ(orders_.size(), 1U);
}

TEST_F(CountedFleet, DrainsBeforeTheCountGoesDownByOneForEachByName) {
  begin(kDeployment(), 3);
  seconds(40, 3);
  flows_ = 5;
  for (auto& row : table_) row.flows = 5;
  table_[1].flows = 2;
  seconds(20, 2);
  EXPECT_EQ(table_[1].wish, Seen::Wish::kDrain);  // the one with the fewest
  EXPECT_EQ(counts().draining, 1U);
  EXPECT_TRUE(orders_.empty());
  const std::string victim = table_[1].name;
  table_[1].flows = 0;
  seconds(20, 2);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(orders_[0].count, 2U);
  EXPECT_EQ(orders_[0].name, victim);
  seconds(30, 2);
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_EQ(fleet_->units().size(), 2U);
  EXPECT_EQ(orders_.size(), 1U);
}

TEST_F(CountedFleet, DrainIsUndoneBeforeTheCountGoesUp) {
  begin(kDeployment(), 3);
  seconds(40, 3);
  for (auto& row : table_) row.flows = 5;
  seconds(5, 1);
  EXPECT_EQ(counts().draining, 2U);
  seconds(5, 4);
  EXPECT_EQ(counts().ready, 3U);
  for (const auto& row : table_) EXPECT_EQ(row.wish, Seen::Wish::kServe);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(orders_[0].count, 4U);
}

TEST_F(CountedFleet, WhatHasNotComeYetGoesFirst) {
  begin(kDeployment(), 2);
  grows_ = false;
  seconds(40, 5);
  seconds(10, 3);
  ASSERT_EQ(orders_.size(), 2U);
  EXPECT_EQ(orders_[1].count, 3U);
  EXPECT_TRUE(orders_[1].name.empty());
  EXPECT_EQ(counts().ready, 2U);
}

TEST_F(CountedFleet, LastOneOfAStatefulSetIsTheVictim) {
  begin(kStatefulSet(), 3);
  seconds(40, 3);
  for (auto& row : table_) row.flows = row.name == "llama-3" ? 9 : 0;
  seconds(10, 1);
  EXPECT_TRUE(orders_.empty());  // llama-2 is ready to go, llama-3 is not
  for (auto& row : table_) row.flows = 0;
  seconds(60, 1);
  ASSERT_EQ(orders_.size(), 2U);
  EXPECT_EQ(orders_[0].name, "llama-3");
  EXPECT_EQ(orders_[1].name, "llama-2");
  EXPECT_EQ(fleet_->units().size(), 1U);
}

TEST_F(CountedFleet, CountThatFailsIsSetAgainLater) {
  begin(kDeployment(), 1);
  seconds(8, 1);
  fails_ = true;
  seconds(5, 2);
  EXPECT_EQ(orders_.size(), 1U);
  EXPECT_THAT(events_, testing::Contains("count_failed"));
  fails_ = false;
  seconds(30, 2);
  EXPECT_EQ(orders_.size(), 2U);
  EXPECT_EQ(counts().ready, 2U);
}

TEST_F(CountedFleet, HandThatChangesTheScaleIsSeen) {
  begin(kDeployment(), 2);
  seconds(10, 2);
  replicas_ = 4;
  pod();
  pod();
  seconds(4, 4);  // the controller has not asked for it, but it is there
  seconds(10, 4);
  EXPECT_EQ(counts().ready, 4U);
  EXPECT_EQ(orders_.size(), 1U);
}

TEST_F(CountedFleet, PodThatIsAboutToEndIsDrainedAndForgotten) {
  begin(kDeployment(), 2);
  seconds(10, 2);
  pods_[0].standing = Member::Standing::kLeaving;
  pod();
  seconds(10, 2);
  EXPECT_EQ(table_[0].wish, Seen::Wish::kDrain);
  EXPECT_EQ(counts().ready, 2U);
  pods_.erase(pods_.begin());
  seconds(20, 2);
  EXPECT_EQ(fleet_->units().size(), 2U);
  EXPECT_TRUE(orders_.empty());
}

TEST_F(CountedFleet, MetricPublishesWhatIsWantedBesideTheConfiguredOnes) {
  begin({.by_count = true}, 0);
  table_.push_back({.name = "own", .health = Seen::Health::kReady, .configured = true});
  seconds(3, 4);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(orders_[0].count, 3U);
  EXPECT_EQ(counts().ready, 1U);
  EXPECT_EQ(counts().starting, 3U);
  table_.push_back({.name = "theirs", .health = Seen::Health::kReady});
  seconds(3, 4);
  EXPECT_EQ(counts().ready, 2U);
  EXPECT_EQ(counts().starting, 2U);
  seconds(3, 1);
  EXPECT_EQ(orders_.back().count, 0U);
}

}  // namespace
}  // namespace sluice::actuate
