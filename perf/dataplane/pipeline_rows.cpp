// SPDX-License-Identifier: Apache-2.0
// The floor, the pipeline above it, and how rows are registered.
#include "pipeline_rows.hpp"

#include <fmt/format.h>

#include <array>
#include <exception>

namespace sluice::dataplane {

std::int64_t bursts = 0;

namespace {

std::unique_ptr<World> made;

using Mac = std::array<std::uint8_t, 6>;

/// After how many bursts a cache that learns all the time is emptied; 0: never.
std::uint64_t bursts_until_full(const World& on) noexcept {
  if ((on.of.mix != Mix::kNew && on.of.mix != Mix::kNewAck) || on.of.cache != 0) return 0;
  const bool nat = on.of.forwarding == snapshot::Forwarding::kNat;
  return std::min(on.state.flows.capacity(), nat ? kNatSessions : kCacheFlows) / 2 / kBurst;
}

/// Runs `burst` over and over; the clock stands still while a full cache is emptied.
void measure(benchmark::State& state, World& on, auto&& burst) {
  const std::uint64_t until_full = bursts_until_full(on);
  std::uint64_t left = until_full;
  double outside = 0;
  const CpuClock clock;
  for (auto _ : state) {
    burst();
    benchmark::ClobberMemory();
    if (until_full != 0 && --left == 0) [[unlikely]] {
      state.PauseTiming();
      const CpuClock meanwhile;
      on.forget_flows();
      left = until_full;
      outside += meanwhile.cycles();
      state.ResumeTiming();
    }
  }
  const double cycles = clock.cycles() - outside;
  const auto packets = static_cast<double>(state.iterations() * kBurst);
  state.SetItemsProcessed(state.iterations() * kBurst);
  state.counters["cycles_per_packet"] = cycles / packets;
}

}  // namespace

World& world(const Case& wanted) {
  if (!made || made->of != wanted) {
    made.reset();
    made = std::make_unique<World>(wanted);
  }
  return *made;
}

void end_world() noexcept { made.reset(); }

void BM_Floor(benchmark::State& state, Case of) {
  World& on = world(of);
  Burst b;
  measure(state, on, [&] {
    on.source.fill(b);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      auto* frame = rte_pktmbuf_mtod(b.packet[i], std::byte*);
      const auto destination = wire::load<Mac>(frame);  // as wide loads and stores: no loop
      const auto source = wire::load<Mac>(frame + sizeof(Mac));
      wire::store(frame, source);
      wire::store(frame + sizeof(Mac), destination);
    }
  });
}

void BM_Pipeline(benchmark::State& state, Case of) {
  World& on = world(of);
  const std::uint64_t misses = on.state.flows.stats().misses.value();
  const std::uint64_t forwarded = on.counters.verdicts[0].value();
  // As a worker does when bursts are full: the next one is received before this one's turn.
  std::array<Burst, 2> b;
  std::size_t at = 0;
  on.receive(b[0]);
  measure(state, on, [&] {
    on.receive(b[at ^ 1]);
    on.run_received(b[at], &b[at ^ 1]);
    count(b[at], on.counters);
    at ^= 1;
  });
  const auto packets = static_cast<double>(state.iterations() * kBurst);
  state.counters["cache_misses_per_packet"] =
      static_cast<double>(on.state.flows.stats().misses.value() - misses) / packets;
  if (of.mix == Mix::kKnown)
    state.counters["flows_kept"] = static_cast<double>(on.state.flows.stats().held());
  static_assert(static_cast<std::size_t>(Verdict::kForward) == 0);
  // A row that drops its packets is fast, and says nothing.
  if (on.counters.verdicts[0].value() - forwarded !=
      static_cast<std::uint64_t>(state.iterations()) * kBurst)
    state.SkipWithError("not all packets were forwarded");
}

void add(const std::string& name, Row row, const Case& of, std::int64_t bursts_of_iteration) {
  const auto guarded = [row, of](benchmark::State& state) {
    try {
      row(state, of);
    } catch (const std::exception& fault) {
      end_world();
      state.SkipWithError(fault.what());
    }
  };
  auto* added = benchmark::RegisterBenchmark(name.c_str(), guarded)
                    ->ArgName("flows")
                    ->Arg(static_cast<std::int64_t>(of.flows));
  if (bursts != 0) added->Iterations(std::max<std::int64_t>(1, bursts / bursts_of_iteration));
}

void add_with_floor(const std::string& mode, const std::string& what, const Case& of) {
  add(fmt::format("BM_Floor/v{}{}", of.family, what), BM_Floor, of);
  add(fmt::format("BM_Pipeline/{}/v{}{}", mode, of.family, what), BM_Pipeline, of);
}

}  // namespace sluice::dataplane
