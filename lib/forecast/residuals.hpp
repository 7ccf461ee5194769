// SPDX-License-Identifier: Apache-2.0
// Errors of a forecaster at one horizon, and the bounds on what comes that follow from them.
//
// Threads: a value of one thread.
#pragma once

#include "base/result.hpp"
#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <vector>

namespace sluice::forecast {

/// Keeps promises until their truth is known, and errors for a bounded window.
///
/// Of a dense load the error is a ratio, truth / promise: it is as many percent by day as by night.
/// Of a sparse load a ratio explodes, since a promise is often near 0; there the error is additive,
/// in square roots of the level, as counts vary: (truth - promise) / sqrt(level), where the level
/// is the promise, but at least a quarter of the mean load. Which applies is decided anew at each
/// question: a load is sparse if more than kSparseShare of the truths and promises in the window
/// are below a quarter of the mean truth, or if the mean is 0.
class Residuals {
 public:
  static constexpr std::size_t kWindow = 960;  ///< Errors: four hours at 15 s.
  static constexpr std::size_t kEnough = 20;   ///< Errors: fewer give no quantile.
  static constexpr double kSparseShare = 0.05;

  /// @param ahead  steps, 1 to kLongestAhead.
  explicit Residuals(std::size_t ahead, std::size_t window = kWindow);

  /// One step, after the forecaster has observed it.
  /// @param truth    the value observed, finite, not negative.
  /// @param promise  what the forecaster now says of `ahead` steps later, likewise.
  /// Cost: about 0.4 us.
  void step(double truth, double promise);

  [[nodiscard]] std::size_t ahead() const noexcept { return promises_.capacity(); }
  [[nodiscard]] std::size_t count() const noexcept { return truth_.size(); }  ///< Errors known.
  [[nodiscard]] bool enough() const noexcept { return count() >= kEnough; }
  [[nodiscard]] bool sparse() const noexcept;

  /// What the truth stays below with probability `q` (0 to 1) when `forecast` is promised; the
  /// forecast itself while there are not enough errors. Never negative. O(1).
  [[nodiscard]] double bound(double forecast, double q) const;
  /// Quantile of truth / promise; 1 while there are not enough errors.
  [[nodiscard]] double ratio(double q) const;
  /// Quantile of (truth - promise) / sqrt(level); 0 while there are not enough.
  [[nodiscard]] double additive(double q) const;

  [[nodiscard]] double mean_absolute() const noexcept;  ///< In the unit of the values.
  [[nodiscard]] double mean_truth() const noexcept;
  /// mean_absolute() over mean_truth(); 0 when nothing is known or the load is 0.
  [[nodiscard]] double error_ratio() const noexcept;

  /// Another horizon: promises that are open are forgotten, errors stay until others take their
  /// place.
  void set_horizon(std::size_t ahead);

  [[nodiscard]] nlohmann::json save() const;
  /// @return kInvalid, and nothing has changed, when the state is not one of ours.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state);
  void keep(Fields& fields);  ///< save() and restore() as part of a greater state.

 private:
  void forget_oldest();
  void learn(double truth, double promise);
  void sum_up();
  void sort_errors();
  [[nodiscard]] double level(double promise) const noexcept;

  Window promises_;
  // By error, in the same order.
  Window truth_;
  Window promise_;
  Window additive_;
  // What follows from them. The sums are kept as they are, since adding up in another order would
  // give other last digits.
  std::vector<double> ratios_;     ///< Sorted.
  std::vector<double> additives_;  ///< Sorted.
  std::vector<double> lesser_;     ///< The lesser of truth and promise, sorted.
  double truth_sum_ = 0;
  double error_sum_ = 0;
  std::size_t since_sum_ = 0;
};

}  // namespace sluice::forecast
