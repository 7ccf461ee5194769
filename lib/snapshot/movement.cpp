// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot.hpp"

#include <algorithm>
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

}  // namespace

Movement movement(const Snapshot& before, const Snapshot& after) {
  std::unordered_map<std::string_view, std::size_t> pool_after;
  for (std::size_t j = 0; j < after.input.pools.size(); ++j)
    pool_after[after.input.pools[j].name] = j;
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
