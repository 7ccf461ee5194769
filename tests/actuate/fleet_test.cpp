// SPDX-License-Identifier: Apache-2.0
#include "actuate/fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::actuate {
namespace {

using Kind = Action::Kind;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

IpAddress address_of(unsigned char n) { return IpAddress::v4({10, 0, 0, n}); }

/// A fleet, and a table that does as it is told; reports are the test's.
class OneFleet : public testing::Test {
 protected:
  OneFleet() {
    options_.pool = "llama";
    options_.id_prefix = "edge-1";
    options_.classes = {{.name = "h100", .cold_start_s = 30}};
    options_.max = 4;
    options_.drain_limit_s = 100;
    options_.order_limit_s = 50;
    options_.ability = {.can_sleep = true};
    fleet_.emplace(options_);
  }
  void begin(const Ability& ability) {
    options_.ability = ability;
    fleet_.emplace(options_);
  }
  /// One step, `after` seconds after the one before. The orders in it, as "verb name".
  std::vector<std::string> step(unsigned wanted, double after = 1) {
    Input input{.t = t_ += after, .wanted = {wanted}, .backends = table_};
    input.wanted.insert(input.wanted.end(), others_.begin(), others_.end());
    std::swap(input.reports, reports_);
    std::swap(input.refused, refused_);
    input.act = act_;
    events_.clear();
    std::vector<std::string> orders;
    for (const auto& action : fleet_->step(input)) {
      const auto row = std::ranges::find(table_, action.member.name, &Seen::name);
      if (action.kind == Kind::kAdd && action.member.name == refuses_)
        refused_.push_back(refuses_);
      else if (action.kind == Kind::kAdd)
        table_.push_back(
            {.name = action.member.name, .address = action.member.address, .flows = 0});
      if (action.kind == Kind::kDrain) row->wish = Seen::Wish::kDrain;
      if (action.kind == Kind::kUndrain) row->wish = Seen::Wish::kServe;
      if (action.kind == Kind::kRemove) table_.erase(row);
      if (action.kind == Kind::kEvent) events_.push_back(action.event);
      if (action.kind != Kind::kOrder) continue;
      last_ = action.order;
      given_.push_back(action.order);
      orders.push_back(std::string(name_of(action.order.verb)) +
                       (action.order.name.empty() ? "" : " " + action.order.name));
    }
    return orders;
  }
  Report done(const Order& order) {
    Report report{.order_id = order.id};
    if (order.verb == Verb::kStart)
      report.members = {{.name = order.name, .address = address_of(++hosts_)}};
    return report;
  }
  Seen& row(const std::string& name) { return *std::ranges::find(table_, name, &Seen::name); }
  /// So many started, ready and with `flows` flows each.
  void grow(unsigned count, std::uint64_t flows = 0) {
    given_.clear();
    step(count);
    for (const auto& order : given_) reports_.push_back(done(order));
    step(count);
    for (auto& each : table_) {
      each.health = Seen::Health::kReady;
      each.flows = flows;
    }
    step(count);
    ASSERT_EQ(counts().ready, count);
  }
  [[nodiscard]] const autoscale::Fleet& counts() const { return fleet_->counts().front(); }

  Fleet::Options options_;
  std::optional<Fleet> fleet_;
  std::vector<Seen> table_;
  std::vector<Report> reports_;
  std::vector<unsigned> others_;  ///< Wanted of the second class and so on.
  std::string refuses_;           ///< What the table does not take.
  std::vector<std::string> refused_;
  std::vector<std::string> events_;
  std::vector<Order> given_;
  Order last_;
  unsigned char hosts_ = 0;
  double t_ = 0;
  bool act_ = true;
};

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
