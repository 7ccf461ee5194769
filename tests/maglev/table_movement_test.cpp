// SPDX-License-Identifier: Apache-2.0
// What a change of the members moves, and that every node and version builds the same table.
#include "maglev/table.hpp"

#include "maglev/members.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <random>
#include <tuple>

namespace sluice::maglev {
namespace {

struct Movement {
  std::size_t away = 0;    ///< Entries that left the member in question.
  std::size_t to = 0;      ///< Entries that came to it.
  std::size_t others = 0;  ///< Entries that went from one other member to another.
};

Movement compare(const Table& before, const Table& after, Slot changed) {
  Movement m;
  for (std::size_t i = 0; i < before.slots().size(); ++i) {
    const Slot was = before.slots()[i];
    const Slot is = after.slots()[i];
    if (was == is) continue;
    ++(was == changed ? m.away : is == changed ? m.to : m.others);
  }
  return m;
}

class TableMovement : public testing::TestWithParam<std::size_t> {
 protected:
  /// Families of names: the bound is for any names, not for lucky ones.
  static constexpr std::array kFamilies{"gpu", "h100", "edge-7-node", "10.0.1", "a", "worker.b"};
};

TEST_P(TableMovement, LeavingMovesTheLeaversEntriesAndAtMostOnePercentOfTheOthers) {
  for (const auto* family : kFamilies) {
    const auto members = equal_members(GetParam(), family);
    const auto before = Table::build(members, kSize).value();
    const auto entries = shares(before, members.size());
    for (std::size_t leaver = 0; leaver < members.size(); leaver += members.size() / 10) {
      auto left = members;
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(leaver));
      const auto after = Table::build(left, kSize).value();
      const auto moved = compare(before, after, static_cast<Slot>(leaver));
      EXPECT_EQ(moved.away, entries[leaver]);
      EXPECT_EQ(moved.to, 0U);
      EXPECT_LE(moved.others, (kSize - entries[leaver]) / 100) << family << " without " << leaver;
      // Joining is the same step seen from the other side.
      const auto joined = compare(after, before, static_cast<Slot>(leaver));
      EXPECT_EQ(joined.to, entries[leaver]);
      EXPECT_EQ(joined.away, 0U);
      EXPECT_EQ(joined.others, moved.others);
    }
  }
}

TEST_P(TableMovement, ChangeOfOneWeightMovesItsDifferenceAndAtMostOnePercent) {
  for (const std::uint32_t weight : {50U, 90U, 110U, 200U}) {
    auto members = equal_members(GetParam());
    for (auto& m : members) m.weight = 100;
    const auto before = Table::build(members, kSize).value();
    members[3].weight = weight;
    const auto after = Table::build(members, kSize).value();
    const auto moved = compare(before, after, 3);
    const auto had = shares(before, members.size())[3];
    const auto has = shares(after, members.size())[3];
    EXPECT_EQ(had + moved.to - moved.away, has);
    const auto needless = std::min(moved.to, moved.away) + moved.others;
    EXPECT_LE(needless, kSize / 100) << "weight " << weight;
  }
}

INSTANTIATE_TEST_SUITE_P(Members, TableMovement, testing::Values(10, 100));

TEST(TableMovementAtOnce, ThreeOfTenLeaveAndAtMostOnePercentOfTheOthersMoves) {
  const auto members = equal_members(10);
  const auto before = Table::build(members, kSize).value();
  const auto after = Table::build(std::span(members).first(7), kSize).value();
  std::size_t others = 0;
  for (std::size_t i = 0; i < kSize; ++i)
    if (before.slots()[i] < 7 && before.slots()[i] != after.slots()[i]) ++others;
  EXPECT_LE(others, kSize * 7 / 10 / 100);
}

TEST(TableMovementAtOnce, LeavingAndComingBackRestoresTheTable) {
  const auto members = equal_members(10);
  const auto before = Table::build(members, kSize).value();
  ASSERT_TRUE(Table::build(std::span(members).first(9), kSize));
  EXPECT_TRUE(std::ranges::equal(Table::build(members, kSize).value().slots(), before.slots()));
}

// The definition in docs/design/maglev.md, word for word: list every arrival, sort, give away.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint32_t draw(std::uint64_t id, std::uint64_t n, std::uint64_t limit) {
  return static_cast<std::uint32_t>((mix(id + n * 0x9e3779b97f4a7c15) >> 32) * limit >> 32);
}

std::vector<std::uint64_t> scrambled(std::uint64_t size) {
  std::uint64_t modulus = 1;
  unsigned bits = 0;
  for (; modulus < size; modulus *= 2) ++bits;
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < modulus; ++i) {
    std::uint64_t x = (i + 0x2545f491) % modulus;
    x ^= x >> (bits + 1) / 2;
    x = x * 0x9e3779b1 % modulus;
    x ^= x >> (bits + 1) / 2;
    x = x * 0x85ebca6b % modulus;
    x ^= x >> (bits + 1) / 2;
    if (x < size) order.push_back(x);
  }
  return order;
}

std::vector<std::size_t> obvious_quotas(const std::vector<Member>& members, std::uint64_t size) {
  std::uint64_t total = 0;
  for (const auto& m : members) total += m.weight;
  std::vector<std::size_t> quota;
  std::size_t given = 0;
  for (const auto& m : members) given += quota.emplace_back(m.weight * size / total);
  std::vector<bool> topped(members.size());
  for (; given < size; ++given) {
    std::size_t best = members.size();
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (topped[i]) continue;
      const auto key = [&](std::size_t k) {
        return std::tuple(total - members[k].weight * size % total, members[k].id);
      };
      if (best == members.size() || key(i) < key(best)) best = i;
    }
    topped[best] = true;
    ++quota[best];
  }
  return quota;
}

std::vector<Slot> obvious_table(const std::vector<Member>& members, std::uint32_t size) {
  const auto order = scrambled(size);
  std::vector<std::tuple<float, std::uint64_t, std::size_t, std::uint64_t>> arrivals;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& m = members[i];
    if (m.weight == 0) continue;
    const std::uint64_t stride = 1 + draw(m.id, 1, size - 1);
    const std::uint64_t offset = draw(m.id, 2, size);
    const std::uint64_t origin = draw(m.id, 3, size);
    std::uint32_t time = 0;
    for (std::uint32_t k = 0; k < size; ++k) {
      time += (1U << 27) / (size - k);
      const auto entry = (stride * order[(origin + k) % size] + offset) % size;
      arrivals.emplace_back(static_cast<float>(time) * (1.0F / static_cast<float>(m.weight)), m.id,
                            i, entry);
    }
  }
  std::ranges::sort(arrivals);
  auto left = obvious_quotas(members, size);
  std::vector<int> owner(size, -1);
  for (const auto& [time, id, i, entry] : arrivals) {
    if (owner[entry] >= 0 || left[i] == 0) continue;
    owner[entry] = members[i].value;
    --left[i];
  }
  return {owner.begin(), owner.end()};
}

TEST(TableReference, EveryTableEqualsTheObviousOne) {
  std::mt19937 random(5);
  for (const std::uint32_t size : {2U, 3U, 5U, 13U, 101U, 251U, 1009U, 4099U}) {
    for (int round = 0; round < 12; ++round) {
      const std::size_t count = 1 + random() % std::min(size, 60U);
      const std::uint32_t most = round % 3 == 0 ? 1 : round % 3 == 1 ? 10 : 5000;
      auto members = equal_members(count, fmt::format("r{}", round));
      for (auto& m : members) m.weight = static_cast<std::uint32_t>(1 + random() % most);
      if (count > 2) members[1].weight = 0;
      const auto table = Table::build(members, size).value();
      ASSERT_TRUE(std::ranges::equal(table.slots(), obvious_table(members, size)))
          << count << " members, " << size << " entries, round " << round;
    }
  }
}

TEST(TableReference, DefaultSizeEqualsTheObviousOne) {
  auto members = equal_members(12);
  for (auto& m : members) m.weight = m.value;
  const auto table = Table::build(members, kSize).value();
  EXPECT_TRUE(std::ranges::equal(table.slots(), obvious_table(members, kSize)));
}

std::uint64_t digest(const Table& table) {
  std::uint64_t sum = 0;
  for (const Slot slot : table.slots()) sum = mix(sum ^ slot) + 1;
  return sum;
}

// Nodes of one site may run different versions. A failure here means that they would send one flow
// to two backends: if the function has to change, it needs a version in the configuration.
TEST(TableGolden, IdsAndTablesAreTheSameInEveryVersion) {
  EXPECT_EQ(member_id(""), 0xf52a15e9a9b5e89b);
  EXPECT_EQ(member_id("gpu-1"), 0x77dc02095c8bb461);
  const auto small = Table::build(equal_members(3), 11).value();
  EXPECT_EQ(std::vector<Slot>(small.slots().begin(), small.slots().end()),
            (std::vector<Slot>{1, 1, 0, 1, 0, 2, 2, 2, 2, 1, 0}));
  auto members = equal_members(10);
  for (auto& m : members) m.weight = 1U + m.value;
  EXPECT_EQ(digest(Table::build(members, kSize).value()), 0xe4c3d19aa4e755d3);
}

/// Weights of all sizes, from nothing else than the member's place.
std::vector<Member> uneven_members(std::size_t count, std::uint32_t most) {
  auto members = equal_members(count);
  for (auto& m : members) m.weight = 1 + draw(m.value, 7, most);
  return members;
}

struct Golden {
  std::size_t members;
  std::uint32_t largest_weight;
  std::uint32_t size;
  std::uint64_t digest;
};

class TableGoldens : public testing::TestWithParam<Golden> {};

TEST_P(TableGoldens, LargeTablesAreTheSameInEveryVersion) {
  const auto& g = GetParam();
  const auto table = Table::build(uneven_members(g.members, g.largest_weight), g.size).value();
  EXPECT_EQ(digest(table), g.digest) << std::hex << digest(table);
}

INSTANTIATE_TEST_SUITE_P(Each, TableGoldens,
                         testing::Values(Golden{1, 1, kSize, 0x8c336a3a56861938},
                                         Golden{2, 1000, kSize, 0x85c19e2c87565302},
                                         Golden{10, 1, kSize, 0x7adc6ba868c2412e},
                                         Golden{100, 1, kSize, 0x4b1ad15a6f73efb7},
                                         Golden{100, 1000, kSize, 0x73040c37a10fb7a2},
                                         Golden{1000, 1, kSize, 0x7b0d85339ab48288},
                                         Golden{1000, 100, kSize, 0x129d9d86d66ea753},
                                         Golden{4000, 1, kSize, 0x6a5c36402afa5378},
                                         Golden{4000, 1'000'000, kSize, 0x53c08bea2ed391ee},
                                         Golden{65521, 3, 65521, 0x5a102fbe5684cf24},
                                         Golden{65535, 1, kSize, 0x6fb7d2d5a5e3879e},
                                         Golden{3, 4294967295, kSize, 0x335824389c5e792c},
                                         Golden{100, 50, 655373, 0xf55a0db3957b9d8f},
                                         Golden{1000, 1, kLargestSize, 0x5fb37b8a0303abf9}));

}  // namespace
}  // namespace sluice::maglev
