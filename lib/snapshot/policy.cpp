// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy.hpp"

#include "snapshot/snapshot.hpp"

#include <algorithm>
#include <numeric>
#include <queue>

namespace sluice::snapshot {
namespace {

constexpr double kLargestLoadRatio = 1000;

Result<void> refuse(const PoolInput& pool, std::size_t index, std::size_t pools) {
  const std::string where = "pool " + pool.name;
  // Written so that a ratio that is no number is refused as well.
  if (pool.max_load_ratio != 0 &&
      !(pool.max_load_ratio > 1 && pool.max_load_ratio <= kLargestLoadRatio))
    return fail(Errc::kInvalid, where, "max_load_ratio {} is neither 0 nor above 1 and up to {}",
                pool.max_load_ratio, kLargestLoadRatio);
  if (pool.overflow && (*pool.overflow >= pools || *pool.overflow == index))
    return fail(Errc::kInvalid, where, "flows over into no other pool");
  return {};
}

bool is_plain(const PoolInput& pool) {
  return pool.policy == Policy::kMaglev && pool.max_load_ratio == 0 && !pool.overflow &&
         std::ranges::all_of(pool.backends, [](const auto& b) { return b.max_connections == 0; });
}

bool has_round(Policy policy) {
  return policy == Policy::kRoundRobin || policy == Policy::kWeightedRoundRobin;
}

/// How often each member comes in a round.
std::vector<std::uint64_t> places(const std::vector<std::uint32_t>& weights) {
  std::uint64_t common = 0;
  std::uint64_t total = 0;
  for (const auto weight : weights) {
    common = std::gcd(common, std::uint64_t{weight});
    total += weight;
  }
  const std::uint64_t most = std::max<std::uint64_t>(kLongestRound, weights.size());
  const bool exact = total / common <= most;
  std::vector<std::uint64_t> result;
  for (const std::uint64_t weight : weights)
    result.push_back(exact ? weight / common
                           : std::max<std::uint64_t>(1, (weight * most + total / 2) / total));
  return result;
}

}  // namespace

std::vector<flow::BackendNumber> smooth_round(const std::vector<flow::BackendNumber>& members,
                                              const std::vector<std::uint32_t>& weights) {
  if (members.empty()) return {};
  const auto count = places(weights);
  struct Turn {
    std::uint64_t half;  ///< The turn is in the middle of its share: (2 k + 1) / 2 count.
    std::size_t member;
  };
  const auto later = [&](const Turn& a, const Turn& b) {
    const std::uint64_t left = a.half * count[b.member];
    const std::uint64_t right = b.half * count[a.member];
    return left != right ? left > right : a.member > b.member;
  };
  std::priority_queue<Turn, std::vector<Turn>, decltype(later)> next(later);
  for (std::size_t i = 0; i < members.size(); ++i) next.push({1, i});
  std::vector<flow::BackendNumber> round;
  while (!next.empty()) {
    const Turn turn = next.top();
    next.pop();
    round.push_back(members[turn.member]);
    if (turn.half + 2 < 2 * count[turn.member]) next.push({turn.half + 2, turn.member});
  }
  return round;
}

Result<std::unique_ptr<const PoolPolicy>> build_policy(const PoolInput& pool, std::size_t index,
                                                       std::size_t pools, std::size_t& rounds) {
  if (auto sound = refuse(pool, index, pools); !sound) return forward_error(sound);
  if (is_plain(pool)) return nullptr;
  auto made = std::make_unique<PoolPolicy>();
  made->policy = pool.policy;
  if (pool.overflow) made->overflow = static_cast<std::uint16_t>(*pool.overflow);
  made->max_load_ratio = pool.max_load_ratio;
  made->limited = made->max_load_ratio != 0;
  std::vector<const BackendInput*> members;
  for (const auto& backend : pool.backends)
    if (backend.takes_new_flows()) members.push_back(&backend);
  std::ranges::sort(members, {}, [](const auto* backend) { return backend->number; });
  std::vector<std::uint32_t> weights;
  for (const auto* backend : members) {
    made->members.push_back(backend->number);
    made->total_weight += backend->weight;
    made->limited = made->limited || backend->max_connections != 0;
    weights.push_back(pool.policy == Policy::kRoundRobin ? 1 : backend->weight);
  }
  if (has_round(pool.policy)) {
    if (rounds >= kMostRounds)
      return fail(Errc::kExhausted, "pool " + pool.name, "more than {} pools with a round robin",
                  kMostRounds);
    made->round = static_cast<std::uint16_t>(rounds++);
    made->schedule = smooth_round(made->members, weights);
  }
  return made;
}

}  // namespace sluice::snapshot
