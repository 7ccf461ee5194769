// SPDX-License-Identifier: Apache-2.0
// Worker: one poll loop on one lcore, owning its queues, flow cache and counters.
//
// Threads: everything but counters(), signals(), heartbeat(), cache(), nat(), capture_to() and
// stop() belongs to the worker's lcore.
#pragma once

#include "base/result.hpp"
#include "dataplane/burst.hpp"
#include "dataplane/capture_tap.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/worker_state.hpp"
#include "snapshot/publisher.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sluice::dataplane {

/// One receive queue that a worker polls.
struct Queue {
  std::uint16_t port;  ///< Index of the port in the configuration.
  std::uint16_t queue;
};

/// What a worker knows of a port, by its index in the configuration. Where several ports share an
/// interface, each worker has one of them, which stands for all: it sends by its own.
struct WorkerPort {
  std::uint16_t id;             ///< DPDK's number.
  bool kernel_has_copy;         ///< Packets for the host need no handing over.
  bool sends_segments = false;  ///< Takes packets of several segments.
  bool sums_udp = false;        ///< Makes the UDP checksums that are left to it.
  /// DPDK's number of the device that takes packets for the host and gives those from it, one queue
  /// a worker: the exception path of a device that Linux cannot see.
  std::optional<std::uint16_t> exception = {};
};

/// Bursts that one poll takes from a queue at most: other queues have their turn, and old snapshots
/// their end, some microseconds later.
inline constexpr unsigned kBurstsOfPoll = 4;
/// Packets that a worker has received and not yet counted, at most: one burst behind another.
inline constexpr unsigned kAtHand = 2 * kBurst;

struct WorkerSettings {
  unsigned number = 0;
  unsigned workers = 1;  ///< Of the node: what each may do of a rate.
  unsigned lcore = 0;
  std::uint16_t transmit_queue = 0;  ///< On every port; no other worker's there.
  std::vector<Queue> queues;
  std::vector<WorkerPort> ports;
  std::uint32_t flows = 1U << 20;         ///< Capacity of the flow cache.
  std::uint32_t nat_sessions = 1U << 16;  ///< Connections that it translates at once.
  HandOver* hand_over = nullptr;          ///< Null where there is one worker.
  /// Where the worker writes its heartbeat, see Worker::heartbeat(): any memory that outlives it,
  /// on a cache line of its own; that of a BPF map, for instance. Null: the worker's own.
  std::uint64_t* heartbeat = nullptr;
};

class Worker {
 public:
  /// Allocates the flow cache and the counters from DPDK's memory, near the lcore.
  /// @return kExhausted when there is not enough of it.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> create(WorkerSettings settings,
                                                              const snapshot::Publisher& publisher);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Starts the loop on the worker's lcore. @return kIo when the lcore is busy.
  [[nodiscard]] Result<void> launch();
  /// Asks the loop to end after the burst at hand; join() waits for it.
  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }
  void join() noexcept;

  /// Polls every queue: receives a burst from each, and more of them while they are full, at most
  /// kBurstsOfPoll, and sends on or frees every packet. @return packets received.
  std::uint32_t poll(snapshot::Reader& reader) noexcept;

  /// What the loop does over and over: poll(), then the clocks and the heartbeat.
  void turn(snapshot::Reader& reader) noexcept;

  /// From the next burst on packets are copied there; null: no more. The tap before may be in use
  /// until the worker's next quiescent state: Publisher::retire() it. Slow path only.
  void capture_to(CaptureTap* tap) noexcept {
    tap_.store(tap, std::memory_order_release);  // pairs with the load in handle()
  }

  /// When the loop last came round: nanoseconds of CLOCK_MONOTONIC, right to some microseconds; 0
  /// before the first time. Written every half millisecond, busy or idle; a worker that hangs
  /// leaves it as it is, and so does one that has ended.
  [[nodiscard]] std::uint64_t heartbeat() const noexcept {
    return std::atomic_ref(*settings_.heartbeat).load(std::memory_order_relaxed);
  }

  /// What this worker has seen of a backend; all zero for a number that nobody has had.
  [[nodiscard]] const BackendSignals& signals(flow::BackendNumber backend) const noexcept {
    return state_->signals.of(backend);
  }
  [[nodiscard]] const Counters& counters() const noexcept { return *counters_; }
  [[nodiscard]] const flow::Cache& cache() const noexcept { return state_->flows; }
  /// Backends of sources, by affinity.
  [[nodiscard]] const flow::Cache& sources() const noexcept { return state_->steering.sources; }
  /// Flows by backend.
  [[nodiscard]] const flow::Active& active() const noexcept { return state_->steering.active; }
  [[nodiscard]] const flow::NatTable& nat() const noexcept { return state_->nat.table(); }
  [[nodiscard]] const WorkerSettings& settings() const noexcept { return settings_; }

 private:
  explicit Worker(WorkerSettings settings, const snapshot::Publisher& publisher) noexcept;
  [[nodiscard]] Result<void> allocate();
  static int run_on_lcore(void* self) noexcept;
  void run() noexcept;
  void receive(const Queue& queue, Burst& b) noexcept;
  std::uint32_t poll_queue(const Queue& queue, std::array<Burst, 2>& bursts,
                           const snapshot::Snapshot& now) noexcept;
  std::uint16_t poll_hand_over(Burst& b, const snapshot::Snapshot& now) noexcept;
  std::uint16_t poll_held(Burst& b, const snapshot::Snapshot& now) noexcept;
  void handle(Burst& b, const snapshot::Snapshot& now, Burst* behind = nullptr) noexcept;
  bool transmit_whole(Burst& b) noexcept;
  void transmit(Burst& b) noexcept;
  void settle_unsent(Burst& b) noexcept;
  /// Sends on the worker's own queue. @return how many the device took.
  [[nodiscard]] std::uint16_t send(std::uint16_t id, std::span<rte_mbuf*> packets) noexcept;
  void prepare(std::uint16_t id, std::span<rte_mbuf*> packets) noexcept;
  void pass_from_host(const WorkerPort& port) noexcept;
  void keep_time(std::uint64_t tsc) noexcept;
  void start_clocks() noexcept;
  void read_clock() noexcept;
  void beat(std::uint64_t tsc) noexcept;

  /// Zeroed memory from DPDK's heap, given back at the end.
  struct FreeMemory {
    void operator()(void* memory) const noexcept;
  };
  using Memory = std::unique_ptr<void, FreeMemory>;

  WorkerSettings settings_;
  const snapshot::Publisher* publisher_;
  std::vector<Memory> memory_;
  std::unique_ptr<Counters> counters_;
  std::unique_ptr<WorkerState> state_;
  std::uint64_t next_tick_ = 0;   ///< TSC.
  std::uint64_t next_sweep_ = 0;  ///< TSC.
  std::uint64_t next_beat_ = 0;   ///< TSC.
  std::uint64_t last_turn_ = 0;   ///< TSC.
  std::uint64_t beat_cycles_ = 0;
  std::uint64_t clock_tsc_ = 0;     ///< When the clock was read.
  std::uint64_t clock_ns_ = 0;      ///< What it said.
  std::uint64_t ns_per_cycle_ = 0;  ///< In 2^-32.
  std::uint64_t tick_cycles_ = 0;
  std::uint64_t sweep_cycles_ = 0;
  std::size_t sweep_lines_ = 0;
  flow::Tick longest_timeout_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<CaptureTap*> tap_{nullptr};  ///< Of the capture that runs.
  alignas(64) std::uint64_t beat_ = 0;     ///< The heartbeat where settings name no other place.
};

}  // namespace sluice::dataplane
