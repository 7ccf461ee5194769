// SPDX-License-Identifier: Apache-2.0
// What a worker's packets say of each backend's health: docs/design/signals.md.
//
// Threads: one worker owns it; any thread may call of() and read the counters.
#pragma once

#include "base/counter.hpp"
#include "flow/handshakes.hpp"
#include "snapshot/snapshot.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// Of one backend at one worker, since its start; a reader takes differences. What names no
/// forwarding mode is seen in all of them, but only as the client shows it.
struct BackendSignals {
  Counter new_flows;      ///< SYNs and first datagrams that got this backend.
  Counter syn_repeats;    ///< Flows whose SYN came again unanswered; each counts once.
  Counter repeated_syns;  ///< Those SYNs.
  /// Connections that came about. NAT: the backend sent SYN-ACK. Else: behind its SYN the client
  /// has sent an acknowledgement.
  Counter handshakes;
  Counter handshake_us;    ///< From the first SYN to that, the sum.
  Counter resets;          ///< NAT: RST of the backend instead of a connection.
  Counter aborts;          ///< NAT: RST of the backend on an established connection.
  Counter syn_unanswered;  ///< NAT: SYNs that came again before the backend's SYN-ACK or RST.
  Counter responses;       ///< NAT: first answers to the first data of a flow.
  Counter response_us;     ///< From the client's data to that, the sum.
  Counter unreachables;    ///< NAT: ICMP unreachable about packets to the backend.
};
static_assert(sizeof(BackendSignals) == 88);

/// Flows that are measured at one time: 10,240, in 128 KiB.
inline constexpr std::size_t kHandshakeLines = 2048;

/// Memory of a Signals, zeroed; 6 MiB.
struct SignalsMemory {
  std::array<flow::HandshakeLine, kHandshakeLines> handshakes{};
  std::array<BackendSignals, snapshot::kMostBackends> backends{};
};

/// Called for packets that open a flow, for the first one behind them, and in NAT until the first
/// answer: an established flow never comes here. All times are the worker's clock.
class Signals {
 public:
  Signals(SignalsMemory& memory, std::uint64_t clock_hz) noexcept
      : handshakes_(memory.handshakes),
        backends_(memory.backends),
        micros_per_cycle_((std::uint64_t{1'000'000} << 32) / clock_hz) {}

  [[nodiscard]] const BackendSignals& of(flow::BackendNumber backend) const noexcept {
    return backends_[backend];
  }

  // Of the client's packets. `hash` is that of the flow, `sequence` that of the SYN.

  /// Starts the load of what is noted of a handshake.
  void prefetch(std::uint64_t hash) const noexcept { handshakes_.prefetch(hash); }
  void opened(flow::BackendNumber backend) noexcept { backends_[backend].new_flows.add(1); }
  /// The first SYN of a connection.
  void asked_for(std::uint64_t hash, flow::BackendNumber backend, std::uint32_t sequence,
                 std::uint64_t cycles) noexcept {
    handshakes_.begin(hash, flow::Awaited::kHandshake, backend, sequence, micros(cycles));
  }
  /// A SYN of a flow that has shown nothing but SYNs.
  void asked_again(std::uint64_t hash, flow::BackendNumber backend, std::uint32_t sequence,
                   std::uint64_t cycles) noexcept;
  /// The connection has come about.
  void accepted(std::uint64_t hash, flow::BackendNumber backend, std::uint32_t sequence,
                std::uint64_t cycles) noexcept;
  /// The client has sent its first data.
  void requested(std::uint64_t hash, flow::BackendNumber backend, std::uint64_t cycles) noexcept {
    handshakes_.begin(hash, flow::Awaited::kResponse, backend, 0, micros(cycles));
  }

  // Of the backend's.

  void responded(std::uint64_t hash, flow::BackendNumber backend, std::uint64_t cycles) noexcept;
  void refused(flow::BackendNumber backend) noexcept { backends_[backend].resets.add(1); }
  void aborted(flow::BackendNumber backend) noexcept { backends_[backend].aborts.add(1); }
  void kept_silent(flow::BackendNumber backend) noexcept {
    backends_[backend].syn_unanswered.add(1);
  }
  void was_unreachable(flow::BackendNumber backend) noexcept {
    backends_[backend].unreachables.add(1);
  }

 private:
  /// Modulo 2^32, which is all that the product loses.
  [[nodiscard]] flow::Micros micros(std::uint64_t cycles) const noexcept {
    return static_cast<flow::Micros>((cycles * micros_per_cycle_) >> 32);
  }

  flow::Handshakes handshakes_;
  std::array<BackendSignals, snapshot::kMostBackends>& backends_;
  std::uint64_t micros_per_cycle_;  ///< In 2^-32.
};

}  // namespace sluice::dataplane
