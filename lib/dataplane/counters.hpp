// SPDX-License-Identifier: Apache-2.0
// What one worker counts. Every packet it received is in exactly one verdict counter.
//
// Threads: written by the worker that owns them; read by any thread.
#pragma once

#include "base/counter.hpp"
#include "packet/verdict.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::dataplane {

/// Forwarded traffic of one backend or service. Bytes are those of the frames as received.
struct alignas(32) Traffic {
  Counter packets;
  Counter bytes;
  Counter new_flows;
  Counter
      unserved;  ///< Of services: packets that would have begun a flow, had there been a backend.
};
static_assert(sizeof(Traffic) == 32);

/// As many as DPDK is built for; a port's index is below it.
inline constexpr std::size_t kMostPorts = 32;

struct alignas(64) Counters {
  /// @param services, backends  zeroed memory, indexed by number; outlives the counters.
  Counters(std::span<Traffic> services, std::span<Traffic> backends) noexcept
      : by_service(services), by_backend(backends) {}

  Counter rx_packets;
  Counter rx_bytes;
  Counter tx_bytes;
  Counter polls;        ///< Passes over the worker's queues.
  Counter empty_polls;  ///< Passes that found nothing.
  Counter from_host;    ///< Packets of Linux that left by an exception path; not among rx.
  Counter bursts;       ///< Non-empty receive calls.
  Counter busy_cycles;  ///< TSC cycles of passes that found something.
  Counter idle_cycles;
  Counter ticks;                               ///< Of the caches' clock, flow::kTickSeconds each.
  std::array<Counter, kMostPorts> rx_by_port;  ///< What rx_packets is the sum of.
  std::array<Counter, kVerdicts> verdicts;
  std::span<Traffic> by_service;
  std::span<Traffic> by_backend;
};

/// The books of one worker or of all: balanced at any quiet moment.
struct Books {
  std::uint64_t rx = 0;
  std::array<std::uint64_t, kVerdicts> verdicts{};

  [[nodiscard]] std::uint64_t total(Outcome wanted) const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t v = 0; v < kVerdicts; ++v)
      if (outcome(static_cast<Verdict>(v)) == wanted) sum += verdicts[v];
    return sum;
  }
  /// Packets received and not accounted for yet: those of bursts under way.
  [[nodiscard]] std::uint64_t in_flight() const noexcept {
    std::uint64_t settled = 0;
    for (const auto n : verdicts) settled += n;
    return rx - settled;
  }
  void add(const Counters& c) noexcept {
    // Verdicts first: a burst that ends between the two reads is then in flight, never negative.
    for (std::size_t v = 0; v < kVerdicts; ++v) verdicts[v] += c.verdicts[v].last();
    rx += c.rx_packets.value();
  }
};

}  // namespace sluice::dataplane
