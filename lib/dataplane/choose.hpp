// SPDX-License-Identifier: Apache-2.0
// Picks the backend of a new flow by the policy of its pool.
//
// Threads: called by the worker that owns the state.
#pragma once

#include "dataplane/steering_state.hpp"
#include "packet/verdict.hpp"
#include "snapshot/snapshot.hpp"

#include <cstdint>

namespace sluice::dataplane {

struct Choice {
  Verdict verdict;  ///< kForward, or kNoBackend, or kBackendFull.
  flow::BackendNumber backend;
};

/// Members that are looked at one by one when those that the policy picked are full.
inline constexpr std::size_t kMostScanned = 256;
/// Up to so many members least_connections looks at all of them; of more, at eight.
inline constexpr std::size_t kMostCompared = 64;

/// The backend for a flow that opens. Where the pool's policy finds nobody who may take it, the
/// pool's overflow is asked, and nobody after it.
///
/// Counts of flows are this worker's: a limit on connections is divided among the workers, each of
/// which may give a backend one flow at least.
///
/// @param pool  index into now.pools.
/// @param hash  of the flow or, by affinity, of its source.
/// Cost: maglev, random, round robin: a line of the table or schedule; with limits the backend's
///   count and capacity besides, and once a burst the counts of all members for a load ratio.
///   least_connections: as many of both as there are members, at most 64, or 8 of more.
///   least_load: two. A pool whose members are full: at most kMostScanned of both.
[[nodiscard]] Choice choose(std::uint16_t pool, std::uint64_t hash, const snapshot::Snapshot& now,
                            SteeringState& state) noexcept;

/// The slot of a hash, of the pool or else of its overflow: for packets that open no flow.
[[nodiscard]] Choice slot_of(std::uint16_t pool, std::uint64_t hash,
                             const snapshot::Snapshot& now) noexcept;

/// Whether one more flow may go to a member of the pool.
[[nodiscard]] bool may_take(flow::BackendNumber backend, std::uint16_t pool,
                            const snapshot::Snapshot& now, SteeringState& state) noexcept;

}  // namespace sluice::dataplane
