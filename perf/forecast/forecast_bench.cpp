// SPDX-License-Identifier: Apache-2.0
// What one step costs: a value observed and the horizon asked for, in steps of 15 s of a load with
// waves, noise and bursts, from the second day on; fits that come now and then included.
// Unit: steps. BM_LastValue is the floor: the call and nothing else.
#include "forecast/forecaster.hpp"
#include "forecast/residuals.hpp"
#include "forecast/series.hpp"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::forecast {
namespace {

constexpr std::size_t kDay = 5760;
constexpr std::size_t kAhead = 5;

std::vector<double> load() {
  std::vector<double> values(kDay);
  std::uint64_t state = 1;
  double burst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const double dice = static_cast<double>(state >> 11U) * 0x1.0p-53;
    burst = 0.9 * burst + (dice > 0.98 ? 50 : 0);
    values[i] = 100 + 40 * std::sin(static_cast<double>(i) / 900) + 10 * dice + burst;
  }
  return values;
}

void steps(benchmark::State& state, Kind kind) {
  const auto values = load();
  const auto forecaster = make(kind, {.horizon = kAhead});
  for (const double value : values) forecaster->observe(value);
  std::size_t at = 0;
  for (auto _ : state) {
    forecaster->observe(values[at]);
    benchmark::DoNotOptimize(forecaster->at(kAhead));
    at = at + 1 == values.size() ? 0 : at + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_LastValue(benchmark::State& state) { steps(state, Kind::kLastValue); }
void BM_Quantile(benchmark::State& state) { steps(state, Kind::kQuantile); }
void BM_Linear(benchmark::State& state) { steps(state, Kind::kLinear); }
void BM_HoltWinters(benchmark::State& state) { steps(state, Kind::kHoltWinters); }
void BM_Kalman(benchmark::State& state) { steps(state, Kind::kKalman); }
void BM_Network(benchmark::State& state) { steps(state, Kind::kNetwork); }
void BM_Arima(benchmark::State& state) { steps(state, Kind::kArima); }
void BM_Ensemble(benchmark::State& state) { steps(state, Kind::kEnsemble); }
BENCHMARK(BM_LastValue);
BENCHMARK(BM_Quantile);
BENCHMARK(BM_Linear);
BENCHMARK(BM_HoltWinters);
BENCHMARK(BM_Kalman);
BENCHMARK(BM_Network);
BENCHMARK(BM_Arima);
BENCHMARK(BM_Ensemble);

void BM_Residuals(benchmark::State& state) {
  const auto values = load();
  Residuals residuals(kAhead);
  std::size_t at = 0;
  for (auto _ : state) {
    residuals.step(values[at], values[(at + kAhead) % values.size()]);
    benchmark::DoNotOptimize(residuals.bound(values[at], 0.95));
    at = at + 1 == values.size() ? 0 : at + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Residuals);

void BM_SeriesAdd(benchmark::State& state) {
  const auto values = load();
  Series series;
  std::int64_t t = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(series.add(t, values[static_cast<std::size_t>(t) % values.size()]));
    ++t;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SeriesAdd);

}  // namespace
}  // namespace sluice::forecast

BENCHMARK_MAIN();
