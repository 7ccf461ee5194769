// SPDX-License-Identifier: Apache-2.0
#include "control/load_targets.hpp"

#include "control/sample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

config::Configuration scraped(config::Metrics metrics) {
  auto c = sample(2);
  c.pools[0].metrics = std::move(metrics);
  return c;
}

TEST(LoadTargets, PoolsWithoutMetricsHaveNone) {
  EXPECT_TRUE(load_targets(sample(3)).targets.empty());
}

TEST(LoadTargets, EachBackendIsAskedAtItsAddress) {
  const auto found = load_targets(scraped({.path = "/m"}));
  ASSERT_EQ(found.targets.size(), 2U);
  EXPECT_EQ(found.targets[1].pool, "llama");
  EXPECT_EQ(found.targets[1].backend, "gpu-2");
  EXPECT_EQ(found.targets[1].address, v4("10.0.1.2"));
  EXPECT_EQ(found.targets[1].metrics.path, "/m");
}

TEST(LoadTargets, PortIsTheMetricsElseTheTypesElseTheBackendsElseTheServices) {
  auto c = scraped({});
  EXPECT_EQ(load_targets(c).targets[0].port, 443);
  c.pools[0].backends[0].port = 8000;
  EXPECT_EQ(load_targets(c).targets[0].port, 8000);
  c.pools[0].metrics->type = config::MetricsType::kTriton;
  EXPECT_EQ(load_targets(c).targets[0].port, 8002);
  c.pools[0].metrics->port = 9000;
  EXPECT_EQ(load_targets(c).targets[0].port, 9000);
}

TEST(LoadTargets, BackendWithoutAPortIsLeftOutByName) {
  auto c = scraped({});
  c.services[0].port = 0;
  const auto found = load_targets(c);
  EXPECT_TRUE(found.targets.empty());
  EXPECT_THAT(found.left_out, ElementsAre("llama/gpu-1: no port is known to ask; give metrics.port",
                                          HasSubstr("llama/gpu-2")));
}

}  // namespace
}  // namespace sluice::control
