// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json pool() {
  return json::parse(R"({"name": "llama", "standing": "auto", "override_left_s": null,
    "mode": "act", "awaits": false,
    "decision": {"desired": 2, "wanted": {"h100": 2}, "cause": "load", "reason": "1 to 2 backends",
      "demand_per_s": 12.345, "backlog": 3, "forecast_per_s": 1500.0, "uncovered_per_s": 0,
      "cost_per_hour": 4.8},
    "classes": [{"name": "h100", "ready": 1, "starting": 1, "draining": 0, "asleep": 0,
      "price_per_hour": 2.4, "cold_start_s": 90, "capacity_per_s": 12.5,
      "starts_failed_in_a_row": 0, "held_back_s": 0}],
    "backends": [], "actuator": {"trouble": null}, "decisions": []})");
}

std::string shown(const json& one, const std::string& asked = {}) {
  const json answer = {{"pools", {one}}};
  return show_scale(View(answer), {.colour = false, .now = {}}, asked).value();
}

TEST(ShowScale, APoolIsALineWithItsFiguresAndItsReason) {
  const auto text = shown(pool());
  EXPECT_THAT(text,
              HasSubstr("llama  auto          12.3     3.00        1500       2      1         1"));
  EXPECT_THAT(text, HasSubstr("4.80  1 to 2 backends\n"));
  EXPECT_THAT(text, Not(HasSubstr("NOTE")));
  EXPECT_THAT(text, Not(HasSubstr("CAPACITY")));
}

TEST(ShowScale, HandsAndAdviceAreSaid) {
  auto one = pool();
  one["standing"] = "override";
  one["override_left_s"] = 90.0;
  one["mode"] = "advise";
  EXPECT_THAT(shown(one), HasSubstr("override, 1 min 30 s left, advice only"));
}

TEST(ShowScale, TroubleIsANote) {
  auto one = pool();
  one["actuator"]["trouble"] = "exit status 1";
  one["decision"]["uncovered_per_s"] = 7.5;
  one["awaits"] = true;
  EXPECT_THAT(shown(one), HasSubstr("clients wait for the first backend, actuator: exit status 1, "
                                    "7.50/s uncovered"));
}

TEST(ShowScale, APoolThatHasNotDecidedSaysSo) {
  auto one = pool();
  one["decision"] = nullptr;
  EXPECT_THAT(shown(one), HasSubstr("nothing is decided yet"));
}

TEST(ShowScale, ThePoolThatIsAskedForHasItsClassesBackendsAndDecisions) {
  auto one = pool();
  one["classes"][0]["starts_failed_in_a_row"] = 2;
  one["classes"][0]["held_back_s"] = 41;
  one["backends"] = {{{"name", "llama-h100-1"},
                      {"class", "h100"},
                      {"address", nullptr},
                      {"phase", "ordered"},
                      {"since_s", 3}}};
  for (int i = 0; i < 12; ++i)
    one["decisions"].push_back({{"time", "1970-01-01T00:00:00Z"},
                                {"desired", i},
                                {"cause", "load"},
                                {"reason", "decision " + std::to_string(i)}});
  const auto text = shown(one, "llama");
  EXPECT_THAT(text, HasSubstr("2 starts failed in a row, the next one in 41 s"));
  EXPECT_THAT(text, HasSubstr("llama-h100-1  h100   -        ordered"));
  EXPECT_THAT(text, Not(HasSubstr("decision 1\n"))) << "only the last ten";
  EXPECT_THAT(text, HasSubstr("decision 11\n"));
}

TEST(ShowScale, NoPoolIsSaidAndAPoolThatIsNotScaledIsAnError) {
  const json none = {{"pools", json::array()}};
  EXPECT_EQ(show_scale(View(none), {}, "").value(),
            "no pool is scaled; give one 'autoscale' in the configuration\n");
  const auto missing = show_scale(View(none), {}, "other");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kNotFound);
  const json other = {{"pool", 1}};
  EXPECT_FALSE(show_scale(View(other), {}, ""));
}

TEST(ShowScale, WhatIsMissingIsAQuestionMark) {
  const json answer = {{"pools", {{{"name", "llama"}, {"classes", {1, "a", nullptr}}}}}};
  EXPECT_TRUE(show_scale(View(answer), {}, ""));
}

TEST(ShowScaled, SaysHowThePoolStandsNow) {
  auto one = pool();
  EXPECT_EQ(show_scaled(View(one), {}).value(), "pool llama: auto; 1 to 2 backends\n");
  one["mode"] = "advise";
  EXPECT_EQ(show_scaled(View(one), {}).value(),
            "pool llama: auto, advice only; 1 to 2 backends; nothing is carried out\n");
}

}  // namespace
}  // namespace sluice::client
