// SPDX-License-Identifier: Apache-2.0
// The stages between receive and transmit: parse, classify, look up, steer, rewrite. `run`,
// `replay` and the benchmarks call the same process().
//
// Threads: called by the worker that owns the burst and the cache.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"

namespace sluice::dataplane {

/// Takes a received burst to its verdicts. On return every packet has one; those with kForward are
/// rewritten and leave by now.backends[b.backend[i]].port. No packet is freed or sent here.
///
/// @param b    size and packet are set; all other columns are written here.
/// @param now  the snapshot of this burst; pointers into it stay in `b`.
/// Cost: see docs/performance.md. No allocation, no lock, no system call.
void process(Burst& b, const snapshot::Snapshot& now, flow::Cache& cache, flow::Tick tick) noexcept;

/// Enters the burst's verdicts and traffic in the books; call it after transmit has had its say.
void count(const Burst& b, Counters& counters) noexcept;

// The single stages, for benchmarks and tests; process() calls them in this order.
void parse(Burst& b) noexcept;
void classify(Burst& b, const snapshot::Snapshot& now) noexcept;
void look_up(Burst& b, const snapshot::Snapshot& now, const flow::Cache& cache,
             flow::Tick tick) noexcept;
void steer(Burst& b, const snapshot::Snapshot& now, flow::Cache& cache, flow::Tick tick) noexcept;
void rewrite(Burst& b, const snapshot::Snapshot& now) noexcept;

}  // namespace sluice::dataplane
