// SPDX-License-Identifier: Apache-2.0
#include "flow/handshakes.hpp"

#include "base/assert.hpp"

#include <bit>

namespace sluice::flow {
namespace {

constexpr unsigned kAwaitedShift = 14;
constexpr unsigned kRepeatShift = 12;
constexpr unsigned kMostRepeats = 3;
constexpr std::uint16_t kNumberMask = (1U << kRepeatShift) - 1;

Awaited awaited_of(std::uint16_t mark) noexcept {
  return static_cast<Awaited>(mark >> kAwaitedShift);
}

std::uint16_t mark_of(Awaited what, std::uint32_t sequence) noexcept {
  const auto number = what == Awaited::kHandshake ? sequence & kNumberMask : 0U;
  return static_cast<std::uint16_t>(static_cast<unsigned>(what) << kAwaitedShift | number);
}

/// Whether the mark is that of this wait, however often its SYN came.
bool is_same(std::uint16_t mark, Awaited what, std::uint32_t sequence) noexcept {
  return (mark & ~(kMostRepeats << kRepeatShift)) == mark_of(what, sequence);
}

/// The entry of a tag that is in use, or kHandshakesInLine.
unsigned way_of(const HandshakeLine& line, std::uint32_t tag) noexcept {
  unsigned way = 0;
  while (way < kHandshakesInLine &&
         (line.tag[way] != tag || awaited_of(line.mark[way]) == Awaited::kNothing))
    ++way;
  return way;
}

/// The entry for a newcomer: a free one, or the oldest if that has had its time.
unsigned room_in(const HandshakeLine& line, Micros now) noexcept {
  unsigned way = kHandshakesInLine;
  Micros oldest = kHandshakePatience;
  for (unsigned w = 0; w < kHandshakesInLine; ++w) {
    if (awaited_of(line.mark[w]) == Awaited::kNothing) return w;
    const Micros age = now - line.since[w];
    if (age <= oldest) continue;
    oldest = age;
    way = w;
  }
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
  unsigned way = way_of(line, tag_of(hash));
  if (way == kHandshakesInLine) way = room_in(line, now);
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
