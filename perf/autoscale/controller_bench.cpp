// SPDX-License-Identifier: Apache-2.0
// What a decision costs: one tick of 15 s, in which every forecaster takes a step, with the
// ensemble and with each forecaster alone; refits, which come now and then, are in the mean. Unit:
// ticks. Then the search for the cheapest mix (kinds: values that differ, values that are the same,
// domains), and what a checkpoint costs.
#include "autoscale/controller.hpp"
#include "autoscale/mix.hpp"
#include "forecast/dice.hpp"

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace sluice::autoscale {
namespace {

constexpr double kTick = 15;
constexpr std::size_t kDay = 5760;  // ticks

Controller::Options options(config::ScalePolicy policy, config::ForecastKind forecaster) {
  Controller::Options options;
  options.autoscale.policy = policy;
  options.autoscale.forecaster = forecaster;
  options.autoscale.max = 100;
  options.autoscale.tick_s = kTick;
  options.classes = {{.name = "large", .capacity = 4, .price_per_hour = 4, .cold_start_s = 60},
                     {.name = "small", .capacity = 1, .price_per_hour = 1.5, .cold_start_s = 60}};
  return options;
}

// A day that is always the same, with noise from a fixed seed.
std::vector<double> arrivals() {
  forecast::Dice dice(1);
  std::vector<double> load(kDay);
  for (std::size_t i = 0; i < load.size(); ++i)
    load[i] =
        std::floor(kTick * (30 + 20 * std::sin(static_cast<double>(i) / 917) + 9 * dice.uniform()));
  return load;
}

// A pool that does at once what it is told.
class Pool {
 public:
  Pool(config::ScalePolicy policy, config::ForecastKind forecaster)
      : controller_(options(policy, forecaster)) {
    seen_.fleet = {{.ready = 1}, {}};
  }
  void tick() {
    seen_.t += kTick;
    seen_.utc += static_cast<std::int64_t>(kTick);
    seen_.arrivals = load_[at_];
    at_ = (at_ + 1) % load_.size();
    const Decision& made = controller_.tick(seen_);
    for (std::size_t i = 0; i < made.wanted.size(); ++i) seen_.fleet[i].ready = made.wanted[i];
  }
  [[nodiscard]] const Controller& controller() const noexcept { return controller_; }

 private:
  std::vector<double> load_ = arrivals();
  Controller controller_;
  Observation seen_;
  std::size_t at_ = 0;
};

void ticks(benchmark::State& state, config::ScalePolicy policy, config::ForecastKind forecaster) {
  Pool pool(policy, forecaster);
  for (std::size_t i = 0; i < kDay; ++i) pool.tick();  // windows are full from here on
  for (auto _ : state) pool.tick();
  state.SetItemsProcessed(state.iterations());
}

// What a decision costs that looks at the present alone; the forecaster runs beside it.
void BM_Floor(benchmark::State& state) {
  ticks(state, config::ScalePolicy::kTarget, config::ForecastKind::kLastValue);
}
BENCHMARK(BM_Floor)->Unit(benchmark::kMicrosecond)->Iterations(2 * kDay);

void BM_Tick(benchmark::State& state) {
  static const std::vector<std::string> kNames{"ensemble",     "last_value", "quantile", "linear",
                                               "holt_winters", "arima",      "kalman",   "network"};
  const auto kind = static_cast<config::ForecastKind>(state.range(0));
  state.SetLabel(kNames[static_cast<std::size_t>(state.range(0))]);
  ticks(state, config::ScalePolicy::kPredictive, kind);
}
BENCHMARK(BM_Tick)
    ->ArgName("forecaster")
    ->DenseRange(0, static_cast<int>(config::ForecastKind::kNetwork))
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2 * kDay);

enum class Kind : int { kDistinct, kSameValue, kDomains };

void BM_Mix(benchmark::State& state) {
  static const std::vector<std::string> kDomains{"a", "b", "c", "d", "e", "f", "g", "h"};
  const auto kind = static_cast<Kind>(state.range(1));
  std::vector<MixClass> classes;
  for (unsigned i = 0; i < static_cast<unsigned>(state.range(0)); ++i) {
    const double size = kind == Kind::kSameValue ? 1U << i : 1 + 1.37 * i;
    const double price = kind == Kind::kSameValue ? 2 * size : 1 + 1.5 * i + 0.01 * i * i;
    classes.push_back({.capacity = size,
                       .price = price,
                       .most = 1000,
                       .present = 5 * i,
                       .domain = kind == Kind::kDomains ? kDomains[i] : ""});
  }
  const double share = kind == Kind::kDomains ? 0.2 : 1;
  double need = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        cheapest_mix(classes, {.capacity = need, .most = 1000, .domain_share = share}));
    need = need < 900 ? need + 7.1 : 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Mix)
    ->ArgNames({"classes", "kind"})
    ->ArgsProduct({{1, 2, 4, 8}, {0, 1}})
    ->Args({8, 2})
    ->Unit(benchmark::kMicrosecond);

void BM_Checkpoint(benchmark::State& state) {
  Pool pool(config::ScalePolicy::kPredictive, config::ForecastKind::kEnsemble);
  for (std::size_t i = 0; i < kDay; ++i) pool.tick();
  std::size_t bytes = 0;
  for (auto _ : state) bytes = pool.controller().save().dump().size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_Checkpoint)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::autoscale

BENCHMARK_MAIN();
