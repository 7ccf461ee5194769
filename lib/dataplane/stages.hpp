// SPDX-License-Identifier: Apache-2.0
// What is between receive and transmit: the short way of plain packets, and the stages of all
// others: parse, classify, admit, look up, steer, rewrite, answer. `run`, `replay` and the
// benchmarks call the same process().
//
// Threads: called by the worker that owns the burst and the state.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/worker_state.hpp"

namespace sluice::dataplane {

/// Takes a received burst to its verdicts. On return every packet has one; those that is_sent() are
/// rewritten and leave by b.egress[i]. No packet is freed or sent here.
///
/// @param b    size, port and packet are set; all other columns are written here.
/// @param now  the snapshot of this burst; pointers into it stay in `b`.
/// @param state  with its clocks set. Some packets may be gone from the burst on return: whoever
///             takes them, take_held() or another worker, judges them by another process().
/// @param behind  a burst that was received after this one, and is processed next and with the same
///             snapshot; null: none has come. Nothing of it is judged, but loads are started.
/// Cost: see docs/performance.md. No allocation, no lock, no system call.
void process(Burst& b, const snapshot::Snapshot& now, WorkerState& state,
             Burst* behind = nullptr) noexcept;

/// The same without the short way, packet for packet; for what that does not take, and to judge it
/// by. `parsed` and `hash` are written of all packets that came this way, and of no other.
void process_by_stages(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept;

/// Enters the burst's verdicts and traffic in the books; call it after transmit has had its say.
void count(const Burst& b, Counters& counters) noexcept;

// The single stages, for benchmarks and tests; process_by_stages() calls them in this order.
void parse(Burst& b) noexcept;
void classify(Burst& b, const snapshot::Snapshot& now) noexcept;
void look_up(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept;
void steer(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept;
void rewrite(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept;
void answer(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept;

}  // namespace sluice::dataplane
