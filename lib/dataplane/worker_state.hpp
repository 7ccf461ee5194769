// SPDX-License-Identifier: Apache-2.0
// What a worker remembers from one packet to the next: flows, fragments, whom it answered.
//
// Threads: one worker; any thread may read the caches' statistics and samples.
#pragma once

#include "dataplane/held_fragments.hpp"
#include "dataplane/nat.hpp"
#include "dataplane/plain_headers.hpp"
#include "dataplane/signals.hpp"
#include "dataplane/steering_state.hpp"
#include "flow/cache.hpp"
#include "flow/meter.hpp"
#include "packet/flow_key.hpp"
#include "snapshot/snapshot.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sluice::dataplane {

/// Memory of a WorkerState: zeroed, outlives it; lengths are powers of two.
struct WorkerMemory {
  std::span<flow::Line> flows;
  std::span<flow::Line> fragments;
  std::span<flow::MeterLine> answers;
  NatSettings nat;
  SteeringMemory* steering;
  SignalsMemory* signals;
};

/// Datagrams whose fragments are on their way at one time, and sources that were sent ICMP errors
/// of late: 32 KiB each. More are forgotten early, which costs a datagram its cohesion, or a
/// source its limit.
inline constexpr std::size_t kFragmentedDatagrams = 4096;
inline constexpr std::size_t kAnswerLines = 512;

/// A datagram's fragments are remembered for 30 seconds, as long as hosts wait for the rest.
inline constexpr flow::Tick kFragmentTicks = 30 / flow::kTickSeconds;

struct WorkerState {
  WorkerState(const WorkerMemory& memory, std::uint64_t clock_hz, unsigned worker_count) noexcept
      : steering(*memory.steering, worker_count),
        signals(*memory.signals, clock_hz),
        flows(memory.flows, &steering.active),
        fragments(memory.fragments),
        answers(memory.answers),
        cycles_per_second(clock_hz),
        workers(worker_count),
        nat(memory.nat) {}

  SteeringState steering;
  Signals signals;
  flow::Cache flows;
  flow::Cache fragments;      ///< Backend of a datagram, by hash of addresses, protocol and id.
  HeldFragments early;        ///< Of datagrams that are not known yet; by the same hash.
  flow::SourceMeter answers;  ///< ICMP errors sent to a source.
  flow::Tick tick = 0;        ///< The caches' clock.
  std::uint64_t cycles = 0;   ///< The meters' clock, `cycles_per_second` to the second.
  std::uint64_t cycles_per_second;
  unsigned workers;  ///< That share a rate.
  /// A bit for each port, by its index: its device makes the UDP checksums of what leaves.
  std::uint32_t udp_sum_ports = 0;
  flow::Rate answer_rate{};  ///< Of the generation at hand.
  PlainReaders readers = plain_readers();
  std::uint64_t generation = ~std::uint64_t{0};
  Nat nat;

  /// Once a burst: works out what depends on the snapshot alone, when it is another one.
  void adopt(const snapshot::Snapshot& now) noexcept {
    if (now.generation == generation) [[likely]]
      return;
    generation = now.generation;
    answer_rate =
        flow::Rate::of(now.icmp_errors_per_second, workers, cycles_per_second, kAnswerBurst);
  }

  /// Makes a burst of what is kept and to be judged now; process() it. @return whether there is
  /// any.
  [[nodiscard]] bool take_held(Burst& b) noexcept {
    return (early.size() != 0 && early.take(b, cycles, cycles_per_second)) ||
           nat.take_held(b, cycles, cycles_per_second);
  }
  [[nodiscard]] bool holds_any() const noexcept { return early.size() != 0 || nat.holds_any(); }

  /// Errors that a source may be sent at once: those of a window of packets.
  static constexpr std::uint32_t kAnswerBurst = 10;
};

/// What NAT's memory is allocated in.
struct alignas(128) NatLine {
  std::byte bytes[128];
};

/// A worker's memory from the ordinary heap: for replay, tests and benchmarks.
struct HeapMemory {
  /// @param flow_count  also the count of NAT sessions, up to 65536.
  explicit HeapMemory(std::size_t flow_count, const flow::NatShare& share = {1, 0})
      : flows(flow::Cache::lines_for(flow_count)),
        fragments(flow::Cache::lines_for(kFragmentedDatagrams)),
        answers(kAnswerLines),
        nat_share(share),
        nat_sessions(nat_size(std::min<std::size_t>(flow_count, 1U << 16))),
        nat(flow::NatTable::bytes_for(nat_sessions, nat_share) / sizeof(NatLine) + 1),
        steering(std::make_unique<SteeringMemory>()),
        signals(std::make_unique<SignalsMemory>()) {}
  [[nodiscard]] WorkerMemory spans(HandOver* hand_over = nullptr) noexcept {
    return {flows,
            fragments,
            answers,
            {.memory = std::as_writable_bytes(std::span(nat)),
             .size = nat_sessions,
             .share = nat_share,
             .secret = default_hash_key(),
             .hand_over = hand_over},
            steering.get(),
            signals.get()};
  }

  std::vector<flow::Line> flows;
  std::vector<flow::Line> fragments;
  std::vector<flow::MeterLine> answers;
  flow::NatShare nat_share;
  flow::NatSize nat_sessions;
  std::vector<NatLine> nat;
  std::unique_ptr<SteeringMemory> steering;
  std::unique_ptr<SignalsMemory> signals;
};

}  // namespace sluice::dataplane
