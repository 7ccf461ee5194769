// SPDX-License-Identifier: Apache-2.0
// Flap damping: who falls often has to do well for longer before it counts. Each fall is a penalty
// that halves every minute, as RFC 2439 does with routes.
//
// Threads: values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

namespace sluice::health {

class Damper {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kHalfLife{60};
  static constexpr double kFree = 3;  ///< A penalty up to this asks for nothing.
  static constexpr std::chrono::seconds kLongestHold{60};

  /// A fall: one more penalty.
  void fall(Time now) noexcept {
    penalty_ = std::min(penalty(now) + 1, kMost);
    at_ = now;
  }
  void restore(double penalty, Time now) noexcept {
    penalty_ = std::clamp(penalty, 0.0, kMost);
    at_ = now;
  }

  [[nodiscard]] double penalty(Time now) const noexcept {
    using Seconds = std::chrono::duration<double>;
    const double age = std::max(Seconds(now - at_).count(), 0.0);
    return penalty_ * std::exp2(-age / Seconds(kHalfLife).count());
  }

  /// How long it has to do well before it counts: nothing, then 2 s, 4 s, ... 60 s.
  [[nodiscard]] std::chrono::milliseconds hold(Time now) const noexcept {
    const double above = std::ceil(penalty(now) - kFree);
    if (above <= 0) return std::chrono::milliseconds{0};
    constexpr std::chrono::milliseconds kUnit = std::chrono::seconds{1};
    return std::min<std::chrono::milliseconds>(kUnit * (1L << static_cast<int>(above)),
                                               kLongestHold);
  }

 private:
  static constexpr double kMost = 12;  // two half-lives above kFree: the worst record lasts 2 min

  double penalty_ = 0;
  Time at_{};
};

}  // namespace sluice::health
