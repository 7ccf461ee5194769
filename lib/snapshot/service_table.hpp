// SPDX-License-Identifier: Apache-2.0
// Service table: (address, port, protocol) to a service's index. Exact match first, then port 0.
//
// Threads: built on the slow path; look-ups from any number of workers at once.
#pragma once

#include "base/address.hpp"
#include "packet/flow_key.hpp"
#include "packet/headers.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::snapshot {

namespace detail {

/// Where a look-up goes: what kind of answer is wanted, beside address, port and protocol.
enum class Ask : std::uint8_t {
  kService = 1,   ///< (address, port, protocol)
  kProtocol = 2,  ///< (address, protocol): packets without ports
  kAddress = 3,   ///< (address): the first service's index
};

struct Key4 {
  std::uint64_t bits;  ///< Address, port, protocol, Ask; 0: a free cell.

  [[nodiscard]] bool is_free() const noexcept { return bits == 0; }
  [[nodiscard]] std::uint64_t mixed() const noexcept { return bits; }
  friend bool operator==(const Key4&, const Key4&) noexcept = default;
};

struct Key6 {
  std::uint64_t high;
  std::uint64_t low;
  std::uint64_t bits;  ///< Port, protocol, Ask; 0: a free cell.

  [[nodiscard]] bool is_free() const noexcept { return bits == 0; }
  [[nodiscard]] std::uint64_t mixed() const noexcept {
    constexpr std::uint64_t kOdd = 0xff51afd7ed558ccdU;
    const std::uint64_t address = (high ^ std::rotl(low, 29)) * kOdd;
    return (address ^ address >> 32) + bits;
  }
  friend bool operator==(const Key6&, const Key6&) noexcept = default;
};

/// Open addressing; at most half full, so that a probe ends soon.
template <class Key>
class Cells {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// Room for `most` keys.
  explicit Cells(std::size_t most)
      : cells_(std::bit_ceil(most * 2 < 4 ? std::size_t{4} : most * 2)),
        shift_(64U - static_cast<unsigned>(std::countr_zero(cells_.size()))) {}

  [[nodiscard]] std::uint32_t find(const Key& key) const noexcept {
    for (std::size_t at = cell_of(key);; at = (at + 1) & (cells_.size() - 1)) {
      if (cells_[at].key == key) return cells_[at].index;
      if (cells_[at].key.is_free()) return kNone;
    }
  }
  void insert(const Key& key, std::uint32_t index) {
    std::size_t at = cell_of(key);
    while (!cells_[at].key.is_free() && !(cells_[at].key == key))
      at = (at + 1) & (cells_.size() - 1);
    cells_[at] = {key, index};
  }

 private:
  struct Cell {
    Key key{};
    std::uint32_t index = 0;
  };
  [[nodiscard]] std::size_t cell_of(const Key& key) const noexcept {
    return static_cast<std::size_t>((key.mixed() * 0x9e3779b97f4a7c15U) >> shift_);  // Fibonacci
  }

  std::vector<Cell> cells_;
  unsigned shift_;
};

}  // namespace detail

class ServiceTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Entry {
    IpAddress address;
    std::uint16_t port;  ///< Host order; 0: every port.
    std::uint8_t protocol;
    std::uint32_t index;
  };

  ServiceTable() : ServiceTable(std::vector<Entry>{}) {}
  /// `entries`: distinct (address, port, protocol); of equal ones the last counts.
  explicit ServiceTable(const std::vector<Entry>& entries);

  /// Index of the service that takes a packet with these destination, port and protocol, or kNone.
  /// One probe where no service has port 0, at most two where one has.
  [[nodiscard]] std::uint32_t find(const FlowKey& key) const noexcept {
    const auto exact = ask(key, key.destination_port, key.protocol, detail::Ask::kService);
    return exact != kNone || !any_port_ ? exact : ask(key, 0, key.protocol, detail::Ask::kService);
  }
  /// Index of the service that takes packets without ports: of those with the destination and the
  /// protocol the one for every port, else the first; or kNone. A protocol that no service can have
  /// says nothing (options behind an IPv6 fragment header): the first of those with the
  /// destination.
  [[nodiscard]] std::uint32_t find_portless(const FlowKey& key) const noexcept {
    const bool told = key.protocol == wire::kIpProtoTcp || key.protocol == wire::kIpProtoUdp;
    return told ? ask(key, 0, key.protocol, detail::Ask::kProtocol)
                : ask(key, 0, 0, detail::Ask::kAddress);
  }
  /// Whether any service has the destination's address.
  [[nodiscard]] bool has_address(const FlowKey& key) const noexcept {
    return ask(key, 0, 0, detail::Ask::kAddress) != kNone;
  }

 private:
  [[nodiscard]] static std::uint64_t bits_of(std::uint16_t port, std::uint8_t protocol,
                                             detail::Ask wanted) noexcept {
    return std::uint64_t{port} << 16 | std::uint64_t{protocol} << 8 |
           static_cast<std::uint64_t>(wanted);
  }
  [[nodiscard]] static detail::Key4 key4(std::uint32_t address, std::uint64_t bits) noexcept {
    return {std::uint64_t{address} << 32 | bits};
  }
  [[nodiscard]] static detail::Key6 key6(const std::uint32_t* address,
                                         std::uint64_t bits) noexcept {
    return {std::uint64_t{address[1]} << 32 | address[0],
            std::uint64_t{address[3]} << 32 | address[2], bits};
  }
  [[nodiscard]] std::uint32_t ask(const FlowKey& key, std::uint16_t port, std::uint8_t protocol,
                                  detail::Ask wanted) const noexcept {
    const std::uint64_t bits = bits_of(port, protocol, wanted);
    return key.family == 4 ? v4_.find(key4(key.destination[0], bits))
                           : v6_.find(key6(key.destination, bits));
  }
  void insert(const IpAddress& address, std::uint64_t bits, std::uint32_t index);
  [[nodiscard]] bool holds(const IpAddress& address, std::uint64_t bits) const noexcept;

  detail::Cells<detail::Key4> v4_;
  detail::Cells<detail::Key6> v6_;
  bool any_port_ = false;
};

}  // namespace sluice::snapshot
