// SPDX-License-Identifier: Apache-2.0
#include "snapshot/put_off.hpp"

#include <algorithm>
#include <utility>

namespace sluice::snapshot {
namespace {

// The same backends, so that what the one says of them can be put in the place of the other.
bool can_wait(const PoolInput& now, const PoolInput& before) {
  return now.name == before.name && now.table_size == before.table_size &&
         std::ranges::equal(now.backends, before.backends, [](const auto& a, const auto& b) {
           return a.number == b.number && a.name == b.name;
         });
}

bool same_table(const PoolInput& now, const PoolInput& before) {
  const auto share = [](const BackendInput& b) { return b.takes_new_flows() ? b.weight : 0; };
  return std::ranges::equal(now.backends, before.backends, {}, share, share);
}

}  // namespace

std::optional<std::size_t> put_off(Input& input, const Snapshot& before, std::size_t from,
                                   std::size_t entries) {
  std::optional<std::size_t> first;
  std::size_t built = 0;
  const auto count = input.pools.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = (from + i) % count;
    auto& pool = input.pools[at];
    if (at >= before.input.pools.size() || !can_wait(pool, before.input.pools[at])) continue;
    const auto& old = before.input.pools[at];
    if (same_table(pool, old) ||
        std::ranges::none_of(pool.backends, &BackendInput::takes_new_flows))
      continue;
    if (built == 0 || built + pool.table_size <= entries) {
      built += pool.table_size;
      continue;
    }
    if (!first) first = at;
    for (std::size_t b = 0; b < pool.backends.size(); ++b) {
      pool.backends[b].weight = old.backends[b].weight;
      pool.backends[b].draining = old.backends[b].draining;
      pool.backends[b].down = old.backends[b].down;
    }
  }
  return first;
}

}  // namespace sluice::snapshot
