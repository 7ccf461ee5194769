// SPDX-License-Identifier: Apache-2.0
// The protocol of `sluicectl plan --step`: whoever simulates tells a line of JSON a tick, and the
// controller answers with a line.
//
// Threads: values of one thread.
#pragma once

#include "autoscale/controller.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::plan {

constexpr std::size_t kLongestStepLine = 64 * 1024;  ///< Bytes.

class Step {
 public:
  /// @param options  of the pool; a first line {"config": {...}} stands in for its class and
  ///   limits, and the rest of them stays.
  explicit Step(autoscale::Controller::Options options);

  /// Takes a line: {"t", "arrivals", "served", "ready", "starting", "queue", "inflight"}, counts
  /// since the line before and states now; "utc" (seconds since 1970) is optional, and t when
  /// absent. Keys of other names are passed over, and so are lines of nothing but spaces. `ready`
  /// and `starting` are of the first class.
  /// @return {"desired": n, "reason": "..."} and a line feed; nothing for the first line with
  ///   "config" and for empty ones; kInvalid with "line N" for anything else, and no line must
  ///   follow then. Never throws.
  [[nodiscard]] Result<std::string> take(std::string_view line);

 private:
  autoscale::Controller::Options options_;
  std::optional<autoscale::Controller> controller_;
  std::optional<double> last_t_;
  std::size_t line_number_ = 0;
};

}  // namespace sluice::plan
