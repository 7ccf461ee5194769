// SPDX-License-Identifier: Apache-2.0
// The stages of a worker without a worker: packets in; packets, verdicts and books out.
//
// Threads: one owner.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/hand_over.hpp"
#include "dataplane/worker_state.hpp"
#include "packet/verdict.hpp"
#include "snapshot/snapshot.hpp"
#include "support/packet.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <vector>

struct rte_mbuf;
struct rte_mempool;

namespace sluice {

/// For the messages of failed expectations.
inline std::ostream& operator<<(std::ostream& to, Verdict v) { return to << text(v).name; }

}  // namespace sluice

namespace sluice::test {

/// A pool of 2047 packet buffers that all tests of the process share.
[[nodiscard]] rte_mempool* buffers();
/// Buffers of it that somebody holds.
[[nodiscard]] unsigned buffers_in_use();

/// A packet in a buffer of `headroom`, its first `first_segment` bytes in the first segment and the
/// rest in a second one.
[[nodiscard]] rte_mbuf* buffer_of(std::span<const std::byte> packet, std::size_t headroom = 128,
                                  std::size_t first_segment = SIZE_MAX);
/// The bytes of all segments.
[[nodiscard]] Bytes bytes_of(const rte_mbuf* packet);

/// What became of one packet.
struct Handled {
  Verdict verdict;
  Bytes bytes;  ///< As it stands in its buffer: to be sent, when the verdict is kForward.
  std::optional<unsigned> service;  ///< Number.
  unsigned backend = 0;             ///< Number; where no stage chose one, meaningless.
  unsigned port = 0;                ///< Egress port, likewise.
  bool new_flow = false;            ///< Likewise.
};

/// A flow cache, counters, and bursts pushed through dataplane::process(). When it ends, the books
/// must balance and no packet buffer may be missing.
class Rig {
 public:
  static constexpr std::uint64_t kCyclesPerSecond = 1'000'000'000;

  /// @param share, hand_over  of one worker of several; what is handed over leaves the burst.
  explicit Rig(std::size_t flows = 4096, const flow::NatShare& share = {1, 0},
               dataplane::HandOver* hand_over = nullptr);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  /// One burst of at most 32 packets, and behind it what NAT had kept and is to be judged now. What
  /// it keeps from now on is in no result yet, and in no book.
  std::vector<Handled> burst(const snapshot::Snapshot& now, std::span<const Bytes> packets);
  /// Two bursts, of which the second has come before the first one's turn.
  std::vector<Handled> two_bursts(const snapshot::Snapshot& now, std::span<const Bytes> packets,
                                  std::span<const Bytes> behind);
  /// Any number of packets, in bursts of 32.
  std::vector<Handled> run(const snapshot::Snapshot& now, std::span<const Bytes> packets);
  Handled one(const snapshot::Snapshot& now, const Bytes& packet);
  /// A burst of nothing, `seconds` later.
  std::vector<Handled> wait(const snapshot::Snapshot& now, std::uint64_t seconds);
  /// One burst of what another worker has handed over.
  std::vector<Handled> taken(const snapshot::Snapshot& now, unsigned from);
  /// Frees NAT sessions past their time.
  void sweep_nat() noexcept { state_->nat.sweep_all(tick); }
  [[nodiscard]] const flow::NatTable& nat() const noexcept { return state_->nat.table(); }

  [[nodiscard]] const dataplane::BackendSignals& signals(unsigned backend) const noexcept {
    return state_->signals.of(static_cast<flow::BackendNumber>(backend));
  }
  [[nodiscard]] const flow::Cache& cache() const noexcept { return state_->flows; }
  [[nodiscard]] const flow::Stats& cache_stats() const noexcept { return state_->flows.stats(); }
  [[nodiscard]] const dataplane::Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] dataplane::Books books() const noexcept;

  flow::Tick tick = 0;                   ///< Of the bursts to come.
  std::uint64_t cycles = 0;              ///< Likewise: the meters' clock, kCyclesPerSecond.
  std::uint16_t port = 0;                ///< Index of the port that they come from.
  std::size_t headroom = 128;            ///< Of the packets to come.
  std::size_t first_segment = SIZE_MAX;  ///< Likewise.
  bool by_stages = false;                ///< Likewise: none of them takes the short way.

 private:
  void receive(dataplane::Burst& b, std::span<const Bytes> packets) const;
  std::vector<Handled> handle(dataplane::Burst& b, const snapshot::Snapshot& now);
  void judge(dataplane::Burst& b, const snapshot::Snapshot& now, std::vector<Handled>& outcomes,
             dataplane::Burst* behind = nullptr);

  dataplane::HeapMemory memory_;
  std::optional<dataplane::WorkerState> state_;
  std::vector<dataplane::Traffic> services_;
  std::vector<dataplane::Traffic> backends_;
  dataplane::Counters counters_;
  std::array<std::uint64_t, kVerdicts> seen_{};  ///< Outcomes by verdict, counted here.
  unsigned in_use_before_;
};

}  // namespace sluice::test
