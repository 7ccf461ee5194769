// SPDX-License-Identifier: Apache-2.0
// It stays as it is: the floor that any other forecaster has to beat.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"

namespace sluice::forecast {

class LastValue final : public Forecaster {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "last_value"; }

 private:
  void fields(Fields& kept) override { kept.number("last", last_, 0, kMostValue); }
  void step(double value) override { last_ = value; }
  [[nodiscard]] double expect(std::size_t /*ahead*/) const override { return last_; }

  double last_ = 0;
};

}  // namespace sluice::forecast
