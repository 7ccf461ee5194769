// SPDX-License-Identifier: Apache-2.0
// `sluicectl plan`: what is planned, what is printed, and what is refused. It asks no daemon.
#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kConfiguration = R"({
  "ports": [ { "name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01" } ],
  "services": [ { "name": "chat", "address": "203.0.113.10", "port": 443, "protocol": "tcp", "pool": "llama" } ],
  "pools": [
    { "name": "llama", "forwarding": "l2dsr", "backends": [],
      "classes": [ { "name": "small", "capacity": 1, "price_per_hour": 1, "cold_start_s": 30 },
                   { "name": "large", "capacity": 5, "price_per_hour": 4, "cold_start_s": 60 } ],
      "autoscale": { "policy": "cost_aware", "max": 40, "actuator": { "type": "metric" } } },
    { "name": "fixed", "forwarding": "l2dsr", "backends": [] }
  ] })";

class Plan : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "sluice-plan-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    put("sluice.json", std::string(kConfiguration));
    std::string trace = "t_seconds,requests\n";
    for (int i = 0; i < 720; ++i)
      trace += std::to_string(10 * i) + "," + std::to_string(i < 300 ? 40 : 200) + "\n";
    put("load.csv", trace);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ + "/" + name) << content;
  }
  [[nodiscard]] Outcome plan(const std::string& words) const {
    return sluicectl(environment_for("/nonexistent"),
                     "plan --config " + folder_ + "/sluice.json " + words);
  }
  [[nodiscard]] Outcome replay(const std::string& words) const {
    return plan("--trace " + folder_ + "/load.csv " + words);
  }
  [[nodiscard]] json answer(const std::string& words) const {
    const auto outcome = replay("--json " + words);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return json::parse(outcome.out);
  }
  // `plan --step` with these lines on stdin.
  [[nodiscard]] Outcome step(const std::string& lines, const std::string& words = "") const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    EXPECT_EQ(::write(ends[1], lines.data(), lines.size()), static_cast<ssize_t>(lines.size()));
    ::close(ends[1]);
    auto environment = environment_for("/nonexistent");
    environment.in = ends[0];
    auto outcome =
        sluicectl(environment, "plan --config " + folder_ + "/sluice.json --step " + words);
    ::close(ends[0]);
    return outcome;
  }

  // Of CSV, whose lines end in CR LF.
  [[nodiscard]] static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      EXPECT_TRUE(line.ends_with('\r')) << line;
      lines.push_back(line.substr(0, line.size() - 1));
    }
    return lines;
  }

  std::string folder_;
};

TEST_F(Plan, TellsWhatAReplayCostAndWhoHadToWait) {
  const auto outcome = replay("");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const auto* word :
       {"llama", "delayed", "lost", "too few", "too many", "backend-hours", "cost", "actions"})
    EXPECT_THAT(outcome.out, HasSubstr(word));
}

TEST_F(Plan, JsonHasTheFiguresOfTheController) {
  const auto said = answer("");
  EXPECT_EQ(said["pool"], "llama");
  EXPECT_EQ(said["trace"], "load.csv");
  EXPECT_EQ(said["seconds"], 7200);
  EXPECT_EQ(said["requests"], 300 * 40 + 420 * 200);
  EXPECT_FALSE(said.contains("compare"));
}

TEST_F(Plan, ComparesWithEveryOtherPolicy) {
  const auto said = answer("--compare");
  std::set<std::string> names;
  for (const auto& row : said["compare"]) names.insert(row["policy"]);
  EXPECT_THAT(names, testing::IsSupersetOf({"hpa", "kpa", "keda", "static", "oracle"}));
  EXPECT_THAT(replay("--compare").out, HasSubstr("TO ORACLE"));
}

TEST_F(Plan, TheSameReplayPrintsTheSameBytes) {
  EXPECT_EQ(replay("--json --compare").out, replay("--json --compare").out);
}

TEST_F(Plan, WhatIfsChangeThePoolAndTheLoad) {
  EXPECT_EQ(answer("--load-factor 2")["requests"], 2 * answer("")["requests"].get<int>());
  EXPECT_EQ(answer("--cold-start 180 --capacity small=2")["cold_start_s"], 180);
  EXPECT_EQ(answer("--cold-start 180 --capacity small=2")["capacity_rps"], 2);
  EXPECT_EQ(answer("--without-class small")["capacity_rps"], 5);
  EXPECT_EQ(answer("--max 7 --min 3 --slo-wait 9")["max"], 7);
  EXPECT_LE(answer("--budget 12")["cost"].get<double>(), 12 * 2 + 1);
  EXPECT_GT(answer("")["cost"].get<double>(), 12 * 2 + 1);
}

TEST_F(Plan, WhatIfsThatMeanNothingAreRefused) {
  for (const auto& [words, what] : std::map<std::string, std::string>{
           {"--cold-start h100=5", "--cold-start: pool llama has no class 'h100'"},
           {"--cold-start x", "--cold-start: 'x' is not a number from 0 to 86400"},
           {"--load-factor 0", "--load-factor: '0' is not a number"},
           {"--without-class small --without-class large", "--without-class: pool llama has no"},
           {"--min 50", "--min: 50 is more than the maximum of 40"},
           {"--forecaster arma", "--forecaster: no forecaster is called 'arma', did you mean"},
           {"--from noon", "--from: 'noon' is not a time"},
           {"--step", "plan: --step reads what it needs from stdin"},
           {"--needs --compare", "plan: --compare and --plot are of a replay alone"},
           {"--needs --predict 1", "plan: --step, --needs and --predict exclude each other"},
           {"--pool llam", "--pool: no pool is called 'llam', did you mean 'llama'?"},
           {"--pool fixed", "pool fixed: has no autoscale"}}) {
    const auto outcome = replay(words);
    EXPECT_EQ(outcome.status, 2) << words;
    EXPECT_THAT(outcome.err, StartsWith("sluicectl: " + what)) << words;
    EXPECT_EQ(outcome.out, "") << words;
  }
  EXPECT_THAT(plan("").err, HasSubstr("give --trace FILE to replay"));
}

TEST_F(Plan, FaultsOfTheConfigurationAndTheTraceHaveTheirPlaces) {
  put("load.csv", "t_seconds,requests\n0,1\n1,x\n");
  EXPECT_EQ(replay("").err, "sluicectl: load.csv: line 3: requests is 'x', not a number\n");
  put("sluice.json", R"({"ports": [], "pools": 5})");
  const auto outcome = replay("");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("sluicectl: /ports: "));
  EXPECT_THAT(outcome.err, HasSubstr("sluicectl: /pools: "));
}

TEST_F(Plan, NeedsAreToldHourByHour) {
  const auto said = answer("--needs");
  ASSERT_EQ(said["hours"].size(), 2U);
  EXPECT_EQ(said["hours"][0]["backends"]["large"], 4) << "3000 s of 4 requests/s, then 20";
  EXPECT_EQ(said["all"]["seconds"], 7200);
  EXPECT_THAT(replay("--needs").out, HasSubstr("hour by hour"));
}

TEST_F(Plan, PredictionHasBandsAndBackends) {
  const auto said = answer("--predict 1");
  EXPECT_EQ(said["rates"].back()["ahead_s"], 3600);
  for (const auto& rate : said["rates"]) {
    EXPECT_LE(rate["low_rps"], rate["high_rps"]);
    EXPECT_GT(rate["backends"], 0);
  }
  EXPECT_THAT(replay("--predict 1").out, HasSubstr("EXPECTED/S"));
}

TEST_F(Plan, CsvOfAReplayIsALineForEachPolicyWithTheFiguresOfJson) {
  const auto outcome = replay("--csv --compare");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const auto lines = lines_of(outcome.out);
  ASSERT_GE(lines.size(), 6U);
  EXPECT_EQ(lines[0],
            "policy,cold_start_s,capacity_rps,service_time_s,slo_wait_s,min,max,seconds,requests,"
            "peak_need,slo_violation_share,underserved_share,delayed_requests,lost_requests,"
            "wait_p50_s,wait_p99_s,wait_max_s,under_timeshare,over_timeshare,under_accuracy,"
            "over_accuracy,under_replica_seconds,over_replica_seconds,instability,"
            "cost_replica_seconds,backend_seconds,mean_replicas,max_ready,cost,scale_actions,"
            "direction_changes,flaps_within_600s");
  EXPECT_THAT(lines[1], StartsWith("sluice,30,1.0,"));
  for (const auto& line : lines)
    EXPECT_EQ(std::ranges::count(line, ','), std::ranges::count(lines[0], ',')) << line;
  const auto alone = lines_of(replay("--csv").out);
  ASSERT_EQ(alone.size(), 2U);
  EXPECT_EQ(alone[1], lines[1]);
}

TEST_F(Plan, CsvOfNeedsHasTheHoursAndTheWhole) {
  const auto lines = lines_of(replay("--csv --needs").out);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0],
            "span,t_seconds,seconds,requests,mean_rps,peak_rps,backends,cost,uncovered_rps");
  EXPECT_THAT(lines[1], StartsWith("hour,0,3600,"));
  EXPECT_THAT(lines[1], HasSubstr("large=4"));
  EXPECT_THAT(lines[3], StartsWith("all,0,7200,96000"));
}

TEST_F(Plan, CsvOfAPredictionHasALineForEachDistance) {
  const auto lines = lines_of(replay("--csv --predict 1").out);
  ASSERT_EQ(lines.size(), answer("--predict 1")["rates"].size() + 1);
  EXPECT_EQ(lines[0], "ahead_s,expected_rps,low_rps,high_rps,mean_error_rps,errors,backends");
  EXPECT_THAT(lines.back(), StartsWith("3600,"));
}

TEST_F(Plan, CsvIsNotOfStepsAndNotWithJson) {
  EXPECT_EQ(step("", "--csv").err,
            "sluicectl: --csv: is not of --step, whose decisions are lines of JSON\n");
  EXPECT_EQ(step("", "--csv").status, 2);
  EXPECT_EQ(replay("--csv --json").status, 2);
}

TEST_F(Plan, DrawsThePictureToTheFile) {
  EXPECT_EQ(replay("--plot " + folder_ + "/run.svg").status, 0);
  std::stringstream svg;
  svg << std::ifstream(folder_ + "/run.svg").rdbuf();
  EXPECT_THAT(svg.str(), StartsWith("<svg xmlns="));
  const auto failed = replay("--plot " + folder_ + "/none/run.svg");
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("none/run.svg"));
}

TEST_F(Plan, ProgressIsShownWhereItIsWantedAndLeavesNothing) {
  auto environment = environment_for("/nonexistent");
  environment.progress = true;
  const auto outcome = sluicectl(
      environment, "plan --config " + folder_ + "/sluice.json --trace " + folder_ + "/load.csv");
  EXPECT_THAT(outcome.err, HasSubstr("50 %  sluice"));
  EXPECT_TRUE(outcome.err.ends_with("\r\x1b[K"));
}

TEST_F(Plan, StepsAreAnsweredLineByLine) {
  const std::string config = R"({"config": {"cold_start": 60, "capacity": 2, "max": 9}})"
                             "\n";
  const std::string tick =
      R"({"t": 5, "arrivals": 50, "served": 4, "ready": 1, "starting": 0, "queue": 40, "inflight": 44})";
  const auto outcome = step(config + tick);  // the last line needs no line feed
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const auto said = json::parse(outcome.out);
  EXPECT_GT(said["desired"], 1);
  EXPECT_LE(said["desired"], 9);
}

TEST_F(Plan, AHostileStepEndsItWithTheLineAndStatusTwo) {
  const std::string tick =
      R"({"t": 5, "arrivals": 5, "served": 4, "ready": 1, "starting": 0, "queue": 0, "inflight": 4})"
      "\n";
  const auto outcome = step(tick + "{\"t\": 1e999}\n" + tick);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1);
  EXPECT_EQ(outcome.err, "sluicectl: line 2: is not a JSON object\n");
}

TEST_F(Plan, StepsNeedNoClassInTheConfiguration) {
  auto configuration = json::parse(kConfiguration);
  configuration["pools"][0].erase("classes");
  put("sluice.json", configuration.dump());
  const auto outcome = step(R"({"config": {"capacity": 2, "max": 9}})");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(replay("").err, HasSubstr("has no classes"));
}

TEST_F(Plan, NoStepIsNoFailure) {
  const auto outcome = step("");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace sluice::client
