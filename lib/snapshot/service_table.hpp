// SPDX-License-Identifier: Apache-2.0
// Service table: (address, port, protocol) to a service's index. Exact match first, then port 0.
//
// Threads: built on the slow path; look-ups from any number of workers at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::snapshot {

class ServiceTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// One service. Address and port as they stand in a packet (network order).
  struct Entry {
    std::uint32_t address;
    std::uint16_t port;  ///< 0: every port.
    std::uint8_t protocol;
    std::uint32_t index;
  };

  ServiceTable() : ServiceTable(std::vector<Entry>{}) {}
  /// `entries`: distinct (address, port, protocol); of equal ones the last counts.
  explicit ServiceTable(const std::vector<Entry>& entries);

  /// Index of the service that takes a packet, or kNone. One probe of a table that is at most half
  /// full where no service has port 0, at most two where one has.
  [[nodiscard]] std::uint32_t find(std::uint32_t address, std::uint16_t port,
                                   std::uint8_t protocol) const noexcept {
    const auto exact = probe(key_of(address, port, protocol));
    return exact != kNone || !any_port_ ? exact : probe(key_of(address, 0, protocol));
  }

  /// Whether any service has this address.
  [[nodiscard]] bool has_address(std::uint32_t address) const noexcept {
    return probe(key_of(address, 0, 0)) != kNone;  // no service has protocol 0
  }

 private:
  struct Cell {
    std::uint64_t key;  ///< 0: free; key_of() never gives 0.
    std::uint32_t index;
  };

  [[nodiscard]] static std::uint64_t key_of(std::uint32_t address, std::uint16_t port,
                                            std::uint8_t protocol) noexcept {
    return std::uint64_t{address} << 32 | std::uint64_t{port} << 16 | std::uint64_t{protocol} << 8 |
           1;
  }
  [[nodiscard]] std::size_t cell_of(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> shift_);  // Fibonacci hashing
  }
  [[nodiscard]] std::uint32_t probe(std::uint64_t key) const noexcept {
    for (std::size_t at = cell_of(key);; at = (at + 1) & (cells_.size() - 1)) {
      if (cells_[at].key == key) return cells_[at].index;
      if (cells_[at].key == 0) return kNone;
    }
  }
  void insert(std::uint64_t key, std::uint32_t index);

  std::vector<Cell> cells_;  ///< A power of two of them, at least two free.
  unsigned shift_ = 63;
  bool any_port_ = false;
};

}  // namespace sluice::snapshot
