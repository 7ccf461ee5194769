// SPDX-License-Identifier: Apache-2.0
#include "forecast/quantile.hpp"

#include <algorithm>

namespace sluice::forecast {

double MovingQuantile::expect(std::size_t /*ahead*/) const {
  if (window_.empty()) return 0;
  std::vector<double> values = window_.values();
  const double at = std::clamp(q_, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), middle, values.end());
  if (middle + 1 == values.end()) return *middle;
  const double above = *std::min_element(middle + 1, values.end());
  return *middle + (at - static_cast<double>(below)) * (above - *middle);
}

}  // namespace sluice::forecast
