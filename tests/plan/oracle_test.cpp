// SPDX-License-Identifier: Apache-2.0
#include "plan/oracle.hpp"

#include "plan/figures.hpp"
#include "plan/traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace sluice::plan {
namespace {

using testing::Each;
using testing::ElementsAre;

Trace noisy(std::uint32_t step_s, std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> requests;
  for (std::size_t i = 0; i < count; ++i) requests.push_back(static_cast<double>(random() % 200));
  return trace_of(step_s, std::move(requests));
}

class SmoothestService : public testing::TestWithParam<std::tuple<std::uint32_t, std::uint32_t>> {};

TEST_P(SmoothestService, StaysBetweenTheArrivalsAndTheArrivalsLater) {
  const auto [step, delay] = GetParam();
  const Arrivals arrivals(noisy(step, 200, step));
  const auto rates = smoothest_service(arrivals, delay);
  ASSERT_EQ(rates.size(), arrivals.seconds());
  const auto& came = arrivals.cumulative();
  double served = 0;
  for (std::size_t t = 0; t < rates.size(); ++t) {
    served += rates[t];
    ASSERT_LE(served, came[t + 1] + 1e-6) << t;
    ASSERT_GE(served, came[t + 1 - std::min<std::size_t>(t + 1, delay)] - 1e-6) << t;
  }
}

// No curve between the two is shorter, so none has a lower peak: the least constant rate that
// serves in time is the peak.
TEST_P(SmoothestService, NoLowerPeakWouldDo) {
  const auto [step, delay] = GetParam();
  const Arrivals arrivals(noisy(step, 200, step + 7));
  const auto rates = smoothest_service(arrivals, delay);
  const double peak = *std::ranges::max_element(rates);
  const auto& came = arrivals.cumulative();
  double least = 0;  // of any busy stretch from a to b: what came in it must be out by b + delay
  for (std::size_t a = 0; a < came.size(); ++a)
    for (std::size_t b = a; b < came.size(); ++b)
      least = std::max(least, (came[b] - came[a]) / static_cast<double>(b + delay - a));
  EXPECT_NEAR(peak, least, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(StepsAndDelays, SmoothestService,
                         testing::Combine(testing::Values(1U, 3U, 5U),
                                          testing::Values(1U, 4U, 11U)));

TEST(Oracle, WithoutAnyWaitTheNeedIsTheLoad) {
  auto pool = pool_of(10);
  pool.slo_wait_s = 1;
  EXPECT_THAT(backends_needed(Arrivals(trace_of(1, {1, 2.5, 0, 4})), pool),
              ElementsAre(1, 3, 1, 4));
}

TEST(Oracle, ServesEveryRequestInTimeForLessThanAConstantNumber) {
  const auto pool = pool_of(20, 1000);
  const Arrivals arrivals(noisy(5, 300, 3));
  const auto need = backends_needed(arrivals, pool);
  const auto schedule = cheapest_schedule(need, 20, 20 + pool.drain_s);
  const auto figures =
      figures_of(arrivals, pool, need, follow(arrivals, pool, schedule.ready, schedule.billed));
  EXPECT_EQ(figures.slo_violation_share, 0.0);
  EXPECT_EQ(figures.under_timeshare, 0.0);
  EXPECT_LT(figures.cost_replica_seconds, figures.peak_need * arrivals.seconds());
}

TEST(Oracle, OneBackendFewerThanThePeakIsTooFew) {
  const auto pool = pool_of(20, 1000);
  const Arrivals arrivals(noisy(5, 300, 4));
  const auto need = backends_needed(arrivals, pool);
  const auto peak = *std::ranges::max_element(need);
  const auto late = [&](std::uint32_t count) {
    const std::vector<std::uint32_t> constant(need.size(), count);
    return figures_of(arrivals, pool, need, follow(arrivals, pool, constant, constant))
        .slo_violation_share;
  };
  EXPECT_EQ(late(peak), 0.0);
  EXPECT_GT(late(peak - 1), 0.0);
}

TEST(Oracle, StaysThroughAGapThatIsCheaperThanStoppingAndStarting) {
  const std::vector<std::uint32_t> need{2, 1, 1, 1, 2, 1, 1, 1, 1, 2};
  const auto schedule = cheapest_schedule(need, 2, 3);
  EXPECT_THAT(schedule.ready, ElementsAre(2, 2, 2, 2, 2, 1, 1, 1, 1, 2));
  EXPECT_THAT(schedule.billed, ElementsAre(2, 2, 2, 2, 2, 2, 1, 2, 2, 2))
      << "a drain of 1 s behind, a cold start of 2 s before";
  EXPECT_EQ(schedule.actions, 2U);
}

TEST(Oracle, ConstantNeedTakesNoAction) {
  const auto schedule = cheapest_schedule(std::vector<std::uint32_t>(100, 3), 60, 90);
  EXPECT_EQ(schedule.actions, 0U);
  EXPECT_THAT(schedule.billed, Each(3U));
}

}  // namespace
}  // namespace sluice::plan
