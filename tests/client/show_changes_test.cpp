// SPDX-License-Identifier: Apache-2.0
// Changes and what they led to, traces and events.
#include "client/show.hpp"

#include "client/shown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ShowChanges, MarksWhatIsAddedRemovedChangedAndNeedsARestart) {
  const json answer{
      {"changes",
       {{{"path", "/a"}, {"before", nullptr}, {"after", {1, 2}}, {"reloadable", true}},
        {{"path", "/b"}, {"before", true}, {"after", nullptr}, {"reloadable", true}},
        {{"path", "/c"}, {"before", 1}, {"after", 2}, {"reloadable", false}}}}};
  EXPECT_EQ(shown(show_changes, answer),
            "+ /a: [1,2]\n- /b: true\n~ /c: 1 -> 2 (needs a restart)\n");
  EXPECT_EQ(shown(show_changes, {{"changes", json::array()}}), "no difference\n");
}

TEST(ShowChanges, TakeSidesThatAreJsonText) {
  const json answer{{"changes",
                     {{{"path", "/a"}, {"before", ""}, {"after", R"({"name":"b"})"}},
                      {{"path", "/b"}, {"before", R"("x")"}, {"after", ""}},
                      {{"path", "/c"}, {"before", "1"}, {"after", "2"}}}}};
  EXPECT_EQ(shown(show_changes, answer), "+ /a: {\"name\":\"b\"}\n- /b: \"x\"\n~ /c: 1 -> 2\n");
}

TEST(ShowOutcome, GivesMovedBesideLeast) {
  EXPECT_EQ(shown(show_outcome,
                  json::parse(
                      R"({"generation": 8, "changes": [{}], "moved": {"slots": 6553, "least": 6553,
            "of": 65537}})")),
            "generation 8: 6553 of 65537 slots moved (10.0 %), least possible 6553\n");
  EXPECT_EQ(shown(show_outcome,
                  json::parse(R"({"generation": 7, "changes": [], "moved": {"slots": 0, "least": 0,
            "of": 65537}})")),
            "generation 7: nothing changed\n");
  EXPECT_EQ(
      shown(show_outcome,
            json::parse(R"({"generation": 8, "changes": [{}], "moved": {"slots": 0, "least": 0,
            "of": 0}})")),
      "generation 8\n");
  EXPECT_FALSE(show_outcome(View(json::object()), kLook));
}

TEST(ShowTrace, ShardAndWhatWorkersKnowAreShown) {
  const json answer{
      {"verdict", "forward"},
      {"shard", {{"source", "10.0.0.0/9"}}},
      {"workers",
       {{{"worker", 0}, {"cached", false}},
        {{"worker", 1},
         {"cached", true},
         {"pool", "p"},
         {"backend", "b"},
         {"state", "closing"},
         {"idle_s", 6},
         {"source", nullptr},
         {"session", nullptr}},
        {{"worker", 2},
         {"cached", false},
         {"source", {{"pool", "p"}, {"backend", "c"}, {"state", "new"}, {"idle_s", 9}}},
         {"session",
          {{"pool", "p"},
           {"backend", "d"},
           {"state", "answered"},
           {"idle_s", 1},
           {"local", "10.0.0.9"},
           {"local_port", 2048}}}}}}};
  const Flow flow = *parse_flow(split("udp [2001:db8::1]:1 [2001:db8::2]:80"));
  const auto text = *show_trace(View(answer), kLook, flow);
  EXPECT_THAT(text, HasSubstr("sources of 10.0.0.0/9\n"));
  EXPECT_THAT(text, HasSubstr("does not know the flow\n"));
  EXPECT_THAT(text, HasSubstr("knows it: p/b, closing, idle for 6 s\nworker 2"));
  EXPECT_THAT(text, HasSubstr("  source    p/c, new, idle for 9 s\n"));
  EXPECT_THAT(text, HasSubstr("  session   p/d, answered, idle for 1 s, as 10.0.0.9 port 2048\n"));
}

TEST(ShowTrace, FlowWithoutServiceGoesToTheHost) {
  const json answer{
      {"verdict", "host"}, {"generation", 7}, {"why", "no service has 192.0.2.1:80/tcp"}};
  const Flow flow = *parse_flow(split("tcp 198.51.100.7:1 192.0.2.1:80"));
  EXPECT_EQ(*show_trace(View(answer), kLook, flow),
            "flow        tcp 198.51.100.7:1 -> 192.0.2.1:80\nverdict     host\n"
            "why         no service has 192.0.2.1:80/tcp\ngeneration  7\n");
}

TEST(ShowEvent, IsOneLineWhateverItHolds) {
  const json event{{"id", 1},          {"at", "t\n"},
                   {"level", "error"}, {"component", "\x1b[2J"},
                   {"event", "e"},     {"text", "a\r\nb\0c"}};
  const auto line = show_event(View(event), kLook);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(line, HasSubstr("\\x1b[2J"));
}

}  // namespace
}  // namespace sluice::client
