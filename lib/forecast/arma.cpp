// SPDX-License-Identifier: Apache-2.0
#include "forecast/arma.hpp"

#include "forecast/nelder_mead.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>

namespace sluice::forecast {
namespace {

constexpr std::size_t kLongRegression = 8;  // lags of the first of the two regressions
constexpr std::size_t kEvaluations = 60;    // of the sum of squares, for each parameter

// Least squares for `lags` of values and of errors (both about 0), from index `from` on.
std::vector<double> regress(std::span<const double> values, std::size_t p,
                            std::span<const double> errors, std::size_t q, std::size_t from) {
  const auto rows = static_cast<Eigen::Index>(values.size() - from);
  Eigen::MatrixXd before(rows, static_cast<Eigen::Index>(p + q));
  Eigen::VectorXd now(rows);
  for (Eigen::Index row = 0; row < rows; ++row) {
    const std::size_t t = from + static_cast<std::size_t>(row);
    now(row) = values[t];
    for (std::size_t i = 0; i < p; ++i)
      before(row, static_cast<Eigen::Index>(i)) = values[t - 1 - i];
    for (std::size_t i = 0; i < q; ++i)
      before(row, static_cast<Eigen::Index>(p + i)) = errors[t - 1 - i];
  }
  // Not the blocked decomposition: its order of sums would follow from the size of the cache.
  const Eigen::VectorXd solved = before.colPivHouseholderQr().solve(now);
  std::vector<double> coefficients(p + q);
  for (std::size_t i = 0; i < p + q; ++i) {
    const double one = solved(static_cast<Eigen::Index>(i));
    coefficients[i] = std::isfinite(one) ? std::clamp(one, -4.0, 4.0) : 0;
  }
  return coefficients;
}

std::vector<double> negated(std::span<const double> values) {
  std::vector<double> other(values.begin(), values.end());
  for (double& value : other) value = -value;
  return other;
}

// Parameters of the search: partial autocorrelations of the autoregression, then of the moving
// average, whose condition is that of an autoregression with the signs turned.
void set_parameters(Arma& model, std::span<const double> parameters) {
  std::vector<double> partial(parameters.begin(), parameters.end());
  for (double& one : partial) one = std::clamp(one, -kMostPartial, kMostPartial);
  const std::span<const double> all(partial);
  model.ar = from_partial(all.first(model.ar.size()));
  model.ma = negated(from_partial(all.subspan(model.ar.size())));
}

std::vector<double> start(std::span<const double> centred, std::size_t p, std::size_t q) {
  std::vector<double> errors;
  if (q > 0) {
    const auto lags = regress(centred, kLongRegression, {}, 0, kLongRegression);
    errors.resize(centred.size());
    for (std::size_t t = kLongRegression; t < centred.size(); ++t) {
      errors[t] = centred[t];
      for (std::size_t i = 0; i < lags.size(); ++i) errors[t] -= lags[i] * centred[t - 1 - i];
    }
  }
  const std::size_t from = q > 0 ? kLongRegression + q : p;
  const auto both = regress(centred, p, errors, q, from);
  const std::span<const double> all(both);
  std::vector<double> parameters = to_partial(all.first(p));
  for (const double one : to_partial(negated(all.subspan(p)))) parameters.push_back(one);
  return parameters;
}

double variance_of(std::span<const double> errors, std::size_t skip) {
  double sum = 0;
  for (const double error : errors.subspan(skip)) sum += error * error;
  return sum / static_cast<double>(errors.size() - skip);
}

}  // namespace

std::vector<double> from_partial(std::span<const double> partial) {
  std::vector<double> now;
  for (std::size_t k = 0; k < partial.size(); ++k) {
    std::vector<double> next(now);
    for (std::size_t i = 0; i < k; ++i) next[i] = now[i] - partial[k] * now[k - 1 - i];
    next.push_back(partial[k]);
    now = std::move(next);
  }
  return now;
}

std::vector<double> to_partial(std::span<const double> coefficients, double most) {
  std::vector<double> now(coefficients.begin(), coefficients.end());
  std::vector<double> partial(now.size());
  for (std::size_t k = now.size(); k-- > 0;) {
    const double last = std::clamp(now[k], -most, most);
    partial[k] = last;
    std::vector<double> shorter(k);
    for (std::size_t i = 0; i < k; ++i)
      shorter[i] = (now[i] + last * now[k - 1 - i]) / (1 - last * last);
    now = std::move(shorter);
  }
  return partial;
}

bool bounded(const Arma& model) {
  constexpr double kRounding = 1e-9;
  const auto within = [](std::span<const double> coefficients) {
    const auto partial = to_partial(coefficients, 0.999);
    return std::ranges::all_of(
        partial, [](double one) { return std::abs(one) <= kMostPartial + kRounding; });
  };
  return within(model.ar) && within(negated(model.ma));
}

void errors_of(const Arma& model, std::span<const double> series, std::vector<double>& errors) {
  const std::size_t p = model.ar.size();
  const std::size_t q = model.ma.size();
  errors.assign(series.size(), 0);
  for (std::size_t t = 0; t < series.size(); ++t) {
    double error = series[t] - model.mean;
    for (std::size_t i = 0; i < std::min(p, t); ++i)
      error -= model.ar[i] * (series[t - 1 - i] - model.mean);
    for (std::size_t i = 0; i < std::min(q, t); ++i) error -= model.ma[i] * errors[t - 1 - i];
    errors[t] = error;
  }
}

Arma fit_arma(std::span<const double> series, std::size_t p, std::size_t q, std::size_t skip) {
  Arma model{.ar = std::vector<double>(p), .ma = std::vector<double>(q)};
  for (const double value : series) model.mean += value;
  model.mean /= static_cast<double>(series.size());
  std::vector<double> errors;
  if (p + q > 0) {
    std::vector<double> centred(series.begin(), series.end());
    for (double& value : centred) value -= model.mean;
    std::vector<double> parameters = start(centred, p, q);
    if (q > 0) {
      Arma tried{.ar = model.ar, .ma = model.ma};
      parameters = nelder_mead(std::move(parameters), 0.1, kEvaluations * (p + q),
                               [&](std::span<const double> at) {
                                 set_parameters(tried, at);
                                 errors_of(tried, centred, errors);
                                 return variance_of(errors, skip);
                               });
    }
    set_parameters(model, parameters);
  }
  errors_of(model, series, errors);
  model.variance = variance_of(errors, skip);
  return model;
}

}  // namespace sluice::forecast
