// SPDX-License-Identifier: Apache-2.0
#include "autoscale/predictive.hpp"

#include "autoscale/tuning.hpp"
#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::autoscale {
namespace {

Predictive::Options predicting() {
  return {.forecaster = config::ForecastKind::kLastValue, .unit = 2, .min = 1, .max = 60};
}

class PredictivePolicy : public testing::Test {
 protected:
  void run(int ticks, double rate, double queue = 0) {
    for (int i = 0; i < ticks; ++i) {
      t_ += 5;
      predictive_.observe(t_, rate * 5, 5, queue, capacity_);
    }
  }
  void burst_out_of_silence() {
    forecast::Dice dice(1);
    for (int i = 0; i < 15000; ++i) run(1, dice.uniform() < 0.01 ? 60 : 0.1);
  }

  Predictive predictive_{predicting()};
  double capacity_ = 40;
  double t_ = 0;
};

TEST_F(PredictivePolicy, AsksForNothingBeforeAnythingWasSeen) {
  const Need need = predictive_.need(40);
  EXPECT_EQ(need.rise, 0);
  EXPECT_EQ(need.set, 0);
}

TEST_F(PredictivePolicy, TakesNothingAwayWhileItLearns) {
  for (int i = 0; i * 5 < kLearning - 5; ++i) {
    run(1, 1);
    ASSERT_GT(predictive_.need(40).floor, 40);
  }
  run(100, 1);
  EXPECT_LT(predictive_.need(40).floor, 40);
}

TEST_F(PredictivePolicy, CoversASteadyLoadWithLittleMoreThanIt) {
  run(1500, 20);
  const Need need = predictive_.need(20);
  EXPECT_GE(need.set, 20);
  EXPECT_LE(need.set, 24);
  EXPECT_LE(need.rise, need.set);
  EXPECT_GE(need.floor, need.rise);
}

TEST_F(PredictivePolicy, BacklogIsWorkedOffWithinItsSpan) {
  run(1500, 20);
  const double before = predictive_.need(20).set;
  run(1, 20, 10 * kBacklogSpan);
  EXPECT_NEAR(predictive_.need(20).set, before + 10, 0.5);
  EXPECT_EQ(predictive_.need(20).cause, Cause::kBacklog);
}

TEST_F(PredictivePolicy, FallCountsAfterStartingAndStoppingTake) {
  run(1500, 20);
  const double before = predictive_.need(40).floor;
  run(19, 4);
  EXPECT_EQ(predictive_.need(40).floor, before);  // 95 s of 100
  run(100, 4);
  EXPECT_LT(predictive_.need(40).floor, before);
}

TEST_F(PredictivePolicy, HoldsWhatWasNeededThroughTimeOfWhichNothingIsKnown) {
  run(1500, 20);
  const double before = predictive_.need(40).floor;
  t_ += 5000;
  predictive_.hold(t_);
  run(17, 4);
  EXPECT_EQ(predictive_.need(40).floor, before);
}

TEST_F(PredictivePolicy, StandsReadyForBurstsOutOfSilence) {
  burst_out_of_silence();
  EXPECT_TRUE(predictive_.constant());
  EXPECT_GE(predictive_.need(2).rise, 2);
  EXPECT_LE(predictive_.need(2).set, 120);
}

TEST_F(PredictivePolicy, QueueThatOutlastsAColdStartRaisesWhatStandsReady) {
  burst_out_of_silence();
  ASSERT_TRUE(predictive_.constant());
  const double ready = predictive_.need(40).set;
  // 65 s, a cold start and a tick: what was asked for may still come, and the queue is short.
  const double queue = 15 * ready;
  run(13, 40, queue);
  EXPECT_NEAR(predictive_.need(40).set, ready, ready * 0.2);
  run(1, 40, queue);
  ASSERT_TRUE(predictive_.constant());
  EXPECT_GE(predictive_.need(40).rise, std::max(ready, 40 + queue / kBacklogSpan));
  EXPECT_EQ(predictive_.need(40).cause, Cause::kBacklog);
}

TEST_F(PredictivePolicy, QueueFarTooLongForWhatStandsReadyRaisesItAtOnce) {
  burst_out_of_silence();
  ASSERT_TRUE(predictive_.constant());
  const double queue = 20 * predictive_.need(40).set;
  run(1, 40, queue);
  EXPECT_GE(predictive_.need(40).rise, 40 + queue / kBacklogSpan);
  EXPECT_EQ(predictive_.need(40).cause, Cause::kBacklog);
}

TEST_F(PredictivePolicy, OneJumpFarBeyondTheRecordIsSoonForgotten) {
  auto with = predicting();
  with.forecaster = config::ForecastKind::kEnsemble;
  with.max = 400;
  capacity_ = 12;  // what it begins with is no waste that counts against forecasts
  for (const double jump : {50.0, 250.0, 500.0}) {
    predictive_ = Predictive(with);
    run(1440, 10);
    run(120, jump);
    EXPECT_GE(predictive_.need(40).set, jump);
    EXPECT_LE(predictive_.need(40).set, 2 * jump);
    run(240, 10);
    EXPECT_LE(predictive_.need(40).set, 10 + 0.2 * jump) << jump;
    EXPECT_FALSE(predictive_.constant());
  }
}

TEST_F(PredictivePolicy, DoesNotStandReadyForOneEpisodeOfLatenessInALongRecord) {
  auto with = predicting();
  with.forecaster = config::ForecastKind::kEnsemble;
  with.unit = 1;
  with.cold_start_s = 180;
  predictive_ = Predictive(with);
  capacity_ = 6;
  run(1440, 5);
  run(120, 50);
  run(480, 5);
  EXPECT_FALSE(predictive_.constant());
}

TEST_F(PredictivePolicy, DoesNotStandReadyForALoadThatIsForecast) {
  for (int i = 0; i < 8000; ++i) run(1, 30 + 20 * std::sin(i / 500.0));
  EXPECT_FALSE(predictive_.constant());
}

TEST_F(PredictivePolicy, CapacityThatIsLearnedByAndByForgetsNothing) {
  forecast::Dice dice(1);
  auto with = predicting();
  for (int i = 0; i < 15000; ++i) {
    if (i % 100 == 0) with.unit = 2 * (1 + 0.04 * dice.uniform());
    predictive_.configure(with);
    run(1, dice.uniform() < 0.01 ? 60 : 0.1);
  }
  EXPECT_TRUE(predictive_.constant());
}

TEST_F(PredictivePolicy, FloorIsTheSameCapacityWhenBackendsHaveAnother) {
  run(1500, 20);
  const double before = predictive_.need(40).floor;
  auto with = predicting();
  with.unit = 0.5;
  predictive_.configure(with);
  EXPECT_NEAR(predictive_.need(40).floor, before, 0.5);
  with.unit = 8;
  predictive_.configure(with);
  EXPECT_GE(predictive_.need(80).floor, before - 1e-9);
  EXPECT_LT(predictive_.need(80).floor, before + 8);
}

TEST_F(PredictivePolicy, LongSeasonIsNotCutShort) {
  auto with = predicting();
  with.forecaster = config::ForecastKind::kHoltWinters;
  with.season_s = 90000;  // 6,000 steps: more than it looks ahead
  predictive_ = Predictive(with);
  const auto state = forecast::write_fields([&](auto& f) { predictive_.keep(f, 0); });
  Predictive other(predicting());
  ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { other.keep(f, 0); }));
  EXPECT_EQ(forecast::write_fields([&](auto& f) { other.keep(f, 0); }).dump(), state.dump());
}

}  // namespace
}  // namespace sluice::autoscale
