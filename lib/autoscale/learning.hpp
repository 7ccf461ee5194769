// SPDX-License-Identifier: Apache-2.0
// What is learned of a class of backends from those that came and went; the configured figures are
// where it begins.
//
// Threads: a value of one thread.
#pragma once

#include "autoscale/decision.hpp"
#include "config/autoscale.hpp"
#include "forecast/fields.hpp"

#include <cstddef>
#include <vector>

namespace sluice::autoscale {

class ClassLearning {
 public:
  explicit ClassLearning(const config::BackendClass& configured);

  /// One came up so long after it was asked for. Absurd ones (not finite, negative, a hundred times
  /// the configured figure and more than a day) are passed over.
  void start(double seconds);
  /// Requests/s that one completed while others waited. Absurd ones (not finite, under a tenth or
  /// over ten times the configured figure) are passed over.
  void capacity(double requests_per_second);

  /// Cold start: the 90th percentile of the last starts, with the configured one among them until
  /// there are enough. Capacity: between the configured one and the median of what was seen, the
  /// nearer to that the more was seen.
  [[nodiscard]] const Learned& figures() const noexcept { return figures_; }

  void configure(const config::BackendClass& configured);
  /// What was learned under figures that are configured no more is not read.
  void keep(forecast::Fields& fields);

 private:
  void sum_up();
  [[nodiscard]] bool plausible(double requests_per_second) const;

  double cold_start_s_;
  double capacity_;
  std::vector<double> starts_;      ///< The last ones, oldest first.
  std::vector<double> capacities_;  ///< Likewise.
  std::size_t starts_seen_ = 0;
  Learned figures_;
};

}  // namespace sluice::autoscale
