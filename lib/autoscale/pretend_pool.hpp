// SPDX-License-Identifier: Apache-2.0
// A pool that follows a rule beside the real one, on the same arrivals: what the rule would have
// cost.
//
// Threads: values of one thread.
#pragma once

#include "forecast/fields.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace sluice::autoscale {

/// What is paid, and for how long it is remembered.
struct LateTerms {
  double slo_wait_s = 5;      ///< A request that waits longer is late.
  double late_cost = 20;      ///< Of a late request, in requests served.
  double half_life_s = 7200;  ///< After which a cost counts half.

  [[nodiscard]] double fading(double seconds) const;  ///< Of costs that are so old.
  friend bool operator==(const LateTerms&, const LateTerms&) = default;
};

/// One step of a queue without bound in front of a capacity.
/// @param queue  requests that wait; changed.
/// @return how many of the arrivals are late.
double pass(double& queue, double arrivals, double capacity, double seconds, double slo_wait_s);

class PretendPool {
 public:
  PretendPool(double unit, const LateTerms& terms) : unit_(unit), terms_(terms) {}

  /// Passes arrivals of the seconds up to `t` through what was ready then.
  void observe(double t, double arrivals, double seconds);
  /// From now on so many backends; those that are added serve after `cold_start_s`, those that are
  /// taken away are paid for `drain_s` more.
  void follow(double t, std::size_t wanted, double cold_start_s, double drain_s);

  void begin(std::size_t backends) noexcept { ready_ = backends; }  ///< Before anything was seen.
  [[nodiscard]] std::size_t backends() const noexcept { return ready_ + starting_; }
  [[nodiscard]] double queue() const noexcept { return queue_; }
  [[nodiscard]] double cost() const noexcept { return cost_; }  ///< In requests, the past fading.
  /// Of the last observation, what of the cost was of late requests.
  [[nodiscard]] double late_cost() const noexcept { return late_cost_; }

  /// @param origin  now, of the writer or the reader: times are kept relative to it.
  void keep(forecast::Fields& fields, double origin);

 private:
  double unit_;
  LateTerms terms_;
  std::size_t ready_ = 0;
  std::size_t starting_ = 0;
  std::deque<std::pair<double, std::size_t>> coming_;  ///< When, how many.
  double queue_ = 0;
  double cost_ = 0;
  double late_cost_ = 0;
};

}  // namespace sluice::autoscale
