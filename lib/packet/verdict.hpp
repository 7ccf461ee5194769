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
  kForward,  ///< Sent to a backend.
  kHost,     ///< Not for a service: Linux has it, or gets it.
  // Drops. The name of each is its reason in metrics, `sluicectl drops` and replay.
  kTruncated,   ///< The frame ends before a header does.
  kMalformed,   ///< A version or length field contradicts the frame.
  kFragment,    ///< An IPv4 fragment for a service address.
  kNoBackend,   ///< The service's pool has no backend that takes flows.
  kNoNextHop,   ///< The backend's MAC address or egress port is not known (yet).
  kTtlExpired,  ///< TTL 1 or 0 where the packet would be routed.
  kTooBig,      ///< Longer than the egress port's MTU once encapsulated.
  kNoRoom,      ///< No headroom in the buffer for the outer header.
  kTxFull,      ///< The device did not take the packet.
  kNoHostPath,  ///< Not for a service, on a port from which Linux cannot be reached.
};

inline constexpr std::size_t kVerdicts = 12;

/// How a verdict enters the books: rx == forward + host + answer + drop.
enum class Outcome : std::uint8_t { kForward, kHost, kAnswer, kDrop };

struct VerdictText {
  std::string_view name;    ///< "truncated"
  std::string_view remedy;  ///< One sentence for an operator; empty where nothing is wrong.
};

[[nodiscard]] constexpr Outcome outcome(Verdict v) noexcept {
  if (v == Verdict::kForward) return Outcome::kForward;
  if (v == Verdict::kHost) return Outcome::kHost;
  return Outcome::kDrop;
}

[[nodiscard]] const VerdictText& text(Verdict v) noexcept;
[[nodiscard]] std::string_view name(Outcome o) noexcept;  ///< "forward", "host", "answer", "drop".

}  // namespace sluice
