// SPDX-License-Identifier: Apache-2.0
#include "plan/controller_scaler.hpp"

#include "plan/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::plan {
namespace {

constexpr int kDecimals = 6;

double since_last_tick(std::span<const double> series, std::uint32_t tick_s) {
  const auto seconds = std::min<std::size_t>(tick_s, std::max<std::size_t>(1, series.size() - 1));
  return round_decimals(View::mean(series, tick_s) * static_cast<double>(seconds), kDecimals);
}

}  // namespace

autoscale::Observation observation_of(const View& view, std::uint32_t tick_s,
                                      std::int64_t utc_at_start) {
  autoscale::Observation seen;
  seen.t = static_cast<double>(view.t);
  seen.utc = utc_at_start + view.t;
  // Differences of large sums: rounding may leave a little less than nothing.
  seen.arrivals = std::max(0.0, since_last_tick(view.arrivals, tick_s));
  seen.served = std::max(0.0, since_last_tick(view.served, tick_s));
  seen.queue = std::max(0.0, round_decimals(view.queue, kDecimals));
  seen.inflight = std::max(0.0, round_decimals(view.inflight, kDecimals));
  for (const auto& count : view.classes)
    seen.fleet.push_back(
        {.ready = count.ready, .starting = count.starting, .asleep = count.asleep});
  return seen;
}

ControllerScaler::ControllerScaler(autoscale::Controller::Options options,
                                   std::int64_t utc_at_start, OnDecision on_decision)
    : tick_s_(static_cast<std::uint32_t>(std::max(1.0, std::nearbyint(options.autoscale.tick_s)))),
      utc_at_start_(utc_at_start),
      controller_(std::move(options)),
      on_decision_(std::move(on_decision)) {}

void ControllerScaler::want(const View& view, std::span<std::int64_t> wanted) {
  const auto& decision = controller_.tick(observation_of(view, tick_s_, utc_at_start_));
  for (std::size_t i = 0; i < std::min(wanted.size(), decision.wanted.size()); ++i)
    wanted[i] = decision.wanted[i];
  if (on_decision_) on_decision_(view, decision);
}

}  // namespace sluice::plan
