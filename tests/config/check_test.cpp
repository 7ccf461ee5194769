// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include "config/decode.hpp"
#include "config/documents.hpp"
#include "config/reader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::config {
namespace {

Configuration good() { return decode(sample()).configuration; }

std::vector<std::string> faults(const Configuration& configuration,
                                const std::vector<Fault>& known = {}) {
  std::vector<std::string> lines;
  for (const auto& fault : check(configuration, known).faults) lines.push_back(fault.text());
  return lines;
}

std::vector<Backend> backends(unsigned count, unsigned from) {
  std::vector<Backend> backends;
  for (unsigned i = from; i < from + count; ++i) {
    const auto bytes = {10U, i >> 16U, (i >> 8U) & 255U, i & 255U};
    backends.push_back({.name = fmt::format("b{}", i),
                        .address = *IpAddress::parse(fmt::format("{}", fmt::join(bytes, "."))),
                        .weight = 1});
  }
  return backends;
}

TEST(Check, HoldsAConfigurationMadeByCodeToTheRules) {
  auto configuration = good();
  EXPECT_EQ(faults(configuration), std::vector<std::string>());
  configuration.services[0].pool = "other";
  configuration.pools[0].table_size = 9;
  EXPECT_EQ(faults(configuration),
            (std::vector<std::string>{
                "/services/0/pool: there is no pool 'other'; name one that exists or add it",
                "/pools/0/table_size: 9 is not a prime number; the nearest are 7 and 11"}));
}

TEST(Check, EveryRuleIsOfTheLayerThatASchemaCannotSay) {
  auto configuration = good();
  configuration.pools[0].name = "renamed";
  configuration.dpdk.main_lcore = 9;
  const auto findings = check(configuration);
  EXPECT_EQ(findings.faults.size(), 2U);
  EXPECT_TRUE(std::ranges::all_of(findings.faults,
                                  [](const Fault& fault) { return fault.layer == Layer::kRule; }));
}

TEST(Check, KeepsSilentAboutWhatIsKnownToBeFaulty) {
  auto configuration = good();
  configuration.pools[0].table_size = 9;
  configuration.services[0].pool = "other";
  EXPECT_EQ(faults(configuration, {{"/pools/0", "is null", "give an object"},
                                   {"/services/0/pool", "is null", "give a name"}}),
            std::vector<std::string>());
  EXPECT_EQ(faults(configuration, {{"/", "is a list", "give an object"}}),
            std::vector<std::string>());
}

TEST(Check, AllPoolsTogetherHaveNoMoreBackendsThanNumbers) {
  auto configuration = good();
  configuration.pools[0].table_size = 131071;
  configuration.pools.push_back(configuration.pools[0]);
  configuration.pools[1].name = "second";
  configuration.pools[0].backends = backends(65000, 1);
  configuration.pools[1].backends = backends(535, 1);
  EXPECT_EQ(faults(configuration), std::vector<std::string>());
  configuration.pools[1].backends = backends(536, 1);
  EXPECT_EQ(faults(configuration),
            std::vector<std::string>{"/pools/1/backends: more than 65535 backends in all pools "
                                     "together; spread them over several nodes"});
}

TEST(Check, NoMoreServicesHaveLimitsThanAWorkerHasRoomFor) {
  auto configuration = good();
  configuration.services.assign(4097, configuration.services[0]);
  for (std::size_t i = 0; i < configuration.services.size(); ++i) {
    auto& service = configuration.services[i];
    service.name = fmt::format("s{}", i);
    service.port = static_cast<std::uint16_t>(i);
    service.limits = Limits{.packets_per_second = 1000};
  }
  configuration.services[7].limits = Limits{};  // limits nothing
  EXPECT_EQ(faults(configuration), std::vector<std::string>());
  configuration.services[7].limits = Limits{.bits_per_second = 1};
  EXPECT_EQ(faults(configuration),
            std::vector<std::string>{
                "/services/4096/limits: more than 4096 services have limits; limit those that need "
                "it most, or spread the services over several nodes"});
}

TEST(Check, NoMorePoolsGoRoundRobinThanAWorkerHasRoomFor) {
  auto configuration = good();
  const auto plain = configuration.pools[0];
  for (unsigned i = 0; i < 4097; ++i) {
    auto& pool = configuration.pools.emplace_back(plain);
    pool.name = fmt::format("p{}", i);
    pool.backends.clear();
    pool.policy = i % 2 == 0 ? Policy::kRoundRobin : Policy::kWeightedRoundRobin;
  }
  EXPECT_EQ(faults(configuration),
            std::vector<std::string>{"/pools/4097/policy: more than 4096 pools go round robin; "
                                     "choose 'random', which gives each backend the same share"});
  configuration.pools[1].policy = Policy::kRandom;
  EXPECT_EQ(faults(configuration), std::vector<std::string>());
}

TEST(Check, ServicesAndPoolsHaveNoMoreThanTheirNumbers) {
  auto configuration = good();
  const auto pool = configuration.pools[0];
  const auto service = configuration.services[0];
  for (unsigned i = 1; i < 65536; ++i) {
    configuration.pools.push_back(pool);
    configuration.pools.back().name = fmt::format("p{}", i);
    configuration.pools.back().backends.clear();
    configuration.services.push_back(service);
    configuration.services.back().name = fmt::format("s{}", i);
    configuration.services.back().address = backends(1, 200000 + i)[0].address;
  }
  EXPECT_EQ(faults(configuration),
            (std::vector<std::string>{
                "/services: 65536 services are more than 65535; spread them over several nodes",
                "/pools: 65536 pools are more than 65535; spread them over several nodes"}));
}

// Of whatever way the flows of one service come to two pools.
TEST(Check, OneServerIdLeadsFromAServiceToOneBackend) {
  auto configuration = good();
  configuration.quic_lb = {{.rotation = 0, .server_id_bytes = 2, .nonce_bytes = 6}};
  configuration.services.resize(1);
  configuration.services[0].protocol = Protocol::kQuic;
  const auto plain = configuration.pools[0];
  configuration.pools.assign(3, plain);
  for (std::size_t i = 0; i < 3; ++i) {
    auto& pool = configuration.pools[i];
    pool.name = fmt::format("p{}", i);
    pool.affinity = Affinity::kQuicCid;
    pool.backends = backends(2, static_cast<unsigned>(10 * i + 1));
    pool.backends[0].server_id = fmt::format("0a{:02x}", i);
    pool.backends[1].server_id = fmt::format("0b{:02x}", i);
  }
  configuration.services[0].pool = "p0";
  EXPECT_EQ(faults(configuration), std::vector<std::string>());
  configuration.pools[2].backends[1].server_id = "0A00";
  EXPECT_EQ(faults(configuration), std::vector<std::string>()) << "another service's pool";
  const std::vector<std::string> twice{
      "/pools/2/backends/1/server_id: '0A00' is the server_id of /pools/0/backends/0 too, and "
      "service 'chat' has flows with both; give each its own"};
  auto by_shard = configuration;
  by_shard.services[0].shards = {{.hash_range = std::pair(0.0, 0.5), .pool = "p2"}};
  EXPECT_EQ(faults(by_shard), twice);
  auto by_overflow = by_shard;
  by_overflow.services[0].shards[0].pool = "p1";
  by_overflow.pools[1].overflow = "p2";
  EXPECT_EQ(faults(by_overflow), twice);
  auto by_both = by_overflow;  // p1 is there already when the shard names it
  by_both.pools[0].overflow = "p1";
  EXPECT_EQ(faults(by_both), twice);
}

TEST(Check, OnlyTheFirstUnknownNamesAreGivenASuggestion) {
  auto configuration = good();
  configuration.services.assign(3 * kMostFaults, configuration.services[0]);
  for (std::size_t i = 0; i < configuration.services.size(); ++i) {
    auto& service = configuration.services[i];
    service.name = fmt::format("s{}", i);
    service.port = static_cast<std::uint16_t>(i);
    service.pool = "lama";
  }
  const auto lines = faults(configuration);
  EXPECT_EQ(lines.size(), kMostFaults);
  EXPECT_EQ(
      std::ranges::count_if(lines, [](const auto& line) { return line.ends_with("'llama'?"); }),
      20);
}

}  // namespace
}  // namespace sluice::config
