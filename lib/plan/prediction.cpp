// SPDX-License-Identifier: Apache-2.0
#include "plan/prediction.hpp"

#include "forecast/forecaster.hpp"
#include "forecast/residuals.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::plan {
namespace {

constexpr std::size_t kSteps = 96;      // to the horizon, at most
constexpr std::size_t kLeastStep = 15;  // seconds, as in the controller
constexpr std::size_t kRows = 24;

forecast::Kind kind_of(config::ForecastKind kind) {
  using enum config::ForecastKind;
  switch (kind) {
    case kLastValue:
      return forecast::Kind::kLastValue;
    case kQuantile:
      return forecast::Kind::kQuantile;
    case kLinear:
      return forecast::Kind::kLinear;
    case kHoltWinters:
      return forecast::Kind::kHoltWinters;
    case kArima:
      return forecast::Kind::kArima;
    case kKalman:
      return forecast::Kind::kKalman;
    case kNetwork:
      return forecast::Kind::kNetwork;
    case kEnsemble:
      break;
  }
  return forecast::Kind::kEnsemble;
}

std::size_t divided_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

Prediction predict(const Arrivals& arrivals, config::ForecastKind kind, double season_s,
                   std::size_t horizon_s) {
  Prediction prediction;
  const std::size_t unit = arrivals.step_s();
  const auto step =
      divided_up(std::max({kLeastStep, divided_up(horizon_s, kSteps), unit}), unit) * unit;
  prediction.step_s = step;
  const auto steps = divided_up(horizon_s, step);
  const auto apart = divided_up(steps, kRows);
  forecast::Options options;
  options.season =
      std::min(forecast::kLongestSeason,
               static_cast<std::size_t>(std::llround(season_s / static_cast<double>(step))));
  options.horizon = std::max<std::size_t>(1, steps / 2);
  const auto forecaster = forecast::make(kind_of(kind), options);
  std::vector<forecast::Residuals> residuals;
  for (std::size_t ahead = apart; ahead < steps + apart; ahead += apart)
    residuals.emplace_back(std::min(ahead, steps));
  const auto& came = arrivals.cumulative();
  for (std::size_t t = step; t <= arrivals.seconds(); t += step) {
    const double rate = std::max(0.0, (came[t] - came[t - step]) / static_cast<double>(step));
    forecaster->observe(rate);
    for (auto& errors : residuals) errors.step(rate, forecaster->at(errors.ahead()));
  }
  for (const auto& errors : residuals) {
    const double expected = forecaster->at(errors.ahead());
    prediction.rates.push_back({.ahead_s = errors.ahead() * step,
                                .expected = expected,
                                .low = errors.bound(expected, 0.05),
                                .high = errors.bound(expected, 0.95),
                                .error = errors.mean_absolute(),
                                .errors = errors.count()});
  }
  prediction.forecaster = forecaster->leader();
  return prediction;
}

}  // namespace sluice::plan
