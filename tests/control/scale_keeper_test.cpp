// SPDX-License-Identifier: Apache-2.0
#include "control/scale_keeper.hpp"

#include "base/state_file.hpp"
#include "control/sample.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace sluice::control {
namespace {

using actuate::Order;
using actuate::Report;
using actuate::Seen;
using actuate::Verb;
using testing::HasSubstr;
using namespace std::chrono_literals;

/// Takes orders down and reports when it is told to.
class FakeActuator : public actuate::Actuator {
 public:
  FakeActuator(std::vector<Order>& orders, actuate::Ability ability, OnReport on_report)
      : report(std::move(on_report)), orders_(orders), ability_(std::move(ability)) {}
  void order(const Order& order) override {
    orders_.push_back(order);
    if (order.verb == Verb::kList) report({.order_id = order.id, .members = {}});
  }
  [[nodiscard]] const actuate::Ability& ability() const noexcept override { return ability_; }
  [[nodiscard]] std::size_t pending() const noexcept override { return 0; }

  OnReport report;

 private:
  std::vector<Order>& orders_;
  actuate::Ability ability_;
};

/// A keeper of pool "llama" over a table, an actuator and clocks that the test has in its hands.
class ScaleKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / fmt::format("scale-{}", ::getpid());
    std::filesystem::remove_all(directory_);
    configuration_ = sample(0);
    auto& pool = configuration_.pools[0];
    pool.classes = {{.name = "h100", .capacity = 10, .service_time_s = 1, .cold_start_s = 5}};
    pool.autoscale = config::Autoscale{.policy = config::ScalePolicy::kTarget,
                                       .min = 1,
                                       .max = 8,
                                       .tick_s = 1,
                                       .stabilisation_s = 20,
                                       .idle_s = 20};
    pool.autoscale->actuator.type = config::ActuatorType::kCommand;
  }
  void TearDown() override {
    keeper_.reset();
    std::filesystem::remove_all(directory_);
  }

  config::Autoscale& settings() { return *configuration_.pools[0].autoscale; }

  ScaleParts parts() {
    return {
        .loop = *loop_,
        .events = events_,
        .sight = [this](const std::string&) { return sight(); },
        .unserved = [this](const std::string&) { return unserved_; },
        .demand =
            [this](const std::string& pool) {
              return &demands_.try_emplace(pool, scrape::Demand({pool, false, 3s})).first->second;
            },
        .add = [this](const std::string&, const config::Backend& backend) -> Result<void> {
          if (table_full_) return fail(Errc::kInvalid, "pool llama", "is full");
          Seen seen;
          seen.name = backend.name;
          seen.backend_class = backend.backend_class;
          seen.address = backend.address;
          table_.push_back(seen);
          return {};
        },
        .remove = [this](const std::string&, const std::string& name) -> Result<void> {
          std::erase_if(table_, [&](const Seen& seen) { return seen.name == name; });
          return {};
        },
        .wish = [this](const std::string&, const std::string& name,
                       health::Wish wish) -> Result<void> {
          for (auto& seen : table_)
            if (seen.name == name)
              seen.wish = wish == health::Wish::kDrain ? Seen::Wish::kDrain : Seen::Wish::kServe;
          return {};
        },
        .actuator = [this](const config::Actuator&, const actuate::Context&,
                           actuate::Actuator::OnReport report)
            -> Result<std::unique_ptr<actuate::Actuator>> {
          if (!actuator_problem_.empty())
            return fail(Errc::kIo, "actuator", "{}", actuator_problem_);
          auto made = std::make_unique<FakeActuator>(orders_, actuate::Ability{.lists = true},
                                                     std::move(report));
          actuator_ = made.get();
          return made;
        },
        .wall = [this] { return wall_; },
        .awaiting_changed = [this] { ++awaiting_changes_; }};
  }

  void keep() {
    keeper_.reset();
    keeper_ = std::make_unique<ScaleKeeper>(parts(), directory_.string(), "edge-1");
    keeper_->follow(configuration_);
  }
  /// A daemon that ends and one that begins: nothing but the directory and the backends stays.
  void restart() {
    keeper_->save();
    keeper_.reset();
    demands_.clear();
    orders_.clear();
    keep();
  }

  PoolSight sight() {
    PoolSight sight;
    sight.backends = table_;
    for (const auto& seen : table_)
      sight.flows.push_back(
          {.begun = begun_[seen.name],
           .unanswered = 0,
           .takes_new = seen.health == Seen::Health::kReady && seen.wish == Seen::Wish::kServe});
    sight.unserved = unserved_;
    return sight;
  }

  /// Lets time pass, a tenth of a second at a time. @param serve  flows/s that come meanwhile.
  void pass(std::chrono::milliseconds time, double serve = 0) {
    double come = 0;
    for (auto left = time; left > 0ms; left -= 100ms) {
      now_ += 100ms;
      wall_ += 100ms;
      come += serve / 10;
      for (; come >= 1; come -= 1) offer();
      while (loop_->turn(0ms)) {
      }
    }
  }
  void offer() {
    std::vector<std::string> ready;
    for (const auto& seen : table_)
      if (seen.health == Seen::Health::kReady && seen.wish == Seen::Wish::kServe)
        ready.push_back(seen.name);
    if (ready.empty())
      ++unserved_;
    else
      ++begun_[ready[turn_++ % ready.size()]];
  }

  /// Does what was ordered and not yet done, as a good actuator does.
  void obey() {
    for (std::size_t i = obeyed_; i < orders_.size(); ++i) obey(orders_[i]);
    obeyed_ = orders_.size();
  }
  void obey(const Order order) {
    if (order.verb == Verb::kList) return;
    Report report{.order_id = order.id};
    if (order.verb == Verb::kStart)
      report.members = {{.name = order.name,
                         .address = v4(fmt::format("10.0.1.{}", ++last_address_)),
                         .backend_class = order.backend_class}};
    actuator_->report(report);
    while (loop_->turn(0ms)) {
    }
  }
  /// Obeys, and whoever is in the table comes up and has no flow while it drains.
  void serve(std::chrono::seconds time, double flows_per_second = 0) {
    for (auto left = time; left > 0s; left -= 1s) {
      obey();
      for (auto& seen : table_) {
        seen.health = Seen::Health::kReady;
        seen.flows = 0;
      }
      pass(1s, flows_per_second);
    }
  }

  std::vector<std::string> ordered(Verb verb) {
    std::vector<std::string> names;
    for (const auto& order : orders_)
      if (order.verb == verb) names.push_back(order.name);
    return names;
  }
  std::vector<std::string> told(std::string_view kind) {
    std::vector<std::string> texts;
    for (const auto* event : events_.since(1, 4000).events)
      if (event->component == "scale" && event->event == kind) texts.push_back(event->text);
    return texts;
  }
  ScalePool& pool() { return *keeper_->find("llama"); }

  EventLoop::Clock::time_point now_{1000s};
  std::chrono::system_clock::time_point wall_{1'790'000'000s};
  std::unique_ptr<EventLoop> loop_ = EventLoop::open([this] { return now_; }).value();
  EventLog events_;
  config::Configuration configuration_;
  std::filesystem::path directory_;
  std::vector<Seen> table_;
  std::map<std::string, std::uint64_t> begun_;
  std::uint64_t unserved_ = 0;
  std::size_t turn_ = 0;
  std::map<std::string, scrape::Demand, std::less<>> demands_;
  std::vector<Order> orders_;
  std::size_t obeyed_ = 0;
  unsigned last_address_ = 0;
  FakeActuator* actuator_ = nullptr;
  std::string actuator_problem_;
  bool table_full_ = false;
  unsigned awaiting_changes_ = 0;
  std::unique_ptr<ScaleKeeper> keeper_;
};

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
