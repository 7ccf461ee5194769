// SPDX-License-Identifier: Apache-2.0
// What others do to established flows: floods of new sources, and new tables.
#include "pipeline_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace sluice::dataplane {
namespace {

constexpr std::int64_t kPhase = 2048;       // bursts of established flows, alone or beside a flood
constexpr std::int64_t kWarm = kPhase / 4;  // of them before the clock runs
constexpr std::int64_t kSwapEvery = 512;    // bursts: some 0.5 ms

/// A burst of the source's mix; returns its cycles, source included.
std::uint64_t timed_burst(World& on, Burst& b) {
  const std::uint64_t start = rte_rdtsc();
  on.run(b);
  count(b, on.counters);
  return rte_rdtsc() - start;
}

/// Bursts of established flows, in turns by themselves and each behind a burst of SYNs of sources
/// that never were. The clock runs for the established ones alone.
void BM_Established(benchmark::State& state, Case of) {
  World& on = world(of);
  Burst b;
  std::array<std::uint64_t, 2> cycles{};
  std::array<std::uint64_t, 2> timed{};
  std::uint64_t missed = 0;
  for (auto _ : state) {
    for (const bool flood : {false, true})
      for (std::int64_t i = 0; i < kPhase; ++i) {
        if (flood) {
          on.source.set_mix(Mix::kNew);
          timed_burst(on, b);
          on.source.set_mix(Mix::kKnown);
        }
        const std::uint64_t before = on.state.flows.stats().misses.value();
        const std::uint64_t took = timed_burst(on, b);
        if (flood) missed += on.state.flows.stats().misses.value() - before;
        if (i < kWarm || took > kPreempted) continue;
        cycles[flood ? 1 : 0] += took;
        ++timed[flood ? 1 : 0];
      }
  }
  const auto of_packet = [&](std::size_t which) {
    return static_cast<double>(cycles[which]) / static_cast<double>(timed[which] * kBurst);
  };
  const double alone = of_packet(0);
  const double beside = of_packet(1);
  state.SetItemsProcessed(state.iterations() * 3 * kPhase * kBurst);
  state.counters["cycles_alone"] = alone;
  state.counters["cycles_per_packet"] = beside;
  state.counters["slower"] = beside / alone;
  state.counters["forgotten_per_packet"] =
      static_cast<double>(missed) / static_cast<double>(state.iterations() * kPhase * kBurst);
}

/// The value that `share` of them are not above; 0 of none, when somebody else had the core each
/// time.
double quantile(std::vector<std::uint64_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(at));
  return static_cast<double>(values[at]);
}

/// All pools have new tables every kSwapEvery bursts: what the first burst on them takes, in
/// nanoseconds, beside one that has had them for long.
void BM_Swap(benchmark::State& state, Case of) {
  World& on = world(of);
  const std::array next{tables(of, 1), tables(of, 2)};
  const auto first = std::move(on.now);
  Burst b;
  std::vector<std::uint64_t> after_swap;
  std::vector<std::uint64_t> usual;
  std::uint64_t cycles = 0;
  std::uint64_t timed = 0;
  std::size_t turn = 0;
  for (auto _ : state) {
    // The worker reads one pointer; what comes behind it is what a swap costs it.
    struct Borrowed {
      World& on;
      ~Borrowed() { static_cast<void>(on.now.release()); }
    } borrowed{on};
    on.now.reset(next[turn++ % next.size()].get());
    for (std::int64_t i = 0; i < kSwapEvery; ++i) {
      const std::uint64_t took = timed_burst(on, b);
      if (took > kPreempted) continue;
      cycles += took;
      ++timed;
      if (i == 0) after_swap.push_back(took);
      if (i == kSwapEvery / 2) usual.push_back(took);
    }
  }
  end_world();
  const double to_ns = 1e9 / static_cast<double>(rte_get_tsc_hz());
  state.SetItemsProcessed(state.iterations() * kSwapEvery * kBurst);
  state.counters["cycles_per_packet"] =
      static_cast<double>(cycles) / static_cast<double>(timed * kBurst);
  for (const auto& [name, share] : {std::pair("median", 0.5), std::pair("p99", 0.99)}) {
    const double before = quantile(usual, share) * to_ns;
    const double after = quantile(after_swap, share) * to_ns;
    state.counters[fmt::format("burst_ns_{}", name)] = before;
    state.counters[fmt::format("after_swap_ns_{}", name)] = after;
  }
  state.counters["after_swap_ns_worst"] = quantile(after_swap, 1) * to_ns;
  state.counters["burst_ns_worst"] = quantile(usual, 1) * to_ns;
}

}  // namespace

void register_flood_and_swaps() {
  for (const unsigned family : {4U, 6U})
    add_with_floor("ipip", "/flood", {.family = family, .flows = 1024, .mix = Mix::kFlood});
  for (const std::size_t flows : {1024U, 16384U, 131072U})
    add("BM_Established/ipip/v4/beside_flood", BM_Established, {.flows = flows}, 3 * kPhase);
  for (const std::size_t pools : {1U, 1000U})
    add(fmt::format("BM_Swap/ipip/v4/pools:{}", pools), BM_Swap,
        {.flows = 131072, .services = pools, .pools = pools, .backends = 10}, kSwapEvery);
}

}  // namespace sluice::dataplane
