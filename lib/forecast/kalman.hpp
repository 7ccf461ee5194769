// SPDX-License-Identifier: Apache-2.0
// Kalman filters of a level, without and with a damped trend, for several ratios between how much
// the level moves and how much a value is off it.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/record.hpp"

#include <cstddef>
#include <vector>

namespace sluice::forecast {

/// What a filter takes for granted. Variances are in units of that of a value around its level.
struct Motion {
  double level;    ///< Variance of the level's own move in a step.
  double trend;    ///< Likewise of the trend; 0: there is none.
  double damping;  ///< Of the trend per step, 0 to 1.
};

/// The ratio is estimated as the load goes on: all filters run, and each weighs by a high power
/// of how much less it was off at the horizon of late.
/// Source: Durbin, Koopman, "Time series analysis by state space methods", chapters 2 and 4.
class Kalman final : public Forecaster {
 public:
  static constexpr std::size_t kMemory = 240;  ///< Errors that weigh.
  static const std::vector<Motion> kChoices;

  explicit Kalman(std::size_t horizon = 5, std::vector<Motion> choices = kChoices);

  [[nodiscard]] std::string_view name() const noexcept override { return "kalman"; }
  /// Of the level, averaged by the filters' weights: what is estimated of the ratio.
  [[nodiscard]] double level_variance() const;

 private:
  struct Filter {
    Motion with;
    Record record;
    double level = 0;
    double trend = 0;
    // Covariance of level and trend; both are unknown at first.
    double level_level = 0;
    double level_trend = 0;
    double trend_trend = 0;

    void start(double value);
    void step(double value);
    [[nodiscard]] double expect(std::size_t ahead) const;
  };

  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void horizon_changed() override;
  void fields(Fields& kept) override;

  bool started_ = false;
  std::vector<Filter> filters_;
};

}  // namespace sluice::forecast
