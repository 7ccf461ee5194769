// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

namespace sluice::snapshot {
namespace {

// The same small number for the same name in both snapshots: a backend that was removed and added
// again has a new backend number, yet its entries have not moved.
class Identities {
 public:
  std::vector<std::size_t> by_number(const PoolInput& pool, std::size_t extent) {
    std::vector<std::size_t> identity(extent);
    for (const auto& backend : pool.backends)
      identity[backend.number] = known_.emplace(backend.name, known_.size()).first->second;
    return identity;
  }
  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  std::unordered_map<std::string, std::size_t> known_;
};

Movement movement_of_pool(const Snapshot& before, std::size_t i, const Snapshot& after,
                          std::size_t j) {
  const auto from = before.pools[i].slots;
  const auto to = after.pools[j].slots;
  Movement m{.total = std::max(from.size(), to.size())};
  if (from.size() != to.size()) {
    m.moved = m.least = m.total;
    return m;
  }
  Identities identities;
  const auto was = identities.by_number(before.input.pools[i], before.backends.size());
  const auto is = identities.by_number(after.input.pools[j], after.backends.size());
  std::vector<std::int64_t> gained(identities.size());
  for (std::size_t k = 0; k < from.size(); ++k) {
    if (was[from[k]] == is[to[k]]) continue;
    ++m.moved;
    ++gained[is[to[k]]];
    --gained[was[from[k]]];
  }
  for (const auto entries : gained)
    m.least += static_cast<std::uint64_t>(std::max<std::int64_t>(0, entries));
  return m;
}

// What backends of a pool lose; `j` is the pool's place afterwards, or none.
std::vector<Loss> losses_of_pool(const Snapshot& before, std::size_t i, const Snapshot& after,
                                 std::optional<std::size_t> j) {
  const auto& was = before.input.pools[i].backends;
  std::vector<Loss> losses(was.size());
  std::unordered_map<std::string_view, const BackendInput*> stays;
  if (j)
    for (const auto& backend : after.input.pools[*j].backends)
      stays.emplace(backend.name, &backend);
  std::vector<std::size_t> place(before.backends.size());
  std::vector<BackendNumber> number_after(was.size());  // of the same name; with `left` unused
  for (std::size_t k = 0; k < was.size(); ++k) {
    const auto found = stays.find(was[k].name);
    place[was[k].number] = k;
    losses[k].number = was[k].number;
    losses[k].left = found == stays.end() || found->second->down;
    if (found != stays.end()) number_after[k] = found->second->number;
  }
  const auto from = before.pools[i].slots;
  const std::span<const maglev::Slot> to =
      j ? std::span<const maglev::Slot>(after.pools[*j].slots) : std::span<const maglev::Slot>();
  const bool comparable = from.size() == to.size();
  for (std::size_t entry = 0; entry < from.size(); ++entry) {
    auto& loss = losses[place[from[entry]]];
    ++loss.had;
    if (loss.left || !comparable || to[entry] != number_after[place[from[entry]]]) ++loss.lost;
  }
  std::erase_if(losses, [](const Loss& loss) { return loss.lost == 0 && !loss.left; });
  return losses;
}

std::unordered_map<std::string_view, std::size_t> places_of_pools(const Snapshot& snapshot) {
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t j = 0; j < snapshot.input.pools.size(); ++j)
    places[snapshot.input.pools[j].name] = j;
  return places;
}

}  // namespace

std::vector<PoolMovement> movement_by_pool(const Snapshot& before, const Snapshot& after) {
  const auto places = places_of_pools(after);
  std::vector<PoolMovement> pools;
  for (std::size_t i = 0; i < before.input.pools.size(); ++i) {
    const auto j = places.find(before.input.pools[i].name);
    const auto place = j == places.end() ? std::nullopt : std::optional(j->second);
    PoolMovement one{.pool = before.input.pools[i].name,
                     .movement = {},
                     .losses = losses_of_pool(before, i, after, place)};
    if (place) one.movement = movement_of_pool(before, i, after, *place);
    if (!one.losses.empty() || one.movement.moved != 0) pools.push_back(std::move(one));
  }
  return pools;
}

Movement movement(const Snapshot& before, const Snapshot& after) {
  const auto pool_after = places_of_pools(after);
  Movement sum;
  for (std::size_t i = 0; i < before.input.pools.size(); ++i) {
    const auto j = pool_after.find(before.input.pools[i].name);
    if (j == pool_after.end()) continue;
    const auto one = movement_of_pool(before, i, after, j->second);
    sum.moved += one.moved;
    sum.least += one.least;
    sum.total += one.total;
  }
  return sum;
}

}  // namespace sluice::snapshot
