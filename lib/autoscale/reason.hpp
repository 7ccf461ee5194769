// SPDX-License-Identifier: Apache-2.0
// A decision in a sentence, for whoever asks why at night.
//
// Threads: plain functions.
#pragma once

#include "autoscale/decision.hpp"

#include <string>

namespace sluice::autoscale {

/// What was done, because of what, and what is expected of it:
/// "9 to 12 backends: 14.2 requests/s expected in 65 s, with a margin of 2.8 (arima); 18.0
/// requests/s of capacity in 65 s".
[[nodiscard]] std::string reason_of(const Decision& decision);

}  // namespace sluice::autoscale
