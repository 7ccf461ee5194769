// SPDX-License-Identifier: Apache-2.0
// The predictive policy: capacity for what will come while a backend starts, with a margin made of
// the forecasters' own errors; and, for loads that nobody can forecast, a capacity that stands
// ready.
//
// Threads: a value of one thread.
#pragma once

#include "autoscale/constant_need.hpp"
#include "autoscale/need.hpp"
#include "autoscale/outlook.hpp"
#include "autoscale/peak_window.hpp"
#include "autoscale/pretend_pool.hpp"
#include "config/autoscale.hpp"
#include "forecast/fields.hpp"

#include <cstddef>
#include <optional>

namespace sluice::autoscale {

class Predictive {
 public:
  struct Options {
    config::ForecastKind forecaster = config::ForecastKind::kEnsemble;
    double season_s = 0;
    double tick_s = 5;
    double unit = 1;   ///< Requests/s of a backend of the class that is added first.
    unsigned min = 1;  ///< Backends, in units.
    unsigned max = 1;
    double cold_start_s = 60;
    double drain_s = 30;
    double stabilisation_s = 0;  ///< 0: as long as starting and stopping take.
    LateTerms late = {};

    friend bool operator==(const Options&, const Options&) = default;
  };

  explicit Predictive(const Options& options);

  /// Requests that came in the `seconds` up to `t`, and those that wait now; the capacity that is
  /// ready or starting now, for the first call.
  void observe(double t, double arrivals, double seconds, double queue, double capacity);

  /// Nothing is known of the time up to `t`: what was needed before it is still needed.
  void hold(double t) { floors_.hold(t); }

  /// @param capacity  ready and starting now: what is little of it is not taken away.
  [[nodiscard]] Need need(double capacity) const;
  [[nodiscard]] const Outlook& outlook() const noexcept { return outlook_; }
  [[nodiscard]] double horizon_s() const noexcept {
    return options_.cold_start_s + options_.tick_s;
  }
  [[nodiscard]] bool constant() const noexcept { return constant_; }  ///< It stands ready.

  /// Other figures from now on; what was learned stays, but for what depends on a grain or a limit
  /// that is another one now.
  void configure(const Options& options);

  /// The options are kept, too: whoever reads comes to its own by configure().
  void keep(forecast::Fields& fields, double origin);

 private:
  static constexpr double kLongAgo = 1e9;  // s

  static void keep(forecast::Fields& fields, Options& options);
  [[nodiscard]] std::size_t horizon() const;
  [[nodiscard]] double fall_span() const;
  [[nodiscard]] double ready_always() const;
  /// In units; what the rule makes of a pool of `now` backends with a queue.
  [[nodiscard]] std::size_t rule(std::size_t now, double queue) const;
  void remember_late(double seconds);
  void judge();

  Options options_;
  double step_s_;
  Outlook outlook_;
  ConstantNeed constant_need_;
  PretendPool pretended_;  ///< Follows the forecasters alone.
  PeakWindow floors_;      ///< In units.
  double step_arrivals_ = 0;
  double step_seconds_ = 0;
  double seen_s_ = 0;  ///< Since the first observation.
  double queue_ = 0;
  double waiting_s_ = 0;  ///< Since when requests have waited without a pause.
  double rate_ = 0;       ///< Of the last observation, requests/s.
  bool constant_ = false;
  // Of the pretended pool, the past fading.
  double late_cost_ = 0;
  double episodes_ = 0;  ///< Times of lateness.
  double punctual_s_ = kLongAgo;
};

}  // namespace sluice::autoscale
