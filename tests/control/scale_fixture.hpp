// SPDX-License-Identifier: Apache-2.0
// A keeper of scaled pools over a table, an actuator and clocks that the test has in its hands.
//
// Threads: the test's.
#pragma once

#include "base/state_file.hpp"
#include "control/sample.hpp"
#include "control/scale_keeper.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

namespace sluice::control {

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

}  // namespace sluice::control
