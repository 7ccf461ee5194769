// SPDX-License-Identifier: Apache-2.0
// Reads a burst's headers before its turn comes, so that the memory it will need is on its way
// while the burst before it is worked on.
//
// Threads: called by the worker that owns the burst and the state.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/worker_state.hpp"

namespace sluice::dataplane {

/// Fills `plain` and starts the loads of the flows' lines; nothing else of the burst or the state
/// is touched, and no packet's own turn is forestalled: what earlier packets do to its flow counts.
/// Does nothing where the short way is closed to the whole burst: see take_short_way().
///
/// @param b  size, port and packet are set.
/// @param now  the snapshot by which the burst will be processed, too.
/// Cost: 85 instructions a packet.
void read_ahead(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept;

/// The same of any burst that is not empty, with hashes by a secret of the caller's, whose lines of
/// `flows` are loaded; for whoever reads `plain` himself: the burst does not count as read.
void read_plain(Burst& b, const HashKey& secret, const flow::Cache& flows,
                const PlainReaders& readers) noexcept;

/// Whether a packet that is not plain, and whose flow is not known, may change a flow or a session:
/// ICMP errors do not.
/// @param length  bytes that are at `frame`.
[[nodiscard]] bool may_change_flows(const std::byte* frame, std::size_t length) noexcept;

}  // namespace sluice::dataplane
