// SPDX-License-Identifier: Apache-2.0
// Flow cache: remembers which backend a flow was given, so that it stays there while the table
// changes. Eight bytes a flow, one 64-byte line a look-up.
//
// Threads: one worker owns a cache and alone calls its methods; stats() may be read by any thread.
#pragma once

#include "base/counter.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::flow {

using BackendNumber = std::uint16_t;  ///< Index into Snapshot::backends; stable over generations.

/// Coarse time of the cache: ticks of kTickSeconds, modulo 2^14 (about nine hours).
using Tick = std::uint16_t;
inline constexpr unsigned kTickSeconds = 2;
inline constexpr Tick kTickMask = 0x3fff;

/// What a flow has shown of itself, in order of worth when a line is full.
enum class State : std::uint8_t {
  kFree = 0,
  kNew = 1,          ///< One packet seen; the first to go in a flood.
  kEstablished = 2,  ///< A later packet was seen.
  kClosing = 3,      ///< FIN or RST seen: kept for kClosingTicks; a SYN starts it anew.
};

inline constexpr unsigned kFlowsInLine = 8;
inline constexpr Tick kClosingTicks = 4;

struct alignas(64) Line {
  std::uint32_t tag[kFlowsInLine];      ///< Upper half of the flow hash.
  BackendNumber backend[kFlowsInLine];
  std::uint16_t mark[kFlowsInLine];     ///< State (high 2 bits) and tick of the last packet; 0: free.
};
static_assert(sizeof(Line) == 64);

struct Found {
  bool hit;
  std::uint8_t way;       ///< Which entry of the line; kFlowsInLine when !hit.
  State state;            ///< As it was before this packet; kFree when !hit.
  BackendNumber backend;  ///< Undefined when !hit.
};

/// Counted by the owner, read by anyone.
struct Stats {
  Counter hits;
  Counter misses;
  Counter inserts;
  Counter evictions_new;          ///< A kNew flow was overwritten by another flow.
  Counter evictions_established;  ///< A kEstablished flow was: the cache is too small.
  Counter expired;                ///< Entries freed by sweep() or reused after their timeout.
};

class Cache {
 public:
  /// @param lines  memory that outlives the cache, zeroed; a power of two of lines, at least 1.
  explicit Cache(std::span<Line> lines) noexcept;

  /// Lines needed for at least `flows` flows: a power of two.
  [[nodiscard]] static std::size_t lines_for(std::size_t flows) noexcept;

  /// Starts the load of a flow's line; call it a burst ahead of find().
  void prefetch(std::uint64_t hash) const noexcept;

  /// Looks a flow up. An entry whose last packet is more than `timeout` ticks before `now` (more
  /// than kClosingTicks for a closing one) is no hit. Writes nothing.
  [[nodiscard]] Found find(std::uint64_t hash, Tick now, Tick timeout) const noexcept;

  /// Notes a packet of a found flow: its tick, and its state (kNew becomes kEstablished; kClosing
  /// stays until a SYN renews it). No store when nothing changes.
  void touch(std::uint64_t hash, const Found& found, Tick now, bool closing) noexcept;

  /// Gives the flow to `backend`: over the found entry on a hit; on a miss over a free entry, an
  /// expired one, the oldest kNew or kClosing one, or the oldest of all, in this order.
  /// The state is kNew, or kEstablished when `established` (a flow that was met in its middle).
  void assign(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now, Tick timeout,
              bool established) noexcept;

  /// Frees entries older than `timeout` in the next `count` lines, round robin. The caller paces it
  /// so that the whole cache is swept within 2^13 ticks, before a tick can be mistaken for a newer.
  void sweep(std::size_t count, Tick now, Tick timeout) noexcept;

  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return (mask_ + 1) * kFlowsInLine; }
  [[nodiscard]] std::size_t lines() const noexcept { return mask_ + 1; }

 private:
  [[nodiscard]] Line& line_of(std::uint64_t hash) const noexcept { return lines_[hash & mask_]; }

  Line* lines_;
  std::size_t mask_;
  std::size_t swept_ = 0;
  Stats stats_;
};

}  // namespace sluice::flow
