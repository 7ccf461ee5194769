// SPDX-License-Identifier: Apache-2.0
// The protocol of plan --step: what a simulator tells, what it hears, and what is refused.
#include "plan/step.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::plan {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kTick =
    R"({"t": 5, "arrivals": 20, "served": 2, "ready": 2, "starting": 0, "queue": 18, "inflight": 20})";

autoscale::Controller::Options options() {
  autoscale::Controller::Options options;
  options.autoscale.min = 2;
  options.autoscale.max = 10;
  options.classes = {{.name = "h100", .capacity = 1, .cold_start_s = 30}};
  return options;
}

std::string with(const std::string& key, const json& value) {
  auto tick = json::parse(kTick);
  tick[key] = value;
  return tick.dump();
}

std::string refusal(const std::string& line) {
  Step step(options());
  const auto answer = step.take(line);
  if (answer) return "accepted: " + line;
  EXPECT_EQ(answer.error().code, Errc::kInvalid);
  return answer.error().text();
}

TEST(Step, ATickIsAnsweredByOneLineWithACountAndAReason) {
  Step step(options());
  const auto answer = step.take(kTick);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_TRUE(answer->ends_with("}\n"));
  EXPECT_EQ(std::ranges::count(*answer, '\n'), 1);
  const auto said = json::parse(*answer);
  EXPECT_EQ(said.size(), 2U);
  EXPECT_GE(said["desired"], 2);
  EXPECT_LE(said["desired"], 10);
  EXPECT_FALSE(said["reason"].get<std::string>().empty());
}

TEST(Step, AFirstLineWithConfigStandsInForClassAndLimits) {
  Step step(options());
  const auto quiet = step.take(R"({"config": {"cold_start": 60, "capacity": 0.5, "service_time": 8,
      "min": 20, "max": 40, "tick": 5, "slo_wait": 5, "drain": 30, "unknown": []}})");
  ASSERT_TRUE(quiet) << quiet.error().text();
  EXPECT_EQ(*quiet, "");
  EXPECT_GE(json::parse(step.take(kTick).value())["desired"], 20);
}

TEST(Step, LinesOfSpacesArePassedOverAndCounted) {
  Step step(options());
  EXPECT_EQ(step.take("").value(), "");
  EXPECT_EQ(step.take(" \t\r").value(), "");
  const auto refused = step.take("x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "line 3: is not a JSON object");
}

TEST(Step, ALineThatIsNoTickIsRefusedByItsNumber) {
  EXPECT_EQ(refusal("[1]"), "line 1: is not a JSON object");
  EXPECT_EQ(refusal(R"({"t": 5})"), "line 1: \"arrivals\" is missing");
  EXPECT_EQ(refusal(with("ready", 1.5)), "line 1: \"ready\" is not a whole number");
  EXPECT_EQ(refusal(with("queue", -1)), "line 1: \"queue\" is not a number from 0 to 1e+15");
  for (const std::string text : {"nul", "{", R"({"t":1e999})", "\xff\xfe", R"({"t":NaN})"})
    EXPECT_THAT(refusal(text), StartsWith("line 1: ")) << text;
  for (const json& hostile : {json(nullptr), json("5"), json(1e16), json(-1), json::array()})
    EXPECT_THAT(refusal(with("arrivals", hostile)), HasSubstr("\"arrivals\"")) << hostile;
}

TEST(Step, ALineWithoutAnEndOrWithoutABottomIsRefused) {
  EXPECT_THAT(refusal(std::string(kLongestStepLine + 1, ' ')), HasSubstr("longer than"));
  EXPECT_EQ(refusal(std::string(kLongestStepLine, '[')), "line 1: is not a JSON object");
}

TEST(Step, TimeThatDoesNotGoForwardIsRefused) {
  Step step(options());
  ASSERT_TRUE(step.take(kTick));
  const auto again = step.take(kTick);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().text(), "line 2: \"t\" is 5 after 5: time goes forward");
}

TEST(Step, ConfigIsRefusedWhereItIsWrongOrLate) {
  EXPECT_EQ(refusal(R"({"config": 5})"), "line 1: \"config\" is not an object");
  EXPECT_EQ(refusal(R"({"config": {"capacity": 0}})"),
            "line 1: \"capacity\" is not a number from 0.001 to 1e+09");
  EXPECT_EQ(refusal(R"({"config": {"min": 5, "max": 4}})"),
            "line 1: \"min\" is 5, more than the maximum of 4");
  EXPECT_EQ(refusal(R"({"config": {"min": 0, "max": 0}})"),
            "line 1: \"max\" is 0: the pool may have no backend");
  Step step(options());
  ASSERT_TRUE(step.take(kTick));
  EXPECT_EQ(step.take(R"({"config": {}})").error().text(),
            "line 2: \"config\" belongs on the first line alone");
}

}  // namespace
}  // namespace sluice::plan
