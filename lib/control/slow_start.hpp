// SPDX-License-Identifier: Apache-2.0
// Slow start: the weight of a backend that is added or comes back rises to its own in steps.
//
// Threads: slow path.
#pragma once

#include "config/configuration.hpp"
#include "snapshot/snapshot.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace sluice::control {

class SlowStart {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr unsigned kSteps = 10;  ///< Tenths of the weight; the first one at once.

  /// Scales the weights of backends that began to take new flows less than the pool's `slow_start`
  /// ago. Who is there at the first call is no newcomer, nor is anybody in a pool whose backends
  /// are all new: there is nobody to spare them. A weight is never scaled to 0.
  /// @param input  of `running`, pool by pool in the same order.
  void apply(const config::Configuration& running, Time now, snapshot::Input& input);

  /// When apply() gives another weight than the last time, at the earliest; std::nullopt: never,
  /// as things are.
  [[nodiscard]] std::optional<Time> next_step() const noexcept { return next_; }

 private:
  std::map<std::string, Time> since_;  ///< Of "POOL/BACKEND" that take new flows.
  std::optional<Time> next_;
  bool first_ = true;
};

}  // namespace sluice::control
