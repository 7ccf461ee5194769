// SPDX-License-Identifier: Apache-2.0
// What a pool's load was: a day by the second, 14 days by the minute, in kBytes whatever comes.
//
// Threads: a value of one thread.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::forecast {

/// Time is in whole seconds of a clock of the caller's, from 0 on. Seconds that nothing was said of
/// are gaps, and count in no mean. A minute is the mean of its seconds that are known.
class Series {
 public:
  static constexpr std::int64_t kSeconds = 86'400;
  static constexpr std::int64_t kMinutes = std::int64_t{14} * 24 * 60;
  static constexpr std::size_t kBytes =  ///< Of memory: 426,240.
      static_cast<std::size_t>(kSeconds + kMinutes) * sizeof(float);
  static constexpr std::int64_t kMostTime = std::int64_t{1} << 40U;  ///< 35,000 years.
  static constexpr std::size_t kMostPoints = 100'000;                ///< Of one means().

  Series();

  /// The mean over the `seconds` that ended with second `t`; those before what is known already
  /// stay as they are. Seconds that were passed over become a gap.
  /// @param value  kept as a float, up to kMostValue.
  /// @return false, and nothing has changed, where time does not go on or goes beyond kMostTime, or
  ///   the value is no number from 0 on: the caller counts that.
  /// Cost: some ns a second; after a long gap up to 0.1 ms.
  bool add(std::int64_t t, double value, std::int64_t seconds = 1);

  /// Forgets what is later than second `t`: it was put down by a clock that went wrong. What it
  /// had replaced of a day before is by minutes from then on, and of 14 days before is gone.
  /// Cost: up to 1 ms.
  void go_back_to(std::int64_t t);

  /// Mean of what is known of the seconds from `from` up to and without `to`; std::nullopt: nothing
  /// is. What is more than a day old is by minutes, each as much as it has seconds in the window.
  /// Cost: 1 ns a second of the last day, and a minute before that.
  [[nodiscard]] std::optional<double> mean(std::int64_t from, std::int64_t to) const;

  /// Means of windows of `width` seconds from `from` on, not a number where nothing is known.
  /// @param points  at most kMostPoints; more are not given.
  [[nodiscard]] std::vector<double> means(std::int64_t from, std::int64_t width,
                                          std::size_t points) const;

  [[nodiscard]] std::optional<std::int64_t> newest() const noexcept;  ///< Second last known.

  /// Everything, for a file: gaps and stretches of one value take a few bytes each, anything else
  /// 4 bytes a second and minute, with a checksum.
  [[nodiscard]] std::vector<std::byte> checkpoint() const;
  /// Whether the bytes begin as a checkpoint does, of whatever version. @param head  kHead bytes.
  [[nodiscard]] static bool begins_checkpoint(std::span<const std::byte> head) noexcept;
  static constexpr std::size_t kHead = 4;
  /// @return kInvalid where the bytes are not a checkpoint's, with the place.
  [[nodiscard]] static Result<Series> restore(std::span<const std::byte> bytes);

 private:
  void go_on_to(std::int64_t t);
  void close_minute(std::int64_t minute);
  [[nodiscard]] float& second(std::int64_t t) { return seconds_[index(t, kSeconds)]; }
  [[nodiscard]] float& minute(std::int64_t m) { return minutes_[index(m, kMinutes)]; }
  [[nodiscard]] float second(std::int64_t t) const { return seconds_[index(t, kSeconds)]; }
  [[nodiscard]] float minute(std::int64_t m) const { return minutes_[index(m, kMinutes)]; }
  [[nodiscard]] static std::size_t index(std::int64_t at, std::int64_t size) noexcept {
    return static_cast<std::size_t>(at % size);
  }

  // Rings by time, gaps not a number. A minute is closed when the next one begins: until then its
  // place holds the one 14 days before.
  std::vector<float> seconds_;
  std::vector<float> minutes_;
  std::int64_t newest_ = -1;  ///< -1: nothing is known.
};

}  // namespace sluice::forecast
