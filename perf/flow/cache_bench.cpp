// SPDX-License-Identifier: Apache-2.0
// The flow cache as a worker uses it: bursts of 32 packets of flows in random order, every line
// prefetched a burst ahead, the clock standing still. The floor loads one word of the same lines
// with the same prefetch. Unit: packets.
#include "flow/cache.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::flow {
namespace {

constexpr std::size_t kBurst = 32;
constexpr Tick kNow = 5;
constexpr Tick kTimeout = 900;

std::vector<std::uint64_t> random_hashes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> hashes(count);
  for (auto& h : hashes) h = random();
  return hashes;
}

/// A cache half full of established flows, and their hashes in the order in which packets come.
struct Site {
  explicit Site(std::int64_t flows)
      : lines(Cache::lines_for(static_cast<std::size_t>(flows) * 2)),
        cache(lines),
        hashes(random_hashes(static_cast<std::size_t>(flows), 1)) {
    for (const auto h : hashes)
      cache.assign(h, cache.find(h, kNow, kTimeout), 1, kNow, kTimeout, /*established=*/true);
    std::ranges::shuffle(hashes, std::mt19937_64(2));
  }

  std::vector<Line> lines;
  Cache cache;
  std::vector<std::uint64_t> hashes;
};

/// Calls `packet` for all of `hashes` over and over, a burst an iteration, prefetched by `ahead`.
void bursts(benchmark::State& state, const std::vector<std::uint64_t>& hashes, auto&& ahead,
            auto&& packet) {
  std::size_t at = 0;
  for (auto _ : state) {
    const std::size_t next = (at + kBurst) % hashes.size();
    for (std::size_t i = 0; i < kBurst; ++i) ahead(hashes[next + i]);
    for (std::size_t i = 0; i < kBurst; ++i) packet(hashes[at + i]);
    at = next;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}

void BM_Floor(benchmark::State& state) {
  const Site site(state.range(0));
  const std::size_t mask = site.lines.size() - 1;
  bursts(
      state, site.hashes, [&](std::uint64_t h) { __builtin_prefetch(&site.lines[h & mask]); },
      [&](std::uint64_t h) { benchmark::DoNotOptimize(site.lines[h & mask].tag[0]); });
}

void BM_Hit(benchmark::State& state) {
  Site site(state.range(0));
  std::size_t hits = 0;
  bursts(
      state, site.hashes, [&](std::uint64_t h) { site.cache.prefetch(h); },
      [&](std::uint64_t h) {
        const auto found = site.cache.find(h, kNow, kTimeout);
        hits += found.hit ? 1 : 0;
        if (found.hit) site.cache.touch(h, found, kNow, false);
        benchmark::DoNotOptimize(found.backend);
      });
  state.counters["hit_ratio"] = static_cast<double>(hits) /
                                static_cast<double>(state.iterations()) /
                                static_cast<double>(kBurst);
}

void BM_HitNoPrefetch(benchmark::State& state) {
  Site site(state.range(0));
  bursts(
      state, site.hashes, [](std::uint64_t) {},
      [&](std::uint64_t h) {
        const auto found = site.cache.find(h, kNow, kTimeout);
        if (found.hit) site.cache.touch(h, found, kNow, false);
        benchmark::DoNotOptimize(found.backend);
      });
}

void BM_Miss(benchmark::State& state) {
  const Site site(state.range(0));
  const auto strangers = random_hashes(site.hashes.size(), 3);
  bursts(
      state, strangers, [&](std::uint64_t h) { site.cache.prefetch(h); },
      [&](std::uint64_t h) { benchmark::DoNotOptimize(site.cache.find(h, kNow, kTimeout)); });
}

// A flood: every packet is a flow never seen, and takes an entry.
void BM_Assign(benchmark::State& state) {
  Site site(state.range(0));
  const auto strangers = random_hashes(site.hashes.size(), 3);
  std::uint64_t round = 0;  // makes every round's flows new ones on the same lines
  std::size_t at = 0;
  const auto flow = [&](std::size_t i) { return strangers[i] ^ round << 40; };
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) site.cache.prefetch(strangers[at + i]);
    for (std::size_t i = 0; i < kBurst; ++i) {
      const auto h = flow(at + i);
      site.cache.assign(h, site.cache.find(h, kNow, kTimeout), 2, kNow, kTimeout, false);
    }
    at = (at + kBurst) % strangers.size();
    if (at == 0) ++round;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}

void flows(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("flows");
  for (const std::int64_t count : {1 << 10, 1 << 14, 1 << 17, 1 << 20}) benchmark->Arg(count);
}
BENCHMARK(BM_Floor)->Apply(flows);
BENCHMARK(BM_Hit)->Apply(flows);
BENCHMARK(BM_HitNoPrefetch)->Apply(flows);
BENCHMARK(BM_Miss)->Apply(flows);
BENCHMARK(BM_Assign)->Apply(flows);

}  // namespace
}  // namespace sluice::flow

BENCHMARK_MAIN();
