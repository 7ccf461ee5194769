// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace sluice {
namespace {

using namespace std::chrono_literals;

UniqueFd raised() { return UniqueFd(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); }

struct EventLoopTest : testing::Test {
  EventLoop::Clock::time_point time{1h};
  std::unique_ptr<EventLoop> loop = EventLoop::open([this] { return time; }).value();
};

TEST_F(EventLoopTest, ReadyDescriptorIsCalledEachTurnUntilItIsRemoved) {
  const UniqueFd fd = raised();
  int calls = 0;
  ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](std::uint32_t events) {
    EXPECT_EQ(events, EPOLLIN);
    ++calls;
  }));
  EXPECT_TRUE(loop->turn(0ms));
  EXPECT_TRUE(loop->turn(0ms));
  EXPECT_EQ(calls, 2);
  loop->remove(fd.get());
  EXPECT_FALSE(loop->turn(0ms));
  EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, DescriptorIsTakenOnceAndChangedOnlyWhenKnown) {
  const UniqueFd fd = raised();
  ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [](std::uint32_t) {}));
  EXPECT_EQ(loop->add(fd.get(), EPOLLIN, [](std::uint32_t) {}).error().code, Errc::kConflict);
  ASSERT_TRUE(loop->change(fd.get(), 0));
  EXPECT_FALSE(loop->turn(0ms));
  EXPECT_EQ(loop->change(9999, EPOLLIN).error().code, Errc::kNotFound);
  EXPECT_EQ(loop->add(9999, EPOLLIN, [](std::uint32_t) {}).error().code, Errc::kIo);
  loop->remove(9999);
}

TEST_F(EventLoopTest, CallbackThatRemovesAnotherReadyDescriptorSilencesItInTheSameTurn) {
  const std::array<UniqueFd, 2> fds{raised(), raised()};
  int calls = 0;
  for (const auto& fd : fds)
    ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](std::uint32_t) {
      ++calls;
      for (const auto& each : fds) loop->remove(each.get());  // itself too
    }));
  EXPECT_TRUE(loop->turn(0ms));
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, EventOfAClosedDescriptorIsNotGivenToTheNextOwnerOfItsNumber) {
  const UniqueFd first = raised();
  UniqueFd second = raised();
  const int number = second.get();
  bool misled = false;
  const auto reopen = [&](std::uint32_t) {
    if (!second) return;
    loop->remove(number);
    second.reset();
    UniqueFd silent(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ASSERT_EQ(silent.get(), number);
    ASSERT_TRUE(loop->add(number, EPOLLIN, [&](std::uint32_t) { misled = true; }));
    second = std::move(silent);
    loop->remove(first.get());
  };
  ASSERT_TRUE(loop->add(first.get(), EPOLLIN, reopen));
  ASSERT_TRUE(loop->add(number, EPOLLIN, [](std::uint32_t) {}));
  loop->turn(0ms);
  loop->turn(0ms);
  EXPECT_FALSE(misled);
}

TEST_F(EventLoopTest, TimersFireInOrderOfTheirDeadlinesAndOnce) {
  std::string order;
  loop->after(20ms, [&] { order += 'b'; });
  loop->after(10ms, [&] { order += 'a'; });
  time += 9ms;
  EXPECT_FALSE(loop->turn(0ms));
  time += 11ms;
  EXPECT_TRUE(loop->turn(1h));
  EXPECT_EQ(order, "ab");
  time += 1h;
  EXPECT_FALSE(loop->turn(0ms));
}

TEST_F(EventLoopTest, PeriodicTimerLeavesOutThePeriodsThatWereMissed) {
  int calls = 0;
  loop->every(10ms, [&] { ++calls; });
  time += 10ms;
  loop->turn(0ms);
  EXPECT_EQ(calls, 1);
  time += 95ms;
  loop->turn(0ms);
  loop->turn(0ms);
  EXPECT_EQ(calls, 2);
  time += 10ms;
  loop->turn(0ms);
  EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopTest, PeriodicTimerMayCancelItselfFromWithin) {
  int calls = 0;
  EventLoop::TimerId id{};
  id = loop->every(10ms, [&] {
    ++calls;
    loop->cancel(id);
  });
  for (int i = 0; i < 3; ++i) {
    time += 10ms;
    loop->turn(0ms);
  }
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, TimerCancelledByAnEarlierOneOfTheSameTurnDoesNotFire) {
  EventLoop::TimerId second{};
  loop->after(1ms, [&] { loop->cancel(second); });
  second = loop->after(2ms, [&] { ADD_FAILURE() << "was cancelled"; });
  time += 1h;
  EXPECT_TRUE(loop->turn(0ms));
}

TEST_F(EventLoopTest, TimerThatArmsAnotherWithoutDelayDoesNotHoldTheTurn) {
  int calls = 0;
  std::function<void()> again = [&] {
    ++calls;
    loop->after(0ms, again);
  };
  loop->after(0ms, again);
  loop->turn(0ms);
  EXPECT_EQ(calls, 1);
  loop->turn(0ms);
  EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, TimersThatAreDueAllAtOnceShareTheTurnsWithDescriptors) {
  constexpr int kTimers = 10'000;
  const UniqueFd fd = raised();
  int fired = 0;
  int most = 0;
  int last = -1;
  ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&, before = 0](std::uint32_t) mutable {
    most = std::max(most, fired - before);
    before = fired;
  }));
  for (int i = 0; i < kTimers; ++i)
    loop->after(std::chrono::milliseconds(1), [&, i] {
      EXPECT_EQ(std::exchange(last, i), i - 1) << "in order";
      ++fired;
    });
  time += 1h;
  for (int turns = 0; turns < kTimers && fired < kTimers; ++turns) loop->turn(1h);
  EXPECT_EQ(fired, kTimers);
  EXPECT_LE(most, 64) << "between two looks at the descriptors";
}

TEST_F(EventLoopTest, DeferredTaskRunsAfterTheCallbacksAndOneDeferredThereInTheNextTurn) {
  std::string order;
  const UniqueFd fd = raised();
  loop->after(0ms, [&] { order += 't'; });
  loop->defer([&] {
    order += 'd';
    loop->defer([&] { order += 'e'; });
  });
  ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](std::uint32_t) {
    order += 'f';
    loop->remove(fd.get());
  }));
  EXPECT_TRUE(loop->turn(1h));
  EXPECT_EQ(order, "ftd");
  EXPECT_TRUE(loop->turn(1h));
  EXPECT_EQ(order, "ftde");
}

TEST_F(EventLoopTest, CallbackThatThrowsDoesNotEndTheTurn) {
  bool reached = false;
  loop->after(1ms, [] { throw std::runtime_error("broken"); });
  loop->after(2ms, [] { throw 1; });
  loop->after(3ms, [&] { reached = true; });
  time += 1h;
  EXPECT_TRUE(loop->turn(0ms));
  EXPECT_TRUE(reached);
}

TEST_F(EventLoopTest, StopEndsRunAlsoWhenItCameFirst) {
  loop->defer([&] { loop->stop(); });
  loop->run();
  EXPECT_TRUE(loop->stopped());
  loop->run();
}

TEST_F(EventLoopTest, SignalsComeAsEventsEachInItsTurn) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::vector<int> got;
  const std::array<int, 2> signals{SIGHUP, SIGTERM};
  EventLoop::Sender sender;
  ASSERT_TRUE(loop->on_signals(signals, [&](int s, const EventLoop::Sender& from) {
    got.push_back(s);
    sender = from;
  }));
  EXPECT_EQ(loop->on_signals(signals, [](int, const EventLoop::Sender&) {}).error().code,
            Errc::kConflict);
  ::raise(SIGHUP);
  ::raise(SIGTERM);
  loop->turn(1h);
  loop->turn(1h);
  EXPECT_EQ(got, (std::vector<int>{SIGHUP, SIGTERM}));
  EXPECT_EQ(sender.process, ::getpid());
  EXPECT_EQ(sender.user, ::getuid());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(TurnTimes, EveryTurnIsCountedOnceAndASlowOneAmongTheSlow) {
  const auto loop = EventLoop::open().value();
  const auto turns = [](const TurnTimes::Counts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  for (int i = 0; i < 5; ++i) loop->turn(std::chrono::milliseconds{0});
  const TurnTimes before = loop->turn_times();
  EXPECT_EQ(turns(before.by_time), 5U);
  EXPECT_EQ(turns(before.by_processor_time), 5U);
  loop->defer([] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{2};
    while (std::chrono::steady_clock::now() < end) continue;
  });
  loop->turn(std::chrono::milliseconds{0});
  const TurnTimes after = loop->turn_times();
  EXPECT_EQ(turns(after.by_time), 6U);
  EXPECT_EQ(after.by_time[0] + after.by_time[1], before.by_time[0] + before.by_time[1])
      << "it was longer than a millisecond";
  EXPECT_GE(after.longest, std::chrono::milliseconds{2});
  EXPECT_GE(after.time - before.time, std::chrono::milliseconds{2});
}

}  // namespace
}  // namespace sluice
