// SPDX-License-Identifier: Apache-2.0
// Publishing: a snapshot is freed when no reader can hold it, and not a moment before. Every test
// snapshot carries a witness that notes when it is freed, so that no sanitizer is needed to see it.
#include "snapshot/publisher.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::snapshot {
namespace {

constexpr std::uint64_t kCanary = 0x5eedf00d5eedf00d;

/// Which generations were freed.
class Witness {
 public:
  explicit Witness(std::size_t generations) : freed_(generations) {}

  std::unique_ptr<const Snapshot> snapshot(std::uint64_t generation) {
    auto made = std::make_unique<Snapshot>();
    made->generation = generation;
    made->input.generation = generation ^ kCanary;  // far from the first: another cache line
    made->backends.resize(1);
    made->tables.emplace_back(new PoolTable, [this, generation](const PoolTable* table) {
      delete table;
      freed_[generation].store(true, std::memory_order_seq_cst);
    });
    return made;
  }
  [[nodiscard]] bool freed(std::uint64_t generation) const {
    return freed_[generation].load(std::memory_order_seq_cst);
  }

 private:
  std::vector<std::atomic<bool>> freed_;
};

std::unique_ptr<Publisher> publisher(std::unique_ptr<const Snapshot> first, unsigned workers) {
  auto made = Publisher::create(std::move(first), workers);
  if (!made) throw std::runtime_error(made.error().text());
  return std::move(*made);
}

/// Waits until `done` holds; false when it did not within the bound.
bool eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Publisher, FirstSnapshotIsThereFromTheStart) {
  Witness witness(1);
  const auto p = publisher(witness.snapshot(0), 1);
  const Reader reader(*p, 0);
  EXPECT_EQ(reader.current().generation, 0U);
  EXPECT_EQ(&p->current(), &reader.current());
}

TEST(Publisher, WithoutReadersAnOldSnapshotIsFreedAtOnce) {
  Witness witness(2);
  const auto p = publisher(witness.snapshot(0), 2);
  p->publish(witness.snapshot(1));
  EXPECT_EQ(p->reclaim(), 0U);
  EXPECT_TRUE(witness.freed(0));
  EXPECT_FALSE(witness.freed(1));
}

TEST(Publisher, OldSnapshotIsHeldUntilEveryReaderHasMovedOn) {
  Witness witness(2);
  const auto p = publisher(witness.snapshot(0), 2);
  Reader a(*p, 0);
  Reader b(*p, 1);
  p->publish(witness.snapshot(1));
  EXPECT_EQ(p->reclaim(), 1U);
  a.quiescent();
  EXPECT_EQ(p->reclaim(), 1U) << "the other reader may hold it";
  EXPECT_FALSE(witness.freed(0));
  b.quiescent();
  EXPECT_EQ(p->reclaim(), 0U);
  EXPECT_TRUE(witness.freed(0));
}

TEST(Publisher, QuiescentStateBeforeThePublishingDoesNotCount) {
  Witness witness(2);
  const auto p = publisher(witness.snapshot(0), 1);
  Reader reader(*p, 0);
  reader.quiescent();
  const Snapshot& held = reader.current();
  p->publish(witness.snapshot(1));
  EXPECT_EQ(p->reclaim(), 1U);
  EXPECT_EQ(held.generation, 0U);
  EXPECT_FALSE(witness.freed(0));
}

TEST(Publisher, SlowReaderHoldsAllThatWasRetiredSinceItMoved) {
  Witness witness(4);
  const auto p = publisher(witness.snapshot(0), 1);
  Reader reader(*p, 0);
  for (std::uint64_t g = 1; g < 4; ++g) p->publish(witness.snapshot(g));
  EXPECT_EQ(p->reclaim(), 3U);
  reader.quiescent();
  EXPECT_EQ(p->reclaim(), 0U);
}

TEST(Publisher, ReaderThatCameLaterHoldsNothingOlder) {
  Witness witness(2);
  const auto p = publisher(witness.snapshot(0), 1);
  p->publish(witness.snapshot(1));
  const Reader reader(*p, 0);
  EXPECT_EQ(reader.current().generation, 1U);
  EXPECT_EQ(p->reclaim(), 0U);
}

TEST(Publisher, ReaderThatWentHoldsNothing) {
  Witness witness(2);
  const auto p = publisher(witness.snapshot(0), 2);
  Reader stays(*p, 0);
  auto goes = std::make_unique<Reader>(*p, 1);
  p->publish(witness.snapshot(1));
  stays.quiescent();
  EXPECT_EQ(p->reclaim(), 1U);
  goes.reset();
  EXPECT_EQ(p->reclaim(), 0U);
}

TEST(Publisher, NumberOfAReaderThatWentCanBeUsedAgain) {
  Witness witness(3);
  const auto p = publisher(witness.snapshot(0), 1);
  for (std::uint64_t g = 1; g < 3; ++g) {
    Reader reader(*p, 0);
    p->publish(witness.snapshot(g));
    EXPECT_EQ(p->reclaim(), 1U) << "the new reader counts";
    reader.quiescent();
    EXPECT_EQ(p->reclaim(), 0U);
  }
}

TEST(Publisher, AnythingElseIsHeldUntilEveryReaderHasMovedOnToo) {
  Witness witness(1);
  auto p = publisher(witness.snapshot(0), 2);
  Reader one(*p, 0);
  Reader other(*p, 1);
  auto thing = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = thing;
  p->retire(std::move(thing));
  one.quiescent();
  EXPECT_EQ(p->reclaim(), 1U);
  EXPECT_FALSE(seen.expired());
  other.quiescent();
  EXPECT_EQ(p->reclaim(), 0U);
  EXPECT_TRUE(seen.expired());
  EXPECT_FALSE(witness.freed(0)) << "the published snapshot has nothing to do with it";
}

TEST(Publisher, EndFreesEverySnapshot) {
  Witness witness(3);
  {
    const auto p = publisher(witness.snapshot(0), 1);
    {
      const Reader reader(*p, 0);
      p->publish(witness.snapshot(1));
      p->publish(witness.snapshot(2));
    }
  }
  for (std::uint64_t g = 0; g < 3; ++g) EXPECT_TRUE(witness.freed(g)) << g;
}

TEST(PublisherDeathTest, ReaderBeyondTheWorkersIsABug) {
  Witness witness(1);
  const auto p = publisher(witness.snapshot(0), 1);
  EXPECT_DEATH(Reader(*p, 64), "broken invariant");
}

/// What one hammering reader saw.
struct Seen {
  std::uint64_t reads = 0;
  std::uint64_t freed_in_hand = 0;
  std::uint64_t torn = 0;
  std::uint64_t backwards = 0;
};

Seen hammer(const Publisher& publisher, const Witness& witness, unsigned worker,
            const std::atomic<bool>& stop, std::atomic<std::uint64_t>& reads) {
  Reader reader(publisher, worker);
  Seen seen;
  std::uint64_t newest = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    const Snapshot& now = reader.current();
    const std::uint64_t generation = now.generation;
    seen.backwards += generation < newest;
    newest = generation;
    for (int i = 0; i < 20; ++i) {  // as long as a small burst takes
      seen.torn += now.generation != generation || now.input.generation != (generation ^ kCanary) ||
                   now.backends.size() != 1 || now.backends[0].state != State::kAbsent;
      seen.freed_in_hand += witness.freed(generation);
    }
    reads.store(++seen.reads, std::memory_order_relaxed);
    if (worker != 0 || seen.reads % 64 == 0) reader.quiescent();  // one reader lags behind
  }
  return seen;
}

TEST(Publisher, TenThousandSnapshotsUnderHammeringReadersAreFreedInTimeAndNotBefore) {
  constexpr std::uint64_t kGenerations = 10'000;
  constexpr unsigned kReaders = 3;
  Witness witness(kGenerations + 1);
  const auto p = publisher(witness.snapshot(0), kReaders);
  std::atomic<bool> stop{false};
  std::vector<Seen> seen(kReaders);
  std::vector<std::atomic<std::uint64_t>> reads(kReaders);
  std::vector<std::thread> threads;
  for (unsigned r = 0; r < kReaders; ++r)
    threads.emplace_back([&, r] { seen[r] = hammer(*p, witness, r, stop, reads[r]); });
  // Now and then everyone has to have read since: else the writer may be done before they begin.
  const auto everyone_reads = [&] {
    for (auto& n : reads)
      if (!eventually([&, before = n.load()] { return n.load() > before; })) return false;
    return true;
  };

  for (std::uint64_t g = 1; g <= kGenerations; ++g) {
    p->publish(witness.snapshot(g));
    p->reclaim();
    if (g % 250 == 0 && !everyone_reads()) break;
  }
  EXPECT_TRUE(eventually([&] { return p->reclaim() == 0; }));
  stop.store(true, std::memory_order_relaxed);
  for (auto& thread : threads) thread.join();

  for (std::uint64_t g = 0; g < kGenerations; ++g) ASSERT_TRUE(witness.freed(g)) << g;
  EXPECT_FALSE(witness.freed(kGenerations)) << "the published one stays";
  for (const Seen& s : seen) {
    EXPECT_GT(s.reads, 0U);
    EXPECT_EQ(s.freed_in_hand, 0U);
    EXPECT_EQ(s.torn, 0U);
    EXPECT_EQ(s.backwards, 0U);
  }
}

}  // namespace
}  // namespace sluice::snapshot
