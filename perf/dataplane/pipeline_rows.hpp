// SPDX-License-Identifier: Apache-2.0
// The rows of the pipeline's benchmark, by kind; pipeline_bench.cpp starts DPDK and runs them.
//
// Threads: one.
#pragma once

#include "pipeline_world.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ctime>
#include <string>

namespace sluice::dataplane {

/// The world of this case; the one before is gone. Repetitions find it as it is. Each row calls it
/// once, first: perf/instructions.py tells rows apart by that, so it is a function of its own.
[[gnu::noinline]] World& world(const Case& wanted);
void end_world() noexcept;  ///< Before the EAL ends.

/// Bursts of every row, 0: as many as take the time. Under callgrind, what two numbers of bursts
/// differ by is what the bursts between them cost, to the instruction.
extern std::int64_t bursts;

using Row = void (*)(benchmark::State&, Case);

/// Registers a row, `flows` as its argument. An exception in it becomes the row's error.
/// @param bursts_of_iteration  what --bursts is divided by.
void add(const std::string& name, Row row, const Case& of, std::int64_t bursts_of_iteration = 1);

/// The floor of a source of packets and the pipeline right behind it: the same moment of a noisy
/// machine for both. @param what  stands between mode and flows: "/zipf", or nothing.
void add_with_floor(const std::string& mode, const std::string& what, const Case& of);

void BM_Floor(benchmark::State& state, Case of);     ///< The source, and a swap of MAC addresses.
void BM_Pipeline(benchmark::State& state, Case of);  ///< process() and count().

/// The thread's own time in cycles of the TSC: it stands still while somebody else has the core.
class CpuClock {
 public:
  CpuClock() noexcept : start_(now()) {}
  [[nodiscard]] double cycles() const noexcept {
    return (now() - start_) * static_cast<double>(rte_get_tsc_hz());
  }

 private:
  static double now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  double start_;
};

/// Cycles of one burst beyond which somebody else had the core for a while: 40 us.
inline constexpr std::uint64_t kPreempted = 100'000;

void end_device() noexcept;  ///< Before the EAL ends.

void register_flood_and_swaps();  ///< What others do to established flows.
void register_stages();
void register_worker();  ///< With a device: receive, process, transmit, books.

}  // namespace sluice::dataplane
