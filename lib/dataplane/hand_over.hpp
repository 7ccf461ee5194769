// SPDX-License-Identifier: Apache-2.0
// Rings by which one worker hands packets to another: one for each ordered pair, so that each has
// one producer and one consumer and needs no locked instruction.
//
// Threads: give() on worker `from`, take() on worker `to`; the rest on the slow path.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct rte_mbuf;
struct rte_ring;

namespace sluice::dataplane {

class HandOver {
 public:
  /// Packets that wait between two workers at most: what a worker receives while the other is at
  /// work on some full bursts.
  static constexpr unsigned kDepth = 1023;

  /// @return kExhausted when DPDK has no memory for workers x (workers - 1) rings of 8 KiB.
  [[nodiscard]] static Result<std::unique_ptr<HandOver>> create(unsigned workers);
  ~HandOver();  ///< Frees packets that nobody took.
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;

  /// @return false when the ring is full; the packet is then still the caller's.
  [[nodiscard]] bool give(unsigned from, unsigned to, rte_mbuf* packet) noexcept;
  /// Takes at most packets.size() packets, in the order they were given. @return how many.
  [[nodiscard]] unsigned take(unsigned from, unsigned to, std::span<rte_mbuf*> packets) noexcept;
  [[nodiscard]] unsigned workers() const noexcept { return workers_; }

 private:
  explicit HandOver(unsigned workers) : workers_(workers), rings_(std::size_t{workers} * workers) {}
  [[nodiscard]] rte_ring* ring(unsigned from, unsigned to) const noexcept {
    return rings_[std::size_t{from} * workers_ + to];
  }

  unsigned workers_;
  std::vector<rte_ring*> rings_;  ///< Null where a worker would give to itself.
};

}  // namespace sluice::dataplane
