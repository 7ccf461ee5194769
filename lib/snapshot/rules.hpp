// SPDX-License-Identifier: Apache-2.0
// Rules of a service beyond "all flows go to its pool": shards, affinity, limits, denied sources.
//
// Threads: built on the slow path; once published, read by any number of workers and never changed.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "packet/flow_key.hpp"
#include "packet/quic_lb.hpp"
#include "snapshot/prefix_map.hpp"
#include "snapshot/server_ids.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::snapshot {

struct Input;
struct ServiceInput;
struct Snapshot;

/// What keeps the flows of one client together.
enum class Affinity : std::uint8_t {
  kFiveTuple,  ///< Nothing: each flow picks its own backend.
  kSource,     ///< New flows of a source go where its last one went.
  kQuicCid,    ///< The server id in the connection id, whatever the addresses are.
};

/// Flows that go to a pool of their own: those of a source prefix, or those whose flow hash lies in
/// a share of its range. A prefix counts before a share; of prefixes the longest.
struct ShardInput {
  std::optional<IpPrefix> source;
  double from = 0;  ///< Share of the hash's range, 0 to 1, when there is no source.
  double to = 0;    ///< Not included.
  std::size_t pool = 0;

  friend bool operator==(const ShardInput&, const ShardInput&) = default;
};

/// Of one service on this node; 0: none.
struct Limits {
  std::uint64_t new_flows_per_second = 0;
  std::uint64_t packets_per_second = 0;
  std::uint64_t bits_per_second = 0;  ///< Of whole frames as received.
  std::uint64_t source_new_flows_per_second = 0;

  [[nodiscard]] bool any() const noexcept { return *this != Limits{}; }
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// Services with limits that a node may have: each has a place in every worker's memory.
inline constexpr std::size_t kMostLimiters = 4096;

struct ShardMap {
  PrefixMap by_source;
  RangeTree<std::uint32_t> by_hash;  ///< Keys are share_of(); values pools or PrefixMap::kNone.

  /// Where a flow lies in the range of shards: bits that the choice within a pool does not go by.
  [[nodiscard]] static std::uint32_t share_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15U) >> 32);
  }
};

struct ServiceRules {
  Affinity affinity = Affinity::kFiveTuple;
  bool limited = false;
  std::uint16_t limiter = 0;  ///< Its place in a worker's memory; the same in every generation.
  Limits limits;
  std::shared_ptr<const ShardMap> shards;  ///< Null: none.
  std::shared_ptr<const PrefixMap> deny;   ///< Null: nobody.
  ServerIds server_ids;                    ///< Of the backends of all its pools.
  std::vector<std::uint64_t> pools;        ///< A bit a pool: where its flows may be.

  [[nodiscard]] bool has_pool(std::uint16_t pool) const noexcept {
    return pool / 64U < pools.size() && (pools[pool / 64U] >> pool % 64U & 1U) != 0;
  }
  /// The pool of a new flow, `own` when no shard takes it. Cost: see PrefixMap and RangeTree.
  [[nodiscard]] std::uint16_t pool_of(const FlowKey& key, std::uint64_t hash,
                                      std::uint16_t own) const noexcept {
    if (shards == nullptr) return own;
    std::uint32_t found = shards->by_source.find(key.source, key.family);
    if (found == PrefixMap::kNone && !shards->by_hash.empty())
      found = shards->by_hash.find(ShardMap::share_of(hash));
    return found == PrefixMap::kNone ? own : static_cast<std::uint16_t>(found);
  }
  [[nodiscard]] bool denies(const FlowKey& key) const noexcept {
    return deny != nullptr && deny->find(key.source, key.family) != PrefixMap::kNone;
  }
};

/// The rules of each service, null for those without any. Maps of prefixes that did not change and
/// the places of limiters are taken over from `previous`.
///
/// @return kInvalid (a shard without a pool or with a share that is empty, out of range or overlaps
///   another; two backends of a service with one server id) or kExhausted (more than kMostLimiters
///   services with limits).
[[nodiscard]] Result<std::vector<std::unique_ptr<const ServiceRules>>> build_rules(
    const Input& input, const Snapshot* previous);

}  // namespace sluice::snapshot
