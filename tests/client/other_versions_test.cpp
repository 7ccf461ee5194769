// SPDX-License-Identifier: Apache-2.0
// Daemons that are older or newer than sluicectl: what is missing shows as "?" or is named, what
// is new is left alone.
#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::vector<std::pair<std::string, std::string>> kLists{
    {"services", "services"}, {"pools", "pools"},  {"backends", "backends"},
    {"workers", "workers"},   {"flows", "flows"},  {"drops", "drops"},
    {"events", "events"},     {"health", "pools"}, {"scale show", "pools"}};

std::string target_of(const std::string& command) {
  if (command == "flows") return "GET /api/v1/flows?limit=100&pool=&backend=";
  if (command == "events") return "GET /api/v1/events?since=0";
  return "GET /api/v1/" + command.substr(0, command.find(' '));
}

// Every member of every object once more under a name that nobody knows.
json grown(const json& value) {
  json out = value;
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) out[key] = grown(member);
    out["of_the_future"] = {{"deep", {1, 2, 3}}};
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) out[i] = grown(value[i]);
  }
  return out;
}

TEST(OtherVersions, FieldsOfANewerDaemonChangeNothing) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  for (const auto& [words, list] : kLists) {
    const auto before = sluicectl(daemon, words);
    ASSERT_EQ(before.status, 0) << words;
    const auto answer = json::parse(sluicectl(daemon, words + " --json").out);
    ScriptedDaemon newer;
    newer.script(target_of(words), grown(answer).dump());
    newer.script("GET /api/v1/events?since=4", R"({"events": [], "next": 4})");
    EXPECT_EQ(sluicectl(newer, words).out, before.out) << words;
    EXPECT_EQ(sluicectl(newer, words + " --csv").out, sluicectl(daemon, words + " --csv").out);
  }
}

TEST(OtherVersions, ItemsOfAnOlderDaemonWithoutAnyFieldAreShownAsFarAsTheyGo) {
  for (const auto& [words, list] : kLists) {
    ScriptedDaemon older;
    const json item = words == "health"       ? json{{"backends", {json::object()}}}
                      : words == "scale show" ? json{{"classes", json::array()}}
                                              : json::object();
    older.script(target_of(words), json{{list, {item}}}.dump());
    const auto outcome = sluicectl(older, words);
    EXPECT_EQ(outcome.status, 0) << words << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("?")) << words;
    EXPECT_EQ(sluicectl(older, words + " --csv").status, 0) << words;
  }
}

TEST(OtherVersions, ACommandThatAnOlderDaemonDoesNotHaveIsNamed) {
  ScriptedDaemon older;  // answers 404 to all
  for (const auto& [words, list] : kLists) {
    const auto outcome = sluicectl(older, words);
    EXPECT_EQ(outcome.status, 1) << words;
    EXPECT_NE(outcome.err, "") << words;
  }
}

TEST(OtherVersions, ADiffOfAnOlderDaemonTellsChangesAndNoMovement) {
  ScriptedDaemon older;
  play_recorded(older);
  ScriptedDaemon daemon;
  daemon.script(
      "POST /api/v1/config/diff",
      R"({"changes": [{"path": "services/a", "before": "", "after": "{}", "reloadable": true}]})");
  const auto outcome = sluicectl(daemon, "config diff /dev/null");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "+ services/a: {}\n1 service added\n");
}

TEST(OtherVersions, DryRunAsksAndChangesNothing) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  const auto outcome = sluicectl(daemon, "config apply --dry-run /dev/null");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("13107 of 65537 slots would move (20.0 %)"));
  for (const auto& request : daemon.received()) EXPECT_EQ(request.what, "POST /api/v1/config/diff");
}

TEST(OtherVersions, APoolThatThereIsNotIsNamedWithTheNearest) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  daemon.script("GET /api/v1/health?pool=lama", R"({"pools": []})");
  const auto outcome = sluicectl(daemon, "health --pool lama");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("pool lama: does not exist, did you mean 'llama'?"));
}

}  // namespace
}  // namespace sluice::client
