// SPDX-License-Identifier: Apache-2.0
// How many flows each backend has at one worker: what least_connections, max_connections and
// max_load_ratio go by. Kept by the flow cache.
//
// Threads: one worker owns it and alone calls add() and remove(); any thread may call of().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::flow {

/// A flow counts from its first packet until FIN or RST, or until its entry in the cache goes to
/// another flow, to another backend or is swept after its timeout. So it is a count of entries: a
/// flow that another has pushed out is not counted, one that ended without a FIN is, until it is
/// swept.
class Active {
 public:
  /// @param counts  by backend number, zeroed; outlives this.
  explicit Active(std::span<std::uint32_t> counts) noexcept;

  /// Cost: one load. A number beyond the memory has no flows.
  [[nodiscard]] std::uint32_t of(std::size_t backend) const noexcept {
    return backend < counts_.size()
               ? std::atomic_ref(counts_[backend]).load(std::memory_order_relaxed)
               : 0;
  }

  // One writer: a load and a store, no locked instruction.
  void add(std::size_t backend) noexcept {
    if (backend < counts_.size())
      std::atomic_ref(counts_[backend]).store(counts_[backend] + 1, std::memory_order_relaxed);
  }
  void remove(std::size_t backend) noexcept;

 private:
  std::span<std::uint32_t> counts_;
};

}  // namespace sluice::flow
