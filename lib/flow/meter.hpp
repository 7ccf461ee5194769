// SPDX-License-Identifier: Apache-2.0
// Source meter: a token bucket for each source in fixed memory, by the hash of the source.
//
// Threads: one worker owns a meter and alone calls allow().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::flow {

/// A rate and a burst in the caller's clock; TSC cycles on a worker.
struct Rate {
  std::uint64_t cycles_per_token = 0;  ///< Below 2^40, so that `burst` tokens are below 2^57.
  std::uint32_t burst = 1;             ///< Tokens that a rested source has; 1 to 65536.

  /// The rate of `tokens_per_second` for one of `workers` that share it, rounded down to a rate
  /// that a clock of `cycles_per_second` can keep; none at all when 0. The burst is a tenth of a
  /// second's tokens, at least `least_burst`.
  [[nodiscard]] static Rate of(std::uint64_t tokens_per_second, unsigned workers,
                               std::uint64_t cycles_per_second,
                               std::uint32_t least_burst = 1) noexcept;

  friend bool operator==(const Rate&, const Rate&) = default;
};

/// One token bucket whose packets cost what the caller says: a count of packets, or of bytes.
/// In the caller's clock, like Rate; all zero it is full.
struct Bucket {
  std::uint64_t full_at = 0;

  /// Takes `cost` out of a bucket of `whole`, both in time that it takes to come back.
  /// @return whether there was as much. Cost: a few instructions, no division.
  [[nodiscard]] bool take(std::uint64_t now, std::uint64_t cost, std::uint64_t whole) noexcept {
    const std::uint64_t latest = now + whole;  // no bucket is emptier than empty
    full_at = full_at < now ? now : full_at > latest ? latest : full_at;
    if (full_at + cost > latest) return false;
    full_at += cost;
    return true;
  }
};

inline constexpr unsigned kSourcesInLine = 5;

/// A bucket is one time: when it will be full again (generic cell rate algorithm, ITU-T I.371).
struct alignas(64) MeterLine {
  std::uint64_t full_at[kSourcesInLine];  ///< 0: free; full since ever.
  std::uint32_t tag[kSourcesInLine];      ///< Upper half of the source's hash.
  std::uint32_t unused;
};
static_assert(sizeof(MeterLine) == 64);

/// Who is metered: at most five sources of a line that are not rested at the time. A sixth takes
/// the place of the one that is nearest to a full bucket, and starts with a full one itself. So a
/// source is refused for its own packets only, whoever shares its line, and never for longer than
/// cycles_per_token. The price is paid the other way: a source that others push out begins anew
/// with a burst, and the busiest of a line is the last to be pushed out. Two sources share a bucket
/// when the whole tag is the same, too: one pair in 2^32 a line.
class SourceMeter {
 public:
  /// @param lines  memory that outlives the meter, zeroed; a power of two of lines, at least 1.
  explicit SourceMeter(std::span<MeterLine> lines) noexcept;

  /// Takes a token of the source's bucket. @return whether there was one.
  ///
  /// @param source_hash  uniform and keyed; low bits choose the line, the upper half is the tag.
  ///   What is metered for different purposes (services) has different hashes for one source.
  /// @param now   on a clock that does not run backwards, below 2^62.
  /// @param rate  the same for the same hash; after a change of it a bucket is right again once it
  ///   was full.
  /// Cost: one cache line; five comparisons.
  [[nodiscard]] bool allow(std::uint64_t source_hash, std::uint64_t now, const Rate& rate) noexcept;

  /// Starts the load of a source's line.
  void prefetch(std::uint64_t source_hash) const noexcept {
    __builtin_prefetch(&lines_[source_hash & mask_]);
  }

 private:
  MeterLine* lines_;
  std::size_t mask_;
};

}  // namespace sluice::flow
