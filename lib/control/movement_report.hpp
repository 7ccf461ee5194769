// SPDX-License-Identifier: Apache-2.0
// What a change moves, in entries of the tables and in flows: for one that was made, and for one
// that is only asked about.
//
// Threads: slow path.
#pragma once

#include "control/fast_path.hpp"
#include "control/model.hpp"
#include "control/views.hpp"

#include <cstdint>
#include <functional>

namespace sluice::control {

/// Flows that a backend has now, by its number.
using ActiveFlows = std::function<std::uint64_t(std::uint16_t backend)>;

/// Adds to a report: "flows", {"now", "move", "kept"}, and "pools" with the same for each of which
/// anything moved. Flows move whose backend leaves; kept are those whose entry becomes another's
/// while workers remember where they belong (an estimate: they are spread evenly over entries).
void add_movement(Json& report, const Published& published, const ActiveFlows& active);

/// The same of workers' counts.
void add_movement(Json& report, const Published& published, const FastPath& fast_path);

/// Answer to a configuration that is only compared: changes, what would move, and "restart": which
/// of the changes only a restart can make.
/// @return the error of what apply would refuse for another reason.
[[nodiscard]] Result<Json> foreseen_report(const Model& model, const config::Configuration& wanted,
                                           const ActiveFlows& active);
[[nodiscard]] Result<Json> foreseen_report(const Model& model, const config::Configuration& wanted,
                                           const FastPath& fast_path);

}  // namespace sluice::control
