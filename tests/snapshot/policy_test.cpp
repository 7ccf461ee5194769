// SPDX-License-Identifier: Apache-2.0
// What pools' policies become for the workers: members, capacities, rounds.
#include "snapshot/policy.hpp"

#include "snapshot/input.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

namespace sluice::snapshot {
namespace {

using Numbers16 = std::vector<flow::BackendNumber>;

Numbers16 numbers(std::size_t count) {
  Numbers16 made(count);
  std::iota(made.begin(), made.end(), flow::BackendNumber{1});
  return made;
}

std::map<flow::BackendNumber, std::size_t> shares(const Numbers16& round) {
  std::map<flow::BackendNumber, std::size_t> count;
  for (const auto number : round) ++count[number];
  return count;
}

/// The first pool of a snapshot of pools "p", "q" ... with two backends each.
Result<std::unique_ptr<const Snapshot>> build_with(std::size_t pools, auto&& change) {
  std::vector<PoolInput> made;
  for (std::size_t i = 0; i < pools; ++i)
    made.push_back(
        test::pool("p" + std::to_string(i), test::backends(2, static_cast<unsigned>(1 + 2 * i))));
  change(made);
  return build(test::input(std::move(made)), nullptr);
}

std::string policy_refusal(std::size_t pools, auto&& change) {
  const auto made = build_with(pools, change);
  return made ? "none" : made.error().text();
}

TEST(Round, EachMemberComesAsOftenAsItsWeightSays) {
  const auto round = smooth_round(numbers(3), {300, 200, 100});
  EXPECT_EQ(round.size(), 6U);  // without the common factor
  EXPECT_EQ(shares(round), (std::map<flow::BackendNumber, std::size_t>{{1, 3}, {2, 2}, {3, 1}}));
}

TEST(Round, IsSpreadSoThatNoMemberIsAheadOfItsShareByMoreThanOneTurn) {
  const std::vector<std::uint32_t> weights{5, 1, 1, 9, 4};
  const auto members = numbers(weights.size());
  const auto round = smooth_round(members, weights);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  ASSERT_EQ(round.size(), static_cast<std::size_t>(total));
  for (std::size_t length = 1; length <= round.size(); ++length)
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto had = std::count(round.begin(),
                                  round.begin() + static_cast<std::ptrdiff_t>(length), members[i]);
      const double due = static_cast<double>(length) * weights[i] / total;
      EXPECT_LE(std::abs(static_cast<double>(had) - due), 1.0) << length << " " << i;
    }
}

TEST(Round, WeightsThatNeedALongerRoundAreRoundedAndNobodyIsLeftOut) {
  const std::vector<std::uint32_t> weights{1'000'003, 2'000'003, 7};
  const auto round = smooth_round(numbers(3), weights);
  EXPECT_LE(round.size(), kLongestRound + 2);
  const auto count = shares(round);
  EXPECT_GE(count.at(3), 1U);
  EXPECT_NEAR(static_cast<double>(count.at(2)) / static_cast<double>(count.at(1)), 2.0, 0.01);
}

TEST(Round, OfNobodyIsEmpty) { EXPECT_TRUE(smooth_round({}, {}).empty()); }

TEST(PoolPolicy, MaglevAloneNeedsNone) {
  const auto made = build_with(1, [](auto&) {});
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->pools[0].policy, nullptr);
}

TEST(PoolPolicy, MembersAreThoseThatTakeNewFlows) {
  const auto made = build_with(1, [](auto& pools) {
    pools[0].backends = test::backends(5);
    pools[0].backends[1].draining = true;
    pools[0].backends[2].weight = 0;
    pools[0].backends[3].weight = 50;
    pools[0].backends[4].down = true;
    pools[0].policy = Policy::kLeastConnections;
  });
  ASSERT_TRUE(made);
  const PoolPolicy& policy = *(*made)->pools[0].policy;
  EXPECT_EQ(policy.members, (Numbers16{1, 4}));
  EXPECT_EQ(policy.total_weight, 150);
  EXPECT_FALSE(policy.limited);
  EXPECT_EQ((*made)->capacities[4].weight, 50U);
}

TEST(PoolPolicy, RoundRobinTakesNoNoticeOfWeightsAndTheWeightedOneDoes) {
  for (const bool weighted : {false, true}) {
    const auto made = build_with(1, [&](auto& pools) {
      pools[0].backends[1].weight = 300;
      pools[0].policy = weighted ? Policy::kWeightedRoundRobin : Policy::kRoundRobin;
    });
    ASSERT_TRUE(made);
    const auto count = shares((*made)->pools[0].policy->schedule);
    EXPECT_EQ(count.at(1), 1U);
    EXPECT_EQ(count.at(2), weighted ? 3U : 1U);
  }
}

TEST(PoolPolicy, EachRoundHasAPlaceOfItsOwn) {
  const auto made = build_with(3, [](auto& pools) {
    pools[0].policy = Policy::kRoundRobin;
    pools[2].policy = Policy::kWeightedRoundRobin;
  });
  ASSERT_TRUE(made);
  EXPECT_NE((*made)->pools[0].policy->round, (*made)->pools[2].policy->round);
}

TEST(PoolPolicy, ALimitOnOneBackendLimitsThePool) {
  const auto made = build_with(1, [](auto& pools) { pools[0].backends[1].max_connections = 7; });
  ASSERT_TRUE(made);
  ASSERT_NE((*made)->pools[0].policy, nullptr);
  EXPECT_TRUE((*made)->pools[0].policy->limited);
  EXPECT_EQ((*made)->capacities[2].max_connections, 7U);
}

TEST(PoolPolicy, RatiosThatBoundNothingAreRefused) {
  for (const double ratio : {1.0, 0.5, -1.0, 1001.0, std::numeric_limits<double>::quiet_NaN()}) {
    const auto text = policy_refusal(1, [&](auto& pools) { pools[0].max_load_ratio = ratio; });
    EXPECT_NE(text.find("is neither 0 nor above 1 and up to 1000"), std::string::npos) << text;
  }
  for (const double ratio : {0.0, 1.01, 1000.0})
    EXPECT_EQ(policy_refusal(1, [&](auto& pools) { pools[0].max_load_ratio = ratio; }), "none");
}

TEST(PoolPolicy, AnOverflowIntoItselfOrNowhereIsRefused) {
  for (const std::size_t to : {0U, 2U}) {
    const auto text = policy_refusal(2, [&](auto& pools) { pools[0].overflow = to; });
    EXPECT_NE(text.find("flows over into no other pool"), std::string::npos) << text;
  }
  EXPECT_EQ(policy_refusal(2, [](auto& pools) { pools[0].overflow = 1; }), "none");
}

}  // namespace
}  // namespace sluice::snapshot
