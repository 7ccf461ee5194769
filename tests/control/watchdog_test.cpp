// SPDX-License-Identifier: Apache-2.0
#include "control/watchdog.hpp"

#include "notify_socket.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

class WatchdogTest : public NotifySocketTest {
 protected:
  void TearDown() override {
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
    NotifySocketTest::TearDown();
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const auto* event : events.since(1, 100).events)
      kinds.push_back(event->component + "." + event->event);
    return kinds;
  }

  EventLog events;
  std::optional<unsigned> stuck;
  milliseconds asked_about{0};
  Watchdog watchdog{milliseconds(2500),
                    [this](milliseconds limit) {
                      asked_about = limit;
                      return stuck;
                    },
                    events};
};

TEST_F(WatchdogTest, PeriodIsAQuarterOfTheLimit) {
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  EXPECT_EQ(Watchdog::period(), milliseconds(2500));
  ::setenv("WATCHDOG_USEC", "1", 1);
  EXPECT_EQ(Watchdog::period(), milliseconds(1));
  ::setenv("WATCHDOG_USEC", "18446744073709551614", 1);
  EXPECT_EQ(Watchdog::period(), milliseconds(60'000));
}

TEST_F(WatchdogTest, NobodyIsToldWhereNoWatchdogIsOrItIsAnotherProcesss) {
  EXPECT_EQ(Watchdog::period(), std::nullopt);
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid() + 1).c_str(), 1);
  EXPECT_EQ(Watchdog::period(), std::nullopt);
  ::setenv("WATCHDOG_USEC", "soon", 1);
  ::unsetenv("WATCHDOG_PID");
  EXPECT_EQ(Watchdog::period(), std::nullopt);
}

TEST_F(WatchdogTest, IsFedEachTimeThatAllWorkersTurn) {
  watchdog.step();
  EXPECT_EQ(received(), "WATCHDOG=1");
  watchdog.step();
  EXPECT_EQ(received(), "WATCHDOG=1");
  EXPECT_EQ(received(), "");
  EXPECT_EQ(asked_about, milliseconds(2500));
  EXPECT_TRUE(kinds().empty());
}

TEST_F(WatchdogTest, IsNotFedWhileAWorkerStands) {
  stuck = 3;
  watchdog.step();
  EXPECT_EQ(received(), "STATUS=worker 3 has not turned for more than 2500 ms");
  watchdog.step();
  EXPECT_EQ(received(), "");
  EXPECT_EQ(kinds(), std::vector<std::string>{"watchdog.withheld"});  // once, not each time
}

TEST_F(WatchdogTest, IsFedAgainWhenTheWorkerTurnsAgain) {
  stuck = 0;
  watchdog.step();
  stuck.reset();
  received();
  watchdog.step();
  EXPECT_EQ(received(), "WATCHDOG=1");
  EXPECT_EQ(received(), "STATUS=forwarding");
  EXPECT_EQ(kinds(), (std::vector<std::string>{"watchdog.withheld", "watchdog.fed_again"}));
}

}  // namespace
}  // namespace sluice::control
