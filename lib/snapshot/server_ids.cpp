// SPDX-License-Identifier: Apache-2.0
#include "snapshot/server_ids.hpp"

namespace sluice::snapshot {

ServerIds::ServerIds(const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  cells_.resize(std::bit_ceil(entries.size() * 2));
  for (const auto& [id, number] : entries) {
    std::size_t at = cell_of(id);
    while (cells_[at].id.size() != 0 && cells_[at].id != id) at = (at + 1) & (cells_.size() - 1);
    if (cells_[at].id.size() == 0) cells_[at] = {id, number};
  }
}

}  // namespace sluice::snapshot
