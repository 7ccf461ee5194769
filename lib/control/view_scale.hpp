// SPDX-License-Identifier: Apache-2.0
// The autoscaler in the admin API: how pools stand and why, and the operator's hand.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"
#include "control/scale_keeper.hpp"
#include "control/views.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

/// Every pool that is scaled. @param pool  only this one's; empty: all.
[[nodiscard]] Json view_scale(const ScaleKeeper& keeper, const std::string& pool);

/// What an operator asks of a pool.
struct ScaleOrder {
  enum class Action : std::uint8_t { kSet, kAuto, kPause, kResume };
  Action action = Action::kAuto;
  unsigned count = 0;                              ///< Of kSet.
  std::optional<std::chrono::seconds> lasts = {};  ///< Of kSet; absent: until kAuto.
};

/// {"action": "set" | "auto" | "pause" | "resume", "count", "for_s"}. @return kInvalid.
[[nodiscard]] Result<ScaleOrder> parse_scale_order(std::string_view body);

/// Does it, and says how the pool stands then.
/// @param who  for the event. @return kNotFound (no such pool, or not scaled), kInvalid.
[[nodiscard]] Result<Json> obey(ScaleKeeper& keeper, const std::string& pool,
                                const ScaleOrder& order, std::string_view who);

}  // namespace sluice::control
