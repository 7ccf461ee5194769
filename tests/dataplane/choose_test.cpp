// SPDX-License-Identifier: Apache-2.0
// Which backend a new flow gets by each policy, and that nothing moves it afterwards.
#include "dataplane/choose.hpp"

#include "dataplane/rig.hpp"
#include "dataplane/site.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using snapshot::Policy;
using test::Bytes;
using test::kAck;
using test::kFin;
using test::kSyn;
using test::kVip;
using test::Packet;
using test::Rig;

using Snapshot = test::Tables;
using Counts = std::map<unsigned, unsigned>;

/// A packet of flow number `flow`; each flow has a source address of its own.
Bytes segment(unsigned flow, std::uint8_t flags) {
  const std::string source =
      fmt::format("198.{}.{}.{}", 18 + flow / 65536 % 2, flow / 256 % 256, flow % 256);
  return test::tcp(source, 1024 + flow / 131072, flags);
}

snapshot::Input one_pool(std::vector<snapshot::BackendInput> members, Policy policy) {
  auto in = test::input({test::pool("p", std::move(members))}, {test::service("s", kVip, 443)});
  in.pools[0].policy = policy;
  return in;
}

Counts opened(Rig& rig, const snapshot::Snapshot& now, unsigned count, unsigned first = 0) {
  Counts counts;
  for (unsigned f = first; f < first + count; ++f) {
    const auto got = rig.one(now, segment(f, kSyn));
    EXPECT_EQ(got.verdict, Verdict::kForward);
    ++counts[got.backend];
  }
  return counts;
}

std::string name_of(const testing::TestParamInfo<Policy>& policy) {
  constexpr std::array kNames{"Maglev",           "Random",   "RoundRobin", "WeightedRoundRobin",
                              "LeastConnections", "LeastLoad"};
  return kNames[static_cast<std::size_t>(policy.param)];
}

class Shares : public testing::TestWithParam<Policy> {};
INSTANTIATE_TEST_SUITE_P(Policies, Shares,
                         testing::Values(Policy::kMaglev, Policy::kRandom, Policy::kRoundRobin,
                                         Policy::kWeightedRoundRobin, Policy::kLeastConnections,
                                         Policy::kLeastLoad),
                         name_of);

TEST_P(Shares, FollowTheWeightsButForRoundRobin) {
  auto members = test::backends(3);
  members[1].weight = 200;
  members[2].weight = 300;
  const auto now = test::built(one_pool(std::move(members), GetParam()));
  Rig rig(1U << 16);
  constexpr unsigned kFlows = 6000;
  const auto counts = opened(rig, *now, kFlows);
  const bool weighted = GetParam() != Policy::kRoundRobin;
  for (unsigned n = 1; n <= 3; ++n) {
    const double due = weighted ? kFlows * n / 6.0 : kFlows / 3.0;
    EXPECT_NEAR(counts.at(n), due, kFlows * 0.03) << n;
  }
}

TEST_P(Shares, ADrainingBackendAndOneWithoutWeightGetNone) {
  auto members = test::backends(4);
  members[0].draining = true;
  members[1].weight = 0;
  const auto now = test::built(one_pool(std::move(members), GetParam()));
  Rig rig;
  const auto counts = opened(rig, *now, 400);
  EXPECT_FALSE(counts.contains(1));
  EXPECT_FALSE(counts.contains(2));
  EXPECT_EQ(counts.at(3) + counts.at(4), 400U);
}

TEST_P(Shares, APoolOfNobodyHasNoBackend) {
  auto members = test::backends(1);
  members[0].draining = true;
  const auto now = test::built(one_pool(std::move(members), GetParam()));
  Rig rig;
  EXPECT_EQ(rig.one(*now, segment(1, kSyn)).verdict, Verdict::kNoBackend);
}

TEST_P(Shares, AFloodOfNewSourcesMovesNoEstablishedFlow) {
  const auto now = test::built(one_pool(test::backends(8), GetParam()));
  Rig rig(4096);
  constexpr unsigned kFlows = 500;
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < kFlows; ++f) {
    home[f] = rig.one(*now, segment(f, kSyn)).backend;
    rig.one(*now, segment(f, kAck));
  }
  rig.tick = 1;
  std::vector<Bytes> flood;
  for (unsigned f = 0; f < 20'000; ++f) flood.push_back(segment(10'000 + f, kSyn));
  rig.run(*now, flood);
  ASSERT_GT(rig.cache_stats().evictions_new.value(), 1000U) << "a flood that is none";
  ASSERT_EQ(rig.cache_stats().evictions_established.value(), 0U);
  for (unsigned f = 0; f < kFlows; ++f)
    ASSERT_EQ(rig.one(*now, segment(f, kAck)).backend, home[f]) << f;
}

TEST_P(Shares, ChangesOfWeightsAndMembersMoveNoEstablishedFlow) {
  const auto before = test::built(one_pool(test::backends(4), GetParam()));
  auto more = test::backends(8);
  more[0].weight = 1;
  more[1].draining = true;
  const auto after = test::built(one_pool(std::move(more), GetParam()));
  Rig rig;
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < 300; ++f) home[f] = rig.one(*before, segment(f, kSyn)).backend;
  for (unsigned f = 0; f < 300; ++f)
    ASSERT_EQ(rig.one(*after, segment(f, kAck)).backend, home[f]) << f;
}

TEST_P(Shares, ARepeatedSynStaysWhereTheFirstOneWent) {
  const auto now = test::built(one_pool(test::backends(8), GetParam()));
  Rig rig;
  for (unsigned f = 0; f < 50; ++f) {
    const auto home = rig.one(*now, segment(f, kSyn)).backend;
    EXPECT_EQ(rig.one(*now, segment(f, kSyn)).backend, home);
  }
}

TEST_P(Shares, PacketsOfAFlowThatIsNotKnownGoByTheTable) {
  const auto by_table = test::built(one_pool(test::backends(8), Policy::kMaglev));
  const auto now = test::built(one_pool(test::backends(8), GetParam()));
  for (unsigned f = 0; f < 20; ++f) {
    Rig one;
    Rig other;
    EXPECT_EQ(one.one(*now, segment(f, kAck)).backend,
              other.one(*by_table, segment(f, kAck)).backend);
  }
}

TEST(RoundRobin, TakesTurnsExactly) {
  const auto now = test::built(one_pool(test::backends(5), Policy::kRoundRobin));
  Rig rig;
  for (unsigned f = 0; f < 23; ++f) EXPECT_EQ(rig.one(*now, segment(f, kSyn)).backend, 1 + f % 5);
}

TEST(RoundRobin, AShorterRoundAfterALongerOneGoesOnFromItsStart) {
  const auto many = test::built(one_pool(test::backends(9), Policy::kRoundRobin));
  const auto few = test::built(one_pool(test::backends(2), Policy::kRoundRobin));
  Rig rig;
  opened(rig, *many, 7);
  EXPECT_EQ(rig.one(*few, segment(100, kSyn)).backend, 1U);
}

TEST(LeastConnections, FillsUpInProportionToWeights) {
  auto members = test::backends(3);
  members[2].weight = 300;
  const auto now = test::built(one_pool(std::move(members), Policy::kLeastConnections));
  Rig rig;
  for (unsigned flows = 5; flows <= 50; flows += 5) {
    Rig fresh;
    const auto counts = opened(fresh, *now, flows);
    EXPECT_NEAR(counts.at(3), flows * 0.6, 1.0) << flows;
    EXPECT_NEAR(counts.at(1), flows * 0.2, 1.0) << flows;
  }
}

TEST(LeastConnections, NewFlowsGoWhereFlowsHaveEnded) {
  const auto now = test::built(one_pool(test::backends(4), Policy::kLeastConnections));
  Rig rig;
  std::map<unsigned, std::vector<unsigned>> flows_of;
  for (unsigned f = 0; f < 40; ++f) flows_of[rig.one(*now, segment(f, kSyn)).backend].push_back(f);
  for (const unsigned f : flows_of.at(3)) rig.one(*now, segment(f, kFin));
  const auto counts = opened(rig, *now, 10, 1000);
  EXPECT_EQ(counts, (Counts{{3, 10}}));
}

TEST(LeastConnections, OfManyMembersKeepsThemCloseTogether) {
  const auto now = test::built(one_pool(test::backends(200), Policy::kLeastConnections));
  Rig rig(1U << 16);
  const auto counts = opened(rig, *now, 4000);
  ASSERT_EQ(counts.size(), 200U);
  const auto [low, high] = std::ranges::minmax_element(counts, {}, &Counts::value_type::second);
  EXPECT_LE(high->second, 24U);  // by chance alone it would be some 33
  EXPECT_GE(low->second, 10U);
}

TEST(LeastLoad, TakesTheLowerOfTwoForItsWeight) {
  auto members = test::backends(2);
  members[0].load = 900;
  members[1].load = 100;
  const auto uneven = test::built(one_pool(members, Policy::kLeastLoad));
  Rig rig;
  const auto counts = opened(rig, *uneven, 200);
  EXPECT_GT(counts.at(2), 170U);  // but for those that drew the same member every time
}

TEST(LeastLoad, OfManyTheMostLoadedGetsHardlyAny) {
  auto members = test::backends(10);
  for (unsigned i = 0; i < 10; ++i) members[i].load = 100 * (i + 1);
  const auto now = test::built(one_pool(members, Policy::kLeastLoad));
  Rig rig;
  auto counts = opened(rig, *now, 2000);
  EXPECT_GT(counts[1], counts[5]);
  EXPECT_GT(counts[5], counts[10]);
  EXPECT_LT(counts[10], 60U);
}

TEST(LoadRatio, BoundsEveryBackendAtEveryMoment) {
  auto in = one_pool(test::backends(10), Policy::kMaglev);
  constexpr double kRatio = 1.1;
  in.pools[0].max_load_ratio = kRatio;
  const auto now = test::built(std::move(in));
  Rig rig(1U << 15);
  Counts counts;
  for (unsigned f = 0; f < 3000; ++f) {
    const auto backend = rig.one(*now, segment(f, kSyn)).backend;
    ++counts[backend];
    ASSERT_LE(counts[backend], std::ceil(kRatio * (f + 1) / 10)) << f;
  }
}

TEST(LoadRatio, LeavesFlowsAtTheirOwnBackendWhileItHasRoom) {
  auto in = one_pool(test::backends(10), Policy::kMaglev);
  const auto plain = test::built(in);
  in.pools[0].max_load_ratio = 1.5;
  const auto now = test::built(std::move(in));
  Rig one(1U << 15);
  Rig other(1U << 15);
  unsigned away = 0;
  for (unsigned f = 0; f < 2000; ++f)
    away += one.one(*plain, segment(f, kSyn)).backend != other.one(*now, segment(f, kSyn)).backend
                ? 1
                : 0;
  EXPECT_LT(away, 100U);
}

TEST(LoadRatio, HoldsWithinOneBurstToo) {
  auto in = one_pool(test::backends(4), Policy::kMaglev);
  in.pools[0].max_load_ratio = 1.01;
  const auto now = test::built(std::move(in));
  Rig rig;
  std::vector<Bytes> syns;
  for (unsigned f = 0; f < 32; ++f) syns.push_back(segment(f, kSyn));
  Counts counts;
  for (const auto& got : rig.burst(*now, syns)) ++counts[got.backend];
  for (const auto& [backend, count] : counts) EXPECT_LE(count, 9U) << backend;
}

snapshot::Input two_pools(std::uint32_t max_connections, bool overflow) {
  auto in =
      test::input({test::pool("p", test::backends(2, 1)), test::pool("q", test::backends(2, 11))},
                  {test::service("s", kVip, 443)});
  for (auto& backend : in.pools[0].backends) backend.max_connections = max_connections;
  if (overflow) in.pools[0].overflow = 1;
  return in;
}

TEST(MaxConnections, AFullPoolRefusesNewFlowsAndKeepsThoseItHas) {
  const auto now = test::built(two_pools(10, false));
  Rig rig;
  const auto counts = opened(rig, *now, 20);
  EXPECT_EQ(counts, (Counts{{1, 10}, {2, 10}}));
  EXPECT_EQ(rig.one(*now, segment(20, kSyn)).verdict, Verdict::kBackendFull);
  for (unsigned f = 0; f < 20; ++f)
    EXPECT_EQ(rig.one(*now, segment(f, kAck)).verdict, Verdict::kForward) << f;
  rig.one(*now, segment(7, kFin));
  EXPECT_EQ(rig.one(*now, segment(21, kSyn)).verdict, Verdict::kForward) << "one has ended";
  EXPECT_EQ(rig.one(*now, segment(22, kSyn)).verdict, Verdict::kBackendFull);
}

TEST(MaxConnections, HoldWhateverThePolicy) {
  for (const auto policy : {Policy::kRandom, Policy::kRoundRobin, Policy::kWeightedRoundRobin,
                            Policy::kLeastConnections, Policy::kLeastLoad}) {
    auto in = two_pools(10, false);
    in.pools[0].policy = policy;
    const auto now = test::built(std::move(in));
    Rig rig;
    EXPECT_EQ(opened(rig, *now, 20), (Counts{{1, 10}, {2, 10}}));
    EXPECT_EQ(rig.one(*now, segment(20, kSyn)).verdict, Verdict::kBackendFull);
  }
}

TEST(MaxConnections, AreDividedAmongWorkers) {
  const auto now = test::built(two_pools(10, false));
  const auto memory = std::make_unique<SteeringMemory>();
  SteeringState state(*memory, /*worker_count=*/3);
  unsigned taken = 0;
  for (unsigned f = 0; f < 100; ++f) {
    const auto choice = choose(0, f * 0x9e3779b97f4a7c15U, *now, state);
    if (choice.verdict != Verdict::kForward) continue;
    state.active.add(choice.backend);
    ++taken;
  }
  EXPECT_EQ(taken, 2 * 3U);  // a third of ten, each
}

TEST(MaxConnections, FewerThanWorkersStillGiveEachWorkerOne) {
  const auto now = test::built(two_pools(1, false));
  const auto memory = std::make_unique<SteeringMemory>();
  SteeringState state(*memory, /*worker_count=*/4);
  const auto choice = choose(0, 1, *now, state);
  ASSERT_EQ(choice.verdict, Verdict::kForward);
}

TEST(Overflow, TakesWhatThePoolCannotAndKeepsIt) {
  const auto now = test::built(two_pools(10, true));
  Rig rig;
  const auto counts = opened(rig, *now, 40);
  EXPECT_EQ(counts.at(1) + counts.at(2), 20U);
  EXPECT_EQ(counts.at(11) + counts.at(12), 20U);
  for (unsigned f = 0; f < 20; ++f) rig.one(*now, segment(f, kFin));
  for (unsigned f = 20; f < 40; ++f)
    EXPECT_GT(rig.one(*now, segment(f, kAck)).backend, 10U) << "no flow moves back";
  EXPECT_LT(rig.one(*now, segment(100, kSyn)).backend, 10U);
}

TEST(Overflow, TakesAllOfAPoolOfNobody) {
  auto in = two_pools(0, true);
  for (auto& backend : in.pools[0].backends) backend.draining = true;
  const auto now = test::built(std::move(in));
  Rig rig;
  EXPECT_GT(rig.one(*now, segment(1, kSyn)).backend, 10U);
  EXPECT_GT(rig.one(*now, segment(2, kAck)).backend, 10U);
}

TEST(Overflow, ThatIsFullTooRefuses) {
  auto in = two_pools(1, true);
  for (auto& backend : in.pools[1].backends) backend.max_connections = 1;
  const auto now = test::built(std::move(in));
  Rig rig;
  opened(rig, *now, 4);
  EXPECT_EQ(rig.one(*now, segment(9, kSyn)).verdict, Verdict::kBackendFull);
}

}  // namespace
}  // namespace sluice::dataplane
