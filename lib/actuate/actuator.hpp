// SPDX-License-Identifier: Apache-2.0
// Whoever starts and stops the backends of one pool, behind one interface.
//
// Threads: the event loop's.
#pragma once

#include "actuate/order.hpp"
#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "config/autoscale.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::actuate {

class Actuator {
 public:
  /// Called once for each order, from within order() or later. It may give orders; it must not
  /// destroy the actuator.
  using OnReport = std::function<void(const Report&)>;

  virtual ~Actuator() = default;
  /// Carries it out, with retries under the same id. What is over a bound is refused by a report.
  virtual void order(const Order& order) = 0;
  [[nodiscard]] virtual const Ability& ability() const noexcept = 0;
  /// Orders under way or waiting for their turn.
  [[nodiscard]] virtual std::size_t pending() const noexcept = 0;
  /// The last count that was asked for, where it is published for others to act on.
  [[nodiscard]] virtual std::optional<unsigned> published() const noexcept { return std::nullopt; }
};

struct Context {
  std::uint64_t seed = 1;  ///< Of the jitter of retries.
};

/// @param loop  lives longer.
/// @return kInvalid or kIo, with the place and the remedy: a secret that others may read, a program
///   that is not there.
[[nodiscard]] Result<std::unique_ptr<Actuator>> make(EventLoop& loop,
                                                     const config::Actuator& settings,
                                                     const Context& context,
                                                     Actuator::OnReport report);

/// Seconds by which an order has its report, with all retries: Fleet::Options::order_limit_s.
[[nodiscard]] double longest_order_s(const config::Actuator& settings) noexcept;

}  // namespace sluice::actuate
