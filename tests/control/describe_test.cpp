// SPDX-License-Identifier: Apache-2.0
#include "control/describe.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

struct Described {
  config::Configuration configuration;
  NumberSpace numbers;
  std::vector<EgressPort> ports;

  explicit Described(config::Configuration c)
      : configuration(std::move(c)),
        numbers(number_space(configuration.flow_cache)),
        ports(egress_ports(configuration, {})) {
    EXPECT_TRUE(take_numbers(configuration, numbers, {}));
  }
  [[nodiscard]] snapshot::Input input(const OperatorState& state = {}) const {
    return describe(configuration, state, numbers, configured_reaches(configuration, ports));
  }
};

TEST(Describe, TimeoutsAreRoundedUpToTicks) {
  auto c = sample(1);
  c.flow_cache.tcp_timeout = std::chrono::seconds(11);
  c.flow_cache.udp_timeout = std::chrono::seconds(10);
  const auto input = Described(c).input();
  EXPECT_EQ(input.tcp_timeout, 6);
  EXPECT_EQ(input.udp_timeout, 5);
}

TEST(Describe, NumbersRestLongerThanACacheMayHoldThem) {
  auto c = sample(1);
  c.flow_cache.tcp_timeout = std::chrono::seconds(100);
  auto numbers = number_space(c.flow_cache);
  const snapshot::Numbers::Time start{};
  ASSERT_TRUE(take_numbers(c, numbers, start));
  const auto first = numbers.backends.of("llama/gpu-1");
  c.pools[0].backends[0].name = "gpu-2";
  ASSERT_TRUE(take_numbers(c, numbers, start));
  c.pools[0].backends[0].name = "gpu-3";
  ASSERT_TRUE(take_numbers(c, numbers, start + std::chrono::seconds(100)));
  EXPECT_NE(numbers.backends.of("llama/gpu-3"), first) << "a cache entry may still be hit";
  c.pools[0].backends[0].name = "gpu-4";
  ASSERT_TRUE(take_numbers(c, numbers, start + std::chrono::seconds(200)));
  EXPECT_EQ(numbers.backends.of("llama/gpu-4"), first);
}

TEST(Describe, DrainedBackendsAreDrainingAndKeepTheirWeight) {
  OperatorState state;
  state.pools["llama"].drained.insert("gpu-2");
  const auto input = Described(sample(2)).input(state);
  EXPECT_FALSE(input.pools[0].backends[0].draining);
  EXPECT_TRUE(input.pools[0].backends[1].draining);
  EXPECT_EQ(input.pools[0].backends[1].weight, 100U);
}

TEST(Describe, TheLongestNeighbourPrefixGivesTheHop) {
  auto c = sample(2);
  c.neighbours.push_back({IpPrefix::parse("10.0.1.2").value(),
                          MacAddress::parse("02:00:00:00:00:02").value(), "front"});
  c.neighbours.push_back({IpPrefix::parse("0.0.0.0/0").value(),
                          MacAddress::parse("02:00:00:00:00:03").value(), "front"});
  const auto reaches = configured_reaches(c, egress_ports(c, {}));
  EXPECT_EQ(reaches.at(v4("10.0.1.1")).hop->destination.text(), "02:00:00:00:00:fe");
  EXPECT_EQ(reaches.at(v4("10.0.1.2")).hop->destination.text(), "02:00:00:00:00:02");
  EXPECT_EQ(reaches.at(v4("10.0.1.2")).hop->source.text(), "02:00:00:00:00:01");
  EXPECT_EQ(reaches.at(v4("10.0.1.2")).hop->mtu, 1500);
}

TEST(Describe, AddressesThatNoNeighbourCoversAreLeftOut) {
  auto c = sample(1);
  c.pools[0].backends.push_back(backend("far", "10.9.9.9"));
  EXPECT_EQ(configured_reaches(c, egress_ports(c, {})).count(v4("10.9.9.9")), 0U);
}

TEST(Describe, L2dsrDoesNotGoThroughARouterAndIpipDoes) {
  const Reach behind_router{
      .hop = snapshot::Hop{}, .configured = false, .on_link = false, .problem = {}};
  EXPECT_EQ(usable_hop(behind_router, config::Forwarding::kL2dsr), nullptr);
  EXPECT_NE(usable_hop(behind_router, config::Forwarding::kIpip), nullptr);
  EXPECT_NE(problem_of(behind_router, config::Forwarding::kL2dsr).find("l2dsr"), std::string::npos);
  EXPECT_EQ(problem_of(behind_router, config::Forwarding::kIpip), "");
}

TEST(Describe, TheSourceOfATunnelMayBeOfEitherFamily) {
  auto c = sample(1);
  c.pools[0].encapsulation = {.source = IpAddress::parse("2001:db8::1").value()};
  c.pools[0].backends[0].address = IpAddress::parse("2001:db8:1::1").value();
  const auto input = Described(c).input();
  ASSERT_TRUE(input.pools[0].outer_source6);
  EXPECT_EQ(input.pools[0].outer_source6->text(), "2001:db8::1");
  EXPECT_TRUE(input.pools[0].outer_source.is_unspecified());
}

TEST(Describe, TunnelsOfBothFamiliesArriveAsConfigured) {
  auto c = sample(1);
  c.pools[0].forwarding = config::Forwarding::kGue;
  c.pools[0].encapsulation = {.source = v4("10.0.0.1"),
                              .source6 = IpAddress::parse("2001:db8::1").value(),
                              .variant = 0,
                              .port = 9886};
  c.services[0].address = IpAddress::parse("2001:db8::10").value();
  c.services[0].protocol = config::Protocol::kQuic;
  c.protection.icmp_answers_per_second = 7;
  const auto input = Described(c).input();
  EXPECT_EQ(input.pools[0].forwarding, snapshot::Forwarding::kGue);
  EXPECT_EQ(input.pools[0].outer_source, v4("10.0.0.1"));
  ASSERT_TRUE(input.pools[0].outer_source6);
  EXPECT_EQ(input.pools[0].outer_source6->text(), "2001:db8::1");
  EXPECT_EQ(input.pools[0].gue_variant, 0);
  EXPECT_EQ(input.pools[0].gue_port, 9886);
  EXPECT_EQ(input.services[0].address.text(), "2001:db8::10");
  EXPECT_EQ(input.services[0].protocol, 17);
  EXPECT_EQ(input.icmp_errors_per_second, 7U);
}

TEST(Describe, SteeringArrivesAsConfigured) {
  auto c = sample(2);
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "rest";
  c.pools[0].policy = config::Policy::kLeastConnections;
  c.pools[0].affinity = config::Affinity::kQuicCid;
  c.pools[0].overflow = "rest";
  c.pools[1].max_load_ratio = 1.25;
  c.pools[0].backends[0].max_connections = 9;
  c.pools[0].backends[0].server_id = "0a1f";
  c.services[0].protocol = config::Protocol::kQuic;
  c.services[0].shards = {
      {.source = IpPrefix::parse("10.0.0.0/9"), .hash_range = {}, .pool = "rest"},
      {.source = {}, .hash_range = std::pair(0.25, 0.5), .pool = "llama"}};
  c.services[0].limits = config::Limits{.packets_per_second = 5};
  c.services[0].deny = {IpPrefix::parse("198.51.100.0/24").value()};
  c.quic_lb = {{.rotation = 3,
                .server_id_bytes = 2,
                .nonce_bytes = 14,
                .key = "00112233445566778899aabbccddeeff"}};
  c.protection.bad_checksum = true;
  const auto input = Described(c).input();
  const auto& pool = input.pools[0];
  EXPECT_EQ(pool.policy, snapshot::Policy::kLeastConnections);
  EXPECT_EQ(pool.affinity, snapshot::Affinity::kQuicCid);
  EXPECT_EQ(pool.overflow, std::size_t{1});
  EXPECT_EQ(input.pools[1].max_load_ratio, 1.25);
  EXPECT_EQ(pool.backends[0].max_connections, 9U);
  EXPECT_EQ(pool.backends[0].server_id, ServerId::parse("0a1f"));
  EXPECT_EQ(pool.backends[1].server_id, std::nullopt);
  const auto& service = input.services[0];
  ASSERT_EQ(service.shards.size(), 2U);
  EXPECT_EQ(service.shards[0].source, IpPrefix::parse("10.0.0.0/9"));
  EXPECT_EQ(service.shards[0].pool, 1U);
  EXPECT_EQ(service.shards[1].from, 0.25);
  EXPECT_EQ(service.shards[1].to, 0.5);
  EXPECT_EQ(service.shards[1].pool, 0U);
  EXPECT_EQ(service.limits.packets_per_second, 5U);
  EXPECT_EQ(service.deny, c.services[0].deny);
  ASSERT_EQ(input.quic_lb.size(), 1U);
  EXPECT_EQ(input.quic_lb[0].rotation, 3);
  EXPECT_EQ(input.quic_lb[0].key->at(15), 0xff);
  EXPECT_TRUE(input.verify_checksums);
}

TEST(Describe, TranslationArrivesAsConfigured) {
  auto c = sample(1);
  c.pools[0].forwarding = config::Forwarding::kNat;
  c.pools[0].nat = config::Nat{.sources = {v4("10.0.0.2")},
                               .ports = {2000, 3000},
                               .client_address = config::ClientAddress::kToa};
  c.pools[0].backends[0].port = 8443;
  const auto input = Described(c).input();
  EXPECT_EQ(input.pools[0].forwarding, snapshot::Forwarding::kNat);
  ASSERT_TRUE(input.pools[0].nat);
  EXPECT_EQ(input.pools[0].nat->sources, c.pools[0].nat->sources);
  EXPECT_EQ(input.pools[0].nat->first_port, 2000);
  EXPECT_EQ(input.pools[0].nat->last_port, 3000);
  EXPECT_EQ(input.pools[0].nat->client_address, snapshot::ClientAddress::kToa);
  EXPECT_EQ(input.pools[0].backends[0].port, 8443);
}

TEST(Describe, NeighboursOfIpv6AreOfIpv6Only) {
  auto c = sample(1);
  c.neighbours = {
      {IpPrefix::parse("::/0").value(), MacAddress::parse("02:00:00:00:00:06").value(), "front"}};
  c.pools[0].backends = {backend("four", "10.0.1.1"), backend("six", "2001:db8::5")};
  const auto reaches = configured_reaches(c, egress_ports(c, {}));
  EXPECT_EQ(reaches.count(v4("10.0.1.1")), 0U);
  EXPECT_EQ(reaches.at(v4("2001:db8::5")).hop->destination.text(), "02:00:00:00:00:06");
  EXPECT_FALSE(reaches.at(v4("2001:db8::5")).on_link);
}

TEST(Describe, TheDevicesOwnMacComesBeforeTheFilesOne) {
  const auto own = MacAddress::parse("02:aa:00:00:00:01").value();
  EXPECT_EQ(egress_ports(sample(1), {own})[0].mac, own);
  EXPECT_EQ(egress_ports(sample(1), {})[0].mac.text(), "02:00:00:00:00:01");
}

TEST(Describe, ASecretOfTheConfigurationReplacesThePublicOne) {
  auto c = sample(1);
  const auto open = Described(c).input().hash_key;
  c.hash_key = "00112233445566778899aabbccddeeff";
  const auto secret = Described(c).input().hash_key;
  EXPECT_NE(open.tail, secret.tail);
}

}  // namespace
}  // namespace sluice::control
