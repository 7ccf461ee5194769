// SPDX-License-Identifier: Apache-2.0
// The stages of a worker under the fuzzer: a snapshot of every forwarding mode, packets in heap
// blocks of their very size, so that the address sanitizer sees a read beyond them, and what must
// hold of everything that comes out.
//
// Threads: one owner.
#pragma once

#include "dataplane/worker_state.hpp"
#include "fuzz/recipe.hpp"
#include "snapshot/snapshot.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

struct rte_mbuf;
struct rte_mempool;

namespace sluice::fuzz {

/// Aborts with the place when a condition does not hold.
#define SLUICE_REQUIRE(condition) \
  ::sluice::fuzz::require(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
void require(bool holds, const char* condition, const char* file, int line);

class Stages {
 public:
  /// Starts DPDK and builds the snapshot; once a process.
  Stages();

  /// Nothing is remembered of earlier bursts, as in a worker that has just started.
  void forget();
  /// Takes one burst of at most 32 packets through dataplane::process() and judges each of them.
  /// @return the frames that NAT sent.
  std::vector<test::Bytes> run(std::span<const Arrival> arrivals);

 private:
  /// Judges, counts and frees the packets of a burst, which are among `packets`.
  void settle(dataplane::Burst& b, std::span<const Arrival> arrivals,
              std::span<const rte_mbuf* const> packets, std::vector<test::Bytes>& translated);

  rte_mempool* pool_;
  std::unique_ptr<const snapshot::Snapshot> now_;
  std::optional<dataplane::HeapMemory> memory_;
  std::optional<dataplane::WorkerState> state_;
};

}  // namespace sluice::fuzz
