// SPDX-License-Identifier: Apache-2.0
// What large tables do to a worker while they are published, and that workers share no cache line
// that any of them writes.
#include "dataplane/worker.hpp"

#include "dataplane/worker_fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>

namespace sluice::dataplane {
namespace {

constexpr unsigned kBackends = 1000;
constexpr std::uintptr_t kLine = 64;

/// A full table of a thousand backends, of which each generation has another one down.
std::unique_ptr<const snapshot::Snapshot> large_tables(std::uint64_t generation) {
  auto in =
      test::input({test::pool("p", test::backends(kBackends))}, {test::service("s", kVip, 443)});
  in.pools[0].table_size = maglev::kDefaultSize;
  for (auto& b : in.pools[0].backends) b.hop->port = kOut;
  in.pools[0].backends[generation % kBackends].down = true;
  in.generation = generation;
  return test::built(std::move(in));
}

TEST_F(WorkerTest, ThePollBehindALargeTableSendsItsWholeBurst) {
  start(large_tables(1));
  snapshot::Reader reader(*publisher_, 0);
  for (std::uint64_t generation = 2; generation < 40; ++generation) {
    std::vector<test::Bytes> burst;
    for (unsigned i = 0; i < kBurst; ++i)
      burst.push_back(syn(static_cast<unsigned>(generation * 16 + i)));  // half of them known
    arrive(burst);
    publisher_->publish(large_tables(generation));
    EXPECT_EQ(worker_->poll(reader), kBurst);
    EXPECT_EQ(take(kOut).size(), kBurst) << "nothing waits for a later poll";
    EXPECT_EQ(publisher_->reclaim(), 0U) << "one poll, and the old table is free";
  }
  EXPECT_EQ(count(Verdict::kForward), 38U * kBurst);
}

TEST_F(WorkerTest, LargeTablesPublishedBesideAPollingWorkerLoseNoPacket) {
  constexpr std::uint64_t kGenerations = 30;
  constexpr unsigned kAtLeast = 4096;
  start(large_tables(1));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> published{1};
  std::thread polling([&] {
    snapshot::Reader reader(*publisher_, 0);
    while (!stop.load(std::memory_order_relaxed)) worker_->poll(reader);
  });
  std::thread building([&] {
    for (std::uint64_t g = 2; g <= kGenerations; ++g) {
      publisher_->publish(large_tables(g));
      publisher_->reclaim();
      published.store(g, std::memory_order_relaxed);
    }
  });
  unsigned arrived = 0;
  unsigned sent = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto all = [&] {
    return published.load(std::memory_order_relaxed) == kGenerations && arrived >= kAtLeast;
  };
  while ((!all() || sent < arrived) && std::chrono::steady_clock::now() < end) {
    // Never more under way than a ring holds: whoever waits for its core must not lose packets.
    for (int i = 0; i < 64 && !all() && arrived - sent < 512; ++i) {
      rte_mbuf* m = test::buffer_of(syn(arrived % 60'000));
      if (rte_eth_tx_burst(ports_[kIn].id(), 0, &m, 1) == 0) {
        rte_pktmbuf_free(m);
        break;
      }
      ++arrived;
    }
    rte_mbuf* m = nullptr;
    while (rte_eth_rx_burst(ports_[kOut].id(), 0, &m, 1) == 1) {
      rte_pktmbuf_free(m);
      ++sent;
    }
  }
  building.join();
  stop.store(true, std::memory_order_relaxed);
  polling.join();
  EXPECT_EQ(published.load(), kGenerations);
  EXPECT_GE(arrived, kAtLeast);
  EXPECT_EQ(sent, arrived);
  EXPECT_EQ(count(Verdict::kForward), arrived);
}

// Two objects share a line unless both begin on one and are whole lines long.
template <class T>
constexpr bool has_lines_of_its_own = alignof(T) >= kLine && sizeof(T) % kLine == 0;
static_assert(has_lines_of_its_own<Worker>);
static_assert(has_lines_of_its_own<Counters>);
static_assert(has_lines_of_its_own<WorkerState>);
static_assert(has_lines_of_its_own<snapshot::Publisher>);

/// The lines of what workers write, by the worker; and what was found on one of another's.
class Lines {
 public:
  template <class T>
  void add(unsigned worker, const std::string& what, const T* first, std::size_t count) {
    const auto begin = reinterpret_cast<std::uintptr_t>(first) / kLine;
    const auto end = (reinterpret_cast<std::uintptr_t>(first + count) - 1) / kLine;
    // Of large memory the ends are what may be shared.
    for (auto line = begin; line <= end; line = line == begin && end > begin ? end : line + 1) {
      const auto [there, fresh] = owner_.emplace(line, worker);
      EXPECT_TRUE(fresh || there->second == worker)
          << what << " of worker " << worker << " is on a line of worker " << there->second;
    }
    bytes_ += count * sizeof(T);
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::map<std::uintptr_t, unsigned> owner_;
  std::size_t bytes_ = 0;
};

TEST_F(WorkerTest, WorkersWriteNoCacheLineOfEachOther) {
  constexpr unsigned kWorkers = 3;
  auto publisher = snapshot::Publisher::create(tables(1), kWorkers);
  ASSERT_TRUE(publisher);
  std::vector<std::unique_ptr<Worker>> workers;
  Lines lines;
  settings_.workers = kWorkers;
  for (unsigned n = 0; n < kWorkers; ++n) {
    settings_.number = n;
    auto made = Worker::create(settings_, **publisher);
    ASSERT_TRUE(made) << made.error().text();
    workers.push_back(std::move(*made));
    const Worker& w = *workers.back();
    lines.add(n, "the worker", &w, 1);
    lines.add(n, "its counters", &w.counters(), 1);
    lines.add(n, "counters by service", w.counters().by_service.data(),
              w.counters().by_service.size());
    lines.add(n, "counters by backend", w.counters().by_backend.data(),
              w.counters().by_backend.size());
    lines.add(n, "flow cache", &w.cache(), 1);
    lines.add(n, "sources", &w.sources(), 1);
    lines.add(n, "active flows", &w.active(), 1);
    lines.add(n, "NAT sessions", &w.nat(), 1);
    lines.add(n, "signals", &w.signals(0), snapshot::kMostBackends);
  }
  EXPECT_GT(lines.bytes(), std::size_t{kWorkers} << 20) << "or it looked at too little";
}

}  // namespace
}  // namespace sluice::dataplane
