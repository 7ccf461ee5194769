// SPDX-License-Identifier: Apache-2.0
// What one probe of a backend found: fine, or which way it failed.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {

/// How a probe failed. Only kLocal is our own trouble; all others speak of the backend.
enum class Fault : std::uint8_t {
  kNone,
  kRefused,      ///< A reset, or an ICMP port-unreachable, instead of a connection.
  kTimeout,      ///< No answer in time, or not the whole of it.
  kUnreachable,  ///< No route, no neighbour, or an ICMP unreachable on the way.
  kReset,        ///< The connection was made and broken before the answer was whole.
  kTls,          ///< Handshake refused, unknown authority, wrong name, out of date.
  kStatus,       ///< An answer with another status than expected, also of gRPC.
  kBody,         ///< The expected text is not in the answer.
  kProtocol,     ///< No answer of that protocol, or a longer one than is read.
  kCommand,      ///< The command exited with another status than 0, or by a signal.
  kLocal,        ///< We could not ask (no descriptor, no memory, no source address): says nothing
                 ///< of the backend and never counts as a failure.
};

/// "none", "refused", "timeout", ...: the word of metrics and events.
[[nodiscard]] std::string_view name(Fault fault) noexcept;

constexpr std::size_t kLongestDetail = 160;  ///< Bytes of Outcome::detail.

struct Outcome {
  Fault fault = Fault::kNone;
  std::chrono::microseconds took{};  ///< From the question to the answer or to giving up.
  std::string detail = {};           ///< For people; clean(): printable and bounded.
  std::optional<double> load = {};   ///< What the backend told in `load_header`, of a good answer.

  [[nodiscard]] bool ok() const noexcept { return fault == Fault::kNone; }
  /// It says something of the backend, good or bad.
  [[nodiscard]] bool counts() const noexcept { return fault != Fault::kLocal; }
};

/// Text from a stranger, fit for a log line or a page: bytes that are not printable ASCII become
/// '?', blanks and line ends one blank, and what is longer than `limit` ends in "...".
[[nodiscard]] std::string clean(std::string_view text, std::size_t limit = kLongestDetail);

}  // namespace sluice::health
