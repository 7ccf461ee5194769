// SPDX-License-Identifier: Apache-2.0
// Replays of 14 days in steps of one second, as `sluicectl plan` does them: the pool's controller
// with its ensemble of forecasters, and rivals. The floor follows a schedule that is known. Unit:
// simulated seconds.
#include "plan/controller_scaler.hpp"
#include "plan/oracle.hpp"
#include "plan/rivals.hpp"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::plan {
namespace {

constexpr std::uint32_t kStep = 10;                      // seconds
constexpr std::size_t kIntervals = 14 * 86'400 / kStep;  // of the trace

// Days of 200 requests/s in the mean, and noise.
const Arrivals& two_weeks() {
  static const Arrivals arrivals = [] {
    std::mt19937_64 random(1);
    std::vector<double> requests;
    for (std::size_t i = 0; i < kIntervals; ++i) {
      const double day = std::sin(static_cast<double>(i) * 2 * 3.141592653589793 * kStep / 86'400);
      requests.push_back((200 + 120 * day) * kStep + static_cast<double>(random() % 400));
    }
    return Arrivals({kStep, std::move(requests)});
  }();
  return arrivals;
}

PoolModel pool() {
  PoolModel pool;
  pool.classes = {{.name = "gpu", .capacity = 12, .service_time_s = 10, .cold_start_s = 60}};
  pool.max = 100;
  return pool;
}

void count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(two_weeks().seconds()));
}

void BM_Controller(benchmark::State& state) {
  autoscale::Controller::Options options;
  options.autoscale.max = 100;
  options.classes = {{.name = "gpu", .capacity = 12, .service_time_s = 10, .cold_start_s = 60}};
  for (auto _ : state) {
    ControllerScaler scaler(options, 0);
    benchmark::DoNotOptimize(simulate(two_weeks(), pool(), scaler));
  }
  count(state);
}
BENCHMARK(BM_Controller)->Unit(benchmark::kMillisecond);

void BM_Rival(benchmark::State& state) {
  const auto rival = static_cast<Rival>(state.range(0));
  state.SetLabel(std::string(name_of(rival)));
  for (auto _ : state) {
    const auto scaler = make_scaler(rival, pool());
    benchmark::DoNotOptimize(simulate(two_weeks(), pool(), *scaler));
  }
  count(state);
}
BENCHMARK(BM_Rival)
    ->Arg(static_cast<std::int64_t>(Rival::kHpa))
    ->Arg(static_cast<std::int64_t>(Rival::kKpa))
    ->Arg(static_cast<std::int64_t>(Rival::kHoltWinters))
    ->Unit(benchmark::kMillisecond);

void BM_Oracle(benchmark::State& state) {
  for (auto _ : state) {
    const auto need = backends_needed(two_weeks(), pool());
    benchmark::DoNotOptimize(cheapest_schedule(need, 60, 90));
  }
  count(state);
}
BENCHMARK(BM_Oracle)->Unit(benchmark::kMillisecond);

void BM_Floor(benchmark::State& state) {
  const std::vector<std::uint32_t> constant(two_weeks().seconds(), 30);
  for (auto _ : state) benchmark::DoNotOptimize(follow(two_weeks(), pool(), constant, constant));
  count(state);
}
BENCHMARK(BM_Floor)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::plan

BENCHMARK_MAIN();
