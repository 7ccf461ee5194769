// SPDX-License-Identifier: Apache-2.0
// Rules of the rivals, each in the situation that it is for. reference_test.cpp compares whole
// runs.
#include "plan/rivals.hpp"

#include "plan/oracle.hpp"
#include "plan/traces.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice::plan {
namespace {

// A moment at which everything has been the same for two minutes.
class Moment {
 public:
  Moment(std::int64_t t, std::uint32_t ready, std::uint32_t starting) {
    view_.t = t;
    view_.ready = ready;
    view_.starting = starting;
  }
  Moment& concurrency(double value) { return fill(concurrency_, value); }
  Moment& served(double value) { return fill(served_, value); }
  Moment& capacity(double value) { return fill(capacity_, value); }

  std::int64_t want(Scaler& scaler) {
    view_.concurrency = concurrency_;
    view_.served = served_;
    view_.capacity = capacity_;
    view_.arrivals = served_;
    std::int64_t wanted = view_.ready + view_.starting;
    scaler.want(view_, std::span(&wanted, 1));
    return wanted;
  }

 private:
  Moment& fill(std::vector<double>& series, double value) {
    for (std::size_t i = 0; i < series.size(); ++i) series[i] = value * static_cast<double>(i);
    return *this;
  }

  View view_;
  std::vector<double> concurrency_ = std::vector<double>(121);
  std::vector<double> served_ = std::vector<double>(121);
  std::vector<double> capacity_ = std::vector<double>(121);
};

PoolModel five_seconds() {
  auto pool = pool_of(60);
  pool.classes.front().service_time_s = 5;
  return pool;
}

std::int64_t hpa_at(std::uint32_t ready, std::uint32_t starting, double served) {
  const auto hpa = make_scaler(Rival::kHpa, five_seconds());
  return Moment(0, ready, starting).served(served).capacity(10).want(*hpa);
}

TEST(Hpa, AimsAtItsTargetOutsideTheTolerance) {
  EXPECT_EQ(hpa_at(10, 0, 10), 13);
  EXPECT_EQ(hpa_at(10, 0, 8.6), 10);
}

TEST(Hpa, StartingBackendsCountAsIdleOnAScaleUp) { EXPECT_EQ(hpa_at(10, 5, 10), 15); }

TEST(Hpa, GoesDownToTheHighestRecommendationOfFiveMinutes) {
  const auto hpa = make_scaler(Rival::kHpa, five_seconds());
  EXPECT_EQ(Moment(0, 10, 0).served(8).capacity(10).want(*hpa), 10);
  EXPECT_EQ(Moment(15, 10, 0).served(1).capacity(10).want(*hpa), 10);
  EXPECT_EQ(Moment(301, 10, 0).served(1).capacity(10).want(*hpa), 2);
}

TEST(Hpa, GrowsByTheLargerOfFourAndItsOwnSizeAtOnce) {
  const auto queue = make_scaler(Rival::kHpaQueue, five_seconds());  // 4 a backend
  EXPECT_EQ(Moment(0, 2, 0).concurrency(400).want(*queue), 6);
  EXPECT_EQ(Moment(15, 20, 0).concurrency(400).want(*queue), 40);
}

TEST(Kpa, PanicsAtTwiceItsSizeAndGoesDownAfterAMinute) {
  const auto kpa = make_scaler(Rival::kKpa, five_seconds());  // 3.5 a backend
  EXPECT_EQ(Moment(0, 1, 0).concurrency(3).want(*kpa), 1);
  EXPECT_EQ(Moment(2, 1, 0).concurrency(70).want(*kpa), 20);
  EXPECT_EQ(Moment(4, 10, 10).concurrency(3.5).want(*kpa), 20) << "never down in panic";
  EXPECT_EQ(Moment(64, 20, 0).concurrency(3.5).want(*kpa), 10) << "by half at most";
}

TEST(Keda, GoesToZeroAfterItsCoolDownAndComesBackAtAPoll) {
  auto pool = five_seconds();
  pool.min = 0;
  const auto keda = make_scaler(Rival::kKeda, pool);
  EXPECT_EQ(Moment(30, 1, 0).concurrency(2).want(*keda), 1);
  EXPECT_EQ(Moment(60, 1, 0).want(*keda), 1);
  EXPECT_EQ(Moment(315, 1, 0).want(*keda), 1);
  EXPECT_EQ(Moment(330, 1, 0).want(*keda), 0);
  EXPECT_EQ(Moment(345, 0, 0).concurrency(9).want(*keda), 0) << "between two polls";
  EXPECT_EQ(Moment(360, 0, 0).concurrency(9).want(*keda), 1) << "one, then as HPA does";
  EXPECT_EQ(Moment(375, 1, 0).concurrency(9).want(*keda), 3);
}

TEST(Keda, KeepsTheLeastNumberThatThePoolHas) {
  const auto keda = make_scaler(Rival::kKeda, five_seconds());
  EXPECT_EQ(Moment(600, 1, 0).want(*keda), 1);
}

TEST(Reactive, FollowsTheLoadOfTheLastSeconds) {
  const auto reactive = make_scaler(Rival::kReactive, five_seconds());
  EXPECT_EQ(Moment(15, 1, 0).served(8).want(*reactive), 11);
}

TEST(Line, ReadsARisingLoadAheadOfIt) {
  const auto line = make_scaler(Rival::kForecastLr, five_seconds());
  std::int64_t wanted = 0;
  for (int i = 1; i <= 10; ++i) wanted = Moment(15 * i, 1, 0).served(i).want(*line);
  // 10 requests/s now, one more every 15 s, read 75 s ahead: 15; one backend serves 0.8.
  EXPECT_EQ(wanted, 1 + 19);
}

TEST(Rivals, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const auto rival : rivals()) names.insert(name_of(rival));
  EXPECT_EQ(names.size(), rivals().size());
  EXPECT_FALSE(names.contains(""));
}

TEST(Rivals, ScaleTheFirstClassWithoutTheBoundsOfItsOwn) {
  auto pool = pool_of(0);
  pool.classes.front().max = 2;
  pool.classes.push_back({.name = "other", .capacity = 100});
  const Arrivals arrivals(steady(20, 400));
  const auto need = backends_needed(arrivals, pool);
  for (const auto rival : rivals()) {
    const auto course = run_rival(rival, arrivals, pool, need);
    EXPECT_TRUE(course.capacity.empty());
    EXPECT_GE(course.ready.back(), 20U) << name_of(rival);
  }
}

TEST(Rivals, NoneNeedsALoadToLive) {
  auto pool = pool_of(10);
  pool.min = 0;
  const Arrivals arrivals(steady(0, 1000));
  const auto need = backends_needed(arrivals, pool);
  for (const auto rival : rivals())
    EXPECT_EQ(run_rival(rival, arrivals, pool, need).ready.size(), 1000U) << name_of(rival);
}

}  // namespace
}  // namespace sluice::plan
