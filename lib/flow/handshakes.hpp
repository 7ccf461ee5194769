// SPDX-License-Identifier: Apache-2.0
// Handshakes under way, and requests that wait for their answer: when they began, at which backend,
// and whether the client had to ask again. A bounded sample; docs/design/signals.md.
//
// Threads: one worker owns a table and alone calls its methods.
#pragma once

#include "flow/cache.hpp"

#include <smmintrin.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::flow {

/// What a flow in the table waits for.
enum class Awaited : std::uint8_t {
  kNothing = 0,    ///< A free entry.
  kHandshake = 1,  ///< Its SYN was seen.
  kResponse = 2,   ///< Its request was seen.
};

/// A clock of microseconds, modulo 2^32 (71 minutes).
using Micros = std::uint32_t;

inline constexpr unsigned kHandshakesInLine = 5;
/// An entry is kept for so long at least: a SYN comes again after one second, and after three.
inline constexpr Micros kHandshakePatience = 4'000'000;
/// What took longer is no measure of a backend, and may be the clock gone round.
inline constexpr Micros kLongestWait = 64'000'000;
/// A SYN that comes again sooner was doubled on its way: no TCP is as hasty.
inline constexpr Micros kLeastRepeat = 100'000;

struct alignas(64) HandshakeLine {
  std::uint32_t tag[kHandshakesInLine];  ///< Upper half of the flow hash.
  Micros since[kHandshakesInLine];       ///< When the first SYN, or the request, came.
  /// What is awaited (high 2 bits), repeats (2 bits, 3 stands for more), low 12 bits of the SYN's
  /// sequence number.
  std::uint16_t mark[kHandshakesInLine];
  BackendNumber backend[kHandshakesInLine];  ///< Where it went.
  /// Until then no entry is free or old enough to go; 0: look. Of an entry that was renewed since
  /// it may be too early, never too late.
  Micros closed_until;
};
static_assert(sizeof(HandshakeLine) == 64);

/// No sweep and no timer: who comes takes a free entry of its line, or one older than
/// kHandshakePatience, or none. So under more SYNs than it can hold, a flood or not, the table
/// holds for four seconds whom it took, and then takes others: a sample in which each backend and
/// each kind of client has the share that it has of all SYNs. Nothing pushes out what is being
/// measured, and all figures of a backend are of the same sample.
class Handshakes {
 public:
  /// @param lines  memory that outlives the table, zeroed; a power of two of lines, at least 1.
  explicit Handshakes(std::span<HandshakeLine> lines) noexcept;

  /// Starts the load of a flow's line.
  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&line_of(hash)); }

  /// A flow begins to wait; whatever it waited for before is forgotten.
  /// @param hash      uniform: low bits choose the line, the upper half is the tag.
  /// @param sequence  of the SYN; only for kHandshake.
  /// @return whether it was taken into the sample.
  /// Cost: one cache line; 15 instructions when it is not taken, as most are not of a flood.
  bool begin(std::uint64_t hash, Awaited what, BackendNumber backend, std::uint32_t sequence,
             Micros now) noexcept;

  /// The flow's SYN came again, to the same backend.
  /// @return how often it has now, 3 for more; 0 when that says nothing: it is not in the sample,
  /// or
  ///   the SYN came sooner than after kLeastRepeat. A SYN with another sequence number is another
  ///   attempt, and begins.
  unsigned repeat(std::uint64_t hash, BackendNumber backend, std::uint32_t sequence,
                  Micros now) noexcept;

  /// What the flow has waited for has come.
  /// @param sequence  for kHandshake, that of the SYN.
  /// @return how long it took; nothing when the flow is not in the sample, or not with this backend
  ///   and number, or it took longer than kLongestWait.
  [[nodiscard]] std::optional<Micros> finish(std::uint64_t hash, Awaited what,
                                             BackendNumber backend, std::uint32_t sequence,
                                             Micros now) noexcept;

  [[nodiscard]] std::size_t capacity() const noexcept { return (mask_ + 1) * kHandshakesInLine; }

 private:
  [[nodiscard]] HandshakeLine& line_of(std::uint64_t hash) const noexcept {
    return lines_[hash & mask_];
  }
  /// begin() where the line may have room.
  bool enter(std::uint64_t hash, Awaited what, BackendNumber backend, std::uint32_t sequence,
             Micros now) noexcept;

  HandshakeLine* lines_;
  std::size_t mask_;
};

namespace detail {

static_assert(kHandshakesInLine == 5, "four and one are compared below");

[[nodiscard]] inline std::uint32_t handshake_tag(std::uint64_t hash) noexcept {
  return static_cast<std::uint32_t>(hash >> 32);
}

/// One bit an entry of that tag; free ones are among them.
[[nodiscard]] inline unsigned matches(const HandshakeLine& line, std::uint32_t tag) noexcept {
  const auto tags = _mm_load_si128(reinterpret_cast<const __m128i*>(line.tag));
  const auto equal = _mm_cmpeq_epi32(tags, _mm_set1_epi32(static_cast<std::int32_t>(tag)));
  const auto four = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(equal)));
  return four | (line.tag[4] == tag ? 16U : 0U);
}

}  // namespace detail

inline bool Handshakes::begin(std::uint64_t hash, Awaited what, BackendNumber backend,
                              std::uint32_t sequence, Micros now) noexcept {
  const HandshakeLine& line = line_of(hash);
  // The time left is at most the patience, or it is over; the clock goes round.
  if (line.closed_until != 0 && line.closed_until - now <= kHandshakePatience &&
      detail::matches(line, detail::handshake_tag(hash)) == 0)
    return false;
  return enter(hash, what, backend, sequence, now);
}

}  // namespace sluice::flow
