// SPDX-License-Identifier: Apache-2.0
#include "dataplane/choose.hpp"

#include <algorithm>
#include <optional>

namespace sluice::dataplane {
namespace {

using flow::BackendNumber;
using snapshot::Capacity;
using snapshot::Policy;
using snapshot::PoolPolicy;
using Picked = std::optional<BackendNumber>;

constexpr unsigned kSlotsTried = 8;   // other slots for a flow whose own backend is full
constexpr unsigned kTurnsTried = 8;   // of a round
constexpr unsigned kSamples = 8;      // of least_connections in a large pool
constexpr unsigned kSecondDraws = 4;  // to get two different members for least_load

/// Uniform in 0 to count - 1, by the upper half of `random`: no division.
std::size_t below(std::uint64_t random, std::size_t count) noexcept {
  return static_cast<std::size_t>(((random >> 32) * count) >> 32);
}

/// Another hash for the same flow (an odd multiplier is a bijection, the shift mixes downwards).
std::uint64_t next_hash(std::uint64_t hash) noexcept {
  hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9U;
  return hash ^ (hash >> 32);
}

/// One pool at one moment.
class Chooser {
 public:
  Chooser(std::uint16_t pool, const snapshot::Snapshot& now, SteeringState& state) noexcept
      : index_(pool),
        slots_(now.pools[pool].slots),
        policy_(now.pools[pool].policy),
        now_(now),
        state_(state) {}

  [[nodiscard]] Picked pick(std::uint64_t hash) noexcept {
    if (slots_.empty()) return std::nullopt;
    if (policy_ == nullptr) return slot(hash);
    const Picked picked = by_policy(hash);
    const Picked taken = picked || !policy_->limited ? picked : scan(hash);
    if (taken && state_.counted_pool == index_) state_.counted_flows += 1;
    return taken;
  }

  [[nodiscard]] bool takes(BackendNumber number) noexcept {
    if (policy_ == nullptr || !policy_->limited) return true;
    const Capacity& capacity = now_.capacities[number];
    const std::uint32_t active = state_.active.of(number);
    if (capacity.max_connections != 0 && active != 0 &&
        (std::uint64_t{active} + 1) * state_.workers > capacity.max_connections)
      return false;
    // Below its share of the ratio and the flows, this one included: products instead of quotients.
    return policy_->max_load_ratio == 0 ||
           active * policy_->total_weight <
               policy_->max_load_ratio * (flows_of_pool() + 1) * capacity.weight;
  }

 private:
  [[nodiscard]] BackendNumber slot(std::uint64_t hash) const noexcept {
    return slots_[maglev::Table::index(hash, static_cast<std::uint32_t>(slots_.size()))];
  }

  [[nodiscard]] Picked by_policy(std::uint64_t hash) noexcept {
    switch (policy_->policy) {
      case Policy::kMaglev:
        return walk(hash);
      case Policy::kRandom:  // the table holds every member as often as its weight says
        return walk(state_.draw());
      case Policy::kRoundRobin:
      case Policy::kWeightedRoundRobin:
        return next_turn();
      case Policy::kLeastConnections:
        return least_connections();
      case Policy::kLeastLoad:
        return least_load();
    }
    return std::nullopt;
  }

  /// The first of the hash's slots whose backend takes the flow.
  [[nodiscard]] Picked walk(std::uint64_t hash) noexcept {
    for (unsigned i = 0; i < kSlotsTried; ++i, hash = next_hash(hash)) {
      const BackendNumber number = slot(hash);
      if (takes(number)) return number;
    }
    return std::nullopt;
  }

  [[nodiscard]] Picked next_turn() noexcept {
    std::uint16_t& turn = state_.rounds[policy_->round];
    for (unsigned i = 0; i < kTurnsTried; ++i) {
      if (turn >= policy_->schedule.size()) turn = 0;  // the round is over, or was a longer one
      const BackendNumber number = policy_->schedule[turn++];
      if (takes(number)) return number;
    }
    return std::nullopt;
  }

  /// Whether `a`, with one flow more, has fewer for its weight than `b` with one more.
  [[nodiscard]] bool has_fewer(BackendNumber a, BackendNumber b) const noexcept {
    return (std::uint64_t{state_.active.of(a)} + 1) * now_.capacities[b].weight <
           (std::uint64_t{state_.active.of(b)} + 1) * now_.capacities[a].weight;
  }

  void keep_lesser(Picked& best, BackendNumber number) noexcept {
    if (takes(number) && (!best || has_fewer(number, *best))) best = number;
  }

  [[nodiscard]] Picked least_connections() noexcept {
    const auto& members = policy_->members;
    Picked best;
    if (members.size() > kMostCompared) {
      for (unsigned i = 0; i < kSamples; ++i) keep_lesser(best, slot(state_.draw()));
      return best;
    }
    // From a member drawn at random: workers that know nothing of each other's flows must not all
    // begin with the same one.
    const std::size_t first = below(state_.draw(), members.size());
    for (std::size_t i = first; i < members.size(); ++i) keep_lesser(best, members[i]);
    for (std::size_t i = 0; i < first; ++i) keep_lesser(best, members[i]);
    return best;
  }

  [[nodiscard]] Picked least_load() noexcept {
    const BackendNumber one = slot(state_.draw());
    BackendNumber other = one;
    for (unsigned i = 0; i < kSecondDraws && other == one; ++i) other = slot(state_.draw());
    if (!takes(one)) return takes(other) ? Picked(other) : std::nullopt;
    if (!takes(other)) return one;
    const std::uint64_t load_of_one =
        std::uint64_t{now_.capacities[one].load} * now_.capacities[other].weight;
    const std::uint64_t load_of_other =
        std::uint64_t{now_.capacities[other].load} * now_.capacities[one].weight;
    if (load_of_one != load_of_other) return load_of_one < load_of_other ? one : other;
    return has_fewer(other, one) ? other : one;  // no news of either: what this worker knows
  }

  /// Anybody who takes the flow; where the search begins hangs on the hash alone.
  [[nodiscard]] Picked scan(std::uint64_t hash) noexcept {
    const auto& members = policy_->members;
    std::size_t at = below(next_hash(hash), members.size());
    for (std::size_t i = 0; i < std::min(members.size(), kMostScanned); ++i) {
      if (takes(members[at])) return members[at];
      if (++at == members.size()) at = 0;
    }
    return std::nullopt;
  }

  [[nodiscard]] double flows_of_pool() noexcept {
    if (state_.counted_pool != index_) {
      std::uint64_t sum = 0;
      for (const BackendNumber number : policy_->members) sum += state_.active.of(number);
      state_.counted_pool = index_;
      state_.counted_flows = static_cast<double>(sum);
    }
    return state_.counted_flows;
  }

  std::uint16_t index_;
  std::span<const maglev::Slot> slots_;
  const PoolPolicy* policy_;
  const snapshot::Snapshot& now_;
  SteeringState& state_;
};

std::uint16_t overflow_of(std::uint16_t pool, const snapshot::Snapshot& now) noexcept {
  const PoolPolicy* policy = now.pools[pool].policy;
  return policy == nullptr ? snapshot::kNoPool : policy->overflow;
}

}  // namespace

Choice choose(std::uint16_t pool, std::uint64_t hash, const snapshot::Snapshot& now,
              SteeringState& state) noexcept {
  if (const Picked own = Chooser(pool, now, state).pick(hash)) return {Verdict::kForward, *own};
  bool nobody = now.pools[pool].slots.empty();
  if (const std::uint16_t other = overflow_of(pool, now); other != snapshot::kNoPool) {
    if (const Picked one = Chooser(other, now, state).pick(hash)) return {Verdict::kForward, *one};
    nobody = nobody && now.pools[other].slots.empty();
  }
  return {nobody ? Verdict::kNoBackend : Verdict::kBackendFull, 0};
}

Choice slot_of(std::uint16_t pool, std::uint64_t hash, const snapshot::Snapshot& now) noexcept {
  auto slots = now.pools[pool].slots;
  const std::uint16_t other = overflow_of(pool, now);
  if (slots.empty() && other != snapshot::kNoPool) slots = now.pools[other].slots;
  if (slots.empty()) return {Verdict::kNoBackend, 0};
  return {Verdict::kForward,
          slots[maglev::Table::index(hash, static_cast<std::uint32_t>(slots.size()))]};
}

bool may_take(flow::BackendNumber backend, std::uint16_t pool, const snapshot::Snapshot& now,
              SteeringState& state) noexcept {
  return Chooser(pool, now, state).takes(backend);
}

}  // namespace sluice::dataplane
