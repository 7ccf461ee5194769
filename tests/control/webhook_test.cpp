// SPDX-License-Identifier: Apache-2.0
#include "control/webhook.hpp"

#include "http/server.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <vector>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using Body = nlohmann::json;

/// A receiver in the same loop. Its HTTP server reads only by TCP, so it is asked by Unix socket.
class WebhookTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "webhook-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    server_ =
        http::Server::open(*loop_,
                           {.socket = directory_ + "/socket",
                            .http = "",
                            .certificate = {},
                            .key = {},
                            .tokens = {}},
                           [this](const http::Request& request) -> http::Answer {
                             bodies_.push_back(Body::parse(request.body));
                             return http::Response{.status = status_, .body = "", .headers = {}};
                           })
            .value();
    hook_ = Webhook::open(*loop_, events_, "http://receiver/events", "edge-1").value();
    hook_->connect_to_socket(directory_ + "/socket");
    events_.on_new([this] { hook_->wake(); });
  }
  void TearDown() override {
    hook_.reset();
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  template <class Done>
  bool until(Done done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < end) loop_->turn(10ms);
    return done();
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::open().value();
  EventLog events_;
  std::string directory_;
  int status_ = 204;
  std::vector<Body> bodies_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<Webhook> hook_;
};

TEST_F(WebhookTest, AnEventIsSentOnceWithTheNodesName) {
  events_.add(Level::kWarn, "health", "down", "backend llama/gpu-1 up -> down");
  ASSERT_TRUE(until([&] { return hook_->delivered() == 1; }));
  ASSERT_EQ(bodies_.size(), 1U);
  EXPECT_EQ(bodies_[0]["node"], "edge-1");
  EXPECT_EQ(bodies_[0]["events"][0]["event"], "down");
  EXPECT_EQ(bodies_[0]["lost"], 0);
  loop_->turn(50ms);
  EXPECT_EQ(bodies_.size(), 1U);
}

TEST_F(WebhookTest, EventsOfOneTurnGoInOneRequestAndNoneHasMoreThanAHundred) {
  for (int i = 0; i < 250; ++i)
    events_.add(Level::kInfo, "test", "kind_" + std::to_string(i), "text");
  ASSERT_TRUE(until([&] { return hook_->delivered() == 250; }));
  ASSERT_EQ(bodies_.size(), 3U);
  EXPECT_EQ(bodies_[0]["events"].size(), Webhook::kMostEvents);
  EXPECT_EQ(bodies_[2]["events"][49]["event"], "kind_249");
}

TEST_F(WebhookTest, WhatIsRefusedIsSentAgainAndTheTroubleIsToldOnce) {
  status_ = 503;
  events_.add(Level::kInfo, "test", "first", "text");
  ASSERT_TRUE(until([&] { return hook_->failures() == 2; }));
  EXPECT_EQ(hook_->delivered(), 0U);
  status_ = 200;
  ASSERT_TRUE(until([&] { return hook_->delivered() == 3; }))
      << "the event, the failure and the end of it";
  EXPECT_EQ(events_.since(1, 10).events.size(), 3U);
  EXPECT_EQ(bodies_.back()["events"].back()["event"], "delivered");
}

TEST_F(WebhookTest, AReceiverThatIsNotThereIsTriedAgainLater) {
  server_.reset();
  events_.add(Level::kInfo, "test", "first", "text");
  ASSERT_TRUE(until([&] { return hook_->failures() == 1; }));
  EXPECT_EQ(events_.since(2, 1).events.at(0)->event, "failed");
}

TEST(Webhook, OnlyHttpIsSpoken) {
  auto loop = EventLoop::open().value();
  EventLog events;
  auto hook = Webhook::open(*loop, events, "file:///etc/passwd", "edge-1").value();
  events.add(Level::kInfo, "test", "first", "text");
  hook->wake();
  for (int i = 0; i < 100 && hook->failures() == 0; ++i) loop->turn(10ms);
  EXPECT_EQ(hook->failures(), 1U);
}

}  // namespace
}  // namespace sluice::control
