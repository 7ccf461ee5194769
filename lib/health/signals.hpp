// SPDX-License-Identifier: Apache-2.0
// What the traffic of one backend has shown so far, over all workers. Totals that only grow; who
// reads them takes differences.
//
// Threads: values.
#pragma once

#include <cstdint>

namespace sluice::health {

/// In DSR only what clients send is seen; fields of answers (NAT) are 0 then.
struct Signals {
  std::uint64_t new_flows = 0;
  /// Flows whose SYN came again before anything else, each counted once: its client has had no
  /// SYN-ACK for a second.
  std::uint64_t syn_repeats = 0;
  std::uint64_t handshakes = 0;      ///< Flows whose client acknowledged after its SYN.
  std::uint64_t handshake_us = 0;    ///< From SYN to that acknowledgement, summed.
  std::uint64_t resets = 0;          ///< SYNs that the backend answered with a reset.
  std::uint64_t syn_unanswered = 0;  ///< SYNs without an answer of the backend, each flow once.
  std::uint64_t responses = 0;       ///< Flows whose first answer with data was seen.
  std::uint64_t response_us = 0;     ///< From the client's data to that answer, summed.
  std::uint64_t unreachables = 0;    ///< ICMP errors that say the backend cannot be reached.

  friend bool operator==(const Signals&, const Signals&) = default;
};

}  // namespace sluice::health
