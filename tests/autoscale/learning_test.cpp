// SPDX-License-Identifier: Apache-2.0
#include "autoscale/learning.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace sluice::autoscale {
namespace {

config::BackendClass configured(double cold_start_s = 60, double capacity = 2) {
  return {.name = "large", .capacity = capacity, .cold_start_s = cold_start_s};
}

TEST(ClassLearning, BeginsWithTheConfiguredFigures) {
  const ClassLearning learning(configured());
  EXPECT_EQ(learning.figures().cold_start_s, 60);
  EXPECT_EQ(learning.figures().capacity, 2);
  EXPECT_EQ(learning.figures().starts, 0U);
}

TEST(ClassLearning, ColdStartIsThatOfNineInTen) {
  ClassLearning learning(configured());
  for (int i = 1; i <= 20; ++i) learning.start(i);
  EXPECT_EQ(learning.figures().cold_start_s, 18);
  EXPECT_EQ(learning.figures().starts, 20U);
}

TEST(ClassLearning, ConfiguredColdStartCountsUntilThereAreEnoughStarts) {
  ClassLearning learning(configured());
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(learning.figures().cold_start_s, 60) << i;
    learning.start(5);
  }
  learning.start(5);
  EXPECT_EQ(learning.figures().cold_start_s, 5);
}

TEST(ClassLearning, OldStartsAreForgotten) {
  ClassLearning learning(configured());
  for (int i = 0; i < 20; ++i) learning.start(500);
  for (int i = 0; i < 20; ++i) learning.start(10);
  EXPECT_EQ(learning.figures().cold_start_s, 10);
}

TEST(ClassLearning, CapacityGoesFromTheConfiguredToTheMedianOfWhatWasSeen) {
  ClassLearning learning(configured());
  double before = 2;
  for (int i = 0; i < 60; ++i) {
    learning.capacity(i % 10 == 0 ? 19 : 3);
    EXPECT_GE(learning.figures().capacity, 2);
    EXPECT_GE(learning.figures().capacity, i > 2 ? before : 2);
    before = i > 0 ? learning.figures().capacity : 2;
  }
  EXPECT_DOUBLE_EQ(learning.figures().capacity, (20 * 2 + 60 * 3) / 80.0);
}

TEST(ClassLearning, AbsurdFiguresArePassedOver) {
  ClassLearning learning(configured());
  for (const double seconds : {-1.0, std::nan(""), HUGE_VAL, 1e9}) learning.start(seconds);
  for (const double rate : {-1.0, 0.0, std::nan(""), HUGE_VAL, 0.19, 20.1}) learning.capacity(rate);
  EXPECT_EQ(learning.figures().cold_start_s, 60);
  EXPECT_EQ(learning.figures().capacity, 2);
  EXPECT_EQ(learning.figures().starts, 0U);
}

TEST(ClassLearning, CorrectedFigureForgetsWhatWasLearnedUnderTheOldOneAndOnlyThat) {
  ClassLearning learning(configured());
  for (int i = 0; i < 20; ++i) {
    learning.start(10);
    learning.capacity(3);
  }
  learning.configure(configured(90));
  EXPECT_EQ(learning.figures().cold_start_s, 90);
  EXPECT_EQ(learning.figures().capacity, 2.5);
  learning.configure(configured(90, 4));
  EXPECT_EQ(learning.figures().capacity, 4);
}

nlohmann::json state_of(ClassLearning& learning) {
  return forecast::write_fields([&](auto& fields) { learning.keep(fields); });
}

TEST(ClassLearning, IsKeptAndReadUnlessTheFiguresWereCorrectedMeanwhile) {
  ClassLearning learning(configured());
  for (int i = 0; i < 15; ++i) {
    learning.start(10 + i);
    learning.capacity(3);
  }
  const auto state = state_of(learning);
  for (const auto& now : {configured(), configured(90), configured(60, 4)}) {
    ClassLearning restarted(now);
    ASSERT_TRUE(forecast::read_fields(state, [&](auto& fields) { restarted.keep(fields); }));
    ClassLearning reloaded = learning;
    reloaded.configure(now);
    EXPECT_EQ(state_of(restarted).dump(), state_of(reloaded).dump());
    EXPECT_EQ(restarted.figures().capacity, reloaded.figures().capacity);
    EXPECT_EQ(restarted.figures().cold_start_s, reloaded.figures().cold_start_s);
  }
}

TEST(ClassLearning, CapacitiesThatItWouldNotLearnAreNotReadEither) {
  ClassLearning learning(configured());
  for (int i = 0; i < 15; ++i) learning.capacity(3);
  auto state = state_of(learning);
  for (auto& one : state["capacities"]) one = 0;
  ASSERT_TRUE(forecast::read_fields(state, [&](auto& fields) { learning.keep(fields); }));
  EXPECT_EQ(learning.figures().capacity, 2);
}

}  // namespace
}  // namespace sluice::autoscale
