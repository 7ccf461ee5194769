// SPDX-License-Identifier: Apache-2.0
// What the XDP filter is told, from the tables in force and the configuration.
//
// Threads: pure functions.
#pragma once

#include "config/configuration.hpp"
#include "snapshot/snapshot.hpp"
#include "xdp/filter.hpp"

#include <set>
#include <string>
#include <vector>

namespace sluice::control {

/// The services, and what each takes: new flows while a backend of one of its pools does, flows
/// that it has while one keeps them. @param awaiting  names of pools whose first backend is to
/// come: their services take all, so that clients are neither refused nor lost sight of.
[[nodiscard]] std::vector<xdp::ServiceEntry> service_entries(
    const snapshot::Snapshot& snapshot, const config::Configuration& configuration,
    const std::set<std::string>& awaiting = {});

/// Probes that are answered: at the services' addresses and those that the configuration adds; none
/// where it says nothing.
[[nodiscard]] xdp::AnswerSettings answer_settings(const config::Configuration& configuration,
                                                  unsigned workers);

[[nodiscard]] xdp::SynLimit syn_limit(const config::Configuration& configuration);

/// Each address of a backend once; its number is its place in the result.
[[nodiscard]] std::vector<xdp::BackendEntry> watched_backends(
    const config::Configuration& configuration);

}  // namespace sluice::control
