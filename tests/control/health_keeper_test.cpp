// SPDX-License-Identifier: Apache-2.0
#include "control/health_keeper.hpp"

#include "control/sample.hpp"
#include "http/listeners.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <set>

namespace sluice::control {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

/// A keeper over pools of servers on loopback, which are ports that listen or do not.
class HealthKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / fmt::format("health-{}", ::getpid());
    std::filesystem::remove_all(directory_);
    configuration_ = sample(1);
    auto& pool = configuration_.pools[0];
    pool.health = config::Health{.interval = 20ms, .timeout = 10ms, .rise = 2, .fall = 2};
    pool.backends = {backend("here", "127.0.0.1"), backend("gone", "127.0.0.1")};
    server_.emplace(http::listen_tcp("127.0.0.1:0").value());
    auto other = http::listen_tcp("127.0.0.1:0").value();
    pool.backends[0].port = server_->port;
    pool.backends[1].port = other.port;  // closed again here: nobody listens
    keep();
  }
  void TearDown() override {
    keeper_.reset();
    std::filesystem::remove_all(directory_);
  }

  void keep() {
    keeper_.reset();
    auto opened = HealthKeeper::open(
        {.loop = *loop_,
         .events = events_,
         .signals = {},
         .active = [this](const std::string&, const std::string&) { return flows_; },
         .changed = [this] { ++changes_; },
         .driver_saw = {}},
        directory_.string());
    ASSERT_TRUE(opened) << opened.error().text();
    keeper_ = std::move(*opened);
    follow();
  }
  void follow() {
    const auto ports = egress_ports(configuration_, {});
    keeper_->follow(configuration_, wishes_, configured_reaches(configuration_, ports), ports);
  }
  /// Turns until `done`, for at most ten seconds.
  template <class Done>
  bool until(Done done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done() && std::chrono::steady_clock::now() < end) loop_->turn(10ms);
    return done();
  }
  /// The first round of checks is done, and who takes flows is made up of it: once a turn.
  bool first_round() {
    return until([&] {
      return keeper_->first_round_done() && keeper_->use("llama", "here") == Use{true, true} &&
             keeper_->use("llama", "gone") == Use{false, false};
    });
  }
  std::string state(std::string_view name) {
    for (const auto& standing : keeper_->pool("llama")->standings())
      if (standing.name == name) return std::string(health::name(standing.state));
    return "missing";
  }
  std::vector<std::string> told(std::string_view kind) {
    std::vector<std::string> texts;
    for (const auto* event : events_.since(1, 1000).events)
      if (event->component == "health" && event->event == kind) texts.push_back(event->text);
    return texts;
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::open().value();
  EventLog events_;
  config::Configuration configuration_;
  OperatorState wishes_;
  std::filesystem::path directory_;
  std::optional<http::TcpListener> server_;
  unsigned changes_ = 0;
  std::uint64_t flows_ = 7;
  std::unique_ptr<HealthKeeper> keeper_;
};

TEST_F(HealthKeeperTest, NobodyTakesFlowsBeforeTheFirstAnswer) {
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{false, true}));
  EXPECT_FALSE(keeper_->first_round_done());
  EXPECT_EQ(keeper_->use("llama", "stranger"), std::nullopt);
  EXPECT_EQ(keeper_->targets(), 2U);
}

TEST_F(HealthKeeperTest, WhoAnswersComesUpAndWhoRefusesIsDownAndBothAreTold) {
  ASSERT_TRUE(first_round());
  EXPECT_EQ(state("here"), "up");
  EXPECT_EQ(state("gone"), "down");
  EXPECT_TRUE(until([&] { return changes_ != 0; }));
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{true, true}));
  EXPECT_EQ(keeper_->use("llama", "gone"), (Use{false, false}));
  ASSERT_EQ(told("up").size(), 2U) << "of the backend and of the pool";
  ASSERT_FALSE(told("down").empty());
  EXPECT_THAT(told("down")[0], HasSubstr("backend llama/gone starting -> down: refused"));
  EXPECT_GE(keeper_->counts("llama", "gone")->by_fault[1], 1U);
}

TEST_F(HealthKeeperTest, AServerThatEndsIsLeftAndTheDataPathHearsOfItOnce) {
  ASSERT_TRUE(first_round());
  changes_ = 0;
  server_.reset();
  ASSERT_TRUE(until([&] { return state("here") == "down" && changes_ != 0; }));
  for (int turns = 0; turns < 20; ++turns) loop_->turn(1ms);
  EXPECT_EQ(changes_, 1U);
}

TEST_F(HealthKeeperTest, AWishComesBeforeHealthAndLeavesItAsItWas) {
  ASSERT_TRUE(until([&] { return keeper_->first_round_done(); }));
  wishes_.pools["llama"].drained.insert("here");
  follow();
  EXPECT_EQ(state("here"), "draining");
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{true, true})) << "by its health";
  wishes_.pools["llama"].drained.clear();
  wishes_.pools["llama"].maintenance.insert("here");
  follow();
  EXPECT_EQ(state("here"), "maintenance");
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{true, true}));
  wishes_.pools.clear();
  follow();
  EXPECT_EQ(state("here"), "up");
}

TEST_F(HealthKeeperTest, ADrainEndsWithItsLastFlowOrWithItsTime) {
  ASSERT_TRUE(until([&] { return keeper_->first_round_done(); }));
  configuration_.pools[0].drain_timeout = 1s;
  wishes_.pools["llama"].drained = {"here", "gone"};
  follow();
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{true, true}));
  ASSERT_TRUE(until([&] { return keeper_->use("llama", "here") == Use{true, false}; }));
  EXPECT_TRUE(told("drained").empty());
  EXPECT_EQ(told("drain_timeout").size(), 2U);
  EXPECT_THAT(told("drain_timeout")[1], HasSubstr("llama/here still had 7 flows"));
  flows_ = 0;
  ASSERT_TRUE(until([&] { return told("drained").size() == 2; }));
  wishes_.pools.clear();
  follow();
  EXPECT_EQ(keeper_->use("llama", "here"), (Use{true, true}));
}

TEST_F(HealthKeeperTest, PoolsThatGoAreForgotten) {
  configuration_.pools[0].name = "other";
  configuration_.services[0].pool = "other";
  follow();
  EXPECT_EQ(keeper_->pool("llama"), nullptr);
  EXPECT_NE(keeper_->pool("other"), nullptr);
  EXPECT_EQ(keeper_->use("llama", "here"), std::nullopt);
}

TEST_F(HealthKeeperTest, WhatWasKnownOutlivesTheKeeper) {
  ASSERT_TRUE(until([&] { return keeper_->first_round_done(); }));
  keeper_->save();
  EXPECT_EQ(keeper_->problem(), "");
  keep();
  EXPECT_EQ(state("here"), "up");
  EXPECT_EQ(state("gone"), "down");
}

TEST_F(HealthKeeperTest, AFileThatIsDamagedIsToldOfAndAllAreAskedAnew) {
  std::filesystem::create_directories(directory_);
  { std::ofstream(directory_ / "health.json") << "{"; }
  keep();
  EXPECT_EQ(told("state_not_loaded").size(), 1U);
  EXPECT_EQ(state("here"), "starting");
}

TEST_F(HealthKeeperTest, BackendThatCannotBeAskedIsToldOfOnce) {
  configuration_.pools[0].backends[1].port = 0;
  configuration_.services[0].port = 0;
  follow();
  follow();
  ASSERT_EQ(told("not_probed").size(), 1U);
  EXPECT_THAT(told("not_probed")[0], HasSubstr("llama/gone: no port is known"));
}

TEST_F(HealthKeeperTest, APoolsChecksAreStillCountedWhenTheirBackendHasLeft) {
  ASSERT_TRUE(until([&] { return keeper_->first_round_done(); }));
  const auto asked = [&] {
    const auto& counts = keeper_->counts("llama")->by_time;
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  const auto before = asked();
  EXPECT_GE(before, 2U);
  configuration_.pools[0].backends.pop_back();
  follow();
  EXPECT_EQ(keeper_->counts("llama", "gone"), nullptr);
  EXPECT_EQ(asked(), before);
  EXPECT_EQ(keeper_->counts("stranger"), nullptr);
}

TEST(ProbeCounts, OutcomesFallIntoTheBucketOfTheirTime) {
  ProbeCounts counts;
  counts.add({.fault = health::Fault::kNone, .took = 1000us});
  counts.add({.fault = health::Fault::kTimeout, .took = 6s});
  EXPECT_EQ(counts.by_time.front(), 1U) << "a bound belongs to its bucket";
  EXPECT_EQ(counts.by_time.back(), 1U);
  EXPECT_EQ(counts.by_fault[static_cast<std::size_t>(health::Fault::kTimeout)], 1U);
  EXPECT_EQ(counts.time, 6001ms);
}

/// Time stands still until a test moves it, and the turn of a check is far away: whoever is asked
/// is asked early.
class EarlyLookTest : public HealthKeeperTest {
 protected:
  void SetUp() override {
    loop_ = EventLoop::open([this] { return now_; }).value();
    HealthKeeperTest::SetUp();
    auto& health = *configuration_.pools[0].health;
    health.interval = 60s;
    health.timeout = 10s;
    health.rise = health.fall = 2;
    keep();
    now_ += 10ms;  // the first turns are spread over some of it
    ASSERT_TRUE(until([&] { return keeper_->first_round_done(); }));
    ASSERT_EQ(state("here"), "up");
    ASSERT_EQ(state("gone"), "down");
    now_ += 300ms;  // the gap between two questions
    settle();       // who takes flows is made up at the keeper's own steps
    ASSERT_EQ(keeper_->use("llama", "here"), (Use{true, true}));
  }
  [[nodiscard]] std::uint64_t asked(const std::string& name) const {
    const auto& all = keeper_->counts("llama", name)->by_fault;
    return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
  }
  // Turns often enough that an answer on the loopback would have come.
  void settle() {
    for (int i = 0; i < 20; ++i) loop_->turn(1ms);
  }

  const std::set<IpAddress> here_{*IpAddress::parse("127.0.0.1")};
  const std::set<IpAddress> elsewhere_{*IpAddress::parse("127.0.0.2")};
  EventLoop::Clock::time_point now_{1h};
};

TEST_F(EarlyLookTest, AnAddressInDoubtIsAskedWhateverStateItHas) {
  keeper_->look_at(elsewhere_, elsewhere_);
  settle();
  EXPECT_EQ(asked("here"), 1U);
  EXPECT_EQ(asked("gone"), 1U);
  keeper_->look_at(here_, {});
  EXPECT_TRUE(until([&] { return asked("here") == 2 && asked("gone") == 2; }));
}

TEST_F(EarlyLookTest, AnAddressThatAnswersIsAskedOnlyWhereNobodyTakesNewFlows) {
  keeper_->look_at({}, here_);
  EXPECT_TRUE(until([&] { return asked("gone") == 2; }));
  settle();
  EXPECT_EQ(asked("here"), 1U) << "it is known to be up";
}

TEST_F(EarlyLookTest, ABackendThatEndedIsDownLongBeforeItsTurn) {
  server_.reset();
  for (std::uint64_t times = 2; times <= 3; ++times) {
    keeper_->look_at(here_, {});
    ASSERT_TRUE(until([&] { return asked("here") == times; }));
    now_ += 300ms;
  }
  EXPECT_EQ(state("here"), "down");
}

}  // namespace
}  // namespace sluice::control
