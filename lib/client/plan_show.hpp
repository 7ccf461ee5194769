// SPDX-License-Identifier: Apache-2.0
// What a plan found, for people and for programs.
//
// Threads: values.
#pragma once

#include "plan/figures.hpp"
#include "plan/needs.hpp"
#include "plan/prediction.hpp"
#include "plan/simulated_pool.hpp"

#include <string>
#include <vector>

namespace sluice::client {

struct PlanAnswer {
  std::string pool;
  std::string trace;
  plan::PoolModel model;
  /// Of a replay: the controller's first, then those of --compare.
  std::vector<plan::Figures> rows;
};

/// Whether any class costs anything: without prices no cost is shown.
[[nodiscard]] bool has_prices(const PlanAnswer& answer);

/// One run as a list, several as a table.
[[nodiscard]] std::string show_plan(const PlanAnswer& answer, bool colour);

/// One object: the controller's figures, and the others' in a list "compare" if there are any.
[[nodiscard]] std::string plan_json(const PlanAnswer& answer);

/// A line for each run: the policy, then its figures by their names in JSON.
[[nodiscard]] std::string plan_csv(const PlanAnswer& answer);

/// Hours as a table, and the whole trace in the last row.
[[nodiscard]] std::string show_needs(const PlanAnswer& answer, const plan::Needs& needs,
                                     bool colour);
[[nodiscard]] std::string needs_json(const PlanAnswer& answer, const plan::Needs& needs);

/// A line for each hour, its span "hour", and one for the whole trace, its span "all".
[[nodiscard]] std::string needs_csv(const PlanAnswer& answer, const plan::Needs& needs);

[[nodiscard]] std::string show_prediction(const PlanAnswer& answer,
                                          const plan::Prediction& prediction, bool colour);
[[nodiscard]] std::string prediction_json(const PlanAnswer& answer,
                                          const plan::Prediction& prediction);
[[nodiscard]] std::string prediction_csv(const PlanAnswer& answer,
                                         const plan::Prediction& prediction);

}  // namespace sluice::client
