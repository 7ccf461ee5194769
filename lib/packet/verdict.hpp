// SPDX-License-Identifier: Apache-2.0
// What became of a packet. Every packet has exactly one verdict, and every verdict a counter.
//
// Threads: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

enum class Verdict : std::uint8_t {
  kForward,  ///< Sent to a backend, or a backend's answer to its client.
  kHost,     ///< Not for a service: Linux has it, or gets it.
  // Answers: the packet became what the node says to it, and went back.
  kAnsweredEcho,        ///< An echo request to a service address.
  kAnsweredTooBig,      ///< Too long for the way to the backend: its sender was told the MTU.
  kAnsweredTtlExpired,  ///< TTL or hop limit used up: its sender was told.
  kAnsweredReset,       ///< NAT: of a connection whose backend is down or gone: reset.
  // Drops. The name of each is its reason in metrics, `sluicectl drops` and replay.
  kTruncated,     ///< The frame ends before a header does.
  kMalformed,     ///< A version or length field, or a quoted address, contradicts the frame.
  kMartian,       ///< A source address that no sender has, or the destination's own (LAND).
  kBadTcpFlags,   ///< TCP flags that no TCP sends.
  kBadChecksum,   ///< A checksum is wrong, and the node was told to look.
  kDenied,        ///< The source is in the service's deny list.
  kPacketRate,    ///< Over the service's packets per second.
  kBitRate,       ///< Over the service's bits per second.
  kNewFlowRate,   ///< Over the service's new flows per second.
  kSourceRate,    ///< Over the new flows per second that one source may open.
  kNoBackend,     ///< The service's pool has no backend that takes flows.
  kBackendFull,   ///< Every backend of the pool has its most connections.
  kNoNextHop,     ///< The backend's MAC address or egress port is not known (yet).
  kTtlExpired,    ///< TTL 1 or 0 where the packet would be routed, and no answer was due.
  kTooBig,        ///< Longer than the egress port's MTU once rewritten, and no answer was due.
  kNoRoom,        ///< No headroom in the buffer for the outer header.
  kNoNatPort,     ///< NAT: no source port is free towards the backend.
  kNatTableFull,  ///< NAT: no room for another session.
  kNoNatSession,  ///< To a NAT address, but of no session: a stray or late answer.
  kHandOverFull,  ///< NAT: the worker that owns the session does not take packets fast enough.
  kTxFull,        ///< The device did not take the packet.
  kNoHostPath,    ///< Not for a service, on a port from which Linux cannot be reached.
};

inline constexpr std::size_t kVerdicts = 28;

/// How a verdict enters the books: rx == forward + host + answer + drop.
enum class Outcome : std::uint8_t { kForward, kHost, kAnswer, kDrop };

struct VerdictText {
  std::string_view name;    ///< "truncated"
  std::string_view remedy;  ///< One sentence for an operator; empty where nothing is wrong.
};

[[nodiscard]] constexpr Outcome outcome(Verdict v) noexcept {
  if (v == Verdict::kForward) return Outcome::kForward;
  if (v == Verdict::kHost) return Outcome::kHost;
  return v <= Verdict::kAnsweredReset ? Outcome::kAnswer : Outcome::kDrop;
}

[[nodiscard]] const VerdictText& text(Verdict v) noexcept;
[[nodiscard]] std::string_view name(Outcome o) noexcept;  ///< "forward", "host", "answer", "drop".

}  // namespace sluice
