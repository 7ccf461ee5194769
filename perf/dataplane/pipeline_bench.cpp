// SPDX-License-Identifier: Apache-2.0
// The whole pipeline on packets in memory, as a worker runs it: bursts of 32 TCP segments in frames
// of 60 bytes (IPv6: 80), every packet of another flow until all have had their turn, cache warm.
// Unit: packets; cycles are TSC cycles. BM_Floor does the same with a swap of the MAC addresses in
// place of the pipeline; nothing that touches a packet can be faster.
#include "pipeline_source.hpp"

#include "dataplane/admit.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/stages.hpp"

#include <benchmark/benchmark.h>
#include <rte_cycles.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using snapshot::Policy;

constexpr std::size_t kCacheFlows = 1U << 20;  // as `sluiced` sizes it by default
constexpr std::size_t kFewFlows = 1U << 12;    // so that flows are forgotten before they return
constexpr std::size_t kNatSessions = 1U << 16;
constexpr unsigned kMemoryMb = 256;

/// A worker's state, warm: every flow of the source is in the cache as far as it fits.
struct Bench {
  explicit Bench(const Case& wanted)
      : of(wanted),
        now(tables(wanted)),
        source(wanted),
        lines(flow::Cache::lines_for(wanted.new_flows ? kFewFlows : kCacheFlows)),
        rest(kNatSessions),
        state(memory(), rte_get_tsc_hz(), 1),
        services(1),
        backends(kBackends),
        counters(services.span(), backends.span()) {
    Burst b;
    source.set_flags(wire::kTcpSyn);
    for (std::size_t sent = 0; sent < 2 * wanted.flows || sent < 2 * kBuffers; sent += kBurst) {
      run(b);
      for (const auto verdict : b.verdict)
        if (verdict != Verdict::kForward)
          throw std::runtime_error("not forwarded: " + std::string(text(verdict).name));
      if (sent >= wanted.flows && !wanted.new_flows) source.set_flags(wire::kTcpAck);
    }
  }

  void run(Burst& b) noexcept {
    source.fill(b);
    b.port = 0;
    process(b, *now, state);
  }

  Case of;
  std::unique_ptr<const snapshot::Snapshot> now;
  Source source;
  Heap<flow::Line> lines;
  HeapMemory rest;  // what is touched seldom
  WorkerState state;
  Heap<Traffic> services;
  Heap<Traffic> backends;
  Counters counters;

 private:
  WorkerMemory memory() noexcept {
    WorkerMemory all = rest.spans();
    all.flows = lines.span();
    return all;
  }
};

std::unique_ptr<Bench> made;  // goes before the EAL does: see main()

/// The bench of this case; the one before is gone. Repetitions find it as it is.
Bench& bench(const Case& wanted) {
  if (!made || made->of != wanted) {
    made.reset();
    made = std::make_unique<Bench>(wanted);
  }
  return *made;
}

void report(benchmark::State& state, std::uint64_t cycles) {
  const auto packets = state.iterations() * kBurst;
  state.SetItemsProcessed(packets);
  state.counters["cycles_per_packet"] = static_cast<double>(cycles) / static_cast<double>(packets);
}

using Mac = std::array<std::uint8_t, 6>;

Case with_flows(Case of, const benchmark::State& state) {
  of.flows = static_cast<std::size_t>(state.range(0));
  return of;
}

void BM_Floor(benchmark::State& state, Case of) {
  Bench& on = bench(with_flows(of, state));
  Burst b;
  const std::uint64_t start = rte_rdtsc();
  for (auto _ : state) {
    on.source.fill(b);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      auto* frame = rte_pktmbuf_mtod(b.packet[i], std::byte*);
      const auto destination = wire::load<Mac>(frame);  // as wide loads and stores: no loop
      const auto source = wire::load<Mac>(frame + sizeof(Mac));
      wire::store(frame, source);
      wire::store(frame + sizeof(Mac), destination);
    }
    benchmark::ClobberMemory();
  }
  report(state, rte_rdtsc() - start);
}

void BM_Pipeline(benchmark::State& state, Case of) {
  Bench& on = bench(with_flows(of, state));
  const std::uint64_t misses = on.state.flows.stats().misses.value();
  Burst b;
  const std::uint64_t start = rte_rdtsc();
  for (auto _ : state) {
    on.run(b);
    count(b, on.counters);
    benchmark::ClobberMemory();
  }
  report(state, rte_rdtsc() - start);
  state.counters["cache_misses_per_packet"] =
      static_cast<double>(on.state.flows.stats().misses.value() - misses) /
      static_cast<double>(state.iterations() * kBurst);
}

enum class Stage { kFill, kParse, kClassify, kAdmit, kLookUp, kSteer, kRewrite, kAnswer, kCount };
constexpr const char* kStageNames[] = {"fill",  "parse",   "classify", "admit", "look_up",
                                       "steer", "rewrite", "answer",   "count"};

/// One stage within the whole ipip pipeline: all of it runs, the clock runs for the stage alone.
/// Two readings of the TSC a burst are in the figure: 1 to 2 cycles a packet.
void BM_Stage(benchmark::State& state, Stage wanted) {
  Bench& on = bench(with_flows({}, state));
  Burst b;
  std::uint64_t cycles = 0;
  const auto timed = [&](Stage stage, auto&& work) {
    if (stage != wanted) return work();
    const std::uint64_t start = rte_rdtsc();
    work();
    cycles += rte_rdtsc() - start;
  };
  for (auto _ : state) {
    timed(Stage::kFill, [&] { on.source.fill(b); });
    timed(Stage::kParse, [&] { parse(b); });
    timed(Stage::kClassify, [&] { classify(b, *on.now); });
    timed(Stage::kAdmit, [&] { admit(b, *on.now, on.state); });
    timed(Stage::kLookUp, [&] { look_up(b, *on.now, on.state); });
    timed(Stage::kSteer, [&] { steer(b, *on.now, on.state); });
    timed(Stage::kRewrite, [&] { rewrite(b, *on.now, on.state); });
    timed(Stage::kAnswer, [&] { answer(b, *on.now, on.state); });
    timed(Stage::kCount, [&] { count(b, on.counters); });
    benchmark::ClobberMemory();
  }
  state.counters["cycles_per_packet"] =
      static_cast<double>(cycles) / static_cast<double>(state.iterations() * kBurst);
}

/// Bursts of every run, 0: as many as take the time. Under callgrind, what two numbers of bursts
/// differ by is what the bursts between them cost, to the instruction.
std::int64_t bursts = 0;

void add(const std::string& name, void (*run)(benchmark::State&, Case), const Case& of,
         std::int64_t flows) {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), run, of)->ArgName("flows")->Arg(flows);
  if (bursts != 0) added->Iterations(bursts);
}

/// The floor of a number of flows stands right before its pipelines: the same moment of a noisy
/// machine for all of them.
void register_modes() {
  constexpr std::pair<const char*, Forwarding> kModes[] = {{"ipip", Forwarding::kIpip},
                                                           {"l2dsr", Forwarding::kL2dsr},
                                                           {"gue", Forwarding::kGue},
                                                           {"nat", Forwarding::kNat}};
  for (const unsigned family : {4U, 6U})
    for (const std::int64_t flows : {1, 1024, 16384, 131072, 1048576}) {
      add(fmt::format("BM_Floor/v{}", family), BM_Floor, {.family = family}, flows);
      for (const auto& [name, mode] : kModes)
        if (mode != Forwarding::kNat || flows <= std::int64_t{kNatSessions} / 2)
          add(fmt::format("BM_Pipeline/{}/v{}", name, family), BM_Pipeline,
              {.forwarding = mode, .family = family}, flows);
    }
}

/// Every packet a new flow: what a policy costs is what it costs to choose.
void register_policies() {
  constexpr std::pair<const char*, Policy> kPolicies[] = {
      {"maglev", Policy::kMaglev},
      {"random", Policy::kRandom},
      {"round_robin", Policy::kRoundRobin},
      {"weighted_round_robin", Policy::kWeightedRoundRobin},
      {"least_connections", Policy::kLeastConnections},
      {"least_load", Policy::kLeastLoad}};
  for (const unsigned family : {4U, 6U}) {
    for (const auto& [name, policy] : kPolicies)
      add(fmt::format("BM_Pipeline/ipip/v{}/{}/new_flows", family, name), BM_Pipeline,
          {.family = family, .policy = policy, .new_flows = true}, 131072);
  }
}

void register_stages() {
  for (const std::int64_t flows : {1024, 1048576})
    for (std::size_t s = 0; s < std::size(kStageNames); ++s)
      benchmark::RegisterBenchmark(fmt::format("BM_Stage/{}", kStageNames[s]).c_str(), BM_Stage,
                                   static_cast<Stage>(s))
          ->ArgName("flows")
          ->Arg(flows);
}

/// Pins the process to the first CPU it may use, and starts DPDK there: with huge pages if they may
/// be used and enough are free.
Result<Eal> start(bool may_use_huge_pages) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  ::sched_getaffinity(0, sizeof cpus, &cpus);
  unsigned cpu = 0;
  while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus)) ++cpu;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  ::sched_setaffinity(0, sizeof cpus, &cpus);

  EalSettings settings;
  settings.file_prefix = fmt::format("sluice-bench-{}", ::getpid());
  settings.lcores = std::to_string(cpu);
  settings.main_lcore = cpu;
  settings.memory_mb = kMemoryMb;
  const bool huge = may_use_huge_pages && preflight(settings).has_value();
  benchmark::AddCustomContext("pages", huge ? "huge" : "ordinary (--no-huge)");
  benchmark::AddCustomContext("cpu", std::to_string(cpu));
  benchmark::AddCustomContext("isa", SLUICE_ISA);
  return huge ? Eal::start(settings) : Eal::start_small(kMemoryMb);
}

}  // namespace
}  // namespace sluice::dataplane

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  // Of our own: --no-huge, to compare, and for valgrind, which has no room for DPDK's huge pages;
  // --bursts=N.
  constexpr std::string_view kBursts = "--bursts=";
  bool no_huge = false;
  char** const end = std::remove_if(argv + 1, argv + argc, [&](const char* argument) {
    const std::string_view text(argument);
    no_huge = no_huge || text == "--no-huge";
    if (text.starts_with(kBursts))
      sluice::dataplane::bursts = std::atoll(argument + kBursts.size());
    return text == "--no-huge" || text.starts_with(kBursts);
  });
  argc = static_cast<int>(end - argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto eal = sluice::dataplane::start(!no_huge);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  benchmark::AddCustomContext("tsc_mhz", std::to_string(rte_get_tsc_hz() / 1'000'000));
  sluice::dataplane::register_modes();
  sluice::dataplane::register_policies();
  sluice::dataplane::register_stages();
  benchmark::RunSpecifiedBenchmarks();
  sluice::dataplane::made.reset();
  benchmark::Shutdown();
  return 0;
}
