// SPDX-License-Identifier: Apache-2.0
// Replay: pushes a capture through the very stages that a worker runs, in order, one worker.
//
// Threads: the caller's; needs an Eal (start_small() does).
#pragma once

#include "base/result.hpp"
#include "dataplane/counters.hpp"
#include "snapshot/snapshot.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace sluice::dataplane {

struct ReplaySettings {
  std::string in;         ///< pcap or pcapng, Ethernet.
  std::string out;        ///< pcap: what would be sent, in order.
  double time_scale = 1;  ///< Seconds of the flow cache's clock for one second of the capture.
  std::uint32_t flows = 1U << 16;  ///< Capacity of the flow cache.
};

/// What became of one packet of the input.
struct ReplayVerdict {
  std::uint64_t index;
  Verdict verdict;
  const snapshot::Service* service;  ///< Null: not for a service, or not read that far.
  const snapshot::Backend* backend;  ///< Null: none was chosen.
  flow::BackendNumber number;        ///< Of `backend`.
  bool new_flow = false;             ///< The first packet of a flow, as the cache sees it.
};

/// Replays the whole capture and calls `tell` once a packet, in the order of the capture, as `out`
/// has what is sent. A fragment that is kept for the first one of its datagram keeps its place and
/// its time in both, unless more than 65536 packets follow it until then.
/// @return the books, balanced; or the error of a file (packets before it are written and told).
[[nodiscard]] Result<Books> replay(const ReplaySettings& settings, const snapshot::Snapshot& now,
                                   const std::function<void(const ReplayVerdict&)>& tell);

}  // namespace sluice::dataplane
