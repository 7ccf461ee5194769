// SPDX-License-Identifier: Apache-2.0
// ARMA(p,q): fitting one to a series by the least conditional sum of squares, and its bounds.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sluice::forecast {

constexpr std::size_t kMostOrder = 3;  ///< Of each part.
constexpr double kMostPartial = 0.98;  ///< Of partial autocorrelations: 1 would never forget.

/// w[t] - mean = sum ar[i] (w[t-1-i] - mean) + e[t] + sum ma[i] e[t-1-i].
struct Arma {
  std::vector<double> ar = {};
  std::vector<double> ma = {};
  double mean = 0;
  double variance = 0;  ///< Of e.
};

/// Coefficients of the autoregression with these partial autocorrelations. It is stationary if and
/// only if each is between -1 and 1. Source: Barndorff-Nielsen, Schou, J. Multivariate Anal. 3
/// (1973); the recursion is Durbin's and Levinson's.
[[nodiscard]] std::vector<double> from_partial(std::span<const double> partial);
/// The other way. Where one is beyond +-`most`, it becomes that, so that what comes back through
/// from_partial() is the nearest in this sense that is stationary.
[[nodiscard]] std::vector<double> to_partial(std::span<const double> coefficients,
                                             double most = kMostPartial);
/// Whether both parts are within bounds: stationary and invertible.
[[nodiscard]] bool bounded(const Arma& model);

/// What each value was off what was expected of it one step before; what is before the first value
/// counts as the mean, without error.
void errors_of(const Arma& model, std::span<const double> series, std::vector<double>& errors);

/// Fits to a series: Hannan's and Rissanen's two regressions (by QR) to begin with, then the search
/// of Nelder and Mead over partial autocorrelations for the least sum of squared errors.
/// @param series  more than 8 x (p + q + 2) values.
/// @param skip    errors at the front that do not count, at least p.
/// Cost: about 1 us a value and parameter; without a moving average far less.
[[nodiscard]] Arma fit_arma(std::span<const double> series, std::size_t p, std::size_t q,
                            std::size_t skip);

}  // namespace sluice::forecast
