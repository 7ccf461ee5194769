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
