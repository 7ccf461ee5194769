// SPDX-License-Identifier: Apache-2.0
// Finds the period of a load, if it has one, by the autocorrelation of its history.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"

#include <cstddef>
#include <vector>

namespace sluice::forecast {

/// History is kept as means of equal stretches ("buckets") of steps. When there are kBuckets of
/// them, neighbours become one of twice the width, until kWidest: then the oldest ones go.
class SeasonFinder {
 public:
  static constexpr std::size_t kBuckets = 2048;
  static constexpr std::size_t kWidest = 64;  ///< Steps: 22 days of steps of 15 s in all.
  static constexpr std::size_t kLeast = 48;   ///< Buckets, before anything is looked for.
  /// A period must repeat this well, or there is none: what repeats worse misleads.
  static constexpr double kStrong = 0.5;
  static constexpr double kStrongTwice =
      0.35;                            ///< Likewise after two periods, and in the last four.
  static constexpr double kDip = 0.3;  ///< In between the likeness must fall at least so far.

  /// @return whether it is worth looking for the period again: the history has grown by an eighth.
  /// Cost: some ns.
  bool observe(double value);

  /// The shortest period that repeats well, in steps; 0: there is none. At least 3 periods of
  /// history are needed. Cost: up to 2 ms.
  [[nodiscard]] std::size_t find() const;

  [[nodiscard]] const std::vector<double>& buckets() const noexcept { return buckets_; }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }  ///< Steps of a bucket.
  /// Steps since the last bucket ended.
  [[nodiscard]] std::size_t open() const noexcept { return open_; }

  void fields(Fields& kept);

 private:
  std::vector<double> buckets_;  ///< Means, oldest first.
  std::size_t width_ = 1;
  double sum_ = 0;  ///< Of the bucket that is open.
  std::size_t open_ = 0;
  std::size_t grown_ = 0;  ///< Buckets since find() was last worth it.
};

}  // namespace sluice::forecast
