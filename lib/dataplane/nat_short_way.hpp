// SPDX-License-Identifier: Apache-2.0
// The short way of NAT: what most packets of NAT sessions are (TCP or UDP right behind plain
// headers, of an established session whose backend is there) is translated in three loops over the
// burst, both ways, without the stages. Everything else is left to them.
//
// Threads: called by the worker that owns the burst and the state.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/worker_state.hpp"

#include <cstdint>

namespace sluice::dataplane {

/// Whether the first packet of a burst is NAT's, as mostly all of a burst are or none is.
[[nodiscard]] bool begins_with_nat(const Burst& b, const snapshot::Snapshot& now) noexcept;

/// Does with plain packets of the burst what the stages would do, to the byte, and leaves the rest
/// as it was, as take_short_way() does. Behind a packet that is left, what may be of its flow, of
/// its line in the cache or of its session is left as well.
///
/// @param b  size, port and packet are set. Of packets that were taken all columns are written that
///   count() and transmit need: not `parsed`, `hash` and `found`.
/// @return bit i: packet i is left.
[[nodiscard]] std::uint32_t take_nat_short_way(Burst& b, const snapshot::Snapshot& now,
                                               WorkerState& state) noexcept;

}  // namespace sluice::dataplane
