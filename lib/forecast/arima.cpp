// SPDX-License-Identifier: Apache-2.0
#include "forecast/arima.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace sluice::forecast {
namespace {

// The same values are explained by each order, so that their likelihoods can be compared.
constexpr std::size_t kSkip = 12;

// exp(x) for 0 <= x < 1 by its series: the same on every machine.
double growth(double x) {
  double sum = 1;
  double term = 1;
  for (int i = 1; i < 20; ++i) {
    term *= x / i;
    sum += term;
  }
  return sum;
}

// AIC is n log(variance) + 2 parameters; this is the exponential of its n-th part.
double badness(const Arma& model, std::size_t n) {
  const auto parameters = static_cast<double>(model.ar.size() + model.ma.size() + 2);
  return model.variance * growth(2 * parameters / static_cast<double>(n));
}

// A load without a mean is only taken for one with a mean where that explains it better than a walk
// would by chance: by the 5 % of Dickey and Fuller's test, 8.2 / n, of which AIC counts 2 / n.
double unlikely_mean(std::size_t n) { return growth(6.2 / static_cast<double>(n)); }

std::vector<double> differences(std::span<const double> values) {
  std::vector<double> steps(values.size() - 1);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = values[i + 1] - values[i];
  return steps;
}

}  // namespace

const std::vector<Order> Arima::kOrders = {{0, 1, 0}, {0, 1, 1}, {0, 1, 2}, {1, 1, 1},
                                           {1, 0, 0}, {2, 0, 0}, {1, 0, 1}, {2, 0, 1}};

Arima::Arima(std::size_t window, std::size_t refit, std::vector<Order> orders)
    : refit_(refit), orders_(std::move(orders)), values_(window) {
  SLUICE_ASSERT(window >= kLeast && !orders_.empty(), "there is something to fit");
}

double Arima::before(std::size_t age) const {
  return d_ == 0 ? values_[age] : values_[age] - values_[age + 1];
}

double Arima::expected_next() const {
  double expected = model_.mean;
  for (std::size_t i = 0; i < model_.ar.size() && i + d_ < values_.size(); ++i)
    expected += model_.ar[i] * (before(i) - model_.mean);
  for (std::size_t i = 0; i < model_.ma.size() && i < errors_.size(); ++i)
    expected += model_.ma[i] * errors_[i];
  return d_ == 0 ? expected : values_[0] + expected;
}

void Arima::step(double value) {
  if (!values_.empty()) errors_.push(within_kept(value - expected_next()));
  values_.push(value);
  ++since_fit_;
  const std::size_t due = std::min(refit_, std::max<std::size_t>(values_.size() / 4, 16));
  if (values_.size() >= kLeast && since_fit_ >= due) fit();
}

void Arima::fit() {
  since_fit_ = 0;
  const std::vector<double> values = values_.values();
  const std::vector<double> steps = differences(values);
  double best = std::numeric_limits<double>::infinity();
  for (const Order& order : orders_) {
    const std::span<const double> series = order.d == 0 ? std::span(values) : std::span(steps);
    const std::size_t skip = kSkip - order.d;
    Arma fitted = fit_arma(series, order.p, order.q, skip);
    const std::size_t n = series.size() - skip;
    const double found = badness(fitted, n) * (order.d == 0 ? unlikely_mean(n) : 1);
    if (!(found < best)) continue;
    best = found;
    model_ = std::move(fitted);
    d_ = order.d;
  }
  std::vector<double> errors;
  errors_of(model_, d_ == 0 ? values : steps, errors);
  errors_.assign(std::move(errors));
}

double Arima::expect(std::size_t ahead) const {
  if (values_.empty()) return 0;
  // Newest first; what is forecast goes in front, without an error.
  std::array<double, kMostOrder> past{};
  std::array<double, kMostOrder> errors{};
  for (std::size_t i = 0; i < model_.ar.size() && i + d_ < values_.size(); ++i)
    past[i] = before(i) - model_.mean;
  for (std::size_t i = 0; i < model_.ma.size() && i < errors_.size(); ++i) errors[i] = errors_[i];
  double level = values_[0];
  for (std::size_t step = 0; step < ahead; ++step) {
    double next = 0;
    for (std::size_t i = 0; i < model_.ar.size(); ++i) next += model_.ar[i] * past[i];
    for (std::size_t i = 0; i < model_.ma.size(); ++i) next += model_.ma[i] * errors[i];
    std::shift_right(past.begin(), past.end(), 1);
    past[0] = next;
    std::shift_right(errors.begin(), errors.end(), 1);
    errors[0] = 0;
    level = d_ == 0 ? model_.mean + next : level + model_.mean + next;
  }
  return level;
}

void Arima::fields(Fields& kept) {
  values_.fields(kept, "values", 0, kMostValue);
  errors_.fields(kept, "errors", -kMostKept, kMostKept);
  kept.numbers("ar", model_.ar, 0, kMostOrder, -8, 8);
  kept.numbers("ma", model_.ma, 0, kMostOrder, -8, 8);
  kept.number("mean", model_.mean, -kMostValue, kMostValue);
  kept.number("variance", model_.variance, 0, kMostKept * kMostKept);
  kept.whole("d", d_, 1);
  kept.whole("since_fit", since_fit_, std::max(refit_, kLeast));
  kept.require(bounded(model_), "ar", "a stationary model that is invertible was expected");
}

}  // namespace sluice::forecast
