// SPDX-License-Identifier: Apache-2.0
// The constant capacity that would have been cheapest of late, late requests paid for. A load that
// comes in bursts out of silence is not forecast by anything; such a capacity stands ready for it.
//
// Threads: a value of one thread.
#pragma once

#include "autoscale/pretend_pool.hpp"
#include "forecast/fields.hpp"

#include <cstddef>
#include <vector>

namespace sluice::autoscale {

class ConstantNeed {
 public:
  /// @param unit  requests/s of one backend.
  /// @param most  backends that there may be, at least 1.
  ConstantNeed(double unit, unsigned most, const LateTerms& terms);

  /// Requests that came in `seconds`. Cost: about 1 us.
  void observe(double arrivals, double seconds);

  /// Backends of the capacity that stays best; it changes for a clearly better one only. 0 before
  /// anything was seen.
  [[nodiscard]] unsigned backends() const noexcept { return chosen_; }
  /// What the best one cost, in requests, the past fading.
  [[nodiscard]] double cost() const noexcept { return best_; }

  void keep(forecast::Fields& fields);

 private:
  LateTerms terms_;
  double unit_;
  std::vector<double> counts_;  ///< Backends, ascending, about 12 % apart.
  std::vector<double> queue_;
  std::vector<double> cost_;
  unsigned chosen_ = 0;
  double best_ = 0;
};

}  // namespace sluice::autoscale
