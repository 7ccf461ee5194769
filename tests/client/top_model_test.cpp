// SPDX-License-Identifier: Apache-2.0
#include "client/top_model.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

json backend(const std::string& name, std::uint64_t packets, std::uint64_t active = 0,
             const std::string& state = "up") {
  return {{"pool", "p"},           {"name", name},           {"state", state},
          {"weight", 100},         {"weight_now", 100},      {"slots_share", 0.5},
          {"packets", packets},    {"bytes", packets * 100}, {"new_flows", packets / 10},
          {"active_flows", active}};
}

json backends(std::initializer_list<json> list) { return {{"backends", json(list)}}; }

const json kStatus = json::parse(
    R"({"node": "edge-1", "ready": true, "generation": 7, "uptime_s": 60,
        "backends": {"up": 2, "total": 2}})");

KeyPress key(char c) { return {Key::kCharacter, c}; }

class TopTest : public testing::Test {
 protected:
  void take(const json& answer, double seconds = 1) {
    now_ += std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>(seconds));
    model_.take(View(kStatus), View(answer), now_);
  }
  std::string screen(std::size_t height = 12, std::size_t width = 100) {
    std::string text;
    for (const auto& line : model_.screen(height, width)) text += line.text + "\n";
    return text;
  }
  // Names of backends from the top down.
  std::vector<std::string> order() {
    std::vector<std::string> names;
    std::istringstream in(model_.whole(false));
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string pool;
      std::string name;
      if (words >> pool >> name && pool == "p") names.push_back(name);
    }
    return names;
  }
  TopModel model_ = TopModel::create("", "", "").value();
  TimePoint now_ = recorded_now();
};

TEST_F(TopTest, RatesAreThoseBetweenTwoLooks) {
  take(backends({backend("a", 1000)}));
  EXPECT_THAT(screen(), HasSubstr(" - ")) << "one look has none";
  take(backends({backend("a", 3000)}), 2);
  EXPECT_THAT(screen(), HasSubstr("1000")) << "2000 packets in 2 s";
  EXPECT_THAT(screen(), HasSubstr("800K")) << "bits of 200,000 bytes in 2 s";
}

TEST_F(TopTest, ACounterThatWentBackHasNoRate) {
  take(backends({backend("a", 1000)}));
  take(backends({backend("a", 10)}));
  EXPECT_THAT(screen(), HasSubstr(" - "));
}

TEST_F(TopTest, EachKeySortsByTheNextColumnAndRTurnsItRound) {
  take(backends({backend("a", 0, 5), backend("b", 0, 50), backend("c", 0, 9)}));
  EXPECT_THAT(order(), testing::ElementsAre("a", "b", "c")) << "as the daemon lists them";
  model_.press({Key::kLeft});  // the last column: ACTIVE
  EXPECT_THAT(order(), testing::ElementsAre("b", "c", "a"));
  model_.press(key('r'));
  EXPECT_THAT(order(), testing::ElementsAre("a", "c", "b"));
}

TEST_F(TopTest, AFilterShowsOnlyLinesWithTheTextWhateverItsCase) {
  take(backends({backend("gpu-1", 0), backend("gpu-2", 0, 0, "down")}));
  for (const char c : std::string("/DOWN")) model_.press(key(c));
  EXPECT_THAT(screen(), HasSubstr("filter: DOWN_"));
  model_.press({Key::kEnter});
  EXPECT_THAT(order(), testing::ElementsAre("gpu-2"));
  model_.press({Key::kEscape});
  EXPECT_EQ(order().size(), 2U);
}

TEST_F(TopTest, QIsALetterWhileAFilterIsTyped) {
  model_.press(key('/'));
  EXPECT_TRUE(model_.press(key('q')));
  model_.press({Key::kEscape});
  EXPECT_FALSE(model_.press(key('q')));
}

TEST_F(TopTest, WhilePausedNothingChanges) {
  take(backends({backend("a", 0)}));
  model_.press(key('p'));
  const auto before = screen();
  EXPECT_THAT(before, HasSubstr("PAUSED"));
  take(backends({backend("b", 0)}));
  EXPECT_EQ(screen(), before);
  model_.press(key(' '));
  take(backends({backend("b", 0)}));
  EXPECT_THAT(order(), testing::ElementsAre("b"));
}

TEST_F(TopTest, ADaemonThatIsAwayIsSaidAndTheLastListStays) {
  take(backends({backend("a", 0)}));
  model_.fail("no daemon at /s");
  EXPECT_THAT(screen(), StartsWith("no daemon at /s\n"));
  EXPECT_THAT(order(), testing::ElementsAre("a"));
  take(backends({backend("a", 0)}));
  EXPECT_THAT(screen(), StartsWith("edge-1  ready"));
}

TEST_F(TopTest, ViewsHaveTheirOwnLists) {
  EXPECT_EQ(model_.list(), "backends");
  model_.press(key('2'));
  EXPECT_EQ(model_.list(), "services");
  model_.press({Key::kTab});
  EXPECT_EQ(model_.list(), "workers");
  model_.press({Key::kTab});
  EXPECT_EQ(model_.list(), "backends");
}

TEST_F(TopTest, LongListsScrollAndKeepTheirTitles) {
  json many = json::array();
  for (int i = 0; i < 100; ++i) many.push_back(backend("gpu-" + std::to_string(i), 0));
  take({{"backends", many}});
  EXPECT_THAT(screen(), HasSubstr("gpu-0 "));
  model_.press({Key::kEnd});
  EXPECT_THAT(screen(), HasSubstr("gpu-99 "));
  EXPECT_THAT(screen(), HasSubstr("BACKEND"));
  model_.press({Key::kHome});
  model_.press({Key::kPageDown});
  EXPECT_THAT(screen(), HasSubstr("gpu-10 "));
  EXPECT_THAT(screen(), Not(HasSubstr("gpu-9 ")));
}

TEST_F(TopTest, NoSizeBreaksIt) {
  take(backends({backend("a", 0), backend("b", 0)}));
  for (const std::size_t height : {0U, 1U, 2U, 3U, 4U, 5U, 50U})
    for (const std::size_t width : {0U, 1U, 2U, 7U, 80U, 400U}) {
      const auto lines = model_.screen(height, width);
      ASSERT_EQ(lines.size(), height);
      for (const auto& line : lines)
        EXPECT_LE(columns(line.text), std::max<std::size_t>(width, 1)) << height << "x" << width;
    }
}

TEST_F(TopTest, AnswersThatMakeNoSenseAreShownAsQuestionMarks) {
  take(json::parse(
      R"({"backends": [null, 7, {"pool": [], "packets": -1}, {"name": "\u001b[2J"}]})"));
  EXPECT_THAT(screen(), HasSubstr("?"));
  EXPECT_EQ(screen().find('\x1b'), std::string::npos);
  take(json::parse("[]"));
  EXPECT_THAT(screen(), StartsWith("the daemon's answer has no list 'backends'"));
}

TEST_F(TopTest, AnyKeysInAnyOrderLeaveAScreen) {
  std::mt19937 random(7);
  take(backends({backend("a", 1), backend("b", 2)}));
  for (int i = 0; i < 20'000; ++i) {
    const auto kind = static_cast<Key>(random() % 14);
    (void)model_.press({kind, static_cast<char>(' ' + random() % 95)});
    if (i % 50 == 0) take(backends({backend("a", random() % 9), backend("c", random() % 9)}));
    if (i % 10 == 0) {
      ASSERT_EQ(model_.screen(random() % 30, random() % 90).size() > 30, false);
    }
  }
}

TEST(Top, UnknownViewsAndColumnsAreRefusedByName) {
  const auto view = TopModel::create("backend", "", "");
  ASSERT_FALSE(view);
  EXPECT_THAT(view.error().message, HasSubstr("did you mean 'backends'?"));
  const auto sort = TopModel::create("services", "cheese", "");
  ASSERT_FALSE(sort);
  EXPECT_THAT(sort.error().message, HasSubstr("no column of this view: SERVICE, ADDRESS"));
  EXPECT_TRUE(TopModel::create("workers", "-busy", ""));
}

TEST(Top, OnceLooksTwiceAndPrintsATable) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  auto environment = environment_for(daemon.socket());
  environment.second = std::chrono::milliseconds(1);
  auto looks = std::make_shared<int>(0);
  environment.now = [looks] { return recorded_now() + std::chrono::seconds((*looks)++); };
  const auto outcome = sluicectl(environment, "top --once --sort active --filter gpu");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("edge-1  ready  generation 7  3/4 backends up"));
  EXPECT_THAT(outcome.out, HasSubstr("ACTIVE v"));
  EXPECT_LT(outcome.out.find("gpu-3"), outcome.out.find("gpu-1")) << "90 flows before 88";
}

TEST(Top, InAPipeItWantsOnce) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  const auto outcome = sluicectl(daemon, "top");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("needs a terminal; use --once in a pipe"));
}

}  // namespace
}  // namespace sluice::client
