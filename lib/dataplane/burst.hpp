// SPDX-License-Identifier: Apache-2.0
// A burst of packets, column by column: each stage touches only the columns it needs.
//
// Threads: lives on one worker's stack.
#pragma once

#include "dataplane/plain_headers.hpp"
#include "flow/cache.hpp"
#include "packet/parse.hpp"
#include "packet/verdict.hpp"
#include "snapshot/snapshot.hpp"

#include <array>
#include <bit>
#include <cstdint>

struct rte_mbuf;

namespace sluice::dataplane {

inline constexpr std::uint16_t kAhead = 4;  ///< Packets prefetched ahead while parsing.

/// Masks of packets: bit i is packet i.
[[nodiscard]] constexpr std::uint32_t bit_of(std::uint16_t i) noexcept { return 1U << i; }
void each_bit(std::uint32_t mask, auto&& f) noexcept {
  static_assert(kBurst <= 32);
  for (; mask != 0; mask &= mask - 1) f(static_cast<std::uint16_t>(std::countr_zero(mask)));
}

/// Left uninitialised on purpose: a stage writes a column before a later one reads it.
struct Burst {
  std::uint16_t size = 0;
  std::uint16_t port = 0;  ///< Index of the port that the packets came from.
  bool taken = false;      ///< Another worker received them and handed them over.
  bool overdue = false;  ///< Kept for longer than a first fragment is waited for: judged for good.
  bool read = false;     ///< read_ahead() has filled `plain`.
  std::array<rte_mbuf*, kBurst> packet;
  std::array<std::uint32_t, kBurst> length;  ///< Bytes as received, for the counters.
  std::array<Parsed, kBurst> parsed;
  std::array<const snapshot::Service*, kBurst> service;  ///< Null: not for a service.
  std::array<std::uint64_t, kBurst> hash;
  std::array<flow::Found, kBurst> found;
  std::array<flow::BackendNumber, kBurst> backend;
  std::array<bool, kBurst> new_flow;
  std::array<std::uint16_t, kBurst> egress;  ///< Index of the port, of packets that are sent.
  std::array<Verdict, kBurst> verdict;       ///< kForward, or why a stage gave up on the packet.
  PlainBurst plain;                          ///< Read of the headers alone.

  /// Calls f(i) for every packet that no stage has given up on.
  void each_live(auto&& f) noexcept {
    for (std::uint16_t i = 0; i < size; ++i)
      if (verdict[i] == Verdict::kForward) f(i);
  }

  /// Writes packet `at` of `other` over packet `to`, with all that is known of it.
  void take_from(const Burst& other, std::uint16_t at, std::uint16_t to) noexcept {
    packet[to] = other.packet[at];
    length[to] = other.length[at];
    parsed[to] = other.parsed[at];
    service[to] = other.service[at];
    hash[to] = other.hash[at];
    backend[to] = other.backend[at];
    // Else never set.
    new_flow[to] =
        (other.verdict[at] == Verdict::kForward || other.verdict[at] == Verdict::kNoBackend) &&
        other.new_flow[at];
    egress[to] = other.egress[at];
    verdict[to] = other.verdict[at];
  }

  /// Takes packets out that somebody else has now, as if they had not been received here.
  /// @param gone  bit i: packet i; called between stages, from steer on.
  [[gnu::noinline]] void take_out(std::uint32_t gone) noexcept {
    std::uint16_t to = 0;
    for (std::uint16_t i = 0; i < size; ++i) {
      if ((gone >> i & 1U) != 0) continue;
      if (to != i) take_from(*this, i, to);
      ++to;
    }
    size = to;
  }
};

/// Whether a packet with this verdict leaves by its egress port.
[[nodiscard]] constexpr bool is_sent(Verdict v) noexcept {
  return outcome(v) == Outcome::kForward || outcome(v) == Outcome::kAnswer;
}

}  // namespace sluice::dataplane
