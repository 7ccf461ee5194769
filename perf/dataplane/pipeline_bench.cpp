// SPDX-License-Identifier: Apache-2.0
// The whole pipeline on packets in memory, as a worker runs it: bursts of 32 TCP segments in frames
// of 60 bytes, every packet of another flow until all have had their turn, cache warm. Unit:
// packets; cycles are TSC cycles. BM_Floor does the same with a swap of the MAC addresses in place
// of the pipeline; nothing that touches a packet can be faster.
#include "dataplane/eal.hpp"
#include "dataplane/stages.hpp"

#include "packet/headers.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::dataplane {
namespace {

constexpr std::size_t kBuffers = 2048;  // in use by one queue: what a device cycles through
constexpr std::size_t kFrame = 60;
constexpr unsigned kBackends = 100;
constexpr std::size_t kCacheFlows = 1U << 20;  // as `sluiced` sizes it by default
constexpr std::uint32_t kVip = 0xcb00710a;     // 203.0.113.10
constexpr unsigned kMemoryMb = 256;

/// Memory from DPDK's heap, as a worker's: in huge pages where there are any.
template <class T>
class Heap {
 public:
  explicit Heap(std::size_t count) : count_(count) {
    memory_ = static_cast<T*>(rte_zmalloc("bench", count * sizeof(T), alignof(T)));
    if (memory_ == nullptr) throw std::runtime_error("not enough memory in the EAL");
    for (std::size_t i = 0; i < count; ++i) new (memory_ + i) T();
  }
  ~Heap() { rte_free(memory_); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  [[nodiscard]] std::span<T> span() const noexcept { return {memory_, count_}; }

 private:
  T* memory_;
  std::size_t count_;
};

std::unique_ptr<const snapshot::Snapshot> tables(snapshot::Forwarding forwarding) {
  snapshot::Input input;
  input.hash_key = default_hash_key();
  input.tcp_timeout = input.udp_timeout = 1800;
  snapshot::PoolInput pool;
  pool.name = "p";
  pool.forwarding = forwarding;
  pool.outer_source = IpAddress::v4({10, 0, 0, 1});
  for (unsigned i = 0; i < kBackends; ++i) {
    const auto last = static_cast<std::uint8_t>(i);
    snapshot::BackendInput backend;
    backend.name = fmt::format("b{}", i);
    backend.address = IpAddress::v4({10, 0, 1, last});
    backend.weight = 100;
    backend.number = static_cast<snapshot::BackendNumber>(i);
    backend.hop = snapshot::Hop{0, {{2, 0, 0, 0, 1, last}}, {{2, 0, 0, 0, 0, 1}}, 1500};
    pool.backends.push_back(std::move(backend));
  }
  input.pools.push_back(std::move(pool));
  input.services.push_back(
      {"s", IpAddress::v4({203, 0, 113, 10}), 443, wire::kIpProtoTcp, /*pool=*/0, /*number=*/0});
  auto built = snapshot::build(std::move(input), nullptr);
  if (!built) throw std::runtime_error(built.error().text());
  return std::move(*built);
}

/// Where the packets come from: buffers that are written anew for each burst, as a device does, and
/// a list of distinct flows in random order.
class Source {
 public:
  explicit Source(std::size_t flows) : flows_(flows) {
    std::mt19937 random(1);
    // Distinct by construction: an odd multiplier permutes the addresses; then shuffled.
    for (std::size_t i = 0; i < flows; ++i)
      flows_[i] = {Be32::from_host(static_cast<std::uint32_t>(i) * 2654435761U),
                   Be16::from_host(static_cast<std::uint16_t>(1024 + i % 50'000))};
    std::ranges::shuffle(flows_, random);
    wire::store(
        frame_.data(),
        wire::Ethernet{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, Be16::from_host(wire::kEtherIpv4)});
    wire::Ipv4 ip{};
    ip.version_length = 0x45;
    ip.total_length = Be16::from_host(kFrame - sizeof(wire::Ethernet));
    ip.ttl = 64;
    ip.protocol = wire::kIpProtoTcp;
    ip.destination = Be32::from_host(kVip);
    wire::store(frame_.data() + kIp, ip);
    wire::Tcp tcp{};
    tcp.destination_port = Be16::from_host(443);
    tcp.data_offset = 5 << 4;
    tcp.flags = wire::kTcpAck;
    wire::store(frame_.data() + kTcp, tcp);

    pool_ =
        rte_pktmbuf_pool_create("bench", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    buffers_.resize(kBuffers);
    if (pool_ == nullptr || rte_pktmbuf_alloc_bulk(pool_, buffers_.data(), kBuffers) != 0)
      throw std::runtime_error("not enough memory for packet buffers");
  }
  ~Source() { rte_mempool_free(pool_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// The next burst. The same work for the floor and the pipeline.
  void fill(Burst& b) noexcept {
    b.size = kBurst;
    for (std::uint16_t i = 0; i < kBurst; ++i) {
      rte_mbuf* m = buffers_[buffer_ + i];
      m->data_off = RTE_PKTMBUF_HEADROOM;
      m->data_len = kFrame;
      m->pkt_len = kFrame;
      auto* frame = rte_pktmbuf_mtod(m, std::byte*);
      std::memcpy(frame, frame_.data(), frame_.size());
      wire::store(frame + kIp + offsetof(wire::Ipv4, source), flows_[flow_].address);
      wire::store(frame + kTcp + offsetof(wire::Tcp, source_port), flows_[flow_].port);
      if (++flow_ == flows_.size()) flow_ = 0;
      b.packet[i] = m;
    }
    buffer_ = (buffer_ + kBurst) % kBuffers;
  }

  [[nodiscard]] std::size_t flows() const noexcept { return flows_.size(); }

 private:
  static constexpr std::size_t kIp = sizeof(wire::Ethernet);
  static constexpr std::size_t kTcp = kIp + sizeof(wire::Ipv4);
  struct Flow {
    Be32 address;
    Be16 port;
  };

  std::vector<Flow> flows_;
  std::array<std::byte, 64> frame_{};  // whole, so that the copy is of a constant, even size
  rte_mempool* pool_ = nullptr;
  std::vector<rte_mbuf*> buffers_;
  std::size_t buffer_ = 0;
  std::size_t flow_ = 0;
};

/// A worker's state, warm: every flow of the source is in the cache as far as it fits.
struct Bench {
  Bench(snapshot::Forwarding forwarding, std::size_t flows)
      : now(tables(forwarding)),
        source(flows),
        lines(flow::Cache::lines_for(kCacheFlows)),
        fragments(flow::Cache::lines_for(kFragmentedDatagrams)),
        answers(kAnswerLines),
        state({lines.span(), fragments.span(), answers.span()}, rte_get_tsc_hz(), 1),
        services(1),
        backends(kBackends),
        counters(services.span(), backends.span()) {
    Burst b;
    for (std::size_t sent = 0; sent < 2 * flows || sent < 2 * kBuffers; sent += kBurst) {
      source.fill(b);
      process(b, *now, state);
      for (const auto verdict : b.verdict)
        if (verdict != Verdict::kForward) throw std::runtime_error("a packet was not forwarded");
    }
  }

  std::unique_ptr<const snapshot::Snapshot> now;
  Source source;
  Heap<flow::Line> lines;
  Heap<flow::Line> fragments;
  Heap<flow::MeterLine> answers;
  WorkerState state;
  Heap<Traffic> services;
  Heap<Traffic> backends;
  Counters counters;
};

std::unique_ptr<Bench> made;  // goes before the EAL does: see main()

/// The bench of these settings; the one before is gone. Repetitions find it as it is.
Bench& bench(snapshot::Forwarding forwarding, std::size_t flows) {
  if (!made || made->source.flows() != flows ||
      made->now->input.pools[0].forwarding != forwarding) {
    made.reset();
    made = std::make_unique<Bench>(forwarding, flows);
  }
  return *made;
}

void report(benchmark::State& state, std::uint64_t cycles) {
  const auto packets = state.iterations() * kBurst;
  state.SetItemsProcessed(packets);
  state.counters["cycles_per_packet"] = static_cast<double>(cycles) / static_cast<double>(packets);
}

using Mac = std::array<std::uint8_t, 6>;

void BM_Floor(benchmark::State& state) {
  Bench& on = bench(snapshot::Forwarding::kIpip, static_cast<std::size_t>(state.range(0)));
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

void BM_Pipeline(benchmark::State& state, snapshot::Forwarding forwarding) {
  Bench& on = bench(forwarding, static_cast<std::size_t>(state.range(0)));
  const std::uint64_t misses = on.state.flows.stats().misses.value();
  Burst b;
  const std::uint64_t start = rte_rdtsc();
  for (auto _ : state) {
    on.source.fill(b);
    process(b, *on.now, on.state);
    count(b, on.counters);
    benchmark::ClobberMemory();
  }
  report(state, rte_rdtsc() - start);
  state.counters["cache_misses_per_packet"] =
      static_cast<double>(on.state.flows.stats().misses.value() - misses) /
      static_cast<double>(state.iterations() * kBurst);
}

enum class Stage { kFill, kParse, kClassify, kLookUp, kSteer, kRewrite, kCount };
constexpr const char* kStageNames[] = {"fill",  "parse",   "classify", "look_up",
                                       "steer", "rewrite", "count"};

/// One stage within the whole ipip pipeline: all of it runs, the clock runs for the stage alone.
/// Two readings of the TSC a burst are in the figure: 1 to 2 cycles a packet.
void BM_Stage(benchmark::State& state, Stage wanted) {
  Bench& on = bench(snapshot::Forwarding::kIpip, static_cast<std::size_t>(state.range(0)));
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
    timed(Stage::kLookUp, [&] { look_up(b, *on.now, on.state); });
    timed(Stage::kSteer, [&] { steer(b, *on.now, on.state); });
    timed(Stage::kRewrite, [&] { rewrite(b, *on.now); });
    timed(Stage::kCount, [&] { count(b, on.counters); });
    benchmark::ClobberMemory();
  }
  state.counters["cycles_per_packet"] =
      static_cast<double>(cycles) / static_cast<double>(state.iterations() * kBurst);
}

void register_all() {
  constexpr std::int64_t kFlows[] = {1, 1024, 16384, 131072, 1048576};
  // The floor of a number of flows stands right before its pipelines: the same moment of a noisy
  // machine for all three.
  for (const auto flows : kFlows) {
    benchmark::RegisterBenchmark("BM_Floor/v4", BM_Floor)->ArgName("flows")->Arg(flows);
    benchmark::RegisterBenchmark("BM_Pipeline/ipip/v4", BM_Pipeline, snapshot::Forwarding::kIpip)
        ->ArgName("flows")
        ->Arg(flows);
    benchmark::RegisterBenchmark("BM_Pipeline/l2dsr/v4", BM_Pipeline, snapshot::Forwarding::kL2dsr)
        ->ArgName("flows")
        ->Arg(flows);
  }
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
  // Of our own: --no-huge, to compare, and for valgrind, which has no room for DPDK's huge pages.
  char** const end = std::remove(argv + 1, argv + argc, std::string_view("--no-huge"));
  const bool no_huge = end != argv + argc;
  argc = static_cast<int>(end - argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto eal = sluice::dataplane::start(!no_huge);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  benchmark::AddCustomContext("tsc_mhz", std::to_string(rte_get_tsc_hz() / 1'000'000));
  sluice::dataplane::register_all();
  benchmark::RunSpecifiedBenchmarks();
  sluice::dataplane::made.reset();
  benchmark::Shutdown();
  return 0;
}
