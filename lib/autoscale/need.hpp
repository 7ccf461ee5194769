// SPDX-License-Identifier: Apache-2.0
// What one policy asks for.
//
// Threads: values.
#pragma once

#include "autoscale/decision.hpp"

namespace sluice::autoscale {

/// Capacities, in requests/s. Between `rise` and `floor` nothing is done.
struct Need {
  double rise = 0;   ///< With less than this, capacity is added ...
  double set = 0;    ///< ... up to this.
  double floor = 0;  ///< With more than this, capacity may go down to it.
  Cause cause = Cause::kLoad;
};

}  // namespace sluice::autoscale
