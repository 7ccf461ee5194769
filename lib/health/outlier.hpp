// SPDX-License-Identifier: Apache-2.0
// Outlier detection of one pool: which backend's traffic does not go as that of the others. It only
// suspects; who is ejected, and for how long, the pool decides. See docs/design/health.md.
//
// Threads: slow path.
#pragma once

#include "config/health.hpp"
#include "health/signals.hpp"
#include "health/state.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::health {

struct Suspicion {
  std::string_view why;  ///< One of namespace cause.
  std::string evidence;
  bool grave = true;  ///< It fails, so that it may be ejected; else it is but slow.

  friend bool operator==(const Suspicion&, const Suspicion&) = default;
};

class OutlierDetector {
 public:
  OutlierDetector(const config::Outlier& rules, Time now) : rules_(rules), sweep_(now) {}

  /// Other limits from now on; what was counted so far stays.
  void replace(const config::Outlier& rules) { rules_ = rules; }

  /// Totals of a backend that takes new flows. Call it for each every 100 ms or more often: what is
  /// quicker than the calls is found no sooner. Totals that went back begin anew.
  /// @return what is wrong by now: many flows failed in a row, or none gets through.
  [[nodiscard]] std::optional<Suspicion> observed(const std::string& backend, const Signals& totals,
                                                  Time now);
  /// Likewise of a backend that takes none: what came since, and before, does not count.
  void passed_over(const std::string& backend, const Signals& totals);
  void forget(const std::string& backend) { tracks_.erase(backend); }

  /// Compares the backends once an interval; before its time it does nothing.
  /// @return who is worse than the pool, in the order of names.
  [[nodiscard]] std::vector<std::pair<std::string, Suspicion>> sweep(Time now);
  [[nodiscard]] Time next_sweep() const noexcept { return sweep_ + rules_.interval; }

  static constexpr double kLeastGap = 0.05;          ///< Of success rates: less is no difference.
  static constexpr double kSlowTimes = 3;            ///< Of the pool's median: more is slow,
  static constexpr double kSlowLeast_us = 50'000;    ///< if it is this much more, too.
  static constexpr std::uint64_t kSlowSamples = 10;  ///< Of a backend in an interval, at least.
  static constexpr std::size_t kSlowBackends = 3;    ///< With so many samples, at least.

 private:
  struct Sample {
    Time at;
    std::uint64_t repeats;
    std::uint64_t handshakes;
  };
  struct Track {
    Signals last;                ///< Totals; the differences of what follows begin here.
    std::deque<Sample> recent;   ///< Totals of the last window and what it takes before it.
    Signals interval;            ///< Differences since the last sweep.
    std::uint64_t failed = 0;    ///< In a row.
    std::uint64_t refused = 0;   ///< Of them by a reset.
    std::optional<Time> tried;   ///< When a flow last began, or asked again.
    std::optional<Time> worked;  ///< When one last got through.
  };

  void note(Track& track, const Signals& totals, Time now);
  [[nodiscard]] std::optional<Suspicion> silent(const std::string& backend, const Track& track,
                                                Time now) const;
  [[nodiscard]] std::chrono::microseconds patience() const noexcept;
  void compare_success(std::vector<std::pair<std::string, Suspicion>>& found) const;
  void compare_speed(std::vector<std::pair<std::string, Suspicion>>& found) const;

  config::Outlier rules_;
  Time sweep_;  ///< Of the last one.
  std::map<std::string, Track> tracks_;
  double handshake_us_ = 0;  ///< Of the pool's clients, smoothed; 0: not known.
};

/// How long an ejection lasts of a backend that had `before` of them lately: the base, doubled for
/// each, up to the longest.
[[nodiscard]] std::chrono::milliseconds ejection_time(const config::Outlier& rules,
                                                      unsigned before) noexcept;

}  // namespace sluice::health
