// SPDX-License-Identifier: Apache-2.0
// From what backends tell of their load to what policy `least_load` compares.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::control {

/// What is known of one backend of a pool.
struct ToldLoad {
  std::optional<double> inside = {};  ///< Requests in it by its metrics; absent: it is silent.
  std::optional<double> header = {};  ///< By a health check's header, in a unit of its own.
  double room = 0;                    ///< Requests that its class serves at once; 0: not known.
  std::uint32_t weight = 0;
};

/// The loads of a pool's backends, for snapshot::BackendInput::load, which are compared by load /
/// weight. Metrics come before headers, for the whole pool: their units may differ.
///
/// Where the room of every backend is known they are compared by how full they are, whatever their
/// weights: a weight then says how often a backend is looked at, no more. Else by requests for
/// their weight. Who tells nothing is as busy as the busiest; when nobody tells, all are equal.
[[nodiscard]] std::vector<std::uint32_t> load_figures(std::span<const ToldLoad> pool);

/// Whether tables are worth being built anew: some load has moved by a tenth of itself or of the
/// pool's mean, and by half a request or two hundredths of a room. Figures in a header's unit of
/// their own have no such least step.
[[nodiscard]] bool differs_enough(std::span<const std::uint32_t> shown,
                                  std::span<const std::uint32_t> now,
                                  std::span<const ToldLoad> pool);

}  // namespace sluice::control
