// SPDX-License-Identifier: Apache-2.0
#include "flow/handshakes.hpp"

#include "base/assert.hpp"

#include <smmintrin.h>

#include <bit>

namespace sluice::flow {
namespace {

constexpr unsigned kAwaitedShift = 14;
constexpr unsigned kRepeatShift = 12;
constexpr unsigned kMostRepeats = 3;
constexpr std::uint16_t kNumberMask = (1U << kRepeatShift) - 1;
constexpr unsigned kAllWays = (1U << kHandshakesInLine) - 1;
static_assert(kHandshakesInLine == 5, "four and one are compared below");

std::uint16_t mark_of(Awaited what, std::uint32_t sequence) noexcept {
  const auto number = what == Awaited::kHandshake ? sequence & kNumberMask : 0U;
  return static_cast<std::uint16_t>(static_cast<unsigned>(what) << kAwaitedShift | number);
}

/// Whether the mark is that of this wait, however often its SYN came.
bool is_same(std::uint16_t mark, Awaited what, std::uint32_t sequence) noexcept {
  return (mark & ~(kMostRepeats << kRepeatShift)) == mark_of(what, sequence);
}

/// A bit for each entry that is free.
unsigned free_ways(const HandshakeLine& line) noexcept {
  // Eight numbers: the marks, and three backends behind them.
  const auto marks = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.mark));
  const auto awaits = _mm_srli_epi16(marks, kAwaitedShift);
  const auto free = _mm_packs_epi16(_mm_cmpeq_epi16(awaits, _mm_setzero_si128()), awaits);
  return static_cast<unsigned>(_mm_movemask_epi8(free)) & kAllWays;
}

/// The first entry of a tag among those that are not `free`, or kHandshakesInLine.
unsigned way_of(const HandshakeLine& line, std::uint32_t tag, unsigned free) noexcept {
  const auto tags = _mm_load_si128(reinterpret_cast<const __m128i*>(line.tag));
  const auto equal = _mm_cmpeq_epi32(tags, _mm_set1_epi32(static_cast<std::int32_t>(tag)));
  const auto four = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(equal)));
  const unsigned all = (four | (line.tag[4] == tag ? 16U : 0U)) & ~free;
  return all == 0 ? kHandshakesInLine : static_cast<unsigned>(std::countr_zero(all));
}

unsigned way_of(const HandshakeLine& line, std::uint32_t tag) noexcept {
  return way_of(line, tag, free_ways(line));
}

/// The oldest entry if it has had its time, or kHandshakesInLine. In a flood none has.
unsigned late_way(const HandshakeLine& line, Micros now) noexcept {
  const auto patience = _mm_set1_epi32(kHandshakePatience);
  const auto since = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.since));
  const auto ages = _mm_sub_epi32(_mm_set1_epi32(static_cast<std::int32_t>(now)), since);
  const auto early = _mm_cmpeq_epi32(_mm_max_epu32(ages, patience), patience);
  if (_mm_movemask_epi8(early) == 0xffff && now - line.since[4] <= kHandshakePatience)
    return kHandshakesInLine;
  unsigned way = 0;
  for (unsigned w = 1; w < kHandshakesInLine; ++w)
    if (now - line.since[w] > now - line.since[way]) way = w;
  return way;
}

std::uint32_t tag_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

Handshakes::Handshakes(std::span<HandshakeLine> lines) noexcept
    : lines_(lines.data()), mask_(lines.size() - 1) {
  SLUICE_ASSERT(std::has_single_bit(lines.size()), "handshakes have a power of two of lines");
}

bool Handshakes::begin(std::uint64_t hash, Awaited what, BackendNumber backend,
                       std::uint32_t sequence, Micros now) noexcept {
  HandshakeLine& line = line_of(hash);
  const unsigned free = free_ways(line);
  unsigned way = way_of(line, tag_of(hash), free);
  if (way == kHandshakesInLine)
    way = free != 0 ? static_cast<unsigned>(std::countr_zero(free)) : late_way(line, now);
  if (way == kHandshakesInLine) return false;
  line.tag[way] = tag_of(hash);
  line.since[way] = now;
  line.backend[way] = backend;
  line.mark[way] = mark_of(what, sequence);
  return true;
}

unsigned Handshakes::repeat(std::uint64_t hash, BackendNumber backend, std::uint32_t sequence,
                            Micros now) noexcept {
  HandshakeLine& line = line_of(hash);
  const unsigned way = way_of(line, tag_of(hash));
  if (way == kHandshakesInLine) return 0;
  std::uint16_t& mark = line.mark[way];
  const Micros age = now - line.since[way];
  if (!is_same(mark, Awaited::kHandshake, sequence) || line.backend[way] != backend ||
      age > kLongestWait) {
    begin(hash, Awaited::kHandshake, backend, sequence, now);
    return 0;
  }
  if (age < kLeastRepeat) return 0;
  const unsigned before = mark >> kRepeatShift & kMostRepeats;
  if (before == kMostRepeats) return before;
  mark = static_cast<std::uint16_t>(mark + (1U << kRepeatShift));
  return before + 1;
}

std::optional<Micros> Handshakes::finish(std::uint64_t hash, Awaited what, BackendNumber backend,
                                         std::uint32_t sequence, Micros now) noexcept {
  HandshakeLine& line = line_of(hash);
  const unsigned way = way_of(line, tag_of(hash));
  if (way == kHandshakesInLine || !is_same(line.mark[way], what, sequence) ||
      line.backend[way] != backend)
    return std::nullopt;
  line.mark[way] = 0;
  const Micros took = now - line.since[way];
  if (took > kLongestWait) return std::nullopt;
  return took;
}

}  // namespace sluice::flow
