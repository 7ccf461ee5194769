// SPDX-License-Identifier: Apache-2.0
// The short way: what most packets are (TCP or UDP right behind plain headers, of a service without
// rules, to a backend that is there) goes from its headers to its way out in three loops over the
// burst, without the stages. Everything else is left to them.
//
// Threads: called by the worker that owns the burst and the state.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/worker_state.hpp"

#include <cstdint>

namespace sluice::dataplane {

/// Does with plain packets of the burst what the stages would do, to the byte, and leaves the rest
/// as it was. A packet goes by what those before it in the burst have done to its flow: behind one
/// that is left and may open, move or end a flow, what may be of that flow is left as well.
///
/// @param b  size, port and packet are set. Of packets that were taken all columns are written that
///   count() and transmit need: not `parsed`, `hash` and `found`.
/// @param behind  a burst that is processed next, if one has come: it is read ahead while what this
///   one needs is loaded.
/// @return bit i: packet i is left.
/// Cost: docs/performance.md.
[[nodiscard]] std::uint32_t take_short_way(Burst& b, const snapshot::Snapshot& now,
                                           WorkerState& state, Burst* behind = nullptr) noexcept;

}  // namespace sluice::dataplane
