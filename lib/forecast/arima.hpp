// SPDX-License-Identifier: Apache-2.0
// ARIMA(p,d,q): an ARMA model of the load or of its differences, whichever order explains the
// recent window best, fitted anew now and then.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/arma.hpp"
#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace sluice::forecast {

struct Order {
  std::size_t p;
  std::size_t d;  ///< 0 or 1.
  std::size_t q;
  friend bool operator==(const Order&, const Order&) = default;
};

/// The order is the one with the least AIC among a few. Until the first fit the last value is
/// expected; sooner after the start it is fitted more often.
class Arima final : public Forecaster {
 public:
  static constexpr std::size_t kWindow = 400;
  static constexpr std::size_t kRefit = 120;  ///< Steps from fit to fit.
  static constexpr std::size_t kLeast = 64;   ///< Values before the first fit.
  static const std::vector<Order> kOrders;

  explicit Arima(std::size_t window = kWindow, std::size_t refit = kRefit,
                 std::vector<Order> orders = kOrders);

  [[nodiscard]] std::string_view name() const noexcept override { return "arima"; }
  [[nodiscard]] Order order() const noexcept { return {model_.ar.size(), d_, model_.ma.size()}; }
  [[nodiscard]] const Arma& model() const noexcept { return model_; }

 private:
  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void fields(Fields& kept) override;

  void fit();
  /// The value or difference that was `age` steps before the last; 0 before the first.
  [[nodiscard]] double before(std::size_t age) const;
  [[nodiscard]] double expected_next() const;

  std::size_t refit_;
  std::vector<Order> orders_;
  Window values_;
  Window errors_{kMostOrder};  ///< Of the last one-step forecasts.
  Arma model_;
  std::size_t d_ = 1;
  std::size_t since_fit_ = 0;
};

}  // namespace sluice::forecast
