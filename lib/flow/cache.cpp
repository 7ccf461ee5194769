// SPDX-License-Identifier: Apache-2.0
// The part of the flow cache that runs once a flow, not once a packet.
#include "flow/cache.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace sluice::flow {
namespace {

/// How readily an entry is given away, in order; among equals the oldest goes first.
enum class Ease : unsigned { kEstablished, kNewOrClosing, kExpired, kFree };

struct Easiest {
  unsigned way;
  unsigned rank;  ///< Ease, then age.

  [[nodiscard]] Ease ease() const noexcept {
    return static_cast<Ease>(rank >> detail::kStateShift);
  }
};

__m128i all(unsigned value) noexcept { return _mm_set1_epi16(static_cast<std::int16_t>(value)); }

/// The entry to be given away: ease and age of all eight in a register, and the largest of them,
/// the first one of equals.
Easiest easiest(const Line& line, Tick now, Tick timeout) noexcept {
  static_assert(kFlowsInLine == 8 && static_cast<unsigned>(Ease::kFree) == 3);
  const auto ease = [](Ease of) noexcept {
    return all(static_cast<unsigned>(of) << detail::kStateShift);
  };
  const __m128i mark = _mm_load_si128(reinterpret_cast<const __m128i*>(line.mark));
  const __m128i state = _mm_srli_epi16(mark, detail::kStateShift);
  const auto is = [&](State wanted) noexcept {
    return _mm_cmpeq_epi16(state, all(static_cast<unsigned>(wanted)));
  };
  const __m128i age = _mm_and_si128(_mm_sub_epi16(all(now), mark), all(kTickMask));
  const __m128i most = _mm_blendv_epi8(all(timeout), all(kClosingTicks), is(State::kClosing));
  __m128i rank = _mm_andnot_si128(is(State::kEstablished), ease(Ease::kNewOrClosing));
  rank = _mm_blendv_epi8(rank, ease(Ease::kExpired), _mm_cmpgt_epi16(age, most));
  rank = _mm_blendv_epi8(rank, ease(Ease::kFree), is(State::kFree));
  rank = _mm_or_si128(rank, age);
  // The CPU has the least of eight and its place in one instruction.
  const auto least = static_cast<std::uint32_t>(
      _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(rank, _mm_set1_epi8(-1)))));
  return {least >> 16, ~least & 0xffffU};
}

/// The oldest entry that the flow has itself, past its time or not, or kNoWay.
unsigned own_way(const Line& line, std::uint32_t tag, Tick now) noexcept {
  unsigned way = kNoWay;
  for (unsigned rest = detail::matches(line, tag); rest != 0; rest &= rest - 1) {
    const auto w = static_cast<unsigned>(std::countr_zero(rest));
    if (detail::state_of(line.mark[w]) == State::kFree) continue;
    if (way == kNoWay || detail::age_of(line.mark[w], now) > detail::age_of(line.mark[way], now))
      way = w;
  }
  return way;
}

/// Whether the line at that place holds a flow of the line beside it.
bool has_guests(const Line& line, std::size_t at) noexcept {
  for (unsigned way = 0; way < kFlowsInLine; ++way)
    if (detail::state_of(line.mark[way]) != State::kFree && ((line.tag[way] ^ at) & 1U) != 0)
      return true;
  return false;
}

}  // namespace

Cache::Cache(std::span<Line> lines, Active* active) noexcept
    : lines_(lines.data()), mask_(lines.size() - 1), active_(active) {
  SLUICE_ASSERT(std::has_single_bit(lines.size()) && lines.size() > 1,
                "a flow cache has a power of two of lines, at least two");
}

std::size_t Cache::lines_for(std::size_t flows) noexcept {
  const std::size_t lines = flows / kFlowsInLine + (flows % kFlowsInLine != 0 ? 1 : 0);
  return std::bit_ceil(std::max<std::size_t>(2, lines));
}

Found Cache::find_beside(std::uint64_t hash, Tick now, Tick timeout) const noexcept {
  Found found = detail::find_in(line_of(hash, kFlowsInLine), tag_of(hash), now, timeout);
  if (found.hit) found.way += kFlowsInLine;
  return found;
}

unsigned Cache::make_room(std::uint64_t hash, Tick now, Tick timeout) noexcept {
  const Line& line = line_of(hash);
  const Line& beside = line_of(hash, kFlowsInLine);
  unsigned own = own_way(line, tag_of(hash), now);
  const bool full = detail::was_full(line);
  if (own == kNoWay && full) {
    own = own_way(beside, tag_of(hash), now);
    if (own != kNoWay) own += kFlowsInLine;
  }
  if (own != kNoWay) [[unlikely]] {
    if (!detail::is_expired(line_of(hash, own).mark[own % kFlowsInLine], now, timeout)) return own;
    stats_.inserts.add(1);
    stats_.expired.add(1);
    return own;
  }
  stats_.inserts.add(1);
  Easiest best = easiest(line, now, timeout);
  if (best.ease() == Ease::kFree) return best.way;
  if (best.ease() != Ease::kExpired) {  // so the line is full
    const Easiest other = easiest(beside, now, timeout);
    if (other.rank > best.rank) best = {other.way + kFlowsInLine, other.rank};
  }
  if (best.ease() == Ease::kExpired) stats_.expired.add(1);
  if (best.ease() == Ease::kEstablished) stats_.evictions_established.add(1);
  if (best.ease() == Ease::kNewOrClosing) {
    const auto mark = line_of(hash, best.way).mark[best.way % kFlowsInLine];
    (detail::state_of(mark) == State::kNew ? stats_.evictions_new : stats_.evictions_closing)
        .add(1);
  }
  return best.way;
}

void Cache::forget(std::uint16_t mark, BackendNumber backend) noexcept {
  const State state = detail::state_of(mark);
  if (active_ != nullptr && (state == State::kNew || state == State::kEstablished))
    active_->remove(backend);
}

void Cache::assign_over(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now,
                        Tick timeout, bool established) noexcept {
  const auto tag = tag_of(hash);
  if (!found.hit) stats_.misses.add(1);
  const auto is_there = [&] {
    const Line& line = line_of(hash, found.way);
    const unsigned way = found.way % kFlowsInLine;
    return line.tag[way] == tag && detail::state_of(line.mark[way]) != State::kFree;
  };
  const unsigned place = found.hit && is_there() ? found.way : make_room(hash, now, timeout);
  Line& line = line_of(hash, place);
  const unsigned way = place % kFlowsInLine;
  forget(line.mark[way], line.backend[way]);
  if (active_ != nullptr) active_->add(backend);
  detail::put(line.tag[way], tag);
  detail::put(line.backend[way], backend);
  detail::put(line.mark[way],
              detail::mark_of(established ? State::kEstablished : State::kNew, now));
}

void Cache::sweep(std::size_t count, Tick now, Tick timeout) noexcept {
  for (std::size_t i = std::min(count, lines()); i != 0; --i) {
    free_expired(swept_, now, timeout);
    swept_ = (swept_ + 1) & mask_;
  }
}

void Cache::free_expired(std::size_t at, Tick now, Tick timeout) noexcept {
  Line& line = lines_[at];
  const std::uint16_t freed = detail::was_full(line) ? detail::kFreed : 0;
  for (std::uint16_t& mark : line.mark) {
    if (detail::state_of(mark) == State::kFree || !detail::is_expired(mark, now, timeout)) continue;
    forget(mark, line.backend[&mark - line.mark]);
    detail::put(mark, freed);
    stats_.expired.add(1);
  }
  if (!detail::was_full(line) || has_guests(lines_[at ^ 1], at ^ 1)) return;
  for (std::uint16_t& mark : line.mark)
    if (mark == detail::kFreed) detail::put(mark, std::uint16_t{0});
}

Sample Cache::sample(std::size_t line, unsigned way) const noexcept {
  const auto load = [](auto& field) {
    return std::atomic_ref(field).load(std::memory_order_relaxed);
  };
  Line& from = line_of(line, way);
  way %= kFlowsInLine;
  const std::uint16_t mark = load(from.mark[way]);
  return {.state = detail::state_of(mark),
          .tick = static_cast<Tick>(mark & kTickMask),
          .backend = load(from.backend[way]),
          .tag = load(from.tag[way])};
}

}  // namespace sluice::flow
