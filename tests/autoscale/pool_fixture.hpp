// SPDX-License-Identifier: Apache-2.0
// A controller of a pool of two classes, and a fleet that does what it is told or not, on arrivals
// from a fixed seed.
//
// Threads: values.
#pragma once

#include "autoscale/controller.hpp"
#include "forecast/dice.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace sluice::autoscale {

inline Controller::Options pool_options(
    config::ScalePolicy policy = config::ScalePolicy::kPredictive,
    config::ForecastKind forecaster = config::ForecastKind::kEnsemble) {
  Controller::Options options;
  options.autoscale.policy = policy;
  options.autoscale.forecaster = forecaster;
  options.autoscale.min = 2;
  options.autoscale.max = 30;
  options.autoscale.tick_s = 5;
  options.classes = {{.name = "large", .capacity = 4, .price_per_hour = 4, .cold_start_s = 60},
                     {.name = "small", .capacity = 1, .price_per_hour = 1.5, .cold_start_s = 20}};
  return options;
}

/// Everything that a decision says, digit by digit.
inline std::string text_of(const Decision& d) {
  std::string text = d.reason + '|' + std::string(name_of(d.cause)) + '|' +
                     names_of_limits(d.limits) + '|' + d.forecaster;
  for (const unsigned count : d.wanted) text += '|' + std::to_string(count);
  for (const double one :
       {d.demand, d.backlog, d.capacity, d.saturation, d.horizon_s, d.forecast, d.low, d.high,
        d.margin, d.error, d.needed, d.provided, d.cost_per_hour, d.uncovered}) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "|%a", one);
    text += digits;
  }
  return text;
}

/// Backends that start and drain in their time, and requests that come in waves and bursts.
class World {
 public:
  World(const std::vector<config::BackendClass>& classes, std::uint64_t seed)
      : classes_(classes), dice_(seed), fleet_(classes.size()), due_(classes.size()) {}

  /// What is seen `seconds` later.
  Observation pass(double seconds) {
    t_ += seconds;
    double capacity = 0;
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      auto& due = due_[i];
      while (!due.empty() && due.front() <= t_) {
        due.erase(due.begin());
        --fleet_[i].starting;
        ++fleet_[i].ready;
      }
      capacity += fleet_[i].ready * classes_[i].capacity;
    }
    if (dice_.uniform() < 0.004) burst_ += 60 * dice_.uniform();
    burst_ *= std::pow(0.98, seconds / 5);
    const double rate = 12 + 8 * std::sin(t_ / 3600) + burst_ + 3 * dice_.uniform();
    Observation seen{.t = t_, .utc = static_cast<std::int64_t>(t_)};
    seen.arrivals = std::floor(rate * seconds);
    seen.served = std::min(queue_ + seen.arrivals, std::floor(capacity * seconds));
    queue_ += seen.arrivals - seen.served;
    seen.queue = queue_;
    seen.inflight = queue_ + seen.served;
    seen.fleet = fleet_;
    return seen;
  }
  void obey(const std::vector<unsigned>& wanted) {
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      auto& one = fleet_[i];
      while (one.ready + one.starting < wanted[i]) {
        ++one.starting;
        due_[i].push_back(t_ + classes_[i].cold_start_s);
      }
      while (one.ready + one.starting > wanted[i] && one.starting > 0) {
        --one.starting;
        due_[i].pop_back();
      }
      if (one.ready > wanted[i]) one.ready = wanted[i];
    }
  }
  /// One that is ready dies, or one that nobody asked for is there.
  void fail(std::size_t index) {
    if (fleet_[index].ready > 0) --fleet_[index].ready;
  }
  void appear(std::size_t index) { ++fleet_[index].ready; }
  [[nodiscard]] forecast::Dice& dice() noexcept { return dice_; }
  [[nodiscard]] double t() const noexcept { return t_; }

 private:
  const std::vector<config::BackendClass>& classes_;
  forecast::Dice dice_;
  std::vector<Fleet> fleet_;
  std::vector<std::vector<double>> due_;  ///< When those that start are ready.
  double t_ = 0;
  double queue_ = 0;
  double burst_ = 0;
};

}  // namespace sluice::autoscale
