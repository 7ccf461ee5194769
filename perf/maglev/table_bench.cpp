// SPDX-License-Identifier: Apache-2.0
// Building a lookup table (unit: entries), with the paper's own turn order as rival and
// random writes as floor, and look-up in it as a worker does it: bursts of 32 independent flows
// (unit: packets), with a plain load as floor.
#include "maglev/table.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace sluice::maglev {
namespace {

constexpr std::size_t kBurst = 32;

std::vector<Member> members_of(std::int64_t count) {
  std::vector<Member> members;
  for (std::int64_t i = 0; i < count; ++i)
    members.push_back({member_id("gpu-" + std::to_string(i)), 1, static_cast<Slot>(i)});
  return members;
}

std::vector<std::uint64_t> random_hashes(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> hashes(count);
  for (auto& h : hashes) h = random();
  return hashes;
}

/// The paper's table for equal weights: one entry a turn, offset and skip, no quota.
std::vector<Slot> plain(std::span<const Member> members, std::uint32_t size) {
  struct Turn {
    std::uint32_t at;
    std::uint32_t skip;
  };
  constexpr Slot kNobody = 0xffff;
  std::vector<Turn> turns;
  for (const auto& m : members)
    turns.push_back({static_cast<std::uint32_t>(m.id % size),
                     static_cast<std::uint32_t>(1 + (m.id >> 32) % (size - 1))});
  std::vector<Slot> slots(size, kNobody);
  for (std::uint32_t filled = 0;;) {
    for (std::size_t i = 0; i < turns.size(); ++i) {
      auto& [at, skip] = turns[i];
      while (slots[at] != kNobody) at = at + skip < size ? at + skip : at + skip - size;
      slots[at] = members[i].value;
      if (++filled == size) return slots;
    }
  }
}

/// Of the entries of those who stay, the percentage that moves when the first member leaves.
double others_moved(std::span<const Slot> before, std::span<const Slot> after) {
  double others = 0;
  double moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 0) continue;
    ++others;
    if (before[i] != after[i]) ++moved;
  }
  return 100 * moved / others;
}

void BM_Build(benchmark::State& state) {
  const auto members = members_of(state.range(0));
  const auto size = static_cast<std::uint32_t>(state.range(1));
  // A table of this size stays, as in a node, where only the first one of a size is built without.
  const auto before = Table::build(members, size);
  for (auto _ : state) benchmark::DoNotOptimize(Table::build(members, size));
  state.SetItemsProcessed(state.iterations() * size);
  if (members.size() > 1)
    state.counters["others_moved_percent"] =
        others_moved(Table::build(members, size).value().slots(),
                     Table::build(std::span(members).subspan(1), size).value().slots());
}

void BM_BuildPlain(benchmark::State& state) {
  const auto members = members_of(state.range(0));
  const auto size = static_cast<std::uint32_t>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(plain(members, size));
  state.SetItemsProcessed(state.iterations() * size);
  if (members.size() > 1)
    state.counters["others_moved_percent"] =
        others_moved(plain(members, size), plain(std::span(members).subspan(1), size));
}

// What no build can beat: writing each entry once, in random order.
void BM_BuildFloor(benchmark::State& state) {
  const auto size = static_cast<std::uint32_t>(state.range(1));
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::shuffle(order, std::mt19937(1));
  for (auto _ : state) {
    std::vector<Slot> slots(size);
    for (const auto at : order) slots[at] = static_cast<Slot>(at);
    benchmark::DoNotOptimize(slots.data());
  }
  state.SetItemsProcessed(state.iterations() * size);
}

void build_sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"members", "size"})->Unit(benchmark::kMillisecond);
  for (const std::int64_t members : {10, 100, 1000, 4000}) benchmark->Args({members, kDefaultSize});
  benchmark->Args({100, 655373})->Args({1000, kLargestSize});
}
BENCHMARK(BM_Build)->Apply(build_sizes);
BENCHMARK(BM_BuildPlain)->Apply(build_sizes);
BENCHMARK(BM_BuildFloor)
    ->ArgNames({"members", "size"})
    ->Unit(benchmark::kMillisecond)
    ->Args({0, kDefaultSize})
    ->Args({0, kLargestSize});

void BM_LookUp(benchmark::State& state) {
  const auto members = members_of(state.range(0));
  const auto table = Table::build(members, static_cast<std::uint32_t>(state.range(1))).value();
  const auto hashes = random_hashes(1U << 16);
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) benchmark::DoNotOptimize(*table.entry(hashes[at + i]));
    at = (at + kBurst) % hashes.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK(BM_LookUp)
    ->ArgNames({"members", "size"})
    ->Args({10, kDefaultSize})
    ->Args({1000, kDefaultSize})
    ->Args({1000, kLargestSize});

// What nothing can beat: the hash itself picks the entry, no range reduction.
void BM_Floor(benchmark::State& state) {
  const std::vector<Slot> slots(static_cast<std::size_t>(state.range(0)), 1);
  const auto hashes = random_hashes(1U << 16);
  const std::size_t mask = slots.size() - 1;
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) benchmark::DoNotOptimize(slots[hashes[at + i] & mask]);
    at = (at + kBurst) % hashes.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK(BM_Floor)->ArgName("size")->Arg(65536)->Arg(8388608);

}  // namespace
}  // namespace sluice::maglev

BENCHMARK_MAIN();
