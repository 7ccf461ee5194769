// SPDX-License-Identifier: Apache-2.0
#include "forecast/linear.hpp"

namespace sluice::forecast {

// Time is counted from the middle of the window, and values from the newest one: the sums then
// lose nothing to the size of either.
double Linear::expect(std::size_t ahead) const {
  const std::size_t n = window_.size();
  if (n == 0) return 0;
  const double newest = window_[0];
  const double middle = static_cast<double>(n - 1) / 2;
  double sum = 0;
  double product = 0;
  double squares = 0;
  for (std::size_t age = 0; age < n; ++age) {
    const double t = middle - static_cast<double>(age);
    const double value = window_[age] - newest;
    sum += value;
    product += t * value;
    squares += t * t;
  }
  const double slope = squares > 0 ? product / squares : 0;
  return newest + sum / static_cast<double>(n) + slope * (middle + static_cast<double>(ahead));
}

}  // namespace sluice::forecast
