// SPDX-License-Identifier: Apache-2.0
// One backend that the autoscaler started, from the order to start it until it is gone.
//
// Threads: values.
#pragma once

#include "actuate/order.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::actuate {

enum class Phase : std::uint8_t {
  kOrdered,   ///< Its start is ordered, its address not known.
  kComing,    ///< It has an address and is in the table; it was never ready.
  kServing,   ///< It has been ready.
  kDraining,  ///< No new flows; then `next`.
  kStopping,  ///< Out of the table; its stop is ordered until it is done.
  kSinking,   ///< Out of the table; its sleep is ordered.
  kAsleep,
  kWaking,  ///< Its wake is ordered.
};
[[nodiscard]] std::string_view name_of(Phase phase) noexcept;  ///< "ordered", "coming", ...
[[nodiscard]] std::optional<Phase> phase_named(std::string_view name) noexcept;

struct Unit {
  enum class Next : std::uint8_t {
    kStop,
    kSleep,
    kLeave,  ///< It ends by itself.
  };

  Member member = {};  ///< Its class is never empty.
  Phase phase = Phase::kOrdered;
  double since = 0;          ///< Of the phase.
  double asked = 0;          ///< When it was asked for: order of start or wake.
  Next next = Next::kStop;   ///< Of kDraining: what then.
  bool cancelled = false;    ///< Of kOrdered and kWaking: not wanted any more.
  bool woken = false;        ///< Comes from sleep.
  bool adopted = false;      ///< Found, not ordered: nothing is learned from it.
  bool served = false;       ///< Has been ready since it came.
  bool lost = false;         ///< Of kDraining: it does not answer, and is not taken back.
  bool undrain = false;      ///< Taken back, which the table does not show yet.
  std::string order = {};    ///< Id of the order without a report; empty: none.
  Verb verb = Verb::kStart;  ///< Of it.
  double ordered = 0;        ///< When it was given.
  unsigned failures = 0;     ///< Of stops and sleeps, in a row.
  double not_before = 0;     ///< Next attempt.
  unsigned missed = 0;       ///< Lists in a row without it.

  /// On its way to be ready, and wanted.
  [[nodiscard]] bool starts() const noexcept {
    return !cancelled &&
           (phase == Phase::kOrdered || phase == Phase::kComing || phase == Phase::kWaking);
  }
  /// Belongs into the table.
  [[nodiscard]] bool in_table() const noexcept {
    return phase == Phase::kComing || phase == Phase::kServing || phase == Phase::kDraining;
  }
};

}  // namespace sluice::actuate
