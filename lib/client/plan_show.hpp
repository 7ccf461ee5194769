// SPDX-License-Identifier: Apache-2.0
// What a plan found, for people and for programs.
//
// Threads: values.
#pragma once

#include "plan/figures.hpp"
#include "plan/simulated_pool.hpp"

#include <string>
#include <vector>

namespace sluice::client {

struct PlanAnswer {
  std::string pool;
  std::string trace;
  plan::PoolModel model;
  std::vector<plan::Figures> rows;  ///< The controller's first, then those of --compare.
};

/// One run as a list, several as a table.
[[nodiscard]] std::string show_plan(const PlanAnswer& answer, bool colour);

/// One object: the controller's figures, and the others' in a list "compare" if there are any.
[[nodiscard]] std::string plan_json(const PlanAnswer& answer);

}  // namespace sluice::client
