// SPDX-License-Identifier: Apache-2.0
#include "control/filter_duties.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

/// The entries of a configuration when some of its backends are down or drained.
std::vector<xdp::ServiceEntry> entries(const config::Configuration& c, const UseOf& use = {},
                                       const std::set<std::string>& awaiting = {}) {
  auto numbers = number_space(c.flow_cache);
  EXPECT_TRUE(take_numbers(c, numbers, {}));
  const auto reaches = configured_reaches(c, egress_ports(c, {}));
  const auto built = snapshot::build(describe(c, {}, numbers, reaches, use), nullptr);
  EXPECT_TRUE(built) << built.error().text();
  return service_entries(**built, c, awaiting);
}

UseOf all(Use use) {
  return [=](const std::string&, const std::string&) { return use; };
}

TEST(ServiceEntries, AServiceTakesAllWhileABackendTakesNewFlows) {
  auto c = sample(2);
  EXPECT_EQ(entries(c)[0].takes, xdp::Takes::kAll);
  EXPECT_EQ(entries(c)[0].port, 443);
  const UseOf one_left = [](const std::string&, const std::string& name) {
    return name == "gpu-1" ? Use{false, false} : Use{};
  };
  EXPECT_EQ(entries(c, one_left)[0].takes, xdp::Takes::kAll);
}

TEST(ServiceEntries, OldFlowsGoOnWhileBackendsDrainAndNoneWhenAllAreDown) {
  auto c = sample(2);
  EXPECT_EQ(entries(c, all({false, true}))[0].takes, xdp::Takes::kOldFlows);
  EXPECT_EQ(entries(c, all({false, false}))[0].takes, xdp::Takes::kNothing);
  c.pools[0].backends.clear();
  EXPECT_EQ(entries(c)[0].takes, xdp::Takes::kNothing);
}

TEST(ServiceEntries, APoolOfAShardOrOfAnOverflowIsEnough) {
  auto c = sample(1);
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "rest";
  c.pools[1].backends[0].name = "other";
  c.pools[1].backends[0].address = v4("10.0.1.77");
  const UseOf first_down = [](const std::string& pool, const std::string&) {
    return pool == "llama" ? Use{false, false} : Use{};
  };
  EXPECT_EQ(entries(c, first_down)[0].takes, xdp::Takes::kNothing);
  c.pools[0].overflow = "rest";
  EXPECT_EQ(entries(c, first_down)[0].takes, xdp::Takes::kAll);
  c.pools[0].overflow = "";
  c.services[0].shards.push_back({.hash_range = {{0, 0.5}}, .pool = "rest"});
  EXPECT_EQ(entries(c, first_down)[0].takes, xdp::Takes::kAll);
}

TEST(ServiceEntries, ClientsOfAPoolWhoseFirstBackendIsToComeAreNotRefused) {
  auto c = sample(1);
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "other";
  c.services.push_back(c.services[0]);
  c.services[1].name = "embed";
  c.services[1].port = 444;
  c.services[1].pool = "other";
  const auto waiting = entries(c, all({false, false}), {"llama"});
  EXPECT_EQ(waiting[0].takes, xdp::Takes::kAll);
  EXPECT_EQ(waiting[1].takes, xdp::Takes::kNothing) << "of another pool";
  EXPECT_EQ(entries(c, all({false, true}), {"llama"})[0].takes, xdp::Takes::kAll);
}

TEST(ServiceEntries, APoolMayBeSilentAboutIt) {
  auto c = sample(1);
  EXPECT_FALSE(entries(c)[0].silent);
  c.pools[0].no_backend = config::NoBackend::kDrop;
  EXPECT_TRUE(entries(c)[0].silent);
}

TEST(AnswerSettings, ProbesAreAnsweredAtTheServicesAndWhereElseTheConfigurationSays) {
  auto c = sample(1);
  EXPECT_TRUE(answer_settings(c, 1).addresses.empty());
  c.answer = config::Answer{.addresses = {v4("10.0.0.1"), v4("203.0.113.10")},
                            .icmp_echo = true,
                            .tcp_port = 7,
                            .max_age = std::chrono::milliseconds(50)};
  const auto settings = answer_settings(c, 3);
  EXPECT_EQ(settings.addresses, (std::vector{v4("10.0.0.1"), v4("203.0.113.10")}));
  EXPECT_TRUE(settings.icmp_echo);
  EXPECT_EQ(settings.udp_port, 0);
  EXPECT_EQ(settings.tcp_port, 7);
  EXPECT_EQ(settings.max_age, std::chrono::milliseconds(50));
  EXPECT_EQ(settings.workers, 3U);
}

TEST(SynLimit, IsAsTheConfigurationSays) {
  auto c = sample(1);
  EXPECT_EQ(syn_limit(c).per_second, 0U);
  c.protection.syn_per_second = 100;
  c.protection.syn_burst = 200;
  c.protection.syn_prefix = 24;
  EXPECT_EQ(syn_limit(c).per_second, 100U);
  EXPECT_EQ(syn_limit(c).burst, 200U);
  EXPECT_EQ(syn_limit(c).prefix4, 24U);
  EXPECT_EQ(syn_limit(c).prefix6, 64U);
}

TEST(WatchedBackends, AnAddressOfSeveralPoolsIsWatchedOnce) {
  auto c = sample(3);
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "other";
  const auto watched = watched_backends(c);
  ASSERT_EQ(watched.size(), 3U);
  EXPECT_EQ(watched[2].number, 2U);
}

}  // namespace
}  // namespace sluice::control
