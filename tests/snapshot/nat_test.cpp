// SPDX-License-Identifier: Apache-2.0
#include "snapshot/nat.hpp"

#include "snapshot/input.hpp"

#include <gtest/gtest.h>

namespace sluice::snapshot {
namespace {

constexpr const char* kService = "203.0.113.10";

FlowKey to(const char* address) {
  FlowKey key{};
  const IpAddress destination = test::ip(address);
  std::ranges::copy(destination.words(), key.destination);
  key.family = static_cast<std::uint8_t>(destination.family());
  key.protocol = wire::kIpProtoUdp;
  key.destination_port = 4711;
  return key;
}

Input translating() {
  auto pool = test::pool("p", test::backends(2), Forwarding::kNat);
  pool.nat =
      NatInput{.sources = {test::ip("10.0.0.9"), test::ip("2001:db8::9"), test::ip("10.0.0.8")},
               .first_port = 2000,
               .last_port = 3000};
  pool.backends[1].port = 8080;
  return test::input({test::pool("other", test::backends(1, 7)), pool},
                     {test::service("s", kService, 443, 1)});
}

TEST(NatTables, WhatGoesToASourceComesBackWhateverItsPortAndProtocol) {
  const auto now = test::built(translating());
  EXPECT_TRUE(now->nat.any());
  EXPECT_TRUE(now->nat.is_return(to("10.0.0.8")));
  EXPECT_TRUE(now->nat.is_return(to("10.0.0.9")));
  EXPECT_TRUE(now->nat.is_return(to("2001:db8::9")));
  EXPECT_FALSE(now->nat.is_return(to("10.0.0.7")));
  EXPECT_FALSE(now->nat.is_return(to(kService)));
  EXPECT_FALSE(now->nat.is_return(to("2001:db8::8")));
  EXPECT_EQ(nat_addresses(now->input).size(), 3U);
}

TEST(NatTables, PoolsAndBackendsAreAsGiven) {
  const auto now = test::built(translating());
  const NatPool& pool = now->nat.pool(1);
  ASSERT_EQ(pool.sources(4).size(), 2U);
  EXPECT_EQ(pool.sources(4)[0], test::ip("10.0.0.9").words());
  ASSERT_EQ(pool.sources(6).size(), 1U);
  EXPECT_EQ(pool.first_port, 2000);
  EXPECT_EQ(pool.last_port, 3000);
  EXPECT_EQ(now->nat.target(1).address, test::ip("10.0.1.1").words());
  EXPECT_EQ(now->nat.target(1).port, 0);
  EXPECT_EQ(now->nat.target(2).port, Be16::from_host(8080).wire());
}

TEST(NatTables, WithoutAPoolThatTranslatesNothingComesBack) {
  const auto now = test::built(test::input({test::pool("p", test::backends(1))}));
  EXPECT_FALSE(now->nat.any());
  EXPECT_FALSE(now->nat.is_return(to("10.0.0.9")));
}

void expect_refused(Input input, std::string_view message) {
  const auto made = build(std::move(input), nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kInvalid);
  EXPECT_EQ(made.error().text(), message);
}

TEST(NatTables, ContradictionsAreRefused) {
  Input none = translating();
  none.pools[1].nat.reset();
  expect_refused(std::move(none), "pool p: has no addresses to translate to");
  Input backwards = translating();
  backwards.pools[1].nat->last_port = 1999;
  expect_refused(std::move(backwards), "pool p: ports 2000 to 1999 are no range");
  Input other_family = translating();
  other_family.pools[1].nat->sources = {test::ip("2001:db8::9")};
  expect_refused(std::move(other_family), "pool p: has no source of the family of 10.0.1.1");
  Input vip = translating();
  vip.pools[1].nat->sources.push_back(test::ip(kService));
  expect_refused(std::move(vip), "pool p: source 203.0.113.10 is the address of service s");
  Input across = translating();
  across.services[0].address = test::ip("2001:db8::10");
  expect_refused(std::move(across),
                 "pool p: translates between no families: 10.0.1.1 is for service 2001:db8::10");
}

}  // namespace
}  // namespace sluice::snapshot
