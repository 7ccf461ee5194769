// SPDX-License-Identifier: Apache-2.0
// What a pool's load was, in the admin API.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"
#include "control/scale_keeper.hpp"
#include "control/views.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::control {

/// A stretch of a pool's history, LoadHistory::kMostPoints means at most; null where nothing is
/// known.
/// @param step_s  seconds of a mean, 1 or 60. @param from_s  since 1970; absent: the oldest.
/// @return kNotFound (no such pool, or not scaled), kInvalid (the step, the time).
/// Cost: 2 ms at most.
[[nodiscard]] Result<Json> view_history(const ScaleKeeper& keeper, const std::string& pool,
                                        std::uint64_t step_s, std::optional<std::uint64_t> from_s);

}  // namespace sluice::control
