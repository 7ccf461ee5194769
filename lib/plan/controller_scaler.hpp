// SPDX-License-Identifier: Apache-2.0
// The pool's own controller as the scaler of a simulated pool.
//
// Threads: values of one thread.
#pragma once

#include "autoscale/controller.hpp"
#include "plan/scaler.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace sluice::plan {

/// What the controller is told at a tick: counts since the tick before, rounded to a millionth as
/// the --step protocol writes them, so that both ways lead to the same decisions.
/// @param utc_at_start  seconds since 1970 at t = 0, for schedules.
[[nodiscard]] autoscale::Observation observation_of(const View& view, std::uint32_t tick_s,
                                                    std::int64_t utc_at_start);

class ControllerScaler final : public Scaler {
 public:
  /// Called after each decision.
  using OnDecision = std::function<void(const View&, const autoscale::Decision&)>;

  ControllerScaler(autoscale::Controller::Options options, std::int64_t utc_at_start,
                   OnDecision on_decision = nullptr);

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return tick_s_; }
  void want(const View& view, std::span<std::int64_t> wanted) override;
  [[nodiscard]] autoscale::Controller& controller() noexcept { return controller_; }

 private:
  std::uint32_t tick_s_;
  std::int64_t utc_at_start_;
  autoscale::Controller controller_;
  OnDecision on_decision_;
};

}  // namespace sluice::plan
