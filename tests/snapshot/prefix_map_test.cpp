// SPDX-License-Identifier: Apache-2.0
// The prefix map against a list that is searched from end to end.
#include "snapshot/prefix_map.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace sluice::snapshot {
namespace {

using Entry = PrefixMap::Entry;

IpAddress address(const char* text) { return IpAddress::parse(text).value(); }
Entry entry(const char* prefix, std::uint32_t value) {
  return {IpPrefix::parse(prefix).value(), value};
}

std::uint32_t find(const PrefixMap& map, const IpAddress& a) {
  const auto words = a.words();
  const std::uint32_t in_packet[4] = {words[0], words[1], words[2], words[3]};
  return map.find(in_packet, a.is_v4() ? 4 : 6);
}

/// The value of the longest prefix, by looking at all of them.
std::uint32_t slow_find(const std::vector<Entry>& entries, const IpAddress& a) {
  const Entry* best = nullptr;
  for (const auto& e : entries)
    if (e.prefix.contains(a) && (best == nullptr || e.prefix.length >= best->prefix.length))
      best = &e;
  return best == nullptr ? PrefixMap::kNone : best->value;
}

IpPrefix cut(const IpAddress& a, unsigned length) {
  auto bytes = a.bytes();
  for (unsigned bit = length; bit < a.bits(); ++bit)
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
  if (a.is_v4()) return {IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}), length};
  return {IpAddress::v6(bytes), length};
}

/// Addresses that agree in many leading bits, so that prefixes nest.
class Addresses {
 public:
  Addresses(std::uint64_t seed, bool v4) : random_(seed), v4_(v4) {}
  IpAddress next() {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < (v4_ ? 4U : 16U); ++i)
      bytes[i] = static_cast<std::uint8_t>(random_() % 4 == 0 ? random_() : random_() % 2 * 255);
    return v4_ ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
  }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  bool v4_;
};

/// The addresses where a prefix begins and ends, and their neighbours beyond.
std::vector<IpAddress> borders(const IpPrefix& prefix) {
  std::vector<IpAddress> result;
  auto last = prefix.address.bytes();
  for (unsigned bit = prefix.length; bit < prefix.address.bits(); ++bit)
    last[bit / 8] = static_cast<std::uint8_t>(last[bit / 8] | 0x80U >> bit % 8);
  const auto step = [&](std::array<std::uint8_t, 16> bytes, int by) {
    for (unsigned i = prefix.address.bits() / 8; i-- > 0;) {
      bytes[i] = static_cast<std::uint8_t>(bytes[i] + by);
      if (bytes[i] != (by > 0 ? 0 : 255)) break;
    }
    return bytes;
  };
  for (const auto& b :
       {prefix.address.bytes(), step(prefix.address.bytes(), -1), last, step(last, 1)})
    result.push_back(prefix.address.is_v4() ? IpAddress::v4({b[0], b[1], b[2], b[3]})
                                            : IpAddress::v6(b));
  return result;
}

struct Case {
  bool v4;
  std::size_t prefixes;
};

class PrefixMapModel : public testing::TestWithParam<Case> {};

TEST_P(PrefixMapModel, FindsWhatASearchOfTheWholeListFinds) {
  const auto [v4, prefixes] = GetParam();
  Addresses addresses(prefixes, v4);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < prefixes; ++i) {
    const IpAddress a = addresses.next();
    const auto length = static_cast<unsigned>(addresses.random()() % (a.bits() + 1));
    entries.push_back({cut(a, length), static_cast<std::uint32_t>(addresses.random()() % 50)});
  }
  const PrefixMap map(entries);
  std::size_t found = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    const IpAddress a = addresses.next();
    const auto expected = slow_find(entries, a);
    ASSERT_EQ(find(map, a), expected) << a.text();
    found += expected != PrefixMap::kNone ? 1 : 0;
  }
  for (std::size_t i = 0; i < entries.size(); i += entries.size() / 300 + 1)
    for (const auto& a : borders(entries[i].prefix)) {
      ASSERT_EQ(find(map, a), slow_find(entries, a)) << entries[i].prefix.text() << " " << a.text();
      found += find(map, a) != PrefixMap::kNone ? 1 : 0;
    }
  EXPECT_GT(found, 0U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PrefixMapModel,
                         testing::Values(Case{true, 1}, Case{true, 4}, Case{true, 60},
                                         Case{true, 5000}, Case{false, 1}, Case{false, 7},
                                         Case{false, 60}, Case{false, 5000}),
                         [](const auto& test) {
                           return (test.param.v4 ? "V4x" : "V6x") +
                                  std::to_string(test.param.prefixes);
                         });

TEST(PrefixMap, AnEmptyMapHoldsNoAddress) {
  const PrefixMap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(find(map, address("10.0.0.1")), PrefixMap::kNone);
  EXPECT_EQ(find(map, address("2001:db8::1")), PrefixMap::kNone);
}

TEST(PrefixMap, FamiliesDoNotMix) {
  const PrefixMap map(std::vector{entry("0.0.0.0/0", 4)});
  EXPECT_EQ(find(map, address("255.255.255.255")), 4U);
  EXPECT_EQ(find(map, address("::1")), PrefixMap::kNone);
}

TEST(PrefixMap, TheLongestPrefixWinsWhateverTheirOrder) {
  std::vector entries{entry("10.0.0.0/8", 1), entry("10.1.0.0/16", 2), entry("10.1.2.0/24", 3),
                      entry("10.1.2.3", 4)};
  for (int turn = 0; turn < 2; ++turn) {
    const PrefixMap map(entries);
    EXPECT_EQ(find(map, address("10.9.9.9")), 1U);
    EXPECT_EQ(find(map, address("10.1.9.9")), 2U);
    EXPECT_EQ(find(map, address("10.1.2.9")), 3U);
    EXPECT_EQ(find(map, address("10.1.2.3")), 4U);
    EXPECT_EQ(find(map, address("10.1.2.4")), 3U);
    EXPECT_EQ(find(map, address("11.0.0.0")), PrefixMap::kNone);
    std::ranges::reverse(entries);
  }
}

TEST(PrefixMap, OfEqualPrefixesTheLastCounts) {
  const PrefixMap map(std::vector{entry("10.0.0.0/8", 1), entry("10.0.0.0/8", 2)});
  EXPECT_EQ(find(map, address("10.0.0.1")), 2U);
}

TEST(PrefixMap, AnIpv6PrefixLongerThan64LeavesTheRestOfItsNetworkAlone) {
  const PrefixMap map(std::vector{entry("2001:db8::/32", 1), entry("2001:db8:0:1::/64", 2),
                                  entry("2001:db8:0:1::8:0/112", 3), entry("2001:db8:0:2::1", 4)});
  EXPECT_EQ(find(map, address("2001:db8:0:1::7:ffff")), 2U);
  EXPECT_EQ(find(map, address("2001:db8:0:1::8:ffff")), 3U);
  EXPECT_EQ(find(map, address("2001:db8:0:1::9:0")), 2U);
  EXPECT_EQ(find(map, address("2001:db8:0:2::1")), 4U);
  EXPECT_EQ(find(map, address("2001:db8:0:2::2")), 1U);
  EXPECT_EQ(find(map, address("2001:db9::")), PrefixMap::kNone);
}

// The bound on cold lines: all levels above the leaves fit in the second cache together.
TEST(PrefixMap, HundredThousandPrefixesHaveOneLevelThatIsLargerThanTheSecondCache) {
  std::mt19937 random(1);
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    entries.push_back({cut(IpAddress::v4({static_cast<std::uint8_t>(bits >> 24),
                                          static_cast<std::uint8_t>(bits >> 16),
                                          static_cast<std::uint8_t>(bits >> 8), 0}),
                           24),
                       i});
  }
  const PrefixMap map(entries);
  EXPECT_LE(map.v4().levels(), 5U);
  EXPECT_LE(map.v4().inner_bytes(), 128U << 10);
  EXPECT_LE(map.v4().leaf_bytes(), 2U << 20);
}

}  // namespace
}  // namespace sluice::snapshot
