// SPDX-License-Identifier: Apache-2.0
#include "control/health_targets.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

Targets targets_of(const config::Configuration& c) {
  const auto ports = egress_ports(c, {});
  return health_targets(c, configured_reaches(c, ports), ports);
}

config::Configuration probed(config::Health health) {
  auto c = sample(2);
  c.pools[0].health = std::move(health);
  return c;
}

TEST(HealthTargets, PoolsWithoutChecksHaveNone) {
  const auto found = targets_of(sample(3));
  EXPECT_TRUE(found.targets.empty());
  EXPECT_TRUE(found.left_out.empty());
}

TEST(HealthTargets, EachBackendIsAskedAtItsAddressAndTheServicesPort) {
  const auto found = targets_of(probed({}));
  ASSERT_EQ(found.targets.size(), 2U);
  EXPECT_EQ(found.targets[1].pool, "llama");
  EXPECT_EQ(found.targets[1].backend, "gpu-2");
  EXPECT_EQ(found.targets[1].address, v4("10.0.1.2"));
  EXPECT_EQ(found.targets[1].port, 443);
  EXPECT_FALSE(found.targets[1].tunnel);
}

TEST(HealthTargets, PortOfTheCheckComesBeforeTheBackendsAndThatBeforeTheServices) {
  auto c = probed({});
  c.pools[0].backends[0].port = 8000;
  EXPECT_EQ(targets_of(c).targets[0].port, 8000);
  c.pools[0].health->port = 9000;
  EXPECT_EQ(targets_of(c).targets[0].port, 9000);
}

TEST(HealthTargets, PoolOfAShardOrAnOverflowIsAskedAtThePortOfTheServiceThatReachesIt) {
  auto c = probed({});
  c.services[0].port = 7000;
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "shard";
  c.pools[1].overflow = "rest";
  c.pools.push_back(c.pools[0]);
  c.pools[2].name = "rest";
  c.services[0].shards.push_back({.hash_range = {{0, 0.5}}, .pool = "shard"});
  for (const auto& target : targets_of(c).targets) EXPECT_EQ(target.port, 7000) << target.pool;
}

TEST(HealthTargets, BackendWhosePortNobodyKnowsIsLeftOutAndSaidSo) {
  auto c = probed({});
  c.services[0].port = 0;
  const auto found = targets_of(c);
  EXPECT_TRUE(found.targets.empty());
  ASSERT_EQ(found.left_out.size(), 2U);
  EXPECT_EQ(found.left_out[0], "llama/gpu-1: no port is known to ask; give health.port");
  c.pools[0].health->type = config::CheckType::kIcmp;
  EXPECT_EQ(targets_of(c).targets.size(), 2U) << "a ping needs none";
}

TEST(HealthTargets, ProbeByWayOfTheServiceTakesThePoolsTunnel) {
  const auto found = targets_of(probed({.via = config::Via::kService}));
  ASSERT_EQ(found.targets.size(), 2U);
  ASSERT_TRUE(found.targets[0].tunnel);
  EXPECT_EQ(found.targets[0].tunnel->forwarding, config::Forwarding::kIpip);
  EXPECT_EQ(found.targets[0].tunnel->service, v4("203.0.113.10"));
  EXPECT_EQ(found.targets[0].tunnel->source, v4("10.0.0.1"));
}

TEST(HealthTargets, ByWayOfL2dsrNeedsTheBackendsMacAndAnInterface) {
  auto c = probed({.via = config::Via::kService});
  c.pools[0].forwarding = config::Forwarding::kL2dsr;
  c.pools[0].encapsulation.reset();
  auto found = targets_of(c);
  EXPECT_TRUE(found.targets.empty()) << "the sample's device has no interface";
  EXPECT_EQ(found.left_out.size(), 2U);

  auto ports = egress_ports(c, {});
  ports[0].interface = "front0";
  Reaches reaches;
  for (const auto* address : {"10.0.1.1", "10.0.1.2"}) {
    Reach reach;
    reach.hop = snapshot::Hop{.port = 0,
                              .destination = MacAddress::parse("02:00:00:00:01:11").value(),
                              .source = {},
                              .mtu = 1500};
    reaches[v4(address)] = reach;
  }
  found = health_targets(c, reaches, ports);
  ASSERT_EQ(found.targets.size(), 2U);
  EXPECT_EQ(found.targets[0].tunnel->interface, "front0");
  EXPECT_EQ(found.targets[0].tunnel->mac.text(), "02:00:00:00:01:11");
}

}  // namespace
}  // namespace sluice::control
