// SPDX-License-Identifier: Apache-2.0
#include "control/flow_samples.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sluice::control {
namespace {

constexpr flow::Tick kTimeout = 100;

struct Cached {
  std::vector<flow::Line> lines = std::vector<flow::Line>(64);
  flow::Cache cache{lines};

  void put(std::uint64_t hash, flow::BackendNumber backend, flow::Tick now = 5) {
    cache.assign(hash, cache.find(hash, now, kTimeout), backend, now, kTimeout, true);
  }
};

std::uint64_t hash_of(std::uint64_t tag, std::uint64_t line) { return tag << 32U | line; }

TEST(FlowSamples, EveryEntryIsSeenOnceWhereverTheWalkBegins) {
  Cached c;
  for (std::uint64_t i = 0; i < 100; ++i)
    c.put(hash_of(i, i % 64), static_cast<flow::BackendNumber>(i));
  for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{63}, ~std::uint64_t{0}}) {
    std::multiset<flow::BackendNumber> seen;
    const auto looked_at = each_sample(c.cache, start, [&](const flow::Sample& sample) {
      seen.insert(sample.backend);
      EXPECT_EQ(sample.tag, sample.backend);
      return true;
    });
    EXPECT_EQ(looked_at, 512U);
    EXPECT_EQ(seen.size(), 100U);
    EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 100U);
  }
}

TEST(FlowSamples, WalkEndsWhenItHasEnough) {
  Cached c;
  for (std::uint64_t i = 0; i < 100; ++i) c.put(hash_of(i, i % 64), 1);
  int taken = 0;
  const auto looked_at = each_sample(c.cache, 7, [&](const flow::Sample&) { return ++taken < 3; });
  EXPECT_EQ(taken, 3);
  EXPECT_LT(looked_at, 512U);
}

TEST(FlowSamples, FlowIsFoundAsItsWorkerFindsIt) {
  Cached c;
  const auto hash = hash_of(0xabcdef01, 17);
  EXPECT_FALSE(find_sample(c.cache, hash, 5, kTimeout));
  c.put(hash, 42);
  const auto found = find_sample(c.cache, hash, 9, kTimeout);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->backend, 42);
  EXPECT_EQ(found->state, flow::State::kEstablished);
  EXPECT_EQ(found->tick, 5);
  EXPECT_FALSE(find_sample(c.cache, hash_of(0xabcdef02, 17), 9, kTimeout)) << "another tag";
  EXPECT_FALSE(find_sample(c.cache, hash_of(0xabcdef01, 18), 9, kTimeout)) << "another line";
  for (const flow::Tick now : {flow::Tick{105}, flow::Tick{106}})
    EXPECT_EQ(find_sample(c.cache, hash, now, kTimeout).has_value(),
              c.cache.find(hash, now, kTimeout).hit)
        << now;
}

}  // namespace
}  // namespace sluice::control
