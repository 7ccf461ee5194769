// SPDX-License-Identifier: Apache-2.0
// Powers by multiplication alone: the same to the last bit on every machine, which the functions of
// the C library are not.
//
// Threads: pure functions.
#pragma once

#include <cstddef>

namespace sluice::forecast {

[[nodiscard]] constexpr double power(double base, std::size_t exponent) noexcept {
  double result = 1;
  for (; exponent > 0; exponent >>= 1U) {
    if ((exponent & 1U) != 0) result *= base;
    base *= base;
  }
  return result;
}

/// damping + damping^2 + ... + damping^ahead: how far a damped trend goes, in first steps.
[[nodiscard]] constexpr double damped_steps(double damping, std::size_t ahead) noexcept {
  if (damping >= 1) return static_cast<double>(ahead);
  return damping * (1 - power(damping, ahead)) / (1 - damping);
}

/// Share of one that was off by `error` when the best was off by `least`, 0 to 1.
[[nodiscard]] constexpr double share_by_error(double least, double error,
                                              std::size_t sharpness) noexcept {
  return error <= least ? 1 : power(least / error, sharpness);
}

}  // namespace sluice::forecast
