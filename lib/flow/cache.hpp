// SPDX-License-Identifier: Apache-2.0
// Flow cache: remembers which backend a flow was given, so that it stays there while the table
// changes. Eight bytes a flow, one 64-byte line a look-up; docs/design/flow-cache.md.
//
// Threads: one worker owns a cache and alone calls its methods; any thread may call stats(),
// sample(), capacity() and lines().
#pragma once

#include "base/counter.hpp"
#include "flow/active.hpp"

#include <immintrin.h>

#include <atomic>
#include <bit>
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
  kEstablished = 2,  ///< A later packet was seen that is no SYN.
  kClosing = 3,      ///< FIN or RST seen: kept for kClosingTicks; a SYN starts it anew.
};

inline constexpr unsigned kFlowsInLine = 8;
inline constexpr Tick kClosingTicks = 30;        ///< A minute of silence, as TIME_WAIT lasts.
inline constexpr Tick kLongestTimeout = 0x1fff;  ///< Ticks; half of the clock's range.

struct alignas(64) Line {
  std::uint32_t tag[kFlowsInLine];  ///< Upper half of the flow hash, its last bit the line's.
  BackendNumber backend[kFlowsInLine];
  std::uint16_t mark[kFlowsInLine];  ///< State (high 2 bits) and tick of the last packet; 0: free.
};
static_assert(sizeof(Line) == 64);

/// Ways of a flow: those of its own line, then those of the line beside it, which takes what a full
/// line cannot. As many again stand for none.
inline constexpr unsigned kNoWay = 2 * kFlowsInLine;

/// What find() knows of a flow. It may be looked up for a whole burst before anything is touched or
/// assigned: touch() and assign() go by what the entry holds by then. But it does not know of flows
/// that were assigned in between: after an assign(), a caller that picks backends by anything else
/// than the hash looks up again what it has not found.
struct Found {
  bool hit;
  std::uint8_t way;       ///< Which entry; kNoWay when !hit.
  State state;            ///< As it was before this packet; kFree when !hit.
  BackendNumber backend;  ///< Undefined when !hit.
};

/// What Cache::glance() sees.
enum class Glance : std::uint8_t {
  kSettled,  ///< find() finds it established, and touch() without `closing` would write nothing.
  kAbsent,   ///< find() does not find it, and its line has a free place.
  kOther,    ///< Either.
};

/// One entry as another thread sees it; its fields may stem from different moments.
struct Sample {
  State state;
  Tick tick;  ///< Of the last packet.
  BackendNumber backend;
  std::uint32_t tag;
};

/// Counted by the owner, read by anyone. At rest, entries that are not free ==
/// inserts - evictions_new - evictions_closing - evictions_established - expired.
struct Stats {
  Counter hits;                   ///< touch() calls.
  Counter misses;                 ///< assign() calls for a flow that was not found.
  Counter inserts;                ///< Entries given to a flow that had none.
  Counter evictions_new;          ///< A kNew flow was overwritten by another flow.
  Counter evictions_closing;      ///< A kClosing flow was, before its time.
  Counter evictions_established;  ///< A kEstablished flow was: the cache is too small.
  Counter expired;                ///< Entries freed by sweep() or reused after their timeout.

  /// Entries that are not free; while the owner works, near it. The ends are read before the
  /// beginnings, so that it is never negative.
  [[nodiscard]] std::uint64_t held() const noexcept {
    const auto ended = evictions_new.last() + evictions_closing.last() +
                       evictions_established.last() + expired.last();
    return inserts.value() - ended;
  }
};

class Cache {
 public:
  /// @param lines   memory that outlives the cache, zeroed; a power of two of lines, at least 2.
  /// @param active  is told of every flow that a backend gets or loses; null: nobody is.
  explicit Cache(std::span<Line> lines, Active* active = nullptr) noexcept;

  /// Lines needed for at least `flows` flows: a power of two, at least 2.
  [[nodiscard]] static std::size_t lines_for(std::size_t flows) noexcept;

  /// What an entry keeps of a flow's hash. Its last bit is that of the line's number: it tells the
  /// flows of a line from those of the line beside it, wherever of the two they are.
  [[nodiscard]] static constexpr std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return (static_cast<std::uint32_t>(hash >> 32) & ~1U) | (static_cast<std::uint32_t>(hash) & 1U);
  }

  /// Starts the load of a flow's line; call it a burst ahead of find().
  /// Not into the first level: the misses of a burst would take all places in which a core keeps
  /// track of them, and what is at hand in the second level would wait for those from memory.
  void prefetch(std::uint64_t hash) const noexcept {
    constexpr int kToSecondLevel = 2;
    __builtin_prefetch(&line_of(hash), 0, kToSecondLevel);
  }

  /// Looks a flow up. An entry whose last packet is more than `timeout` ticks before `now` (more
  /// than kClosingTicks, when closing) is no hit. Writes nothing.
  ///
  /// @param hash     uniform: low bits choose the line, the upper half is the tag.
  /// @param timeout  at most kLongestTimeout.
  /// Cost: one cache line; two for a flow that a full line does not have.
  [[nodiscard]] Found find(std::uint64_t hash, Tick now, Tick timeout) const noexcept;

  /// What can be said of a flow at once, which is enough for most packets; find() tells the rest.
  /// @param tag      tag_of(hash), which a caller may have of many flows at once.
  /// @param backend  set to the flow's if kSettled.
  /// Cost: 15 instructions.
  [[nodiscard]] Glance glance(std::uint64_t hash, std::uint32_t tag, Tick now,
                              BackendNumber& backend) const noexcept;
  [[nodiscard]] Glance glance(std::uint64_t hash, Tick now, BackendNumber& backend) const noexcept {
    return glance(hash, tag_of(hash), now, backend);
  }
  /// Counts packets of flows that were found settled, as touch() would.
  void pass(std::uint64_t packets) noexcept { stats_.hits.add(packets); }

  /// Notes a packet of a flow that was found (found.hit). kNew becomes kEstablished, with `closing`
  /// (the packet has FIN or RST) any state becomes kClosing, and the entry gets the tick. kClosing
  /// stays kClosing, but each packet renews it: a client that half-closes and reads on for minutes
  /// keeps its backend. A SYN on it is a new connection, and the caller assigns it anew. No store
  /// to the line when nothing changes, or when the entry has gone to another flow since.
  /// @return whether this packet made kNew kEstablished.
  bool touch(std::uint64_t hash, const Found& found, Tick now, bool closing) noexcept;

  /// Gives the flow to `backend`: over the found entry on a hit; on a miss, or when that entry has
  /// gone to another flow since, over one with the flow's own tag (a flow never has two), a free
  /// one or one past its `timeout` of its own line, and then of both lines such a one, the oldest
  /// kNew or kClosing one, or the oldest of all, in this order.
  /// The state is kNew, or kEstablished when `established` (a flow that was met in its middle).
  void assign(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now, Tick timeout,
              bool established) noexcept;

  /// assign() of a flow that glance() has called absent, when none was assigned to its line or the
  /// one beside since: there is a free place. The state is kNew.   Cost: 25 instructions.
  void add(std::uint64_t hash, std::uint32_t tag, BackendNumber backend, Tick now) noexcept;

  /// Frees entries past their time in the next `count` lines (at most all), round robin. The caller
  /// paces it so that the whole cache is swept within 2^13 ticks, before a tick can be mistaken for
  /// a newer one, and gives the longest `timeout` of all its services.
  void sweep(std::size_t count, Tick now, Tick timeout) noexcept;

  /// One entry, for a thread that takes samples. `line` < lines(), `way` < kNoWay: of that line and
  /// of the one beside it.
  [[nodiscard]] Sample sample(std::size_t line, unsigned way) const noexcept;

  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return (mask_ + 1) * kFlowsInLine; }
  [[nodiscard]] std::size_t lines() const noexcept { return mask_ + 1; }

 private:
  /// The flow's own line, or with a way beyond it the line beside.
  [[nodiscard]] Line& line_of(std::uint64_t hash, unsigned way = 0) const noexcept {
    return lines_[(hash & mask_) ^ (way / kFlowsInLine)];
  }
  /// find() in the line beside, for a flow that is not on its own, which was full.
  [[nodiscard]] Found find_beside(std::uint64_t hash, Tick now, Tick timeout) const noexcept;

  /// Enters a flow as the first of the ways that `free` has two bits for.
  void enter(Line& line, unsigned free, std::uint32_t tag, BackendNumber backend,
             std::uint16_t mark) noexcept;
  /// assign() where the flow has an entry, or its line none that is free.
  void assign_over(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now,
                   Tick timeout, bool established) noexcept;
  /// The way to overwrite for a flow that has no entry; counts what is lost.
  [[nodiscard]] unsigned make_room(std::uint64_t hash, Tick now, Tick timeout) noexcept;
  /// Frees the line's entries past their time.
  void free_expired(std::size_t at, Tick now, Tick timeout) noexcept;
  /// The entry with that mark is about to go: its backend has a flow less, if it still had it.
  void forget(std::uint16_t mark, BackendNumber backend) noexcept;

  Line* lines_;
  std::size_t mask_;
  Active* active_;
  std::size_t swept_ = 0;      ///< Line that sweep() goes on with.
  alignas(64) Stats stats_{};  ///< Written for every packet: off the line that look-ups read.
};

namespace detail {

inline constexpr unsigned kStateShift = 14;

[[nodiscard]] constexpr State state_of(std::uint16_t mark) noexcept {
  return static_cast<State>(mark >> kStateShift);
}

[[nodiscard]] constexpr std::uint16_t mark_of(State state, Tick tick) noexcept {
  return static_cast<std::uint16_t>(static_cast<unsigned>(state) << kStateShift |
                                    (tick & kTickMask));
}

/// The mark of an entry that was freed while the line beside may hold flows of this line: they are
/// looked for as long as no entry here has the mark 0.
inline constexpr std::uint16_t kFreed = 1;

/// Ticks since the entry's own, modulo 2^14.
[[nodiscard]] constexpr Tick age_of(std::uint16_t mark, Tick now) noexcept {
  return static_cast<Tick>((now - mark) & kTickMask);
}

/// Whether an entry that is not free has passed its time.
[[nodiscard]] constexpr bool is_expired(std::uint16_t mark, Tick now, Tick timeout) noexcept {
  return age_of(mark, now) > (state_of(mark) == State::kClosing ? kClosingTicks : timeout);
}

/// A store that sample() on another thread may overlap; the same instruction as a plain one.
template <class T>
void put(T& to, T value) noexcept {
  std::atomic_ref<T>(to).store(value, std::memory_order_relaxed);
}

/// One bit a way whose tag is `tag`; free and expired ways are among them.
[[nodiscard]] inline unsigned matches(const Line& line, std::uint32_t tag) noexcept {
#ifdef __AVX2__
  const auto wanted = _mm256_set1_epi32(static_cast<int>(tag));
  const auto tags = _mm256_load_si256(reinterpret_cast<const __m256i*>(line.tag));
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(tags, wanted))));
#else
  const auto wanted = _mm_set1_epi32(static_cast<int>(tag));
  const auto* tags = reinterpret_cast<const __m128i*>(line.tag);
  const auto low = _mm_cmpeq_epi32(_mm_load_si128(tags), wanted);
  const auto high = _mm_cmpeq_epi32(_mm_load_si128(tags + 1), wanted);
  return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(low)) |
                               _mm_movemask_ps(_mm_castsi128_ps(high)) << 4);
#endif
}

/// Two bits a way whose mark is 0.
[[nodiscard]] inline unsigned untouched(const Line& line) noexcept {
  const auto marks = _mm_load_si128(reinterpret_cast<const __m128i*>(line.mark));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi16(marks, _mm_setzero_si128())));
}

/// Whether the line beside may hold flows of this one.
[[nodiscard]] inline bool was_full(const Line& line) noexcept { return untouched(line) == 0; }

/// The entry of that tag that is neither free nor past its time.
[[nodiscard]] inline Found find_in(const Line& line, std::uint32_t tag, Tick now,
                                   Tick timeout) noexcept {
  for (unsigned rest = matches(line, tag); rest != 0; rest &= rest - 1) {
    const auto way = static_cast<unsigned>(std::countr_zero(rest));
    const std::uint16_t mark = line.mark[way];
    const State state = state_of(mark);
    if (state != State::kFree && !is_expired(mark, now, timeout))
      return {true, static_cast<std::uint8_t>(way), state, line.backend[way]};
  }
  return {false, kNoWay, State::kFree, 0};
}

}  // namespace detail

inline Found Cache::find(std::uint64_t hash, Tick now, Tick timeout) const noexcept {
  const Line& line = line_of(hash);
  const Found found = detail::find_in(line, tag_of(hash), now, timeout);
  if (found.hit || !detail::was_full(line)) [[likely]]
    return found;
  return find_beside(hash, now, timeout);
}

inline Glance Cache::glance(std::uint64_t hash, std::uint32_t tag, Tick now,
                            BackendNumber& backend) const noexcept {
  const Line& line = line_of(hash);
  const unsigned matching = detail::matches(line, tag);
  if (matching == 0) [[unlikely]]
    return detail::was_full(line) ? Glance::kOther : Glance::kAbsent;
  const auto way = static_cast<unsigned>(std::countr_zero(matching));
  if (line.mark[way] != detail::mark_of(State::kEstablished, now)) [[unlikely]]
    return Glance::kOther;
  backend = line.backend[way];
  return Glance::kSettled;
}

inline void Cache::enter(Line& line, unsigned free, std::uint32_t tag, BackendNumber backend,
                         std::uint16_t mark) noexcept {
  stats_.misses.add(1);
  stats_.inserts.add(1);
  if (active_ != nullptr) active_->add(backend);
  const auto way = static_cast<unsigned>(std::countr_zero(free)) / 2;
  detail::put(line.tag[way], tag);
  detail::put(line.backend[way], backend);
  detail::put(line.mark[way], mark);
}

inline void Cache::assign(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now,
                          Tick timeout, bool established) noexcept {
  Line& line = line_of(hash);
  const std::uint32_t tag = tag_of(hash);
  const unsigned free = detail::untouched(line);
  // By far the most: no entry of its own, and its line has had room ever since.
  if (found.hit || free == 0 || detail::matches(line, tag) != 0) [[unlikely]]
    return assign_over(hash, found, backend, now, timeout, established);
  enter(line, free, tag, backend,
        detail::mark_of(established ? State::kEstablished : State::kNew, now));
}

inline void Cache::add(std::uint64_t hash, std::uint32_t tag, BackendNumber backend,
                       Tick now) noexcept {
  Line& line = line_of(hash);
  enter(line, detail::untouched(line), tag, backend, detail::mark_of(State::kNew, now));
}

inline bool Cache::touch(std::uint64_t hash, const Found& found, Tick now, bool closing) noexcept {
  stats_.hits.add(1);
  Line& line = line_of(hash, found.way);
  const unsigned way = found.way % kFlowsInLine;
  std::uint16_t& mark = line.mark[way];
  const State state = detail::state_of(mark);  // not found.state: a FIN may stand between the two
  if (line.tag[way] != tag_of(hash) || state == State::kFree) return false;
  const bool ending = closing || state == State::kClosing;
  const auto next = detail::mark_of(ending ? State::kClosing : State::kEstablished, now);
  if (mark == next) return false;
  if (closing) forget(mark, line.backend[way]);
  detail::put(mark, next);
  return state == State::kNew && !ending;
}

}  // namespace sluice::flow
