// SPDX-License-Identifier: Apache-2.0
// What was typed behind `sluicectl plan`.
//
// Threads: values.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sluice::client {

/// A number for one class, or for all.
struct OfClass {
  std::string backend_class;  ///< Empty: all.
  double value = 0;
};

struct PlanLine {
  std::string config;
  std::string pool;   ///< Empty: the only one that scales.
  std::string trace;  ///< Empty with `step`.
  bool step = false;
  bool compare = false;
  bool needs = false;
  std::optional<double> predict;  ///< Hours after the trace.
  std::string plot;               ///< File of the picture; empty: none.
  // What if.
  std::vector<OfClass> cold_start;
  std::vector<OfClass> capacity;
  std::vector<std::string> without_class;
  std::optional<double> load_factor;
  std::optional<double> budget;
  std::optional<double> slo_wait;
  std::optional<double> drain;
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> target;  ///< Of rivals.
  std::string forecaster;        ///< Empty: the pool's.
  std::int64_t utc_at_start = 0;
};

/// The words of it, before they are numbers.
struct TypedPlan {
  PlanLine line;
  std::vector<std::string> cold_start;
  std::vector<std::string> capacity;
  std::string load_factor;
  std::string budget;
  std::string slo_wait;
  std::string drain;
  std::string min;
  std::string max;
  std::string target;
  std::string from;
  std::string predict;
};

/// Adds the options of `plan` to its command.
void add_plan_options(CLI::App& command, TypedPlan& typed);

/// Turns words into numbers and checks which of them go together.
/// @return kInvalid with the option's name.
[[nodiscard]] Result<void> finish_plan(TypedPlan& typed);

}  // namespace sluice::client
