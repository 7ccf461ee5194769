// SPDX-License-Identifier: Apache-2.0
// A worker's state for the pipeline's benchmark, warm: every flow of the source is in the cache.
//
// Threads: one owner.
#pragma once

#include "dataplane/stages.hpp"
#include "pipeline_case.hpp"
#include "pipeline_source.hpp"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::dataplane {

/// Memory from DPDK's heap, as a worker's: in huge pages where there are any.
template <class T>
class Heap {
 public:
  explicit Heap(std::size_t count) : count_(count) {
    memory_ = static_cast<T*>(rte_zmalloc("bench", count * sizeof(T), alignof(T)));
    if (memory_ == nullptr) throw std::runtime_error("not enough memory in the EAL");
    for (std::size_t i = 0; i < count; ++i) new (memory_ + i) T();
  }
  ~Heap() { rte_free(memory_); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  [[nodiscard]] std::span<T> span() const noexcept { return {memory_, count_}; }

 private:
  T* memory_;
  std::size_t count_;
};

inline constexpr std::size_t kCacheFlows = 1U << 20;    // as `sluiced` sizes it by default
inline constexpr std::size_t kNatSessions = 1U << 16;   // likewise
inline constexpr std::uint64_t kHertz = 2'600'000'000;  // of that clock
inline constexpr std::uint64_t kCyclesOfBurst =
    2000;  // what the clock goes on by, whatever it took

struct World {
  explicit World(const Case& wanted)
      : of(wanted),
        now(tables(wanted)),
        source(wanted),
        lines(flow::Cache::lines_for(wanted.cache != 0                ? wanted.cache
                                     : wanted.flows > kCacheFlows / 2 ? 2 * wanted.flows
                                                                      : kCacheFlows)),
        rest(kNatSessions),
        state(memory(), kHertz, 1),
        services(std::max<std::size_t>(wanted.services, 1)),
        backends(wanted.pools * wanted.backends),
        counters(services.span(), backends.span()) {
    source.set_mix(Mix::kKnown);
    source.set_flags(wire::kTcpSyn);
    if (wanted.forwarding == snapshot::Forwarding::kNat) establish();
    const std::size_t round = wanted.zipf ? kZipfPackets : wanted.flows;
    for (std::size_t sent = 0; sent < 2 * round || sent < 2 * kBuffers; sent += kBurst) {
      run_forwarded();
      if (sent + kBurst >= round) source.set_flags(wire::kTcpAck);
    }
    if (wanted.answers) answer(wire::kTcpAck);
    source.set_mix(wanted.mix);
  }

  void receive(Burst& b) noexcept {
    source.fill(b);
    b.port = 0;
  }

  /// What was received to its verdicts. @param behind  received since.
  void run_received(Burst& b, Burst* behind = nullptr) noexcept {
    state.cycles += kCyclesOfBurst;
    process(b, *now, state, behind);
  }

  /// A burst from the source to its verdicts.
  void run(Burst& b) noexcept {
    receive(b);
    run_received(b);
  }

  /// Likewise; every packet must be forwarded.
  Burst run_forwarded() {
    Burst b;
    run(b);
    for (std::uint16_t i = 0; i < b.size; ++i)
      if (b.verdict[i] != Verdict::kForward)
        throw std::runtime_error("not forwarded: " + std::string(text(b.verdict[i]).name));
    return b;
  }

  /// Empties the flow cache and ends the NAT sessions, as if all flows had timed out: what was
  /// learnt must not fill it in a benchmark that learns on and on.
  void forget_flows() noexcept {
    state.flows.sweep(state.flows.lines(), static_cast<flow::Tick>(state.tick + 1), 0);
    state.nat.sweep_all(static_cast<flow::Tick>(state.tick + flow::kLongestTimeout - 1));
  }

  Case of;
  std::unique_ptr<const snapshot::Snapshot> now;
  Source source;
  Heap<flow::Line> lines;
  HeapMemory rest;  // what is touched seldom
  WorkerState state;
  Heap<Traffic> services;
  Heap<Traffic> backends;
  Counters counters;

 private:
  /// The source sends what backends would answer, each packet twice.
  void answer(std::uint8_t flags) {
    std::vector<Source::Frame> translated;
    for (std::size_t sent = 0; sent < of.flows; sent += kBurst) {
      const Burst b = run_forwarded();
      for (std::uint16_t i = 0; i < b.size; ++i)
        std::memcpy(translated.emplace_back().data(), rte_pktmbuf_mtod(b.packet[i], std::byte*),
                    sizeof(Source::Frame));
    }
    source.answer(translated);
    source.set_flags(flags);
    for (std::size_t sent = 0; sent < 2 * of.flows; sent += kBurst) run_forwarded();
  }

  /// A handshake of each NAT session, whose packets have to come behind one.
  void establish() {
    answer(wire::kTcpSyn | wire::kTcpAck);
    source.ask();
    source.set_flags(wire::kTcpAck);
  }

  WorkerMemory memory() noexcept {
    WorkerMemory all = rest.spans();
    all.flows = lines.span();
    return all;
  }
};

}  // namespace sluice::dataplane
