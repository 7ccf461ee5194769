// SPDX-License-Identifier: Apache-2.0
// A quantile of the last values, whatever the horizon: a high one keeps what recent peaks needed,
// the median is what single bursts cannot move.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

namespace sluice::forecast {

class MovingQuantile final : public Forecaster {
 public:
  /// @param window  values, at least 1.
  /// @param q       0 (least) to 1 (greatest); between two values it is interpolated.
  explicit MovingQuantile(std::size_t window = 20, double q = 0.9) : window_(window), q_(q) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "quantile"; }

 private:
  void fields(Fields& kept) override { window_.fields(kept, "values", 0, kMostValue); }
  void step(double value) override { window_.push(value); }
  [[nodiscard]] double expect(std::size_t ahead) const override;

  Window window_;
  double q_;
};

}  // namespace sluice::forecast
