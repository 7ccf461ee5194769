// SPDX-License-Identifier: Apache-2.0
// `sluicectl scale history`: the table, the trace, and a plan from it; and daemons that lie.
#include "client/history.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kStart = 1'790'035'200;  // 2026-09-22T00:00:00Z
constexpr std::string_view kAsked = "GET /api/v1/scale/history?pool=llama&step=60";

json stretch(std::int64_t from, json values, json next = nullptr) {
  return {{"pool", "llama"},
          {"step_s", 60},
          {"from_s", from},
          {"newest_s", from},
          {"requests_per_s", std::move(values)},
          {"next_s", std::move(next)}};
}

json of(std::size_t n, double rate) { return json(std::vector<double>(n, rate)); }

std::string content(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(ScaleHistory, ADayIsATableByTheHour) {
  ScriptedDaemon daemon;
  json values = of(2880, 2);
  for (std::size_t i = 1440; i < 1470; ++i) values[i] = nullptr;
  values[1500] = 50;
  daemon.script(std::string(kAsked), stretch(kStart, values).dump());
  const auto outcome = sluicectl(daemon, "scale history llama");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("2026-09-23T00:00:00Z    2.00     2.00    2.00   50.0 %\n"));
  EXPECT_THAT(outcome.out, HasSubstr("2026-09-23T01:00:00Z    2.80     2.00    50.0        -\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("2026-09-22")));
}

TEST(ScaleHistory, PartsAreFetchedUntilThereIsNoMore) {
  ScriptedDaemon daemon;
  const auto next = kStart + 60 * 100;
  daemon.script(std::string(kAsked), stretch(kStart, of(100, 1), next).dump());
  daemon.script(fmt::format("{}&from={}", kAsked, next), stretch(next, of(20, 3)).dump());
  const auto outcome = sluicectl(daemon, "scale history llama --last 14d --json");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto answer = json::parse(outcome.out);
  EXPECT_EQ(answer["requests_per_s"].size(), 120U);
  EXPECT_EQ(answer["requests_per_s"][119], 3);
}

TEST(ScaleHistory, APlanIsMadeFromWhatThePoolHasSeen) {
  ScriptedDaemon daemon;
  json values = json::array({nullptr, nullptr});
  for (int i = 0; i < 300; ++i) values.push_back(2 + 6.0 * (i > 150));
  for (int i = 40; i < 60; ++i) values[static_cast<std::size_t>(i)] = nullptr;
  daemon.script(std::string(kAsked), stretch(kStart, values).dump());
  const auto file = daemon.folder() + "/load.csv";
  const auto outcome = sluicectl(daemon, "scale history llama --out " + file);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, file +
                             ": 300 intervals of 60 s from 2026-09-22T00:02:00Z on, 20 of them "
                             "bridged\n");
  EXPECT_TRUE(content(file).starts_with("t_seconds,requests\n0,120\n60,120\n"));
  std::ofstream(daemon.folder() + "/sluice.json") << R"({
    "ports": [ { "name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01" } ],
    "services": [ { "name": "chat", "address": "203.0.113.10", "port": 443, "protocol": "tcp", "pool": "llama" } ],
    "pools": [ { "name": "llama", "forwarding": "l2dsr", "backends": [],
      "classes": [ { "name": "l4", "capacity": 1, "price_per_hour": 1, "cold_start_s": 60 } ],
      "autoscale": { "policy": "predictive", "max": 40, "actuator": { "type": "metric" } } } ] })";
  const auto plan =
      sluicectl(daemon, "plan --json --config " + daemon.folder() + "/sluice.json --trace " + file);
  ASSERT_EQ(plan.status, 0) << plan.err;
  EXPECT_EQ(json::parse(plan.out)["requests"], 151 * 120 + 149 * 480);
}

TEST(ScaleHistory, GapsAreBridgedInAStraightLineAndEndsLeftOut) {
  History history{.pool = "llama", .from_s = kStart, .step_s = 60, .requests_per_s = {}};
  const double gap = std::nan("");
  history.requests_per_s = {gap, 1, gap, gap, 4, gap};
  const auto trace = history_trace(history);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->text, "t_seconds,requests\n0,60\n60,120\n120,180\n180,240\n");
  EXPECT_EQ(trace->bridged, 2U);
  EXPECT_EQ(trace->from_s, kStart + 60);
  history.requests_per_s = {gap, 1, gap};
  EXPECT_FALSE(history_trace(history));
}

TEST(ScaleHistory, APoolOfWhichNothingIsKnownSaysSo) {
  ScriptedDaemon daemon;
  daemon.script(std::string(kAsked), stretch(0, json::array()).dump());
  EXPECT_THAT(sluicectl(daemon, "scale history llama").out, HasSubstr("nothing is known yet"));
  const auto outcome = sluicectl(daemon, "scale history llama --out /nonexistent/x");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("too little history"));
}

TEST(ScaleHistory, AnswersThatMakeNoSenseAreRefused) {
  const auto next = kStart + 60 * 100;
  auto odd = stretch(kStart, of(3, 1));
  odd["step_s"] = 7;
  auto late = stretch(kStart, of(3, 1));
  late["from_s"] = 1e300;
  const json answers[] = {json::object(),
                          odd,
                          late,
                          stretch(kStart, {1, -1}),
                          stretch(kStart, {1, "x"}),
                          stretch(kStart, of(3, 1), next),     // not what follows
                          stretch(kStart, of(0, 1), kStart)};  // without end
  for (const auto& answer : answers) {
    ScriptedDaemon daemon;
    daemon.script(std::string(kAsked), answer.dump());
    daemon.script(fmt::format("{}&from={}", kAsked, next), answer.dump());
    daemon.script(fmt::format("{}&from={}", kAsked, kStart), answer.dump());
    const auto outcome = sluicectl(daemon, "scale history llama");
    if (answer.value("next_s", json()) == kStart) {
      EXPECT_THAT(outcome.out, HasSubstr("nothing is known yet"));
    } else {
      EXPECT_EQ(outcome.status, 1) << answer.dump();
      EXPECT_THAT(outcome.err, HasSubstr("makes no sense")) << answer.dump();
    }
  }
}

TEST(ScaleHistory, WordsThatMakeNoSenseAreWrongUsage) {
  ScriptedDaemon daemon;
  for (const auto* words :
       {"scale history", "scale history llama --step 5", "scale history llama --last soon"})
    EXPECT_EQ(sluicectl(daemon, words).status, 2) << words;
}

}  // namespace
}  // namespace sluice::client
