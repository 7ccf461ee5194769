// SPDX-License-Identifier: Apache-2.0
#include "plan/figures.hpp"

#include "plan/traces.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::plan {
namespace {

Figures of(const Trace& trace, const PoolModel& pool, std::vector<std::uint32_t> ready) {
  const Arrivals arrivals(trace);
  const auto need = backends_needed(arrivals, pool);
  auto billed = ready;
  return figures_of(arrivals, pool, need, follow(arrivals, pool, std::move(ready), billed));
}

TEST(Figures, EnoughBackendsAllTheTimeLeaveNothingToSay) {
  const auto f = of(steady(3, 100), pool_of(0), std::vector<std::uint32_t>(100, 3));
  EXPECT_EQ(f.slo_violation_share, 0.0);
  EXPECT_EQ(f.underserved_share, 0.0);
  EXPECT_EQ(f.wait_max_s, 0);
  EXPECT_EQ(f.under_timeshare + f.over_timeshare, 0.0);
  EXPECT_EQ(f.cost_replica_seconds, 300U);
  EXPECT_EQ(f.mean_replicas, 3.0);
  EXPECT_EQ(f.instability, 0.0);
}

TEST(Figures, RequestsThatWaitLongerThanAllowedAreDelayed) {
  auto pool = pool_of(0);
  pool.slo_wait_s = 5;
  // Ten requests at once and one backend: those that end up behind four others are late.
  std::vector<double> requests(20, 0.0);
  requests[0] = 10;
  const auto f = of(trace_of(1, requests), pool, std::vector<std::uint32_t>(20, 1));
  EXPECT_NEAR(f.delayed_requests, 5.0, 1e-5);
  EXPECT_NEAR(f.slo_violation_share, 0.5, 1e-5);
  EXPECT_EQ(f.wait_max_s, 9);
  EXPECT_EQ(f.lost_requests, 0.0);
}

TEST(Figures, RequestsThatWaitLongerThanClientsDoAreLost) {
  std::vector<double> requests(200, 0.0);
  requests[0] = 100;
  requests[150] = 1;
  const auto f = of(trace_of(1, requests), pool_of(0), std::vector<std::uint32_t>(200, 1));
  EXPECT_NEAR(f.lost_requests, 100.0, 1e-6) << "the last of the crowd waits 99 s, as a fluid";
}

TEST(Figures, RequestsThatAreNotServedByTheEndWaitAsLongAsTheLastBackendsTake) {
  const auto f = of(trace_of(1, {4, 4}), pool_of(0), {1, 1});
  EXPECT_EQ(f.wait_max_s, 6);
  EXPECT_EQ(of(trace_of(1, {1, 1}), pool_of(0), {1, 0}).wait_max_s, 1'000'000'000)
      << "nobody is left who would serve them";
}

TEST(Figures, TooManyAndTooFewAreMeasuredAgainstTheNeed) {
  auto pool = pool_of(0);
  pool.slo_wait_s = 1;
  const auto f = of(trace_of(1, {2, 2, 2, 2}), pool, {1, 2, 3, 4});
  EXPECT_EQ(f.under_timeshare, 0.25);
  EXPECT_EQ(f.over_timeshare, 0.5);
  EXPECT_EQ(f.under_accuracy, 0.125);
  EXPECT_EQ(f.over_accuracy, 0.375);
  EXPECT_EQ(f.under_replica_seconds, 1.0);
  EXPECT_EQ(f.over_replica_seconds, 3.0);
}

TEST(Figures, DirectionChangesWithinTenMinutesAreFlaps) {
  const Arrivals arrivals(steady(1, 10));
  const auto pool = pool_of(0);
  const std::vector<std::uint32_t> ones(10, 1);
  auto course = follow(arrivals, pool, ones, ones);
  course.actions = {{0, 2, 3}, {100, 1, 4}, {700, -1, 3}, {1301, 2, 5}};
  const auto f = figures_of(arrivals, pool, ones, course);
  EXPECT_EQ(f.scale_actions, 4U);
  EXPECT_EQ(f.direction_changes, 2U);
  EXPECT_EQ(f.flaps_within_600s, 1U);
}

TEST(Figures, CostIsWhatTheClassesCost) {
  auto pool = pool_of(0);
  pool.classes.front().price_per_hour = 7.2;
  const auto f = of(steady(1, 1000), pool, std::vector<std::uint32_t>(1000, 2));
  EXPECT_EQ(f.cost, 4.0);
}

TEST(Figures, ATraceWithoutRequestsHasSharesOfNothing) {
  const auto f = of(steady(0, 60), pool_of(0), std::vector<std::uint32_t>(60, 1));
  EXPECT_EQ(f.slo_violation_share, 0.0);
  EXPECT_EQ(f.wait_p99_s, 0);
}

TEST(Figures, JsonHasAKeyForEveryMember) {
  const auto pool = pool_of(15);
  auto f = of(steady(1, 10), pool, std::vector<std::uint32_t>(10, 1));
  f.policy = "hpa";
  const auto written = json_of(f, pool);
  EXPECT_EQ(written["policy"], "hpa");
  EXPECT_EQ(written["cold_start_s"], 15);
  EXPECT_EQ(written["backend_seconds"], 10);
  EXPECT_EQ(written["cost_replica_seconds"], 10);
  EXPECT_EQ(written["requests"], 10);
}

}  // namespace
}  // namespace sluice::plan
