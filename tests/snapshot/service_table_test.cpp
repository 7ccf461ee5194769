// SPDX-License-Identifier: Apache-2.0
#include "snapshot/service_table.hpp"

#include "base/byte_order.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

namespace sluice::snapshot {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

// As they stand in a packet.
constexpr std::uint32_t address(std::uint32_t host) { return Be32::from_host(host).wire(); }
constexpr std::uint16_t port(std::uint16_t host) { return Be16::from_host(host).wire(); }

TEST(ServiceTable, EmptyTableFindsNothing) {
  const ServiceTable table;
  EXPECT_EQ(table.find(address(0xcb00710a), port(443), kTcp), ServiceTable::kNone);
  EXPECT_EQ(table.find(0, 0, 0), ServiceTable::kNone);
  EXPECT_FALSE(table.has_address(address(0xcb00710a)));
  EXPECT_FALSE(table.has_address(0));
}

TEST(ServiceTable, AddressPortAndProtocolMustAllMatch) {
  const ServiceTable table({{address(0xcb00710a), port(443), kTcp, 7}});
  EXPECT_EQ(table.find(address(0xcb00710a), port(443), kTcp), 7U);
  EXPECT_EQ(table.find(address(0xcb00710b), port(443), kTcp), ServiceTable::kNone);
  EXPECT_EQ(table.find(address(0xcb00710a), port(444), kTcp), ServiceTable::kNone);
  EXPECT_EQ(table.find(address(0xcb00710a), port(443), kUdp), ServiceTable::kNone);
}

TEST(ServiceTable, PortZeroTakesEveryPortOfItsProtocolOnly) {
  const ServiceTable table({{address(1), 0, kTcp, 3}});
  for (const unsigned p : {0U, 1U, 443U, 65535U})
    EXPECT_EQ(table.find(address(1), port(static_cast<std::uint16_t>(p)), kTcp), 3U) << p;
  EXPECT_EQ(table.find(address(1), port(443), kUdp), ServiceTable::kNone);
  EXPECT_EQ(table.find(address(2), port(443), kTcp), ServiceTable::kNone);
}

TEST(ServiceTable, ExactPortGoesBeforePortZero) {
  const ServiceTable table({{address(1), 0, kTcp, 3}, {address(1), port(443), kTcp, 4}});
  EXPECT_EQ(table.find(address(1), port(443), kTcp), 4U);
  EXPECT_EQ(table.find(address(1), port(80), kTcp), 3U);
}

TEST(ServiceTable, PacketToPortZeroIsNotTakenByAnotherPort) {
  const ServiceTable table({{address(1), port(443), kTcp, 4}});
  EXPECT_EQ(table.find(address(1), 0, kTcp), ServiceTable::kNone);
}

TEST(ServiceTable, AddressIsKnownWhateverThePortAndProtocol) {
  const ServiceTable table({{address(1), port(443), kTcp, 0}, {address(2), 0, kUdp, 1}});
  EXPECT_TRUE(table.has_address(address(1)));
  EXPECT_TRUE(table.has_address(address(2)));
  EXPECT_FALSE(table.has_address(address(3)));
}

TEST(ServiceTable, OfEqualEntriesTheLastCounts) {
  const ServiceTable table({{address(1), port(443), kTcp, 0}, {address(1), port(443), kTcp, 1}});
  EXPECT_EQ(table.find(address(1), port(443), kTcp), 1U);
}

TEST(ServiceTable, ManyEntriesAgreeWithAMap) {
  // Few addresses and ports, so that near misses (right address, wrong port) are as common as hits.
  std::mt19937 random(1);
  std::map<std::tuple<std::uint32_t, std::uint16_t, std::uint8_t>, std::uint32_t> map;
  const auto draw = [&] {
    return std::tuple(address(0x0a000000U + static_cast<std::uint32_t>(random() % 600)),
                      port(static_cast<std::uint16_t>(random() % 40)),
                      random() % 2 == 0 ? kTcp : kUdp);
  };
  std::vector<ServiceTable::Entry> entries;
  while (map.size() < 20'000) {
    const auto key = draw();
    const auto index = static_cast<std::uint32_t>(map.size());
    if (map.emplace(key, index).second)
      entries.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), index});
  }
  const ServiceTable table(entries);
  std::size_t exact = 0;
  std::size_t any_port = 0;
  std::size_t none = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto [a, p, protocol] = draw();
    auto wanted = map.find({a, p, protocol});
    if (wanted != map.end()) {
      ++exact;
    } else {
      wanted = map.find({a, 0, protocol});
      ++(wanted != map.end() ? any_port : none);
    }
    ASSERT_EQ(table.find(a, p, protocol),
              wanted == map.end() ? ServiceTable::kNone : wanted->second);
  }
  EXPECT_GT(exact, 0U);
  EXPECT_GT(any_port, 0U);
  EXPECT_GT(none, 0U);
}

}  // namespace
}  // namespace sluice::snapshot
