// SPDX-License-Identifier: Apache-2.0
// How a pool's new flows pick their backends; for pools that do more than a Maglev look-up.
//
// Threads: built on the slow path; once published, read by any number of workers and never changed.
#pragma once

#include "base/result.hpp"
#include "flow/cache.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::snapshot {

struct PoolInput;

/// How a new flow picks its backend. All honour weights but round_robin.
enum class Policy : std::uint8_t {
  kMaglev,              ///< By its hash: the same on every node.
  kRandom,              ///< By chance.
  kRoundRobin,          ///< One after the other.
  kWeightedRoundRobin,  ///< Likewise, each as often as its weight says, spread evenly.
  kLeastConnections,    ///< The one with the fewest active flows for its weight.
  kLeastLoad,           ///< Of two at random the one with the lower reported load for its weight.
};

inline constexpr std::uint16_t kNoPool = 0xffff;
/// Pools with a round robin that a node may have: each has a place in every worker's memory.
inline constexpr std::size_t kMostRounds = 4096;
/// Entries of a round, unless the members are more. Weights that need more are rounded.
inline constexpr std::size_t kLongestRound = 8192;

/// What a backend can take, by its number. Four words, a quarter of a cache line.
struct Capacity {
  std::uint32_t weight = 0;
  std::uint32_t max_connections = 0;  ///< Active flows on this node; 0: any number.
  std::uint32_t load = 0;             ///< As last reported, in any unit that all of a pool share.
  std::uint32_t unused = 0;
};

struct PoolPolicy {
  Policy policy = Policy::kMaglev;
  std::uint16_t overflow = kNoPool;  ///< Where flows go that no member may take.
  std::uint16_t round = 0;           ///< Of a round robin: its place in a worker's memory.
  double max_load_ratio = 0;         ///< Of the mean, what one may have at most; 0: any load.
  bool limited = false;              ///< A member may be full: max_connections or the ratio.
  double total_weight = 0;           ///< Of the members.
  std::vector<flow::BackendNumber> members;   ///< Who takes new flows, ascending.
  std::vector<flow::BackendNumber> schedule;  ///< Of a round robin: one round.
};

/// The policy of a pool, or null when it is a Maglev look-up and nothing else.
///
/// @param pools    of the input; `index` is the pool's. The overflow's index is below their number.
/// @param rounds   how many rounds were given out before; counts this one.
/// @return kInvalid (a load ratio that is not 0 and not above 1, or above 1000; a pool that flows
/// over into itself) or
///   kExhausted (too many rounds).
[[nodiscard]] Result<std::unique_ptr<const PoolPolicy>> build_policy(const PoolInput& pool,
                                                                     std::size_t index,
                                                                     std::size_t pools,
                                                                     std::size_t& rounds);

/// One round in which each of `members` comes as often as its weight says, as evenly spread as
/// whole places allow (earliest deadline first). Common factors of the weights are taken out; what
/// is still longer than kLongestRound is rounded, each member keeping at least one place.
[[nodiscard]] std::vector<flow::BackendNumber> smooth_round(
    const std::vector<flow::BackendNumber>& members, const std::vector<std::uint32_t>& weights);

}  // namespace sluice::snapshot
