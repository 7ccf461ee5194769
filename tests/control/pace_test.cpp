// SPDX-License-Identifier: Apache-2.0
#include "control/pace.hpp"

#include "control/grace_watch.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

struct PaceTest : testing::Test {
  void advance(std::chrono::milliseconds by) {
    now += by;
    while (loop->turn(0ms)) {
    }
  }
  EventLoop::Clock::time_point now{1h};
  std::unique_ptr<EventLoop> loop = EventLoop::open([this] { return now; }).value();
  std::chrono::milliseconds takes{10};
  int done = 0;
};

TEST_F(PaceTest, WorkThatHasRestedIsDoneAtOnce) {
  Pace pace(*loop, 3, [this] { ++done; });
  for (int i = 1; i <= 5; ++i) {
    pace.ask();
    EXPECT_EQ(done, i) << "it takes no time: it need not rest";
  }
}

TEST_F(PaceTest, ItRestsForSoManyTimesAsLongAsItTookAndIsDoneOnceThen) {
  Pace pace(*loop, 3, [this] {
    ++done;
    now += takes;
  });
  pace.ask();
  for (int i = 0; i < 1000; ++i) pace.ask();
  EXPECT_EQ(done, 1);
  EXPECT_TRUE(pace.waits());
  advance(29ms);
  EXPECT_EQ(done, 1);
  advance(1ms);
  EXPECT_EQ(done, 2);
  EXPECT_FALSE(pace.waits());
  advance(10s);
  EXPECT_EQ(done, 2) << "nobody has asked since";
}

TEST_F(PaceTest, AskedForFromWithinItIsDoneAgainAfterARest) {
  Pace* self = nullptr;
  Pace pace(*loop, 3, [&] {
    if (++done == 1) self->ask();
    now += takes;
  });
  self = &pace;
  pace.ask();
  EXPECT_EQ(done, 1);
  advance(29ms);
  EXPECT_EQ(done, 1);
  advance(1ms);
  EXPECT_EQ(done, 2);
}

TEST_F(PaceTest, OneThatIsGoneDoesNothing) {
  {
    Pace pace(*loop, 3, [this] {
      ++done;
      now += takes;
    });
    pace.ask();
    pace.ask();
  }
  advance(1s);
  EXPECT_EQ(done, 1);
}

using GraceWatchTest = PaceTest;

TEST_F(GraceWatchTest, TablesThatNobodyHoldsAreFreedAtTheEndOfTheTurn) {
  GraceWatch grace(*loop, [] { return std::size_t{0}; });
  grace.published();
  advance(0ms);
  EXPECT_EQ(grace.times().by_time.front(), 1U);
  EXPECT_EQ(grace.times().time, 0ns);
}

TEST_F(GraceWatchTest, ItIsCountedOnceThoseOfAllAreFree) {
  std::size_t held = 2;
  GraceWatch grace(*loop, [&] { return held; });
  grace.published();
  advance(0ms);
  advance(4ms);
  grace.published();
  advance(0ms);
  EXPECT_EQ(grace.times().time, 0ns);
  held = 0;
  advance(1ms);
  EXPECT_EQ(grace.times().time, 6ms) << "5 of the first, 1 of the second";
}

TEST_F(GraceWatchTest, AWorkerThatIsStuckIsLookedAtSeldom) {
  int looks = 0;
  GraceWatch grace(*loop, [&] {
    ++looks;
    return std::size_t{1};
  });
  grace.published();
  for (int i = 0; i < 1000; ++i) advance(1ms);
  EXPECT_LT(looks, 30);
  EXPECT_GT(looks, 15);
}

}  // namespace
}  // namespace sluice::control
