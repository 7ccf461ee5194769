// SPDX-License-Identifier: Apache-2.0
// Building snapshots as the slow path does it (unit: pools): all pools anew, one of many, one large
// one; with the tables' entries written once as floor, and what a worker does upon a new snapshot.
#include "snapshot/snapshot.hpp"
#include "snapshot/table_arena.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::snapshot {
namespace {

// A node has 65,535 backends at most: a thousand pools have 65 each.
constexpr std::int64_t kMany = 1000;

BackendInput backend(std::size_t number, std::size_t in_pool) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(number >> shift); };
  BackendInput made;
  made.name = fmt::format("gpu-{}", in_pool);
  made.address = IpAddress::v4({10, 0, byte(8), byte(0)});
  made.weight = 100;
  made.number = static_cast<BackendNumber>(number);
  made.hop =
      Hop{0, MacAddress{{2, 0, 0, 1, byte(8), byte(0)}}, MacAddress{{2, 0, 0, 0, 0, 1}}, 1500};
  return made;
}

Input input(std::int64_t pools, std::int64_t backends) {
  Input made;
  made.generation = 1;
  made.hash_key = default_hash_key();
  std::size_t number = 0;
  for (std::int64_t p = 0; p < pools; ++p) {
    PoolInput pool;
    pool.name = fmt::format("pool-{}", p);
    pool.outer_source = IpAddress::v4({10, 0, 0, 1});
    for (std::int64_t b = 0; b < backends; ++b)
      pool.backends.push_back(backend(number++, static_cast<std::size_t>(b)));
    ServiceInput service;
    service.name = fmt::format("service-{}", p);
    service.address =
        IpAddress::v4({203, 0, static_cast<std::uint8_t>(p >> 8), static_cast<std::uint8_t>(p)});
    service.port = 443;
    service.protocol = 6;
    service.pool = static_cast<std::size_t>(p);
    service.number = static_cast<std::uint16_t>(p);
    made.pools.push_back(std::move(pool));
    made.services.push_back(std::move(service));
  }
  return made;
}

std::unique_ptr<const Snapshot> built(Input from, const Snapshot* previous) {
  auto made = build(std::move(from), previous);
  if (!made) std::abort();
  return std::move(*made);
}

/// Builds one generation after the other, as change() makes each input different from the one
/// before; the copy of the input counts, as it does in a node.
template <class Change>
void rebuild(benchmark::State& state, const Change& change) {
  Input wanted = input(state.range(0), state.range(1));
  auto now = built(wanted, nullptr);
  for (auto _ : state) {
    ++wanted.generation;
    change(wanted);
    now = built(wanted, now.get());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_RebuildAll(benchmark::State& state) {
  rebuild(state, [](Input& wanted) {
    for (auto& pool : wanted.pools) pool.backends[0].down = !pool.backends[0].down;
  });
}

void BM_RebuildOneOf(benchmark::State& state) {
  rebuild(state, [](Input& wanted) {
    auto& one = wanted.pools[wanted.pools.size() / 2].backends[0];
    one.down = !one.down;
  });
}

/// Nothing but a next hop changes: no table.
void BM_RebuildNone(benchmark::State& state) {
  rebuild(state, [](Input& wanted) { ++wanted.pools[0].backends[0].hop->destination.bytes[5]; });
}

/// The tables alone, so that there may be more backends than a node has.
void BM_TablesInParallel(benchmark::State& state) {
  const auto pools = static_cast<std::size_t>(state.range(0));
  std::vector<maglev::Member> members;
  for (std::int64_t b = 0; b < state.range(1); ++b)
    members.push_back(
        {maglev::member_id(fmt::format("gpu-{}", b)), 1, static_cast<maglev::Slot>(b)});
  std::vector<std::unique_ptr<maglev::Table>> tables(pools);
  for (auto _ : state)
    in_parallel(pools, [&](std::size_t i) {
      tables[i] = std::make_unique<maglev::Table>(
          maglev::Table::build(members, maglev::kDefaultSize).value());
    });
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// What nothing can beat: each pool's table written once, on one core.
void BM_Floor(benchmark::State& state) {
  for (auto _ : state)
    for (std::int64_t p = 0; p < state.range(0); ++p) {
      const std::vector<maglev::Slot> slots(maglev::kDefaultSize, static_cast<maglev::Slot>(p));
      benchmark::DoNotOptimize(slots.data());
    }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"pools", "backends"})->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(BM_RebuildAll)->Apply(shapes)->Args({1, 100})->Args({1, 4000})->Args({kMany, 65});
BENCHMARK(BM_RebuildOneOf)->Apply(shapes)->Args({kMany, 65});
BENCHMARK(BM_RebuildNone)->Apply(shapes)->Args({kMany, 65});
BENCHMARK(BM_TablesInParallel)->Apply(shapes)->Args({kMany, 100});
BENCHMARK(BM_Floor)->ArgName("pools")->Unit(benchmark::kMillisecond)->Arg(1)->Arg(kMany);

}  // namespace
}  // namespace sluice::snapshot
