// SPDX-License-Identifier: Apache-2.0
#include "snapshot/table_arena.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

namespace sluice::snapshot {
namespace {

std::vector<int> own_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cores.push_back(cpu);
  return cores;
}

void pin_to(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cores) CPU_SET(static_cast<unsigned>(cpu), &set);
  ASSERT_EQ(::sched_setaffinity(0, sizeof set, &set), 0);
}

/// Enough work that a second thread, if there is one, takes a part of it.
void work() {
  volatile unsigned sink = 0;
  for (unsigned i = 0; i < 200'000; ++i) sink = sink + i;
}

TEST(TableArena, EveryPieceRunsOnce) {
  for (const std::size_t count : {0U, 1U, 2U, 1000U}) {
    std::vector<std::atomic<int>> runs(count);
    in_parallel(count, [&](std::size_t i) { runs[i].fetch_add(1, std::memory_order_relaxed); });
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(runs[i].load(), 1) << i << " of " << count;
  }
}

TEST(TableArena, AllPiecesAreDoneWhenItReturns) {
  std::vector<int> results(64);  // no atomics: the return is what orders them
  in_parallel(results.size(), [&](std::size_t i) {
    work();
    results[i] = static_cast<int>(i);
  });
  std::vector<int> wanted(results.size());
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(results, wanted);
}

// On a thread of its own, so that the pinning of one test is not felt by the next. TBB's threads
// are awake and pinned wide from the first call; the second one must be obeyed all the same.
TEST(TableArena, StaysOnTheCoresThatTheCallerMayUseNow) {
  const auto all = own_cores();
  if (all.size() < 2) GTEST_SKIP() << "needs two CPUs to tell one from the other";
  for (const int only : {all.front(), all.back()}) {
    std::thread caller([&] {
      in_parallel(64, [](std::size_t) { work(); });
      pin_to({only});
      std::mutex mutex;
      std::set<std::vector<int>> seen;
      in_parallel(64, [&](std::size_t) {
        work();
        const std::lock_guard lock(mutex);
        seen.insert(own_cores());
      });
      EXPECT_EQ(seen, std::set{std::vector{only}});
      EXPECT_EQ(own_cores(), std::vector{only}) << "the caller was moved";
    });
    caller.join();
  }
}

TEST(TableArena, OneCoreRunsThePiecesInOrderOnTheCaller) {
  std::thread caller([cores = own_cores()] {
    pin_to({cores.front()});
    std::vector<std::size_t> order;
    std::vector<std::thread::id> threads;
    in_parallel(100, [&](std::size_t i) {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    });
    std::vector<std::size_t> wanted(100);
    std::iota(wanted.begin(), wanted.end(), 0U);
    EXPECT_EQ(order, wanted);
    EXPECT_EQ(threads, std::vector(100, std::this_thread::get_id()));
  });
  caller.join();
}

}  // namespace
}  // namespace sluice::snapshot
