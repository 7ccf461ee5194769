// SPDX-License-Identifier: Apache-2.0
// Who decides how many backends there are, and what he may look at: the past and nothing else.
//
// Threads: values of one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::plan {

/// Backends of one class, as a scaler sees them.
struct Count {
  std::uint32_t ready = 0;
  std::uint32_t starting = 0;
  std::uint32_t asleep = 0;
};

/// What is known at second t. Series are cumulative by second: t + 1 values, the first is 0.
struct View {
  std::int64_t t = 0;
  std::uint32_t ready = 0;     ///< Of all classes.
  std::uint32_t starting = 0;  ///< Of all classes.
  double queue = 0;            ///< Requests that wait.
  double inflight = 0;         ///< Requests in service and waiting.
  std::span<const double> arrivals;
  std::span<const double> served;
  std::span<const double> concurrency;  ///< Of requests in service and waiting.
  std::span<const double> capacity;     ///< Of the ready backends.
  std::span<const Count> classes;

  /// Mean by second of a series over the last `seconds`, or over what there is of it.
  [[nodiscard]] static double mean(std::span<const double> series, std::size_t seconds) noexcept {
    const std::size_t n = series.size() - 1;
    const std::size_t low = n - std::min(n, seconds);
    return n > low ? (series[n] - series[low]) / static_cast<double>(n - low) : 0.0;
  }
};

class Scaler {
 public:
  virtual ~Scaler() = default;
  [[nodiscard]] virtual std::uint32_t tick_s() const noexcept = 0;  ///< Between decisions; above 0.
  /// Decides how many backends there are to be, ready and starting ones together.
  /// @param wanted  by class, as it is now: change what is to change. The pool bounds it.
  virtual void want(const View& view, std::span<std::int64_t> wanted) = 0;
};

}  // namespace sluice::plan
