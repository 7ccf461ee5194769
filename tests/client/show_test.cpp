// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const Look kLook{false, recorded_now()};

using Show = Result<std::string> (*)(const View&, const Look&);

std::string shown(Show show, const json& answer) {
  const auto text = show(View(answer), kLook);
  EXPECT_TRUE(text) << text.error().text();
  return text ? *text : "";
}

json status() {
  return json::parse(
      R"({"node": "edge-1", "version": "0.1.0", "isa": "x86-64-v2", "pid": 1, "uptime_s": 5, "ready": true,
    "generation": 7, "generation_age_s": 1, "configuration": {"file": "/f", "loaded_at": "2026-11-21T10:00:00Z",
    "operator_changes": 0, "last_reload": {"ok": true, "at": "2026-11-21T10:00:00Z", "faults": []}},
    "state": {"directory": "/d", "writable": true, "problem": ""},
    "books": {"rx": 100, "forward": 98, "host": 1, "answer": 0, "drop": 1, "in_flight": 0, "balanced": true},
    "ports": [], "huge_pages": false, "workers": 2, "services": 1, "pools": 2,
    "backends": {"total": 4, "up": 4, "draining": 0, "down": 0}})");
}

TEST(ShowStatus, SaysWhyTheNodeIsNotReady) {
  auto answer = status();
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          yes\n"));
  answer["ready"] = false;
  answer["not_ready_because"] = "port front has no link";
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          NO: port front has no link\n"));
  answer["stopping"] = true;
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          no: the daemon is stopping\n"));
}

TEST(ShowStatus, ListsTheFaultsOfARefusedReload) {
  auto answer = status();
  auto& reload = answer["configuration"]["last_reload"];
  reload["ok"] = false;
  for (int i = 0; i < 12; ++i)
    reload["faults"].push_back("/pools/" + std::to_string(i) + ": wrong; mend it");
  const auto text = shown(show_status, answer);
  EXPECT_THAT(text,
              HasSubstr("last reload    REFUSED 3 min ago; the configuration before it stays\n"
                        "               /pools/0: wrong; mend it\n"));
  EXPECT_THAT(text, HasSubstr("               and 4 more: see --json\n"));
  EXPECT_THAT(text, Not(HasSubstr("/pools/8:")));
}

TEST(ShowStatus, SaysWhenTheBooksDoNotBalance) {
  auto answer = status();
  EXPECT_THAT(shown(show_status, answer),
              HasSubstr("rx 100 = forward 98 + host 1 + answer 0 + drop 1: balanced\n"));
  answer["books"]["balanced"] = false;
  answer["books"]["in_flight"] = 3;
  EXPECT_THAT(shown(show_status, answer), HasSubstr("drop 1 + in flight 3: OUT OF BALANCE\n"));
  answer.erase("books");
  EXPECT_THAT(shown(show_status, answer), Not(HasSubstr("alanced")));
}

TEST(ShowStatus, SaysWhenStateIsNotKept) {
  auto answer = status();
  answer["state"] = {{"directory", "/d"}, {"writable", false}, {"problem", "no space left"}};
  EXPECT_THAT(shown(show_status, answer),
              HasSubstr("/d: NOT WRITABLE: no space left; changes are lost at a restart\n"));
}

TEST(ShowStatus, PortWithoutXdpOrInterfaceHasNone) {
  auto answer = status();
  answer["ports"] = json::parse(R"([{"name": "p", "interface": "", "link": "down", "xdp": null}])");
  EXPECT_THAT(shown(show_status, answer), HasSubstr("p     none       down"));
}

TEST(ShowStatus, FitsOneScreenAtItsLongest) {
  auto answer = status();
  answer["configuration"]["last_reload"]["ok"] = false;
  for (int i = 0; i < 1000; ++i)
    answer["configuration"]["last_reload"]["faults"].push_back("/: wrong");
  for (int i = 0; i < 2; ++i) answer["ports"].push_back({{"name", "p"}});
  EXPECT_LE(std::ranges::count(shown(show_status, answer), '\n'), 24);
}

TEST(ShowStatus, ColoursTheWordsNotTheMeaning) {
  const auto answer = status();
  auto coloured = *show_status(View(answer), {true, recorded_now()});
  EXPECT_THAT(coloured, HasSubstr("\x1b[32myes\x1b[0m"));
  EXPECT_THAT(shown(show_status, answer), Not(HasSubstr("\x1b")));
}

TEST(ShowBackends, NamesOnlyWhatDiffersFromTheFile) {
  json backend{{"pool", "p"},        {"name", "b"},
               {"weight", 50},       {"configured_weight", 50},
               {"operator", "none"}, {"origin", "configuration"}};
  EXPECT_THAT(shown(show_backends, {{"backends", {backend}}}), Not(HasSubstr("NOTE")));
  backend["configured_weight"] = 100;
  backend["operator"] = "drain";
  EXPECT_THAT(shown(show_backends, {{"backends", {backend}}}),
              HasSubstr("drained by operator, weight 100 in the file  "));
}

TEST(ShowLists, EmptyOnesSaySo) {
  EXPECT_EQ(shown(show_services, {{"services", json::array()}}), "no services\n");
  EXPECT_EQ(shown(show_pools, {{"pools", json::array()}}), "no pools\n");
  EXPECT_EQ(shown(show_backends, {{"backends", json::array()}}), "no backends\n");
  EXPECT_EQ(shown(show_workers, {{"workers", json::array()}}), "no workers\n");
  EXPECT_EQ(shown(show_flows, {{"flows", json::array()}}), "no flows\n");
}

TEST(ShowServices, Ipv6AndEveryPortAreWrittenAsUsual) {
  const json answer{
      {"services",
       {{{"address", "2001:db8::10"}, {"port", 0}}, {{"address", "2001:db8::10"}, {"port", 53}}}}};
  EXPECT_THAT(shown(show_services, answer), HasSubstr("[2001:db8::10]:*"));
  EXPECT_THAT(shown(show_services, answer), HasSubstr("[2001:db8::10]:53"));
}

TEST(ShowWorkers, RatiosOfNothingAreNotNumbers) {
  const json answer{
      {"workers",
       {{{"polls", 0}, {"empty_polls", 0}, {"flow_cache", {{"hits", 0}, {"misses", 0}}}}}}};
  EXPECT_THAT(shown(show_workers, answer), Not(HasSubstr("nan")));
}

TEST(ShowDrops, AreSortedAndWithoutZeros) {
  const json answer{{"drops",
                     {{{"reason", "a"}, {"packets", 1}, {"remedy", "x"}},
                      {{"reason", "b"}, {"packets", 0}, {"remedy", "y"}},
                      {{"reason", "c"}, {"packets", 20000}, {"remedy", "z"}}}},
                    {"total", 20001}};
  EXPECT_EQ(
      *show_drops(View(answer), kLook, false),
      "REASON  PACKETS  REMEDY\nc         20.0K  z\na             1  x\n20.0K dropped in all\n");
  EXPECT_EQ(*show_drops(View(answer), kLook, true),
            "REASON  PACKETS  REMEDY\na             1  x\nb             0  y\nc         20.0K  "
            "z\n20.0K dropped in all\n");
  EXPECT_EQ(*show_drops(View(json{{"drops", json::array()}}), kLook, false),
            "nothing was dropped\n");
}

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

TEST(ShowFlows, FlowOfABackendThatIsGoneShowsItsNumber) {
  const json answer{{"flows",
                     {{{"worker", 1},
                       {"pool", nullptr},
                       {"backend", nullptr},
                       {"number", 7},
                       {"state", "new"},
                       {"idle_s", 4},
                       {"tag", "00c0ffee"}}}},
                    {"looked_at", 8},
                    {"capacity", 64}};
  EXPECT_EQ(shown(show_flows, answer),
            "WORKER  POOL  BACKEND   STATE  IDLE S  HASH TAG\n"
            "     1  gone  number 7  new         4  00c0ffee\n"
            "1 flows, of 8 entries looked at, 64 in all\n");
}

TEST(ShowDrops, AnswersOfTheNodeAreNamedToo) {
  const json answer{{"drops", json::array()},
                    {"answers",
                     {{{"reason", "answered_echo"}, {"packets", 3}},
                      {{"reason", "answered_too_big"}, {"packets", 0}}}}};
  EXPECT_EQ(*show_drops(View(answer), kLook, false),
            "nothing was dropped\nanswered by the node: 3 answered_echo\n");
}

TEST(ShowBackends, WeightInSlowStartIsNoted) {
  const json answer{{"backends", {{{"weight", 100}, {"weight_now", 30}}}}};
  EXPECT_THAT(shown(show_backends, answer), HasSubstr("slow start, weight 30 now"));
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

// Any answer in place of any other: nothing crashes, and no control character gets through.
class HostileAnswer : public testing::TestWithParam<std::string> {};

TEST_P(HostileAnswer, IsShownOrRefusedButNeverSteersTheTerminal) {
  const auto hostile = json::parse(GetParam());
  const Flow flow = *parse_flow(split("tcp 198.51.100.7:1 192.0.2.1:80"));
  std::vector<json> answers{hostile, status()};
  for (const auto* list :
       {"services", "pools", "backends", "workers", "flows", "drops", "changes"}) {
    answers.push_back({{list, hostile}});
    answers.push_back({{list, {hostile, hostile}}});
    json full = json::object();
    for (const auto* key : {"name",
                            "address",
                            "port",
                            "protocol",
                            "pool",
                            "forwarding",
                            "backends_up",
                            "backends_total",
                            "packets",
                            "bytes",
                            "new_flows",
                            "policy",
                            "affinity",
                            "table_size",
                            "backends",
                            "number",
                            "weight",
                            "configured_weight",
                            "state",
                            "operator",
                            "origin",
                            "next_hop",
                            "slots",
                            "slots_share",
                            "weight_share",
                            "id",
                            "lcore",
                            "queues",
                            "polls",
                            "empty_polls",
                            "packets_per_burst",
                            "busy_ratio",
                            "cycles_per_packet",
                            "flow_cache",
                            "reason",
                            "remedy",
                            "path",
                            "before",
                            "after",
                            "reloadable"})
      full[key] = hostile;
    answers.push_back({{list, {full}}});
  }
  for (const auto* key :
       {"node", "configuration", "state", "books", "ports", "backends", "generation_age_s"}) {
    auto changed = status();
    changed[key] = hostile;
    answers.push_back(changed);
    changed[key] = json::array(
        {hostile, {{"name", hostile}, {"xdp", {{"mode", hostile}, {"counters", hostile}}}}});
    answers.push_back(changed);
  }
  for (const auto* key : {"generation", "moved", "verdict", "slot", "next_hop", "backend", "why"}) {
    json changed{{"generation", 7},
                 {"changes", {1}},
                 {"moved", {{"slots", 1}, {"least", 1}, {"of", 2}}},
                 {"verdict", "host"}};
    changed[key] = hostile;
    answers.push_back(changed);
  }
  for (const auto& answer : answers) {
    std::vector<Result<std::string>> texts;
    for (const Show show : {show_status, show_services, show_pools, show_backends, show_workers,
                            show_changes, show_outcome})
      texts.push_back(show(View(answer), kLook));
    texts.push_back(show_drops(View(answer), kLook, true));
    texts.push_back(show_drops(View(answer), kLook, false));
    texts.push_back(show_trace(View(answer), kLook, flow));
    texts.emplace_back(show_event(View(answer), kLook));
    for (const auto& text : texts) {
      const auto& printed = text ? *text : text.error().message;
      EXPECT_LT(printed.size(), 100'000U);
      for (const char c : printed)
        ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << answer.dump();
      ASSERT_EQ(printed.find('\x7f'), std::string::npos);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileAnswer,
    testing::Values("null", "true", "[]", "{}", "-1", "1e308", "18446744073709551615", "\"\"",
                    R"("\u001b]0;owned\u0007\u001b[2J\u0000\r\n\u007f\u009b31m\u202e")",
                    R"([[[[1]]]])", R"({"\u001b[2J": "\u001b[2J", "mac": null, "resolved": true})",
                    "\"" + std::string(100'000, 'x') + "\""));

}  // namespace
}  // namespace sluice::client
