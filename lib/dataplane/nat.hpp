// SPDX-License-Identifier: Apache-2.0
// Full NAT as a stage: clients' packets to the backend, backends' packets back to the client, and
// both to the worker that has the session; docs/design/nat.md.
//
// Threads: one worker owns a Nat; any thread may read statistics() and samples of table().
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/hand_over.hpp"
#include "dataplane/held_fragments.hpp"
#include "dataplane/nat_fragments.hpp"
#include "dataplane/signals.hpp"
#include "flow/nat_table.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::dataplane {

/// What a Nat is made of.
struct NatSettings {
  std::span<std::byte> memory;  ///< flow::NatTable::bytes_for(size, share), zeroed, outlives it.
  flow::NatSize size;
  flow::NatShare share{1, 0};
  HashKey secret{};
  HandOver* hand_over = nullptr;  ///< Null where there is one worker.
};

/// A table of so many sessions. One set of ports to 64 sessions: 1024 endpoints in use at a time
/// with the default of 65536.
[[nodiscard]] constexpr flow::NatSize nat_size(std::size_t sessions) noexcept {
  const std::size_t sets = sessions / 64;
  return {.sessions = sessions, .port_sets = sets < 16 ? 16 : sets > 16384 ? 16384 : sets};
}

class Nat {
 public:
  explicit Nat(const NatSettings& settings) noexcept
      : table_(settings.memory, settings.size, settings.share, settings.secret),
        fragments_(settings.share.worker(), settings.share.workers()),
        hand_over_(settings.hand_over) {}

  /// The stage behind rewrite. Client packets are those for a backend of Forwarding::kNat;
  /// returning ones have the verdict kNoNatSession and no service, from classify(). On return both
  /// have been translated and leave by b.egress[i], or have a verdict that says why not. Packets
  /// whose session another worker has are gone from the burst: that worker receives, judges and
  /// counts them. So are fragments that came before the first one of their datagram, until
  /// take_held() gives them.
  ///
  /// A session decides where its packets go, not the flow cache: the backend knows the connection
  /// by its local port.
  ///
  /// @param cycles   the clock of take_held() and of signals.
  /// @param signals  told what the backends' answers say.
  void translate(Burst& b, const snapshot::Snapshot& now, flow::Tick tick, std::uint64_t cycles,
                 Signals& signals) noexcept;

  /// Makes a burst of fragments that were kept and are to be judged now, all stages again; call it
  /// after each burst until there is none. @return whether there is any.
  [[nodiscard]] bool take_held(Burst& b, std::uint64_t cycles,
                               std::uint64_t cycles_per_second) noexcept {
    return held_.size() != 0 && held_.take(b, cycles, cycles_per_second);
  }
  [[nodiscard]] bool holds_any() const noexcept { return held_.size() != 0; }

  /// The first fragment of a datagram has come, whoever forwards it: what is kept for it may go on.
  void first_has_come(const Parsed& p) noexcept {
    if (held_.size() != 0) held_.release(datagram_hash(p));
  }

  /// Takes over how long sessions live; translate() does so itself.
  void adopt(const snapshot::Snapshot& now) noexcept {
    timeouts_ = {.tcp = now.tcp_timeout, .udp = now.udp_timeout};
  }
  /// Ends sessions past their time; call it about every millisecond: the table is swept in 5 s.
  void sweep(flow::Tick tick) noexcept {
    table_.sweep(table_.capacity() / 5000 + 1, tick, timeouts_);
  }
  void sweep_all(flow::Tick tick) noexcept { table_.sweep(table_.capacity(), tick, timeouts_); }

  [[nodiscard]] const flow::NatTable& table() const noexcept { return table_; }
  [[nodiscard]] flow::NatTable& table() noexcept { return table_; }  ///< For the short way.
  [[nodiscard]] HandOver* hand_over() const noexcept { return hand_over_; }

 private:
  /// One packet at work.
  struct Job {
    Burst& b;
    const snapshot::Snapshot& now;
    flow::Tick tick;
    std::uint16_t i;
    std::uint64_t hash;  ///< Of its key; of a later fragment, of its datagram.
    Signals& signals;
    std::uint64_t cycles;

    /// What goes with a packet from worker to worker; meaningful if b.taken.
    [[nodiscard]] std::uint32_t& way() const noexcept;
    [[nodiscard]] Parsed& parsed() const noexcept { return b.parsed[i]; }
    [[nodiscard]] std::byte* frame() const noexcept;
  };

  [[nodiscard]] std::uint64_t datagram_hash(const Parsed& p) const noexcept;
  [[nodiscard]] flow::NatSession* of_fragment(const Job& job) noexcept;
  [[nodiscard]] flow::NatSession* of_client(const Job& job, bool& over) noexcept;
  [[nodiscard]] Verdict from_client(const Job& job, unsigned& owner) noexcept;
  [[nodiscard]] Verdict of_nobody(const Job& job, unsigned& owner) noexcept;
  [[nodiscard]] unsigned next_to_ask(const Job& job, bool there_and_back) const noexcept;
  [[nodiscard]] Verdict await_first(const Job& job, unsigned& owner) const noexcept;
  [[nodiscard]] Verdict reset(const Job& job, flow::NatSession& s) noexcept;
  [[nodiscard]] Verdict open(const Job& job, flow::NatSession*& session) noexcept;
  void send_to_backend(const Job& job, flow::NatSession& s, const snapshot::Backend& to) noexcept;
  [[nodiscard]] Verdict from_backend(const Job& job, unsigned& owner) noexcept;
  [[nodiscard]] Verdict send_to_client(const Job& job, flow::NatSession& s,
                                       bool decrement) noexcept;
  void rewrite_datagram(const Job& job, flow::NatSession& s, flow::NatSide from,
                        std::byte* ip) noexcept;
  [[nodiscard]] bool give(Burst& b, std::uint16_t i, unsigned owner) noexcept;
  [[nodiscard]] unsigned own() const noexcept { return table_.share().worker(); }

  flow::NatTable table_;
  NatFragments fragments_;
  HeldFragments held_;
  HandOver* hand_over_;
  flow::NatTimeouts timeouts_{};
};

}  // namespace sluice::dataplane
