// SPDX-License-Identifier: Apache-2.0
// The prefix map as a worker uses it on a new flow: one look-up of a random source, whatever was in
// the cache before. The floor loads one random line of as many as the leaves are. Unit: look-ups.
#include "snapshot/prefix_map.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::snapshot {
namespace {

constexpr std::size_t kSources = 1U << 16;

struct Words {
  std::uint32_t word[4];
};

IpAddress draw(std::mt19937& random, bool v4) {
  std::array<std::uint8_t, 16> bytes{};
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return v4 ? IpAddress::v4({bytes[0], bytes[1], bytes[2], 0})
            : IpAddress::v6({0x20, 0x01, bytes[2], bytes[3], bytes[4], bytes[5]});
}

/// Random networks: /24 of IPv4, /48 of IPv6.
struct Site {
  Site(std::size_t prefixes, bool v4) {
    std::mt19937 random(1);
    std::vector<PrefixMap::Entry> entries;
    for (std::uint32_t i = 0; i < prefixes; ++i)
      entries.push_back({{draw(random, v4), v4 ? 24U : 48U}, i});
    map = PrefixMap(entries);
    for (std::size_t i = 0; i < kSources; ++i) {
      const auto words = draw(random, v4).words();
      sources.push_back({{words[0], words[1], words[2], words[3]}});
    }
    family = v4 ? 4 : 6;
  }

  PrefixMap map;
  std::vector<Words> sources;
  std::uint8_t family;
};

void find(benchmark::State& state, bool v4) {
  const Site site(static_cast<std::size_t>(state.range(0)), v4);
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(site.map.find(site.sources[at].word, site.family));
    at = (at + 1) % kSources;
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["levels"] =
      static_cast<double>(v4 ? site.map.v4().levels() : site.map.v6().levels());
}

void BM_FindV4(benchmark::State& state) { find(state, true); }
void BM_FindV6(benchmark::State& state) { find(state, false); }

void BM_Floor(benchmark::State& state) {
  struct alignas(64) Line {
    std::uint32_t word[16];
  };
  const std::vector<Line> lines(static_cast<std::size_t>(state.range(0)) / 4 + 1);
  std::mt19937 random(1);
  std::vector<std::uint32_t> order(kSources);
  for (auto& line : order) line = static_cast<std::uint32_t>(random() % lines.size());
  std::size_t at = 0;
  std::uint32_t seen = 0;  // the next line hangs on this one, as a tree's does
  for (auto _ : state) {
    seen = lines[order[at] ^ seen].word[0];
    at = (at + 1) % kSources;
  }
  benchmark::DoNotOptimize(seen);
  state.SetItemsProcessed(state.iterations());
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("prefixes")->Arg(100)->Arg(10'000)->Arg(100'000);
}
BENCHMARK(BM_Floor)->Apply(sizes);
BENCHMARK(BM_FindV4)->Apply(sizes);
BENCHMARK(BM_FindV6)->Apply(sizes);

}  // namespace
}  // namespace sluice::snapshot

BENCHMARK_MAIN();
