// SPDX-License-Identifier: Apache-2.0
// What a worker remembers for choosing backends and for limits.
//
// Threads: one worker; any thread may read `active`, and statistics and samples of `sources`.
#pragma once

#include "flow/active.hpp"
#include "flow/cache.hpp"
#include "flow/meter.hpp"
#include "snapshot/snapshot.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// Sources that have their backend by affinity at one time, and sources whose new flows are
/// counted. Beyond them the oldest are forgotten: such a source's next flow picks its backend
/// afresh, or has a full bucket.
inline constexpr std::size_t kAffineSources = 65536;
inline constexpr std::size_t kMeteredLines = 8192;

/// Where SteeringState::sources has a source: services of one address do not share its backend,
/// since their pools may differ. @param hash  of the addresses alone.
[[nodiscard]] constexpr std::uint64_t source_hash(std::uint64_t hash,
                                                  std::uint16_t service_number) noexcept {
  return hash + service_number * 0x9e3779b97f4a7c15U;
}

/// Time in limits is in sixteenths of a cycle, so that a byte's share of it is no fraction.
inline constexpr std::uint64_t kFine = 16;

/// The limits of one service at one worker.
struct Limiter {
  std::uint64_t generation = 0;  ///< For which the rates below hold; 0: none yet.
  struct Part {
    flow::Bucket bucket;
    std::uint64_t cost = 0;   ///< Of one: packet, flow; of a byte in 1/256. 0: not limited.
    std::uint64_t whole = 0;  ///< The bucket's size.
  };
  Part packets;
  Part bytes;
  Part new_flows;
  bool by_source = false;
  flow::Rate source_rate{};
};

/// Memory of a SteeringState, zeroed; 2 MiB.
struct SteeringMemory {
  std::array<flow::Line, kAffineSources / flow::kFlowsInLine> sources{};
  std::array<flow::MeterLine, kMeteredLines> new_flow_sources{};
  std::array<Limiter, snapshot::kMostLimiters> limiters{};
  std::array<std::uint32_t, snapshot::kMostBackends> active{};
  std::array<std::uint16_t, snapshot::kMostRounds> rounds{};
};

struct SteeringState {
  SteeringState(SteeringMemory& memory, unsigned worker_count) noexcept
      : active(memory.active),
        sources(memory.sources),
        new_flow_sources(memory.new_flow_sources),
        limiters(memory.limiters.data()),
        rounds(memory.rounds.data()),
        workers(worker_count) {}

  flow::Active active;                 ///< Flows by backend.
  flow::Cache sources;                 ///< Backend of a source's new flows.
  flow::SourceMeter new_flow_sources;  ///< New flows of each source of a service.
  Limiter* limiters;                   ///< By ServiceRules::limiter.
  std::uint16_t* rounds;               ///< By PoolPolicy::round: the turn that is next.
  unsigned workers;                    ///< That share a backend's connections.
  std::uint64_t random = 0;

  // Active flows of all members of one pool, counted once a burst.
  std::uint16_t counted_pool = snapshot::kNoPool;
  double counted_flows = 0;

  /// Uniform bits that nobody needs to be unable to guess (splitmix64).
  [[nodiscard]] std::uint64_t draw() noexcept {
    random += 0x9e3779b97f4a7c15U;
    std::uint64_t z = random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
};

}  // namespace sluice::dataplane
