// SPDX-License-Identifier: Apache-2.0
#include "control/load_keeper.hpp"

#include "control/metrics.hpp"
#include "control/sample.hpp"
#include "health/rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A keeper whose clock the test moves; loads are looked at each time a second has passed.
class LoadKeeperTest : public testing::Test {
 protected:
  LoadKeeperTest() {
    configuration_ = sample(3);
    auto& pool = configuration_.pools[0];
    pool.policy = config::Policy::kLeastLoad;
    pool.health = config::Health{.type = config::CheckType::kHttp, .load_header = "X-Load"};
    keeper_->follow(configuration_);
  }
  /// What a health check of a backend found.
  void told(const std::string& backend, std::optional<double> load,
            health::Fault fault = health::Fault::kNone) {
    const health::Target target{.pool = "llama",
                                .backend = backend,
                                .address = {},
                                .check = *configuration_.pools[0].health};
    keeper_->probed(target, {.fault = fault, .load = load});
  }
  void second() {
    now_ += 1s;
    while (loop_->turn(0ms)) {
    }
  }
  std::vector<std::uint32_t> loads() {
    snapshot::Input input;
    for (const auto& pool : configuration_.pools) {
      input.pools.emplace_back();
      input.pools.back().backends.resize(pool.backends.size());
    }
    keeper_->apply(configuration_, input);
    std::vector<std::uint32_t> all;
    for (const auto& backend : input.pools[0].backends) all.push_back(backend.load);
    return all;
  }
  std::vector<std::string> told_events() {
    std::vector<std::string> texts;
    for (const auto* event : events_.since(1, 1000).events)
      if (event->component == "load") texts.push_back(event->text);
    return texts;
  }

  EventLoop::Clock::time_point now_ = EventLoop::Clock::now();
  std::unique_ptr<EventLoop> loop_ = EventLoop::open([this] { return now_; }).value();
  EventLog events_;
  config::Configuration configuration_;
  bool in_service_ = true;
  unsigned changes_ = 0;
  std::unique_ptr<LoadKeeper> keeper_ =
      LoadKeeper::open(
          {.loop = *loop_,
           .events = events_,
           .in_service = [this](const std::string&, const std::string&) { return in_service_; },
           .changed = [this] { ++changes_; }})
          .value();
};

TEST_F(LoadKeeperTest, LoadsOfHealthChecksReachTheTablesOnceASecond) {
  told("gpu-1", 4);
  told("gpu-2", 2);
  told("gpu-3", 0);
  EXPECT_THAT(loads(), ElementsAre(0U, 0U, 0U));
  EXPECT_EQ(changes_, 0U);
  second();
  EXPECT_EQ(changes_, 1U);
  EXPECT_THAT(loads(), ElementsAre(4000U, 2000U, 0U));
  told("gpu-1", 4.1);
  second();
  EXPECT_EQ(changes_, 1U);  // not worth new tables
  EXPECT_THAT(loads(), ElementsAre(4000U, 2000U, 0U));
}

TEST_F(LoadKeeperTest, BackendThatNoLongerTellsIsAsBusyAsTheBusiest) {
  for (const char* const name : {"gpu-1", "gpu-2", "gpu-3"}) told(name, 1);
  second();
  told("gpu-1", 8);
  told("gpu-2", std::nullopt);                           // answers, and does not tell
  told("gpu-3", std::nullopt, health::Fault::kTimeout);  // health's affair: what it told lasts
  second();
  EXPECT_THAT(loads(), ElementsAre(8000U, 8000U, 1000U));
  second();
  told("gpu-1", 8);
  second();  // three intervals after gpu-3 told it
  told("gpu-1", 8);
  second();
  EXPECT_THAT(loads(), ElementsAre(8000U, 8000U, 8000U));
}

TEST_F(LoadKeeperTest, NewcomerIsAsBusyAsTheBusiestUntilItTells) {
  told("gpu-1", 4);
  told("gpu-2", 2);
  told("gpu-3", 1);
  second();
  configuration_.pools[0].backends.push_back(configuration_.pools[0].backends[0]);
  configuration_.pools[0].backends.back().name = "gpu-4";
  EXPECT_THAT(loads(), ElementsAre(4000U, 2000U, 1000U, 4000U));  // of the change itself
  keeper_->follow(configuration_);
  EXPECT_THAT(loads(), ElementsAre(4000U, 2000U, 1000U, 4000U));
  told("gpu-4", 0);
  second();
  EXPECT_THAT(loads(), ElementsAre(4000U, 2000U, 1000U, 0U));
}

TEST_F(LoadKeeperTest, PoolsOfOtherPoliciesHaveNoLoads) {
  configuration_.pools[0].policy = config::Policy::kMaglev;
  keeper_->follow(configuration_);
  told("gpu-1", 4);
  second();
  EXPECT_THAT(loads(), ElementsAre(0U, 0U, 0U));
  EXPECT_EQ(changes_, 0U);
}

TEST_F(LoadKeeperTest, DemandIsKeptOfPoolsWithMetricsOrScaling) {
  EXPECT_EQ(keeper_->demand("llama"), nullptr);
  configuration_.pools[0].autoscale.emplace();
  keeper_->follow(configuration_);
  scrape::Demand* const demand = keeper_->demand("llama");
  ASSERT_NE(demand, nullptr);
  keeper_->follow(configuration_);
  EXPECT_NE(keeper_->demand("llama"), nullptr);
  EXPECT_EQ(keeper_->demand("other"), nullptr);
}

/// With servers that are asked: time is the machine's.
TEST(LoadKeeper, MetricsAreScrapedAndComeBeforeHeaders) {
  health::Server busy(health::answer_with(
      health::http(200, "vllm:num_requests_running 6\nnonsense\n", "Connection: close\r\n")));
  health::Server idle(health::answer_with(
      health::http(200, "vllm:num_requests_running 1\n", "Connection: close\r\n")));
  const health::NobodyThere nobody;
  auto loop = EventLoop::open().value();
  EventLog events;
  unsigned changes = 0;
  auto configuration = sample(3);
  auto& pool = configuration.pools[0];
  pool.policy = config::Policy::kLeastLoad;
  pool.metrics = config::Metrics{.interval = 100ms, .timeout = 5000ms, .stale_after = 60s};
  const std::uint16_t ports[] = {busy.port(), idle.port(), nobody.port()};
  for (std::size_t i = 0; i < 3; ++i) {
    pool.backends[i].address = health::kLoopback;
    pool.backends[i].port = ports[i];
  }
  auto keeper =
      LoadKeeper::open(
          {.loop = *loop, .events = events, .in_service = {}, .changed = [&] { ++changes; }})
          .value();
  keeper->follow(configuration);
  const auto end = EventLoop::Clock::now() + 20s;
  const auto both_told = [&] {
    const auto now = loop->now();
    return keeper->demand("llama")->inside("gpu-1", now) &&
           keeper->demand("llama")->inside("gpu-2", now) &&
           keeper->counts("llama", "gpu-3") != nullptr;
  };
  while ((!both_told() || changes == 0) && EventLoop::Clock::now() < end) loop->turn(50ms);
  ASSERT_TRUE(both_told());
  for (const auto before = changes; changes == before && EventLoop::Clock::now() < end;) {
    snapshot::Input input;
    input.pools.emplace_back().backends.resize(3);
    keeper->apply(configuration, input);
    if (input.pools[0].backends[1].load == 1000) break;  // all were told by the first step
    loop->turn(50ms);
  }
  snapshot::Input input;
  input.pools.emplace_back().backends.resize(3);
  keeper->apply(configuration, input);
  EXPECT_EQ(input.pools[0].backends[0].load, 6000U);
  EXPECT_EQ(input.pools[0].backends[1].load, 1000U);
  EXPECT_EQ(input.pools[0].backends[2].load, 6000U);
  EXPECT_GE(keeper->counts("llama", "gpu-1")->good, 1U);
  EXPECT_GE(keeper->counts("llama", "gpu-3")->failed, 1U);
  std::vector<std::string> bad;
  for (const auto* event : events.since(1, 1000).events)
    if (event->event == "bad_line") bad.push_back(event->text);
  EXPECT_THAT(bad, ElementsAre(HasSubstr("llama/gpu-1: line 2")));
  const auto before = keeper->telling();
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].in_service, 3U);
  EXPECT_EQ(before[0].silent, 1U);
  EXPECT_GE(before[0].scrapes.good, 2U);
  EXPECT_GE(before[0].scrapes.failed, 1U);
  EXPECT_LT(before[0].age_s.value(), 20);
  telemetry::Exposition out;
  put_load(out, *keeper);
  EXPECT_THAT(out.take(), HasSubstr("sluice_silent_backends{pool=\"llama\"} 1\n"));
  pool.backends.resize(1);
  keeper->follow(configuration);
  EXPECT_GE(keeper->telling()[0].scrapes.failed, before[0].scrapes.failed) << "a counter";
  EXPECT_EQ(keeper->telling()[0].silent, 0U);
  keeper.reset();
}

TEST_F(LoadKeeperTest, WhoIsNotInServiceIsNotMissed) {
  const health::NobodyThere nobody;
  auto& pool = configuration_.pools[0];
  pool.metrics = config::Metrics{.port = nobody.port()};
  for (auto& backend : pool.backends) backend.address = health::kLoopback;
  in_service_ = false;
  keeper_->follow(configuration_);
  for (int i = 0; i < 3 && keeper_->counts("llama", "gpu-1") == nullptr; ++i) {
    second();
    loop_->turn(100ms);
  }
  second();
  EXPECT_THAT(told_events(), IsEmpty());
  EXPECT_EQ(keeper_->telling()[0].silent, 0U);
  EXPECT_FALSE(keeper_->telling()[0].age_s.has_value());
  in_service_ = true;
  EXPECT_EQ(keeper_->telling()[0].silent, 3U);
  for (int i = 0; i < 50 && told_events().size() < 3; ++i) {
    second();
    loop_->turn(100ms);
  }
  EXPECT_EQ(told_events().size(), 3U);
  EXPECT_THAT(told_events().front(), HasSubstr("backend llama/gpu-1 tells no load"));
}

}  // namespace
}  // namespace sluice::control
