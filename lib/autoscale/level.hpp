// SPDX-License-Identifier: Apache-2.0
// Exponential smoothing with a damped trend that leans back to the long mean: the plainest
// forecaster that knows where it is, where it is going, and that neither lasts.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"

#include <cstddef>
#include <string_view>

namespace sluice::autoscale {

class Level final : public forecast::Forecaster {
 public:
  struct Options {
    std::string_view name;
    double level = 0.5;        ///< Weight of a new value in the level, 0 to 1.
    double trend = 0;          ///< Weight of a new slope in the trend; 0: there is none.
    double damping = 0.5;      ///< Of the trend, each step ahead.
    double reversion = 0;      ///< Share of the way back to the long mean.
    double long_mean = 0.005;  ///< Weight of a new value in the long mean.
  };

  explicit Level(const Options& options) : options_(options) {}

  [[nodiscard]] std::string_view name() const noexcept override { return options_.name; }

 private:
  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void fields(forecast::Fields& kept) override;

  Options options_;
  std::size_t seen_ = 0;
  double level_ = 0;
  double trend_ = 0;
  double mean_ = 0;
};

}  // namespace sluice::autoscale
