// SPDX-License-Identifier: Apache-2.0
#include "control/event_log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

struct EventLogTest : testing::Test {
  void note(int n, const std::string& event = "happened") {
    for (int i = 0; i < n; ++i) log.add(Level::kInfo, "test", event, "text");
  }
  std::vector<std::uint64_t> ids(std::uint64_t since, std::size_t most = 1000) const {
    std::vector<std::uint64_t> all;
    for (const Event* e : log.since(since, most).events) all.push_back(e->id);
    return all;
  }
  std::string last() const { return log.since(1, 1000).events.back()->text; }

  std::chrono::system_clock::time_point time{1000h};
  EventLog log{4, [this] { return time; }};
};

using Ids = std::vector<std::uint64_t>;

TEST_F(EventLogTest, EventIsKeptAsItWasNoted) {
  log.add(Level::kWarn, "config", "reload_refused", "the reason");
  const auto page = log.since(0, 10);
  ASSERT_EQ(page.events.size(), 1U);
  const Event& e = *page.events[0];
  EXPECT_EQ(e.id, 1U);
  EXPECT_EQ(e.at, time);
  EXPECT_EQ(e.level, Level::kWarn);
  EXPECT_EQ(e.component, "config");
  EXPECT_EQ(e.event, "reload_refused");
  EXPECT_EQ(e.text, "the reason");
}

TEST_F(EventLogTest, PageGoesOnWhereTheLastOneEnded) {
  note(3);
  EXPECT_EQ(ids(0, 2), (Ids{1, 2}));
  EXPECT_EQ(log.since(0, 2).next, 3U);
  EXPECT_EQ(ids(3), (Ids{3}));
  EXPECT_EQ(log.since(3, 10).next, 4U);
  EXPECT_EQ(ids(4), Ids{});
  EXPECT_EQ(log.since(4, 10).next, 4U);
}

TEST_F(EventLogTest, NothingNotedIsAnEmptyPage) {
  const auto page = log.since(0, 10);
  EXPECT_TRUE(page.events.empty());
  EXPECT_EQ(page.next, 1U);
  EXPECT_EQ(page.lost, 0U);
}

TEST_F(EventLogTest, OldEventsGoAndAreCountedAsLost) {
  note(10);
  EXPECT_EQ(ids(1), (Ids{7, 8, 9, 10}));
  EXPECT_EQ(log.since(1, 10).lost, 6U);
  EXPECT_EQ(log.since(0, 10).lost, 6U);
  EXPECT_EQ(log.since(6, 10).lost, 1U);
  EXPECT_EQ(log.since(7, 10).lost, 0U);
}

TEST_F(EventLogTest, ReaderOfAnEarlierLifeStartsWithTheOldestEvent) {
  note(2);
  EXPECT_EQ(ids(5000), (Ids{1, 2}));
  EXPECT_EQ(log.since(5000, 10).next, 3U);
  EXPECT_EQ(log.since(5000, 10).lost, 0U);
}

TEST_F(EventLogTest, FlappingSourceIsBoundedAndCountedAndLeavesOtherKindsAlone) {
  EventLog wide{1000, [this] { return time; }};
  const auto flap = [&](unsigned n) {
    for (unsigned i = 0; i < n; ++i) wide.add(Level::kInfo, "test", "flap", "x");
  };
  flap(EventLog::kBurst + 50);
  EXPECT_EQ(wide.since(1, 1000).events.size(), EventLog::kBurst);
  EXPECT_EQ(wide.suppressed(), 50U);
  wide.add(Level::kInfo, "test", "other", "x");
  EXPECT_EQ(wide.since(1, 1000).events.size(), EventLog::kBurst + 1);
  time += EventLog::kWindow;
  flap(1);
  EXPECT_EQ(wide.since(1, 1000).events.back()->text, "x (50 more of this kind were not noted)");
  flap(1);
  EXPECT_EQ(wide.since(1, 1000).events.back()->text, "x");
}

TEST_F(EventLogTest, ClockThatIsSetBackDoesNotSilenceAKind) {
  EventLog wide{1000, [this] { return time; }};
  for (unsigned i = 0; i <= EventLog::kBurst; ++i) wide.add(Level::kInfo, "test", "flap", "x");
  time -= 24h;
  wide.add(Level::kInfo, "test", "flap", "after");
  EXPECT_EQ(wide.since(1, 1000).events.back()->text.substr(0, 5), "after");
}

TEST_F(EventLogTest, NoticeComesWithEachEventThatIsNotedOnly) {
  unsigned notices = 0;
  log.on_new([&] { ++notices; });
  note(EventLog::kBurst + 5);
  EXPECT_EQ(notices, EventLog::kBurst);
}

TEST_F(EventLogTest, TextIsOneLineWhateverItHolds) {
  log.add(Level::kInfo, "test", "x", std::string("a\nb\rc\td\0e\x7f", 10));
  EXPECT_EQ(last(), "a b c d e ");
}

TEST_F(EventLogTest, LongTextIsCutBetweenCharacters) {
  log.add(Level::kInfo, "test", "x", std::string(EventLog::kLongestText, 'a'));
  EXPECT_EQ(last(), std::string(EventLog::kLongestText, 'a'));
  for (std::size_t lead = 0; lead < 4; ++lead) {
    std::string text(lead, 'a');
    while (text.size() < 2 * EventLog::kLongestText) text += "\xe2\x82\xac";  // three bytes
    log.add(Level::kInfo, "test", "x", text);
    EXPECT_LE(last().size(), EventLog::kLongestText);
    EXPECT_EQ((last().size() - 3 - lead) % 3, 0U) << lead;
    EXPECT_EQ(last().substr(last().size() - 3), "...");
  }
}

TEST(Level, NamesAreThoseOfTheApi) {
  EXPECT_EQ(name(Level::kInfo), "info");
  EXPECT_EQ(name(Level::kWarn), "warning");
  EXPECT_EQ(name(Level::kError), "error");
}

}  // namespace
}  // namespace sluice::control
