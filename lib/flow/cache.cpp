// SPDX-License-Identifier: Apache-2.0
// The part of the flow cache that runs once a flow, not once a packet.
#include "flow/cache.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace sluice::flow {
namespace {

/// How readily an entry is given away, in order; among equals the oldest goes first.
enum class Ease : unsigned { kEstablished, kNewOrClosing, kExpired, kFree, kOwn };

[[nodiscard]] Ease ease_of(std::uint16_t mark, bool own_tag, Tick now, Tick timeout) noexcept {
  const State state = detail::state_of(mark);
  if (state == State::kFree) return Ease::kFree;
  if (own_tag) return Ease::kOwn;
  if (detail::is_expired(mark, now, timeout)) return Ease::kExpired;
  return state == State::kEstablished ? Ease::kEstablished : Ease::kNewOrClosing;
}

}  // namespace

Cache::Cache(std::span<Line> lines, Active* active) noexcept
    : lines_(lines.data()), mask_(lines.size() - 1), active_(active) {
  SLUICE_ASSERT(std::has_single_bit(lines.size()), "a flow cache has a power of two of lines");
}

std::size_t Cache::lines_for(std::size_t flows) noexcept {
  const std::size_t lines = flows / kFlowsInLine + (flows % kFlowsInLine != 0 ? 1 : 0);
  return std::bit_ceil(std::max<std::size_t>(1, lines));
}

unsigned Cache::make_room(const Line& line, std::uint32_t tag, Tick now, Tick timeout) noexcept {
  const unsigned own = detail::matches(line, tag);
  Ease ease{};
  unsigned best = 0;
  unsigned way = 0;
  for (unsigned w = 0; w < kFlowsInLine; ++w) {
    const std::uint16_t mark = line.mark[w];
    const Ease here = ease_of(mark, (own >> w & 1) != 0, now, timeout);
    // Plus one, so that the first way beats none.
    const unsigned rank =
        (static_cast<unsigned>(here) << detail::kStateShift | detail::age_of(mark, now)) + 1;
    if (rank <= best) continue;
    best = rank;
    ease = here;
    way = w;
  }
  if (ease == Ease::kOwn && !detail::is_expired(line.mark[way], now, timeout)) return way;
  stats_.inserts.add(1);
  if (ease == Ease::kOwn || ease == Ease::kExpired) stats_.expired.add(1);
  if (ease == Ease::kEstablished) stats_.evictions_established.add(1);
  if (ease == Ease::kNewOrClosing)
    (detail::state_of(line.mark[way]) == State::kNew ? stats_.evictions_new
                                                     : stats_.evictions_closing)
        .add(1);
  return way;
}

void Cache::forget(std::uint16_t mark, BackendNumber backend) noexcept {
  const State state = detail::state_of(mark);
  if (active_ != nullptr && (state == State::kNew || state == State::kEstablished))
    active_->remove(backend);
}

void Cache::assign(std::uint64_t hash, const Found& found, BackendNumber backend, Tick now,
                   Tick timeout, bool established) noexcept {
  Line& line = line_of(hash);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  if (!found.hit) stats_.misses.add(1);
  const bool still_there = found.hit && line.tag[found.way] == tag &&
                           detail::state_of(line.mark[found.way]) != State::kFree;
  const unsigned way = still_there ? found.way : make_room(line, tag, now, timeout);
  forget(line.mark[way], line.backend[way]);
  if (active_ != nullptr) active_->add(backend);
  detail::put(line.tag[way], tag);
  detail::put(line.backend[way], backend);
  detail::put(line.mark[way],
              detail::mark_of(established ? State::kEstablished : State::kNew, now));
}

void Cache::sweep(std::size_t count, Tick now, Tick timeout) noexcept {
  for (std::size_t i = std::min(count, lines()); i != 0; --i) {
    Line& line = lines_[swept_];
    for (unsigned way = 0; way < kFlowsInLine; ++way) {
      std::uint16_t& mark = line.mark[way];
      if (detail::state_of(mark) == State::kFree || !detail::is_expired(mark, now, timeout))
        continue;
      forget(mark, line.backend[way]);
      detail::put(mark, std::uint16_t{0});
      stats_.expired.add(1);
    }
    swept_ = (swept_ + 1) & mask_;
  }
}

Sample Cache::sample(std::size_t line, unsigned way) const noexcept {
  const auto load = [](auto& field) {
    return std::atomic_ref(field).load(std::memory_order_relaxed);
  };
  Line& from = lines_[line];
  const std::uint16_t mark = load(from.mark[way]);
  return {.state = detail::state_of(mark),
          .tick = static_cast<Tick>(mark & kTickMask),
          .backend = load(from.backend[way]),
          .tag = load(from.tag[way])};
}

}  // namespace sluice::flow
