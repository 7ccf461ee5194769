// SPDX-License-Identifier: Apache-2.0
// Rings by which one worker hands packets to another: one for each ordered pair, so that each has
// one producer and one consumer and needs no locked instruction. A worker's bell says whether
// anything was put into any of the rings that lead to it, so that it need not look into each.
//
// Threads: give() on worker `from`, take(), rung() and ring_on() on worker `to`; the rest on the
// slow path.
#pragma once

#include "base/result.hpp"

#include <atomic>
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
  /// Whether anybody has given to `to` since it last asked, or it left something behind: then it
  /// has to look into all its rings. Cost: one load of a line that changes when something is given,
  /// however many workers there are.
  [[nodiscard]] bool rung(unsigned to) noexcept {
    const auto value = bells_[to].value.load(std::memory_order_acquire);  // pairs with give()
    if (value == own_[to].heard) return false;
    own_[to].heard = value;
    return true;
  }
  /// Some are left in a ring: rung() is true when it is asked next.
  void ring_on(unsigned to) noexcept { own_[to].heard = 0; }
  [[nodiscard]] unsigned workers() const noexcept { return workers_; }

 private:
  /// One value of all givers to a worker, each time another one; 0 before the first.
  ///
  /// Where two ring at once, the receiver may see the second value alone, and must find the packet
  /// of the first in its ring all the same. It does: the first one's ring was written before its
  /// value, its value stands before the second in the order of the bell's values, and where a store
  /// that one processor sees is seen by all (x86, AArch64) what comes before such a store is seen
  /// as well. C++ by itself promises that of the last giver only; a fence in give() would, for 30
  /// cycles a packet.
  struct alignas(64) Bell {
    std::atomic<std::uint64_t> value{0};
  };
  /// One worker's own; no other reads it.
  struct alignas(64) Own {
    std::uint64_t given = 0;  ///< A multiple of the count of workers, never the same again.
    std::uint64_t heard = 0;  ///< The value of its bell that it has looked after.
  };

  explicit HandOver(unsigned workers)
      : workers_(workers), rings_(std::size_t{workers} * workers), bells_(workers), own_(workers) {}
  [[nodiscard]] rte_ring* ring(unsigned from, unsigned to) const noexcept {
    return rings_[std::size_t{from} * workers_ + to];
  }

  unsigned workers_;
  std::vector<rte_ring*> rings_;  ///< Null where a worker would give to itself.
  std::vector<Bell> bells_;       ///< By receiver.
  std::vector<Own> own_;          ///< By worker.
};

}  // namespace sluice::dataplane
