// SPDX-License-Identifier: Apache-2.0
// The flow cache against a slow model with unbounded time, and under floods.
#include "flow/cache.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace sluice::flow {
namespace {

/// The rules of docs/design/flow-cache.md in plain words. Time never wraps here.
class Model {
 public:
  struct Entry {
    std::uint32_t tag;
    BackendNumber backend;
    State state;
    std::uint64_t time;
  };
  using Way = std::optional<Entry>;

  explicit Model(std::uint64_t lines) : lines_(lines) {}

  Entry* find(std::uint64_t hash, std::uint64_t now, Tick timeout) {
    return entry_of(
        oldest(hash, [&](const Way& w) { return is_of(w, hash) && !expired(*w, now, timeout); }));
  }

  static void touch(Entry& entry, std::uint64_t now, bool closing) {
    if (entry.state != State::kClosing)
      entry.state = closing ? State::kClosing : State::kEstablished;
    entry.time = now;
  }

  void assign(std::uint64_t hash, BackendNumber backend, std::uint64_t now, Tick timeout,
              bool established) {
    const Entry entry{Cache::tag_of(hash), backend, established ? State::kEstablished : State::kNew,
                      now};
    if (Entry* present = find(hash, now, timeout)) {
      *present = entry;
      return;
    }
    ++inserts;
    const auto late = [&](const Way& w) { return w && expired(*w, now, timeout); };
    const auto free = [](const Way& w) { return !w; };
    if (Way* own = oldest(hash, [&](const Way& w) { return is_of(w, hash); })) {
      ++expirations;
      *own = entry;
    } else if (Way* here = oldest(hash, free, kFlowsInLine)) {
      *here = entry;
    } else if (Way* late_here = oldest(hash, late, kFlowsInLine)) {
      ++expirations;
      *late_here = entry;
    } else if (Way* beside = oldest(hash, free)) {
      *beside = entry;
    } else if (Way* late_beside = oldest(hash, late)) {
      ++expirations;
      *late_beside = entry;
    } else if (Way* cheap =
                   oldest(hash, [](const Way& w) { return w->state != State::kEstablished; })) {
      ++((*cheap)->state == State::kNew ? evictions_new : evictions_closing);
      *cheap = entry;
    } else {
      ++evictions_established;
      *oldest(hash, [](const Way&) { return true; }) = entry;
    }
  }

  void sweep(std::uint64_t line, std::uint64_t now, Tick timeout) {
    for (Way& way : map_[line])
      if (way && expired(*way, now, timeout)) {
        way.reset();
        ++expirations;
      }
  }

  std::uint64_t inserts = 0;
  std::uint64_t evictions_new = 0;
  std::uint64_t evictions_closing = 0;
  std::uint64_t evictions_established = 0;
  std::uint64_t expirations = 0;

 private:
  static bool expired(const Entry& e, std::uint64_t now, Tick timeout) {
    return now - e.time > (e.state == State::kClosing ? kClosingTicks : timeout);
  }

  static bool is_of(const Way& way, std::uint64_t hash) {
    return way && way->tag == Cache::tag_of(hash);
  }

  static Entry* entry_of(Way* way) { return way == nullptr ? nullptr : &**way; }

  /// Of the first `ways` of the flow: those of its line, then those of the line beside it.
  template <class Predicate>
  Way* oldest(std::uint64_t hash, Predicate fits, unsigned ways = kNoWay) {
    Way* best = nullptr;
    for (unsigned w = 0; w < ways; ++w) {
      Way& way = map_[hash % lines_ ^ w / kFlowsInLine][w % kFlowsInLine];
      if (fits(way) && (best == nullptr || (way && way->time < (*best)->time))) best = &way;
    }
    return best;
  }

  std::uint64_t lines_;
  std::map<std::uint64_t, std::array<Way, kFlowsInLine>> map_;
};

std::size_t used(const Cache& cache) {
  std::size_t count = 0;
  for (std::size_t line = 0; line < cache.lines(); ++line)
    for (unsigned way = 0; way < kFlowsInLine; ++way)
      count += cache.sample(line, way).state != State::kFree ? 1 : 0;
  return count;
}

void expect_books_balance(const Cache& cache) {
  const Stats& s = cache.stats();
  EXPECT_EQ(used(cache), s.inserts.value() - s.evictions_new.value() - s.evictions_closing.value() -
                             s.evictions_established.value() - s.expired.value());
}

struct Workload {
  const char* name;
  std::uint32_t flows;      ///< Distinct flows, spread over 4 lines.
  unsigned longest_step;    ///< Ticks that pass between two packets, at most.
  unsigned closing_of_256;  ///< How many of 256 packets close.
};

class FlowCacheModel : public testing::TestWithParam<Workload> {};

// Some 200,000 packets each; the busiest clock wraps more than a hundred times.
TEST_P(FlowCacheModel, CacheDoesWhatTheModelDoesUnderRandomPackets) {
  constexpr std::uint64_t kLines = 4;
  constexpr std::array<Tick, 3> kTimeouts{20, 900, 5000};  // by flow, as services have them
  const Workload& load = GetParam();
  std::vector<Line> lines(kLines);
  Cache cache(lines);
  Model model(kLines);
  std::mt19937_64 random(load.flows);
  std::uint64_t time = 0;
  std::uint64_t sweeps = 0;
  std::uint64_t hits = 0;
  for (int packet = 0; packet < 200'000; ++packet) {
    time += random() % (load.longest_step + 1);
    // A quarter of the cache every 1000 ticks at the latest: all of it well within 2^13.
    for (; sweeps < time / 1000; ++sweeps) {
      cache.sweep(1, static_cast<Tick>(time & kTickMask), kTimeouts.back());
      model.sweep(sweeps % kLines, time, kTimeouts.back());
    }
    const auto now = static_cast<Tick>(time & kTickMask);
    const auto flow = random() % load.flows;
    const std::uint64_t hash = flow << 33 | (flow * 7) % kLines;
    const Tick timeout = kTimeouts[flow % kTimeouts.size()];
    const auto found = cache.find(hash, now, timeout);
    auto* const expected = model.find(hash, time, timeout);
    ASSERT_EQ(found.hit, expected != nullptr) << "packet " << packet << " flow " << flow;
    if (found.hit) {
      ++hits;
      ASSERT_EQ(found.backend, expected->backend) << "packet " << packet << " flow " << flow;
      ASSERT_EQ(found.state, expected->state) << "packet " << packet << " flow " << flow;
    }
    if (found.hit && random() % 16 != 0) {
      const bool closing = random() % 256 < load.closing_of_256;
      cache.touch(hash, found, now, closing);
      Model::touch(*expected, time, closing);
    } else {
      const auto backend = static_cast<BackendNumber>(random());
      const bool established = random() % 4 == 0;
      cache.assign(hash, found, backend, now, timeout, established);
      model.assign(hash, backend, time, timeout, established);
    }
  }
  EXPECT_GT(hits, 10'000U);
  EXPECT_EQ(cache.stats().inserts.value(), model.inserts);
  EXPECT_EQ(cache.stats().misses.value(), model.inserts);
  EXPECT_EQ(cache.stats().evictions_new.value(), model.evictions_new);
  EXPECT_EQ(cache.stats().evictions_closing.value(), model.evictions_closing);
  EXPECT_EQ(cache.stats().evictions_established.value(), model.evictions_established);
  EXPECT_EQ(cache.stats().expired.value(), model.expirations);
  expect_books_balance(cache);
}

INSTANTIATE_TEST_SUITE_P(Workloads, FlowCacheModel,
                         testing::Values(Workload{"Roomy", 24, 2, 16},
                                         Workload{"Crowded", 96, 2, 16},
                                         Workload{"Slow", 40, 30, 8},
                                         Workload{"Closing", 64, 1, 128},
                                         Workload{"NeverClosing", 64, 5, 0}),
                         [](const auto& each) { return std::string(each.param.name); });

class FlowCacheFlood : public testing::Test {
 protected:
  static constexpr std::uint64_t kLines = 1024;
  static constexpr Tick kTimeout = 900;
  static constexpr int kFlood = 1'000'000;

  /// `count` established flows on every line.
  void establish(std::uint32_t count) {
    for (std::uint64_t line = 0; line < kLines; ++line)
      for (std::uint32_t tag = 0; tag < count; ++tag) {
        const std::uint64_t hash = std::uint64_t{tag} << 33 | line;
        cache.assign(hash, cache.find(hash, 0, kTimeout), 1, 0, kTimeout, true);
      }
  }

  /// Flows of one packet each, with tags that no established flow has.
  void flood() {
    std::mt19937_64 random(1);
    for (int i = 0; i < kFlood; ++i) {
      const std::uint64_t hash = random() | std::uint64_t{1} << 63;
      const auto now = static_cast<Tick>(i / 100'000);
      const auto found = cache.find(hash, now, kTimeout);
      if (!found.hit) cache.assign(hash, found, 2, now, kTimeout, false);
    }
  }

  std::size_t still_there(std::uint32_t count) const {
    std::size_t found = 0;
    for (std::uint64_t line = 0; line < kLines; ++line)
      for (std::uint64_t tag = 0; tag < count; ++tag)
        found += cache.find(tag << 33 | line, 10, kTimeout).hit ? 1 : 0;
    return found;
  }

  std::vector<Line> lines = std::vector<Line>(kLines);
  Cache cache{lines};
};

TEST_F(FlowCacheFlood, MillionNewFlowsEvictNoEstablishedOneFromALineWithRoom) {
  establish(kFlowsInLine - 1);
  flood();
  EXPECT_EQ(still_there(kFlowsInLine - 1), kLines * (kFlowsInLine - 1));
  EXPECT_EQ(cache.stats().evictions_established.value(), 0U);
  EXPECT_GT(cache.stats().evictions_new.value(), 900'000U);
  expect_books_balance(cache);
}

TEST_F(FlowCacheFlood, TwoLinesFullOfEstablishedFlowsLoseOneOfThemAtMost) {
  establish(kFlowsInLine);
  flood();
  EXPECT_EQ(still_there(kFlowsInLine), kLines / 2 * (kNoWay - 1));
  EXPECT_EQ(cache.stats().evictions_established.value(), kLines / 2);
  expect_books_balance(cache);
}

TEST(FlowCacheLoad, OfAsManyFlowsAsHalfTheCacheFewerThanOneInThousandFindsNoRoom) {
  constexpr std::size_t kFlows = 1U << 17;
  std::vector<Line> lines(Cache::lines_for(2 * kFlows));
  Cache cache(lines);
  std::mt19937_64 random(11);
  for (std::size_t i = 0; i < kFlows; ++i) {
    const std::uint64_t hash = random();
    cache.assign(hash, cache.find(hash, 0, 900), 1, 0, 900, true);
  }
  EXPECT_LT(cache.stats().evictions_established.value(), kFlows / 1000);
  expect_books_balance(cache);
}

}  // namespace
}  // namespace sluice::flow
