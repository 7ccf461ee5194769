// SPDX-License-Identifier: Apache-2.0
#include "plan/pool_of.hpp"

#include <gtest/gtest.h>

namespace sluice::plan {
namespace {

config::Pool smallest() {
  config::Pool pool;
  pool.name = "llama";
  pool.classes = {{.name = "h100", .capacity = 0.5, .cold_start_s = 59.5}};
  pool.autoscale.emplace();
  return pool;
}

TEST(PoolOf, TimesAreWholeSecondsAndTheSameForBoth) {
  auto configured = smallest();
  configured.autoscale->tick_s = 0.2;
  configured.autoscale->slo_wait_s = 0;
  const auto planned = plan_of(configured, 7).value();
  EXPECT_EQ(planned.model.classes.front().cold_start_s, 60U);
  EXPECT_EQ(planned.options.classes.front().cold_start_s, 60.0);
  EXPECT_EQ(planned.options.autoscale.tick_s, 1.0);
  EXPECT_EQ(planned.model.slo_wait_s, 1U);
  EXPECT_EQ(planned.model.drain_s, 7U);
  EXPECT_EQ(planned.options.drain_s, 7.0);
}

TEST(PoolOf, APoolThatDoesNotScaleOrHasNoClassCannotBePlanned) {
  auto configured = smallest();
  configured.classes.clear();
  EXPECT_EQ(plan_of(configured).error().text(),
            "pool llama: has no classes; name one, with its capacity and cold_start_s");
  configured.autoscale.reset();
  EXPECT_EQ(plan_of(configured).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace sluice::plan
