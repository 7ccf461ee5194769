// SPDX-License-Identifier: Apache-2.0
// From a configuration to whom the prober asks.
//
// Threads: pure functions.
#pragma once

#include "config/configuration.hpp"
#include "control/describe.hpp"
#include "health/probe.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// The first service that uses each pool: by itself, by a shard, or by what it flows over to.
/// Names and services are those of the configuration.
using FirstServices = std::map<std::string_view, const config::Service*>;
[[nodiscard]] FirstServices first_services(const config::Configuration& running);

struct Targets {
  std::vector<health::Target> targets;
  /// "POOL/BACKEND: why", of those that cannot be asked: they count as they are.
  std::vector<std::string> left_out;
};

/// One target for each backend of a pool with active checks. The port is the check's, else the
/// backend's, else that of the first service that uses the pool. A probe by way of the service
/// goes to the first service's address, and to all its backends in the same way as packets do.
[[nodiscard]] Targets health_targets(const config::Configuration& running, const Reaches& reaches,
                                     const std::vector<EgressPort>& ports);

}  // namespace sluice::control
