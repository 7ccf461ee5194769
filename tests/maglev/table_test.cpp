// SPDX-License-Identifier: Apache-2.0
// What every table has: exact shares, one result whatever the order, refusals by name.
#include "maglev/table.hpp"

#include "maglev/members.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <tuple>

namespace sluice::maglev {
namespace {

using testing::ElementsAre;
using testing::Pair;

class TableShares : public testing::TestWithParam<std::size_t> {};

TEST_P(TableShares, EqualWeightsDifferByAtMostOneEntry) {
  const auto table = Table::build(equal_members(GetParam()), kSize);
  ASSERT_TRUE(table) << table.error().message;
  const auto count = shares(*table, GetParam());
  const auto [low, high] = std::ranges::minmax(count);
  EXPECT_LE(high - low, 1U);
  EXPECT_EQ(std::accumulate(count.begin(), count.end(), std::size_t{0}), kSize);
}

INSTANTIATE_TEST_SUITE_P(Members, TableShares, testing::Values(1, 2, 3, 10, 100, 655, 5000));

struct Weights {
  std::string name;
  std::vector<std::uint32_t> weights;
};

std::vector<std::uint32_t> random_weights(std::size_t count, std::uint32_t most, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> weights(count);
  for (auto& w : weights) w = static_cast<std::uint32_t>(1 + random() % most);
  return weights;
}

class TableWeights : public testing::TestWithParam<Weights> {};

TEST_P(TableWeights, SharesAreExactToOneEntry) {
  const auto& weights = GetParam().weights;
  double total = 0;
  for (const auto w : weights) total += w;
  for (const std::uint32_t size : {251U, 4099U, kSize}) {
    const auto table = Table::build(weighted_members(weights), size);
    ASSERT_TRUE(table) << table.error().message;
    ASSERT_EQ(table->slots().size(), size);
    const auto count = shares(*table, weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double exact = size * (weights[i] / total);
      EXPECT_LT(std::abs(static_cast<double>(count[i]) - exact), 1.0) << "member " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Odd, TableWeights,
                         testing::Values(Weights{"OneTwoThree", {1, 2, 3}},
                                         Weights{"OneToThousand", {1, 1000}},
                                         Weights{"SomeZero", {0, 5, 0, 7, 0}},
                                         Weights{"OnlyOne", {0, 0, 4}},
                                         Weights{"Largest", {4294967295, 4294967295, 1}},
                                         Weights{"OneAmongMany",
                                                 [] {
                                                   std::vector<std::uint32_t> w(101, 1);
                                                   w[50] = 100'000;
                                                   return w;
                                                 }()},
                                         Weights{"Random", random_weights(200, 1000, 1)}),
                         [](const auto& each) { return each.param.name; });

TEST(Table, OrderOfMembersChangesNothing) {
  std::mt19937 random(2);
  auto members = weighted_members(random_weights(50, 20, 3));
  const auto first = Table::build(members, kSize).value();
  for (int i = 0; i < 5; ++i) {
    std::ranges::shuffle(members, random);
    EXPECT_TRUE(std::ranges::equal(Table::build(members, kSize).value().slots(), first.slots()));
  }
}

TEST(Table, ValuesDoNotDecideWhoGetsAnEntry) {
  auto members = equal_members(20);
  const auto before = Table::build(members, kSize).value();
  for (auto& m : members) m.value = static_cast<Slot>(m.value + 1000);
  const auto after = Table::build(members, kSize).value();
  for (std::size_t i = 0; i < kSize; ++i)
    ASSERT_EQ(after.slots()[i], before.slots()[i] + 1000) << "entry " << i;
}

TEST(Table, EqualWeightsGiveTheSameTableWhateverTheWeight) {
  auto members = equal_members(20);
  const auto ones = Table::build(members, kSize).value();
  for (auto& m : members) m.weight = 100;
  const auto hundreds = Table::build(members, kSize).value();
  EXPECT_TRUE(std::ranges::equal(ones.slots(), hundreds.slots()));
}

TEST(Table, MemberWithoutWeightIsAsIfItWereNotThere) {
  auto members = equal_members(10);
  members[4].weight = 0;
  const auto with = Table::build(members, kSize).value();
  members.erase(members.begin() + 4);
  const auto without = Table::build(members, kSize).value();
  EXPECT_TRUE(std::ranges::equal(with.slots(), without.slots()));
}

TEST(Table, SmallestSizesAreExactToo) {
  for (const std::uint32_t size : {2U, 3U, 5U, 7U, 11U}) {
    for (std::uint32_t count = 1; count <= size; ++count) {
      const auto table = Table::build(equal_members(count), size);
      ASSERT_TRUE(table) << table.error().message;
      const auto [low, high] = std::ranges::minmax(shares(*table, count));
      EXPECT_EQ(low, size / count) << count << " in " << size;
      EXPECT_LE(high - low, 1U) << count << " in " << size;
    }
  }
}

TEST(Table, EntriesOfAMemberAreSpreadOverTheWholeTable) {
  const auto table = Table::build(equal_members(10), kSize).value();
  std::vector<std::size_t> in_part(16);
  for (std::size_t i = 0; i < kSize; ++i)
    if (table.slots()[i] == 0) ++in_part[i * 16 / kSize];
  // 410 expected in each; 5 standard deviations of a fair draw are 96.
  for (const auto count : in_part) EXPECT_NEAR(static_cast<double>(count), 409.6, 96.0);
}

TEST(Table, IndexCoversEveryEntryAndNothingBeyond) {
  EXPECT_EQ(Table::index(0, kSize), 0U);
  EXPECT_EQ(Table::index(~std::uint64_t{0}, kSize), kSize - 1);
  std::set<std::uint32_t> met;
  for (std::uint64_t upper = 0; upper < 0x100000000; upper += 0x8000)
    met.insert(Table::index(upper << 32, kSize));
  EXPECT_EQ(met.size(), kSize);
}

TEST(Table, EntryOfAFlowIsTheOneAtItsIndex) {
  const auto table = Table::build(equal_members(10), kSize).value();
  std::mt19937_64 random(4);
  for (int i = 0; i < 1000; ++i) {
    const auto hash = random();
    EXPECT_EQ(table.entry(hash), &table.slots()[Table::index(hash, kSize)]);
  }
}

TEST(Table, SizeThatIsNotPrimeIsRefusedByName) {
  const auto table = Table::build(equal_members(2), 65536);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Errc::kInvalid);
  EXPECT_EQ(table.error().message, "65536 is not a prime number; the nearest are 65521 and 65537");
}

TEST(Table, SizesBelowTheFirstPrimeNameIt) {
  for (const std::uint32_t size : {0U, 1U}) {
    const auto table = Table::build(equal_members(1), size);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().message,
              fmt::format("{} is not a prime number; the nearest is 2", size));
  }
}

TEST(Table, SizeAboveTheLargestIsRefused) {
  const auto table = Table::build(equal_members(2), kLargestSize + 1);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Errc::kInvalid);
  EXPECT_EQ(table.error().message, "8388594 entries are too many; the largest table has 8388593");
}

TEST(Table, IdsThatRepeatAreRefusedAlsoWithoutWeight) {
  for (const std::uint32_t weight : {0U, 1U}) {
    std::vector<Member> members{{7, 1, 0}, {8, 1, 1}, {7, weight, 2}};
    const auto table = Table::build(members, kSize);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().code, Errc::kInvalid);
    EXPECT_EQ(table.error().message,
              "two members have the id 0x0000000000000007; each must have its own");
  }
}

TEST(Table, MoreMembersThanEntriesAreRefusedWithASizeThatFits) {
  const auto table = Table::build(equal_members(12), 11);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Errc::kInvalid);
  EXPECT_EQ(table.error().message,
            "12 members with weight do not fit 11 entries; the next larger size is 13");
}

TEST(Table, MembersBeyondTheLargestNumberAreRefused) {
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < 65536; ++i) members.push_back({i, 1, 0});
  const auto table = Table::build(members, kSize);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Errc::kInvalid);
  members.pop_back();
  EXPECT_TRUE(Table::build(members, kSize));
}

TEST(Table, NobodyWithWeightIsNotFound) {
  for (const auto& members : {std::vector<Member>{}, weighted_members({0, 0, 0})}) {
    const auto table = Table::build(members, kSize);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().code, Errc::kNotFound);
  }
}

TEST(Primes, NearestOnesEncloseANumberAndMeetAtAPrime) {
  EXPECT_THAT(nearest_primes(0), Pair(2U, 2U));
  EXPECT_THAT(nearest_primes(4), Pair(3U, 5U));
  EXPECT_THAT(nearest_primes(65536), Pair(65521U, 65537U));
  EXPECT_THAT(nearest_primes(65537), Pair(65537U, 65537U));
  EXPECT_THAT(nearest_primes(4294967295), Pair(4294967291U, 4294967291U));
}

TEST(Primes, AgreeWithTheSieve) {
  constexpr std::uint32_t kLimit = 10'000;
  std::vector<bool> composite(kLimit);
  for (std::uint32_t i = 2; i < kLimit; ++i)
    for (std::uint32_t k = 2 * i; k < kLimit; k += i) composite[k] = true;
  for (std::uint32_t i = 0; i < kLimit; ++i) EXPECT_EQ(is_prime(i), i >= 2 && !composite[i]) << i;
  EXPECT_TRUE(is_prime(kLargestSize));
  EXPECT_TRUE(is_prime(kDefaultSize));
}

}  // namespace
}  // namespace sluice::maglev
