// SPDX-License-Identifier: Apache-2.0
// What a scrape and the page's answer cost the slow path, by the backends of a node.
#include "control/metrics_text.hpp"

#include "base/event_loop.hpp"
#include "config/decode.hpp"
#include "control/health_keeper.hpp"
#include "control/view_stats.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace sluice::control {
namespace {

constexpr std::int64_t kBackendsPerPool = 100;

std::string text_of(std::int64_t backends) {
  std::string pools;
  for (std::int64_t p = 0; p * kBackendsPerPool < backends; ++p) {
    std::string list;
    for (std::int64_t b = 0; b < kBackendsPerPool; ++b) {
      const auto i = p * kBackendsPerPool + b;
      list += fmt::format(R"({}{{"name": "gpu-{}", "address": "10.1.{}.{}"}})", b == 0 ? "" : ",",
                          b, i >> 8, i & 255);
    }
    pools += fmt::format(
        R"({}{{"name": "pool-{}", "forwarding": "ipip", "encapsulation": {{"source": "10.0.0.1"}},
            "health": {{"type": "tcp", "port": 80}}, "backends": [{}]}})",
        p == 0 ? "" : ",", p, list);
  }
  return fmt::format(R"({{
    "node": "bench-{}",
    "dpdk": {{"lcores": "0-1", "main_lcore": 0, "huge_pages": false, "memory_mb": 64}},
    "ports": [{{"name": "front", "device": "net_null0,no-rx=1", "mac": "02:00:00:00:00:01"}}],
    "neighbours": [{{"address": "10.1.0.0/16", "mac": "02:00:00:00:00:fe", "port": "front"}}],
    "flow_cache": {{"flows": 65536}},
    "services": [{{"name": "chat", "address": "203.0.113.10", "port": 443, "protocol": "tcp", "pool": "pool-0"}}],
    "pools": [{}]}})",
                     ::getpid(), pools);
}

template <class T>
T sound(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().text().c_str());
  std::exit(1);
}

config::Configuration configuration_of(std::int64_t backends) {
  return config::decode(text_of(backends)).configuration;
}

/// A node with so many backends whose checks are about to begin. DPDK starts once a process.
struct BigNode {
  explicit BigNode(std::int64_t backends) {
    static const auto opened = sound(FastPath::open(configuration_of(kBackendsPerPool)));
    fast_path = opened.get();
    auto configuration = configuration_of(backends);
    auto ports = egress_ports(configuration, fast_path->macs());
    model = sound(Model::create(std::move(configuration), {}, std::move(ports),
                                std::chrono::steady_clock::now));
    health = sound(HealthKeeper::open({.loop = *loop,
                                       .events = events,
                                       .signals = {},
                                       .active = {},
                                       .changed = {},
                                       .driver_saw = {}},
                                      "/nonexistent/sluice"));
    health->follow(model->running(), {}, model->reaches(), model->ports());
  }
  [[nodiscard]] Scene scene() const { return {*model, *fast_path, standing, health.get()}; }

  std::unique_ptr<EventLoop> loop = sound(EventLoop::open());
  EventLog events;
  Standing standing;
  FastPath* fast_path = nullptr;
  std::unique_ptr<Model> model;
  std::unique_ptr<HealthKeeper> health;
};

// What nothing that writes a scrape can beat: each line's name and labels copied from where they
// stand ready, its number written, into memory that stays warm. Unit: backends.
void BM_Floor(benchmark::State& state) {
  constexpr int kLines = 9;  // of a backend that has been asked
  const std::string line = "sluice_backend_packets_total{pool=\"pool-12\",backend=\"gpu-34\"} ";
  std::string piece;
  std::size_t bytes = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0) * kLines; ++i) {
      piece += line;
      std::array<char, 24> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), i).ptr;
      *end = '\n';
      piece.append(digits.data(), end + 1);
      if (piece.size() < MetricsText::kPiece) continue;
      benchmark::DoNotOptimize(piece.data());
      bytes += piece.size();
      piece.clear();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// A scrape as a client gets it: all figures read, then piece after piece. Unit: backends.
void BM_Scrape(benchmark::State& state) {
  const BigNode node(state.range(0));
  std::string piece;
  std::size_t bytes = 0;
  for (auto _ : state) {
    MetricsText text(node.scene());
    for (; text.next(piece); piece.clear()) {
      bytes += piece.size();
      benchmark::DoNotOptimize(piece.data());
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// What of it falls into one turn: all figures. Unit: backends.
void BM_ScrapeBegins(benchmark::State& state) {
  const BigNode node(state.range(0));
  for (auto _ : state) {
    const MetricsText text(node.scene());
    benchmark::DoNotOptimize(&text);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// Unit: backends.
void BM_Stats(benchmark::State& state) {
  const BigNode node(state.range(0));
  for (auto _ : state) {
    StatsText text(node.scene(), node.events, {});
    std::string piece;
    for (; text.next(node.scene(), piece); piece.clear()) benchmark::DoNotOptimize(piece.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

#define SIZES ArgName("backends")->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond)
BENCHMARK(BM_Floor)->SIZES;
BENCHMARK(BM_Scrape)->SIZES;
BENCHMARK(BM_ScrapeBegins)->SIZES;
BENCHMARK(BM_Stats)->SIZES;

}  // namespace
}  // namespace sluice::control

BENCHMARK_MAIN();
