// SPDX-License-Identifier: Apache-2.0
#include "control/view_history.hpp"

#include "control/scale_fixture.hpp"

namespace sluice::control {
namespace {

class ViewHistory : public ScaleKeeperTest {};

TEST_F(ViewHistory, TheLoadThatCameIsToldByTheSecondAndByTheMinute) {
  keep();
  serve(180s, 4);
  const auto minutes = view_history(*keeper_, "llama", 60, std::nullopt).value();
  EXPECT_EQ(minutes["step_s"], 60);
  ASSERT_GE(minutes["requests_per_s"].size(), 2U);
  EXPECT_NEAR(minutes["requests_per_s"].back().get<double>(), 4, 0.3);
  EXPECT_TRUE(minutes["next_s"].is_null());
  const auto newest = minutes["newest_s"].get<std::uint64_t>();
  const auto seconds = view_history(*keeper_, "llama", 1, newest - 9).value();
  EXPECT_EQ(seconds["from_s"], newest - 9);
  EXPECT_EQ(seconds["requests_per_s"].size(), 10U);
}

TEST_F(ViewHistory, APoolOfWhichNothingIsKnownHasNoValues) {
  keep();
  const auto view = view_history(*keeper_, "llama", 60, 1'790'000'000).value();
  EXPECT_TRUE(view["requests_per_s"].empty());
  EXPECT_TRUE(view["newest_s"].is_null());
}

TEST_F(ViewHistory, AnAnswerIsBoundedAndSaysWhereTheNextBegins) {
  keep();
  serve(5s, 4);
  wall_ += std::chrono::hours(5);
  now_ += std::chrono::hours(5);
  serve(5s, 4);
  const auto first = view_history(*keeper_, "llama", 1, 0).value();
  ASSERT_EQ(first["requests_per_s"].size(), LoadHistory::kMostPoints);
  EXPECT_TRUE(first["requests_per_s"][0].is_null());
  EXPECT_EQ(first["next_s"].get<std::int64_t>() - first["from_s"].get<std::int64_t>(), 10'000);
}

TEST_F(ViewHistory, WhatIsNoPoolNoStepAndNoTimeIsRefusedByName) {
  keep();
  EXPECT_THAT(view_history(*keeper_, "lama", 60, std::nullopt).error().text(),
              HasSubstr("did you mean 'llama'?"));
  EXPECT_THAT(view_history(*keeper_, "llama", 5, std::nullopt).error().text(),
              HasSubstr("5 is neither 1"));
  EXPECT_EQ(view_history(*keeper_, "llama", 60, ~std::uint64_t{0}).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace sluice::control
