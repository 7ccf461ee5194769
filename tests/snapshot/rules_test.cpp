// SPDX-License-Identifier: Apache-2.0
// Shards, limits, denied sources and server ids of services, as workers find them.
#include "snapshot/rules.hpp"

#include "snapshot/input.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

namespace sluice::snapshot {
namespace {

constexpr const char* kVip = "203.0.113.10";

IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }
ShardInput shard(const char* source, std::size_t pool) { return {prefix(source), 0, 0, pool}; }
ShardInput share(double from, double to, std::size_t pool) {
  return {std::nullopt, from, to, pool};
}

FlowKey key_from(const char* source) {
  const auto address = test::ip(source);
  FlowKey key{};
  const auto words = address.words();
  std::copy(words.begin(), words.end(), key.source);
  key.family = address.is_v4() ? 4 : 6;
  return key;
}

/// Four pools of two backends, service "s" on the first.
Input four_pools() {
  std::vector<PoolInput> pools;
  for (unsigned i = 0; i < 4; ++i)
    pools.push_back(test::pool("p" + std::to_string(i), test::backends(2, 1 + 2 * i)));
  return test::input(std::move(pools), {test::service("s", kVip, 443)});
}

std::unique_ptr<const Snapshot> with(auto&& change, const Snapshot* previous = nullptr) {
  Input input = four_pools();
  change(input);
  return test::built(std::move(input), previous);
}

std::string refusal(auto&& change) {
  Input input = four_pools();
  change(input);
  const auto made = build(std::move(input), nullptr);
  return made ? "none" : made.error().text();
}

TEST(ServiceRules, AServiceThatOnlyHasAPoolHasNone) {
  EXPECT_EQ(with([](Input&) {})->services[0].rules, nullptr);
}

TEST(Shards, TheLongestSourcePrefixChoosesThePool) {
  const auto now = with([](Input& in) {
    in.services[0].shards = {shard("10.0.0.0/9", 1), shard("10.1.0.0/16", 2),
                             shard("2001:db8::/32", 3)};
  });
  const auto pool = [&](const char* source) {
    return now->services[0].rules->pool_of(key_from(source), 0, 0);
  };
  EXPECT_EQ(pool("10.127.0.1"), 1);
  EXPECT_EQ(pool("10.1.2.3"), 2);
  EXPECT_EQ(pool("10.128.0.1"), 0);
  EXPECT_EQ(pool("2001:db8::7"), 3);
  EXPECT_EQ(pool("2001:db9::7"), 0);
}

TEST(Shards, SharesOfTheHashTakeThatShareOfFlows) {
  const auto now = with([](Input& in) {
    in.services[0].shards = {share(0.25, 0.75, 2), share(0, 0.125, 1)};
  });
  std::mt19937_64 random(1);
  std::vector<unsigned> count(4);
  for (int i = 0; i < 100'000; ++i)
    ++count[now->services[0].rules->pool_of(key_from("10.0.0.1"), random(), 0)];
  EXPECT_NEAR(count[1], 12'500, 600);
  EXPECT_NEAR(count[2], 50'000, 800);
  EXPECT_NEAR(count[0], 37'500, 800);
}

TEST(Shards, WhatAShareTakesIsSpreadOverTheWholeTableOfItsPool) {
  const auto now = with([](Input& in) { in.services[0].shards = {share(0, 0.1, 1)}; });
  std::mt19937_64 random(2);
  unsigned upper = 0;
  unsigned all = 0;
  while (all < 10'000) {
    const std::uint64_t hash = random();
    if (now->services[0].rules->pool_of(key_from("10.0.0.1"), hash, 0) != 1) continue;
    ++all;
    upper += maglev::Table::index(hash, 1000) >= 500 ? 1 : 0;
  }
  EXPECT_NEAR(upper, 5000, 250);
}

TEST(Shards, APrefixCountsBeforeAShare) {
  const auto now = with([](Input& in) {
    in.services[0].shards = {share(0, 1, 1), shard("10.0.0.0/8", 2)};
  });
  EXPECT_EQ(now->services[0].rules->pool_of(key_from("10.0.0.1"), 7, 0), 2);
  EXPECT_EQ(now->services[0].rules->pool_of(key_from("11.0.0.1"), 7, 0), 1);
}

TEST(Shards, SharesThatAreEmptyOutOfRangeOrOverlapAreRefused) {
  const auto text = [](std::vector<ShardInput> shards) {
    return refusal([&](Input& in) { in.services[0].shards = shards; });
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& shards :
       std::vector<std::vector<ShardInput>>{{share(0.5, 0.5, 1)},
                                            {share(0.6, 0.5, 1)},
                                            {share(-0.1, 0.5, 1)},
                                            {share(0.5, 1.1, 1)},
                                            {share(nan, 1, 1)},
                                            {share(0, nan, 1)},
                                            {share(0.1, 0.1 + 1e-12, 1)},
                                            {share(0, 0.5, 1), share(0.4, 0.6, 2)}})
    EXPECT_NE(text(shards).find("is empty, not within 0 to 1, or overlaps"), std::string::npos)
        << text(shards);
  EXPECT_NE(text({share(0, 1, 4)}).find("a shard has no pool"), std::string::npos);
  EXPECT_EQ(text({share(0, 0.5, 1), share(0.5, 1, 2)}), "none");
}

TEST(ServicePools, AreItsOwnThoseOfItsShardsAndWhereTheyFlowOver) {
  const auto now = with([](Input& in) {
    in.services[0].shards = {shard("10.0.0.0/8", 1)};
    in.pools[1].overflow = 3;
  });
  const ServiceRules& rules = *now->services[0].rules;
  EXPECT_TRUE(rules.has_pool(0));
  EXPECT_TRUE(rules.has_pool(1));
  EXPECT_FALSE(rules.has_pool(2));
  EXPECT_TRUE(rules.has_pool(3));
  EXPECT_FALSE(rules.has_pool(kNoPool));
}

TEST(Deny, HoldsForThePrefixesAndNobodyElse) {
  const auto now = with([](Input& in) {
    in.services[0].deny = {prefix("198.51.100.0/24"), prefix("2001:db8:bad::/48")};
  });
  const ServiceRules& rules = *now->services[0].rules;
  EXPECT_TRUE(rules.denies(key_from("198.51.100.255")));
  EXPECT_FALSE(rules.denies(key_from("198.51.101.0")));
  EXPECT_TRUE(rules.denies(key_from("2001:db8:bad::1")));
  EXPECT_FALSE(rules.denies(key_from("2001:db8:bae::1")));
}

TEST(Prefixes, ThatDidNotChangeAreTakenOver) {
  const auto change = [](Input& in) {
    in.services[0].deny = {prefix("198.51.100.0/24")};
    in.services[0].shards = {shard("10.0.0.0/8", 1)};
  };
  const auto first = with(change);
  const auto second = with(change, first.get());
  EXPECT_EQ(first->services[0].rules->deny, second->services[0].rules->deny);
  EXPECT_EQ(first->services[0].rules->shards, second->services[0].rules->shards);
  const auto third = with(
      [&](Input& in) {
        change(in);
        in.services[0].deny.push_back(prefix("192.0.2.0/24"));
      },
      second.get());
  EXPECT_NE(second->services[0].rules->deny, third->services[0].rules->deny);
  EXPECT_TRUE(third->services[0].rules->denies(key_from("192.0.2.1")));
}

TEST(Limiters, AServiceKeepsItsPlaceAndNoTwoShareOne) {
  const auto services = [](std::vector<std::uint16_t> numbers) {
    return [numbers](Input& in) {
      in.services.clear();
      for (const auto number : numbers) {
        auto service = test::service("s" + std::to_string(number), kVip,
                                     static_cast<std::uint16_t>(1000 + number));
        service.number = number;
        service.limits.packets_per_second = 5;
        in.services.push_back(service);
      }
    };
  };
  const auto place = [](const Snapshot& now, std::size_t i) {
    return now.services[i].rules->limiter;
  };
  const auto first = with(services({3, 4}));
  const auto second = with(services({5, 4}), first.get());
  EXPECT_NE(place(*first, 0), place(*first, 1));
  EXPECT_EQ(place(*second, 1), place(*first, 1));
  EXPECT_NE(place(*second, 0), place(*second, 1));
}

TEST(ServerIdRules, AreThoseOfTheBackendsAndMustDiffer) {
  const auto named = [](const char* first, const char* second) {
    return [=](Input& in) {
      in.pools[0].affinity = Affinity::kQuicCid;
      in.pools[0].backends[0].server_id = ServerId::parse(first);
      in.pools[0].backends[1].server_id = ServerId::parse(second);
    };
  };
  const auto now = with(named("0a0b", "0c0d"));
  const ServerIds& ids = now->services[0].rules->server_ids;
  EXPECT_EQ(ids.find(*ServerId::parse("0a0b")), 1);
  EXPECT_EQ(ids.find(*ServerId::parse("0c0d")), 2);
  EXPECT_FALSE(ids.find(*ServerId::parse("0a0b00")));
  EXPECT_NE(refusal(named("0a0b", "0a0b")).find("two of its backends have the server id 0a0b"),
            std::string::npos);
}

TEST(QuicLbRules, AConfigurationOutOfRangeIsRefusedByItsIndex) {
  const auto text = refusal([](Input& in) { in.quic_lb = {{0, 2, 6, {}}, {7, 2, 6, {}}}; });
  EXPECT_NE(text.find("quic_lb 1"), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice::snapshot
