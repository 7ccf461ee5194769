// SPDX-License-Identifier: Apache-2.0
// Actuators that start nothing: backends that are there already, and a count for others to act on.
//
// Threads: the event loop's.
#pragma once

#include "actuate/actuator.hpp"

namespace sluice::actuate {

/// Backends on standby: they run, and enter the table when they are wanted.
class Standby final : public Actuator {
 public:
  Standby(const std::vector<config::StandbyBackend>& backends, OnReport report);
  void order(const Order& order) override;  ///< Reports from within.
  [[nodiscard]] const Ability& ability() const noexcept override { return ability_; }
  [[nodiscard]] std::size_t pending() const noexcept override { return 0; }

 private:
  Ability ability_;
  OnReport report_;
};

/// The wanted count, published for KEDA's metrics-api scaler or whoever else reads it.
class MetricCount final : public Actuator {
 public:
  explicit MetricCount(OnReport report) : report_(std::move(report)) {}
  void order(const Order& order) override;  ///< Reports from within.
  [[nodiscard]] const Ability& ability() const noexcept override { return ability_; }
  [[nodiscard]] std::size_t pending() const noexcept override { return 0; }
  [[nodiscard]] std::optional<unsigned> published() const noexcept override { return count_; }

 private:
  Ability ability_{.by_count = true};
  OnReport report_;
  std::optional<unsigned> count_;
};

/// What KEDA's metrics-api scaler reads, its valueLocation being "desired": {"pool", "desired"}.
/// Before the first decision "desired" is missing, which it takes for an error and changes nothing.
[[nodiscard]] std::string keda_text(std::string_view pool, std::optional<unsigned> count);

}  // namespace sluice::actuate
