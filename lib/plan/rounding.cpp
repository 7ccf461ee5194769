// SPDX-License-Identifier: Apache-2.0
#include "plan/rounding.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace sluice::plan {

double round_decimals(double value, int digits) noexcept {
  if (value == std::floor(value)) return value;
  std::array<char, 48> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value,
                                     std::chars_format::fixed, digits);
  if (written.ec != std::errc{}) return value;
  double rounded = value;
  std::from_chars(text.data(), written.ptr, rounded);
  return rounded;
}

std::int64_t ceil_count(double value) noexcept {
  constexpr double kMost = 4e9;
  if (!(value > 0)) return 0;
  return static_cast<std::int64_t>(std::ceil(value < kMost ? value : kMost));
}

}  // namespace sluice::plan
