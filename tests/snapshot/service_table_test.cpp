// SPDX-License-Identifier: Apache-2.0
#include "snapshot/service_table.hpp"

#include "base/byte_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <random>
#include <tuple>

namespace sluice::snapshot {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

/// Address number `host` of the family under test.
class ServiceTableOf : public testing::TestWithParam<int> {
 protected:
  static IpAddress address(std::uint32_t host) {
    const Be32 word = Be32::from_host(host);
    if (GetParam() == 4) return IpAddress::v4(std::bit_cast<std::array<std::uint8_t, 4>>(word));
    std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    const auto low = std::bit_cast<std::array<std::uint8_t, 4>>(word);
    // Every fourth address differs in its upper half only.
    std::copy(low.begin(), low.end(), bytes.begin() + (host % 4 == 0 ? 4 : 12));
    return IpAddress::v6(bytes);
  }
  static FlowKey key(std::uint32_t host, unsigned port, std::uint8_t protocol) {
    FlowKey key{};
    const auto words = address(host).words();
    std::copy(words.begin(), words.end(), key.destination);
    key.destination_port = Be16::from_host(static_cast<std::uint16_t>(port)).wire();
    key.protocol = protocol;
    key.family = static_cast<std::uint8_t>(GetParam());
    return key;
  }
};

TEST_P(ServiceTableOf, EmptyTableFindsNothing) {
  const ServiceTable table;
  EXPECT_EQ(table.find(key(1, 443, kTcp)), ServiceTable::kNone);
  EXPECT_EQ(table.find(key(0, 0, 0)), ServiceTable::kNone);
  EXPECT_EQ(table.find_portless(key(1, 0, kTcp)), ServiceTable::kNone);
  EXPECT_FALSE(table.has_address(key(1, 0, 0)));
  EXPECT_FALSE(table.has_address(key(0, 0, 0)));
}

TEST_P(ServiceTableOf, AddressPortAndProtocolMustAllMatch) {
  const ServiceTable table({{address(1), 443, kTcp, 7}});
  EXPECT_EQ(table.find(key(1, 443, kTcp)), 7U);
  EXPECT_EQ(table.find(key(2, 443, kTcp)), ServiceTable::kNone);
  EXPECT_EQ(table.find(key(1, 444, kTcp)), ServiceTable::kNone);
  EXPECT_EQ(table.find(key(1, 443, kUdp)), ServiceTable::kNone);
}

TEST_P(ServiceTableOf, PortZeroTakesEveryPortOfItsProtocolOnly) {
  const ServiceTable table({{address(1), 0, kTcp, 3}});
  for (const unsigned p : {0U, 1U, 443U, 65535U}) EXPECT_EQ(table.find(key(1, p, kTcp)), 3U) << p;
  EXPECT_EQ(table.find(key(1, 443, kUdp)), ServiceTable::kNone);
  EXPECT_EQ(table.find(key(2, 443, kTcp)), ServiceTable::kNone);
}

TEST_P(ServiceTableOf, ExactPortGoesBeforePortZero) {
  const ServiceTable table({{address(1), 0, kTcp, 3}, {address(1), 443, kTcp, 4}});
  EXPECT_EQ(table.find(key(1, 443, kTcp)), 4U);
  EXPECT_EQ(table.find(key(1, 80, kTcp)), 3U);
}

TEST_P(ServiceTableOf, PacketToPortZeroIsNotTakenByAnotherPort) {
  const ServiceTable table({{address(1), 443, kTcp, 4}});
  EXPECT_EQ(table.find(key(1, 0, kTcp)), ServiceTable::kNone);
}

TEST_P(ServiceTableOf, PacketsWithoutPortsGoToTheServiceForEveryPortElseToTheFirst) {
  const ServiceTable table({{address(1), 443, kUdp, 0},
                            {address(1), 80, kUdp, 1},
                            {address(2), 443, kUdp, 2},
                            {address(2), 0, kUdp, 3}});
  EXPECT_EQ(table.find_portless(key(1, 0, kUdp)), 0U);
  EXPECT_EQ(table.find_portless(key(2, 0, kUdp)), 3U);
  EXPECT_EQ(table.find_portless(key(1, 0, kTcp)), ServiceTable::kNone);
  EXPECT_EQ(table.find_portless(key(3, 0, kUdp)), ServiceTable::kNone);
}

TEST_P(ServiceTableOf, AProtocolThatNoServiceCanHaveSaysNothingOfTheService) {
  const ServiceTable table(
      {{address(1), 443, kTcp, 7}, {address(1), 80, kUdp, 1}, {address(2), 0, kUdp, 3}});
  EXPECT_EQ(table.find_portless(key(1, 0, 60)), 7U) << "the first one";
  EXPECT_EQ(table.find_portless(key(2, 0, 60)), 3U);
  EXPECT_EQ(table.find_portless(key(3, 0, 60)), ServiceTable::kNone);
}

TEST_P(ServiceTableOf, AddressIsKnownWhateverThePortAndProtocol) {
  const ServiceTable table({{address(1), 443, kTcp, 0}, {address(2), 0, kUdp, 1}});
  EXPECT_TRUE(table.has_address(key(1, 1, kUdp)));
  EXPECT_TRUE(table.has_address(key(2, 1, 0)));
  EXPECT_FALSE(table.has_address(key(3, 0, 0)));
}

TEST_P(ServiceTableOf, OfEqualEntriesTheLastCounts) {
  const ServiceTable table({{address(1), 443, kTcp, 0}, {address(1), 443, kTcp, 1}});
  EXPECT_EQ(table.find(key(1, 443, kTcp)), 1U);
}

TEST_P(ServiceTableOf, ManyEntriesAgreeWithAMap) {
  // Few addresses and ports, so that near misses (right address, wrong port) are as common as hits.
  std::mt19937 random(1);
  std::map<std::tuple<std::uint32_t, std::uint16_t, std::uint8_t>, std::uint32_t> map;
  const auto draw = [&] {
    return std::tuple(0x0a000000U + static_cast<std::uint32_t>(random() % 600),
                      static_cast<std::uint16_t>(random() % 40), random() % 2 == 0 ? kTcp : kUdp);
  };
  std::vector<ServiceTable::Entry> entries;
  while (map.size() < 20'000) {
    const auto drawn = draw();
    const auto index = static_cast<std::uint32_t>(map.size());
    if (map.emplace(drawn, index).second)
      entries.push_back(
          {address(std::get<0>(drawn)), std::get<1>(drawn), std::get<2>(drawn), index});
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
    ASSERT_EQ(table.find(key(a, p, protocol)),
              wanted == map.end() ? ServiceTable::kNone : wanted->second);
  }
  EXPECT_GT(exact, 0U);
  EXPECT_GT(any_port, 0U);
  EXPECT_GT(none, 0U);
}

INSTANTIATE_TEST_SUITE_P(Families, ServiceTableOf, testing::Values(4, 6),
                         [](const auto& about) { return fmt::format("V{}", about.param); });

TEST(ServiceTable, FamiliesDoNotMix) {
  const auto v4 = IpAddress::v4({1, 2, 3, 4});
  const auto v6 = IpAddress::v6({1, 2, 3, 4});  // the same first word
  const ServiceTable table({{v4, 443, kTcp, 0}});
  FlowKey key{};
  const auto words = v6.words();
  std::copy(words.begin(), words.end(), key.destination);
  key.destination_port = Be16::from_host(443).wire();
  key.protocol = kTcp;
  key.family = 6;
  EXPECT_EQ(table.find(key), ServiceTable::kNone);
  key.family = 4;
  EXPECT_EQ(table.find(key), 0U);
}

}  // namespace
}  // namespace sluice::snapshot
