// SPDX-License-Identifier: Apache-2.0
#include "dataplane/hand_over.hpp"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <atomic>

namespace sluice::dataplane {

Result<std::unique_ptr<HandOver>> HandOver::create(unsigned workers) {
  static std::atomic<unsigned> made{0};  // DPDK knows rings by name
  std::unique_ptr<HandOver> all(new HandOver(workers));
  const unsigned number = made.fetch_add(1, std::memory_order_relaxed);
  for (unsigned from = 0; from < workers; ++from) {
    for (unsigned to = 0; to < workers; ++to) {
      if (from == to) continue;
      const auto name = fmt::format("hand{}_{}_{}", number, from, to);
      rte_ring* ring =
          rte_ring_create(name.c_str(), kDepth + 1, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
      if (ring == nullptr)
        return fail(Errc::kExhausted, fmt::format("worker {}", to),
                    "no memory to take packets over from worker {}: {}; raise /dpdk/memory_mb",
                    from, rte_strerror(rte_errno));
      all->rings_[std::size_t{from} * workers + to] = ring;
    }
  }
  return all;
}

HandOver::~HandOver() {
  for (rte_ring* ring : rings_) {
    if (ring == nullptr) continue;
    void* packet = nullptr;
    while (rte_ring_sc_dequeue(ring, &packet) == 0)
      rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    rte_ring_free(ring);
  }
}

bool HandOver::give(unsigned from, unsigned to, rte_mbuf* packet) noexcept {
  if (rte_ring_sp_enqueue(ring(from, to), packet) != 0) return false;
  // Release, after the ring: who sees the value looks into a ring that has the packet; pairs with
  // rung(). No two givers, and no two times of one, store the same.
  auto& given = own_[from].given;
  given += workers_;
  bells_[to].value.store(given + from, std::memory_order_release);
  return true;
}

unsigned HandOver::take(unsigned from, unsigned to, std::span<rte_mbuf*> packets) noexcept {
  return rte_ring_sc_dequeue_burst(ring(from, to), reinterpret_cast<void**>(packets.data()),
                                   static_cast<unsigned>(packets.size()), nullptr);
}

}  // namespace sluice::dataplane
