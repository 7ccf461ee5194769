// SPDX-License-Identifier: Apache-2.0
// Quantiles by requests: what covers a share of the requests, not of the time. A load that is
// silent for most of the time needs no capacity then; what counts is how much it asks for when it
// asks.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::autoscale {

class RequestQuantile {
 public:
  /// @param window  values kept, at least 1; the oldest goes when another comes.
  explicit RequestQuantile(std::size_t window);

  /// @param value   finite.
  /// @param weight  requests that it speaks for, not negative.
  /// Cost: linear in the window, about 0.3 us for 1,000 values.
  void add(double value, double weight);

  /// Least value that at least `share` (0 to 1) of the weight lies at or below; the greatest where
  /// nothing weighs; 0 when there is none. Cost: linear in what lies above.
  /// @param rare  so many of the greatest values are no evidence, however heavy they are.
  [[nodiscard]] double at(double share, std::size_t rare = 0) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return ring_.size(); }

  void keep(forecast::Fields& fields, std::string_view name);

 private:
  using Entry = std::pair<double, double>;  // value, weight

  std::size_t window_;
  std::size_t oldest_ = 0;  ///< In the ring, once it is full.
  std::vector<Entry> ring_;
  std::vector<Entry> sorted_;
  double weight_ = 0;  ///< Of all. Kept as it is: adding up anew would give other last digits.
};

}  // namespace sluice::autoscale
