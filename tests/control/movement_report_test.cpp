// SPDX-License-Identifier: Apache-2.0
#include "control/movement_report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

Published published_with(std::vector<snapshot::Loss> losses) {
  Published published;
  published.pools = {{.pool = "llama",
                      .movement = {.moved = 30, .least = 25, .total = 100},
                      .losses = std::move(losses)}};
  return published;
}

TEST(MovementReport, FlowsOfWhoLeavesMoveAndOfWhoLosesEntriesAreKeptByShare) {
  Json report = Json::object();
  const auto published = published_with({{.number = 1, .had = 25, .lost = 25, .left = true},
                                         {.number = 2, .had = 50, .lost = 5, .left = false}});
  add_movement(report, published, [](std::uint16_t n) { return n == 1 ? 7U : 200U; });
  EXPECT_EQ(report["flows"], (Json{{"now", 207}, {"move", 7}, {"kept", 20}}));
  ASSERT_EQ(report["pools"].size(), 1U);
  EXPECT_EQ(report["pools"][0]["name"], "llama");
  EXPECT_EQ(report["pools"][0]["slots"], 30);
  EXPECT_EQ(report["pools"][0]["flows"]["move"], 7);
}

TEST(MovementReport, ABackendWithoutEntriesIsNoDivisionByNothing) {
  Json report = Json::object();
  add_movement(report, published_with({{.number = 1, .had = 0, .lost = 0, .left = false}}),
               [](std::uint16_t) { return 9U; });
  EXPECT_EQ(report["flows"]["kept"], 0);
}

TEST(MovementReport, WhereNothingMovedNothingIsTold) {
  Json report = Json::object();
  add_movement(report, Published{}, [](std::uint16_t) { return 9U; });
  EXPECT_EQ(report["flows"], (Json{{"now", 0}, {"move", 0}, {"kept", 0}}));
  EXPECT_TRUE(report["pools"].empty());
}

}  // namespace
}  // namespace sluice::control
