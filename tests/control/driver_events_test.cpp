// SPDX-License-Identifier: Apache-2.0
#include "control/driver_events.hpp"

#include "base/unique_fd.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <string>

namespace sluice::control {
namespace {

using Kind = xdp::BackendEvent::Kind;
using testing::HasSubstr;
using namespace std::chrono_literals;

IpAddress host(unsigned n) {
  return IpAddress::v4(
      {10, 0, static_cast<unsigned char>(n / 250), static_cast<unsigned char>(1 + n % 250)});
}

/// A filter whose events the test makes, behind a descriptor that is readable while some wait.
class DriverEventsTest : public testing::Test {
 protected:
  void raise(const IpAddress& address, Kind kind) {
    waiting_.push_back({address, kind});
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(fd_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  std::vector<DriverEvent> poll(std::size_t most) {
    most_ = std::max(most_, most);
    std::vector<DriverEvent> out;
    while (!waiting_.empty() && out.size() < most) {
      out.push_back(waiting_.front());
      waiting_.pop_front();
    }
    std::uint64_t n = 0;
    if (waiting_.empty()) {
      EXPECT_EQ(::read(fd_.get(), &n, sizeof n), ssize_t{sizeof n});
    }
    ++polls_;
    return out;
  }
  void turn() {
    while (loop_->turn(0ms)) {
    }
  }
  std::vector<std::string> told() {
    std::vector<std::string> texts;
    for (const auto* event : events_.since(1, 4000).events) texts.push_back(event->text);
    return texts;
  }

  EventLoop::Clock::time_point now_{1000s};
  std::unique_ptr<EventLoop> loop_ = EventLoop::open([this] { return now_; }).value();
  EventLog events_;
  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::deque<DriverEvent> waiting_;
  std::uint64_t lost_ = 5;  // from a life before
  std::size_t most_ = 0;
  unsigned polls_ = 0;
  unsigned looks_ = 0;
  std::set<IpAddress> doubtful_;
  std::set<IpAddress> answering_;
  std::unique_ptr<DriverEvents> signs_ =
      DriverEvents::open({.loop = *loop_,
                          .events = events_,
                          .poll = [this](std::size_t most) { return poll(most); },
                          .lost = [this] { return lost_; },
                          .look =
                              [this](const auto& doubtful, const auto& answering) {
                                ++looks_;
                                doubtful_ = doubtful;
                                answering_ = answering;
                              }},
                         fd_.get())
          .value();
};

TEST_F(DriverEventsTest, WhoRefusesIsLookedAtAtOnceAndToldOnce) {
  raise(host(1), Kind::kRefuses);
  raise(host(1), Kind::kResets);
  raise(host(2), Kind::kAnswers);
  turn();
  EXPECT_THAT(doubtful_, testing::ElementsAre(host(1)));
  EXPECT_THAT(answering_, testing::ElementsAre(host(2)));
  ASSERT_EQ(told().size(), 1U);
  EXPECT_THAT(told()[0], HasSubstr("10.0.0.2 refuses connections"));
  turn();
  EXPECT_EQ(looks_, 1U) << "nothing is new";
}

TEST_F(DriverEventsTest, AFloodIsTakenInPartsAndFillsNoLog) {
  for (unsigned i = 0; i < 2000; ++i) raise(host(i % 500), Kind::kUnreachable);
  const auto before = polls_;
  ASSERT_TRUE(loop_->turn(0ms));
  EXPECT_EQ(polls_, before + 1) << "others have their turn";
  EXPECT_EQ(most_, DriverEvents::kMost);
  turn();
  EXPECT_GE(polls_, 2000 / DriverEvents::kMost);
  EXPECT_EQ(told().size(), DriverEvents::kMostTold);
  now_ += 10s;
  raise(host(3), Kind::kRefuses);
  turn();
  EXPECT_EQ(told().size(), DriverEvents::kMostTold + 1);
}

TEST_F(DriverEventsTest, WhatIsLostIsToldAndNotEachTime) {
  raise(host(1), Kind::kAnswers);
  turn();
  EXPECT_TRUE(told().empty());
  for (int i = 0; i < 5; ++i) {
    lost_ += 10;
    raise(host(1), Kind::kAnswers);
    turn();
  }
  ASSERT_EQ(told().size(), 1U);
  EXPECT_THAT(told()[0], HasSubstr("10 signs of backends found no room"));
}

TEST_F(DriverEventsTest, ADescriptorThatCannotBeWaitedForIsAnError) {
  EXPECT_FALSE(DriverEvents::open({.loop = *loop_,
                                   .events = events_,
                                   .poll = [](std::size_t) { return std::vector<DriverEvent>(); },
                                   .lost = [] { return std::uint64_t{0}; },
                                   .look = [](const auto&, const auto&) {}},
                                  -1));
}

}  // namespace
}  // namespace sluice::control
