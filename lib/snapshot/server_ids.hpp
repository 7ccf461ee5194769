// SPDX-License-Identifier: Apache-2.0
// Server ids of QUIC connection ids to backend numbers.
//
// Threads: built on the slow path; look-ups from any number of workers at once.
#pragma once

#include "flow/cache.hpp"
#include "packet/quic_lb.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::snapshot {

class ServerIds {
 public:
  using Entry = std::pair<ServerId, flow::BackendNumber>;

  ServerIds() = default;  ///< Knows none.
  /// `entries`: of equal ids the first counts.
  explicit ServerIds(const std::vector<Entry>& entries);

  /// The backend with that id, or none. Cost: a probe of a table that is at most half full. Who
  /// sends ids cannot make it longer: nothing is added.
  [[nodiscard]] std::optional<flow::BackendNumber> find(const ServerId& id) const noexcept {
    if (cells_.empty()) return std::nullopt;
    for (std::size_t at = cell_of(id);; at = (at + 1) & (cells_.size() - 1)) {
      const Cell& cell = cells_[at];
      if (cell.id.size() == 0) return std::nullopt;
      if (cell.id == id) return cell.number;
    }
  }
  [[nodiscard]] bool empty() const noexcept { return cells_.empty(); }

 private:
  struct Cell {
    ServerId id;  ///< Of size 0: free.
    flow::BackendNumber number = 0;
  };

  [[nodiscard]] std::size_t cell_of(const ServerId& id) const noexcept {
    const auto half = std::bit_cast<std::array<std::uint64_t, 2>>(id.octets);
    return static_cast<std::size_t>(((half[0] ^ std::rotl(half[1], 29)) * 0x9e3779b97f4a7c15U) >>
                                    32) &
           (cells_.size() - 1);
  }

  std::vector<Cell> cells_;  ///< A power of two of them, half of them free.
};

}  // namespace sluice::snapshot
