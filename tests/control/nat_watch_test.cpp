// SPDX-License-Identifier: Apache-2.0
#include "control/nat_watch.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::control {
namespace {

class NatWatchTest : public testing::Test {
 protected:
  std::uint64_t& drops(Verdict v) { return books_.verdicts[static_cast<std::size_t>(v)]; }
  void look(unsigned times = 1) {
    while (times-- != 0) watch_.look(books_, events_);
  }
  std::vector<std::string> told() {
    std::vector<std::string> kinds;
    for (const auto* event : events_.since(1, 100).events) kinds.push_back(event->event);
    return kinds;
  }
  std::string last() { return events_.since(1, 100).events.back()->text; }

  NatWatch watch_;
  EventLog events_;
  dataplane::Books books_;
};

TEST_F(NatWatchTest, AShortageIsToldWhenItBeginsAndWhenItIsOver) {
  drops(Verdict::kNoNextHop) = 7;
  look(100);
  EXPECT_TRUE(told().empty());
  drops(Verdict::kNoNatPort) = 5;
  look();
  drops(Verdict::kNoNatPort) = 50;
  look(NatWatch::kQuietLooks);
  EXPECT_EQ(told(), std::vector<std::string>{"no_nat_port"});
  EXPECT_EQ(last(), text(Verdict::kNoNatPort).remedy);
  look(2);
  EXPECT_EQ(told(), (std::vector<std::string>{"no_nat_port", "no_nat_port_over"}));
  EXPECT_EQ(last(), "packets dropped: 50");
  look(100);
  EXPECT_EQ(told().size(), 2U);
  drops(Verdict::kNoNatPort) = 51;
  look(NatWatch::kQuietLooks + 1);
  EXPECT_EQ(told().size(), 4U);
  EXPECT_EQ(last(), "packets dropped: 1");
}

TEST_F(NatWatchTest, ShortagesOfDifferentThingsAreDifferentEvents) {
  drops(Verdict::kNatTableFull) = 1;
  look();
  drops(Verdict::kHandOverFull) = 1;
  look();
  EXPECT_EQ(told(), (std::vector<std::string>{"nat_table_full", "hand_over_full"}));
}

}  // namespace
}  // namespace sluice::control
