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
