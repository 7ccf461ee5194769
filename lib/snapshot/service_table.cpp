// SPDX-License-Identifier: Apache-2.0
#include "snapshot/service_table.hpp"

#include <algorithm>
#include <bit>

namespace sluice::snapshot {

ServiceTable::ServiceTable(const std::vector<Entry>& entries) {
  // Twice the entries, each of which may bring a second one for its address.
  const auto size = std::bit_ceil(std::max<std::size_t>(4, entries.size() * 4));
  cells_.resize(size);
  shift_ = 64U - static_cast<unsigned>(std::countr_zero(size));
  for (const Entry& e : entries) {
    insert(key_of(e.address, e.port, e.protocol), e.index);
    insert(key_of(e.address, 0, 0), 0);
    any_port_ = any_port_ || e.port == 0;
  }
}

void ServiceTable::insert(std::uint64_t key, std::uint32_t index) {
  std::size_t at = cell_of(key);
  while (cells_[at].key != 0 && cells_[at].key != key) at = (at + 1) & (cells_.size() - 1);
  cells_[at] = {key, index};
}

}  // namespace sluice::snapshot
