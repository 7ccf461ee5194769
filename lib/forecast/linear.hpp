// SPDX-License-Identifier: Apache-2.0
// The straight line through the last values (least squares), drawn on.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

namespace sluice::forecast {

class Linear final : public Forecaster {
 public:
  /// @param window  values, at least 2. While there are fewer than 2, the last one is expected.
  explicit Linear(std::size_t window = 40) : window_(window) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "linear"; }

 private:
  void fields(Fields& kept) override { window_.fields(kept, "values", 0, kMostValue); }
  void step(double value) override { window_.push(value); }
  [[nodiscard]] double expect(std::size_t ahead) const override;

  Window window_;
};

}  // namespace sluice::forecast
