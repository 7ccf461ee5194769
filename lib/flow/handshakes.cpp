// SPDX-License-Identifier: Apache-2.0
#include "flow/handshakes.hpp"

#include "base/assert.hpp"

#include <bit>

namespace sluice::flow {
namespace {

using detail::handshake_tag;

constexpr unsigned kAwaitedShift = 14;
constexpr unsigned kRepeatShift = 12;
constexpr unsigned kMostRepeats = 3;
constexpr std::uint16_t kNumberMask = (1U << kRepeatShift) - 1;
constexpr unsigned kAllWays = (1U << kHandshakesInLine) - 1;

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
  const unsigned all = detail::matches(line, tag) & ~free;
  return all == 0 ? kHandshakesInLine : static_cast<unsigned>(std::countr_zero(all));
}

unsigned way_of(const HandshakeLine& line, std::uint32_t tag) noexcept {
  return way_of(line, tag, free_ways(line));
}

unsigned oldest_way(const HandshakeLine& line, Micros now) noexcept {
  unsigned way = 0;
  for (unsigned w = 1; w < kHandshakesInLine; ++w)
    if (now - line.since[w] > now - line.since[way]) way = w;
  return way;
}

}  // namespace

Handshakes::Handshakes(std::span<HandshakeLine> lines) noexcept
    : lines_(lines.data()), mask_(lines.size() - 1) {
  SLUICE_ASSERT(std::has_single_bit(lines.size()), "handshakes have a power of two of lines");
}

bool Handshakes::enter(std::uint64_t hash, Awaited what, BackendNumber backend,
                       std::uint32_t sequence, Micros now) noexcept {
  HandshakeLine& line = line_of(hash);
  const unsigned free = free_ways(line);
  unsigned way = way_of(line, handshake_tag(hash), free);
  if (way == kHandshakesInLine && free != 0) way = static_cast<unsigned>(std::countr_zero(free));
  if (way == kHandshakesInLine) {
    way = oldest_way(line, now);
    line.closed_until = line.since[way] + kHandshakePatience;
    if (now - line.since[way] <= kHandshakePatience) return false;
    line.closed_until = 0;
  }
  line.tag[way] = handshake_tag(hash);
  line.since[way] = now;
  line.backend[way] = backend;
  line.mark[way] = mark_of(what, sequence);
  return true;
}

unsigned Handshakes::repeat(std::uint64_t hash, BackendNumber backend, std::uint32_t sequence,
                            Micros now) noexcept {
  HandshakeLine& line = line_of(hash);
  const unsigned way = way_of(line, handshake_tag(hash));
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
  const unsigned way = way_of(line, handshake_tag(hash));
  if (way == kHandshakesInLine || !is_same(line.mark[way], what, sequence) ||
      line.backend[way] != backend)
    return std::nullopt;
  line.mark[way] = 0;
  line.closed_until = 0;
  const Micros took = now - line.since[way];
  if (took > kLongestWait) return std::nullopt;
  return took;
}

}  // namespace sluice::flow
