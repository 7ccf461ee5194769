// SPDX-License-Identifier: Apache-2.0
// The pool that a plan is for: of a configuration file, changed by what the command line supposes.
//
// Threads: one; it waits for the disk.
#pragma once

#include "base/result.hpp"
#include "client/output.hpp"
#include "client/plan_line.hpp"
#include "plan/pool_of.hpp"

#include <span>
#include <string>
#include <string_view>

namespace sluice::client {

struct PlannedPool {
  std::string name;
  plan::Planned planned;
};

/// @return kInvalid with the option or the place in the file that is wrong; of several faults of a
///   configuration `output` tells all but the last. kNotFound, kIo: the file cannot be read.
[[nodiscard]] Result<PlannedPool> planned_pool(const PlanLine& line, Output& output);

/// What --forecaster may be.
[[nodiscard]] std::span<const std::string_view> forecaster_names() noexcept;

/// An error whose words a terminal can show.
[[nodiscard]] Error shown(const Error& error);

}  // namespace sluice::client
