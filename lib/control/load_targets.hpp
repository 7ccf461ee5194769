// SPDX-License-Identifier: Apache-2.0
// From a configuration to whom the scraper asks.
//
// Threads: pure functions.
#pragma once

#include "config/configuration.hpp"
#include "scrape/scraper.hpp"

#include <string>
#include <vector>

namespace sluice::control {

struct LoadTargets {
  std::vector<scrape::Target> targets;
  std::vector<std::string> left_out;  ///< "POOL/BACKEND: why", of those that cannot be asked.
};

/// One target for each backend of a pool with `metrics`. The port is that of the metrics, else one
/// that servers of the type have for them alone, else the backend's, else that of the first service
/// that uses the pool.
[[nodiscard]] LoadTargets load_targets(const config::Configuration& running);

}  // namespace sluice::control
