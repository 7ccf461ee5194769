// SPDX-License-Identifier: Apache-2.0
// Series that tests forecast: simple ones whose future is known, and random ones from fixed seeds.
//
// Threads: values.
#pragma once

#include "forecast/dice.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <vector>

namespace sluice::forecast {

/// Mean 0, variance 1; of twelve uniform ones.
inline double normal(Dice& dice) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += dice.uniform();
  return sum;
}

using Load = std::vector<double>;

inline Load load_of(std::size_t steps, const std::function<double(std::size_t)>& value) {
  Load load(steps);
  for (std::size_t i = 0; i < steps; ++i) load[i] = std::fmax(value(i), 0.0);
  return load;
}

inline Load constant(std::size_t steps, double value) {
  return load_of(steps, [=](std::size_t) { return value; });
}
inline Load ramp(std::size_t steps, double from, double slope) {
  return load_of(steps, [=](std::size_t i) { return from + slope * static_cast<double>(i); });
}
inline Load wave(std::size_t steps, double mean, double height, std::size_t season) {
  return load_of(steps, [=](std::size_t i) {
    const double part = static_cast<double>(i % season) / static_cast<double>(season);
    return mean + height * std::sin(2 * std::numbers::pi * part);
  });
}
inline Load with_noise(Load load, double size, std::uint64_t seed) {
  Dice dice(seed);
  for (double& value : load) value = std::fmax(value + size * normal(dice), 0.0);
  return load;
}
/// A walk that never forgets.
inline Load walk(std::size_t steps, double from, double size, std::uint64_t seed) {
  Dice dice(seed);
  double value = from;
  return load_of(steps, [&](std::size_t) {
    value = std::fmax(value + size * normal(dice), 0.0);
    return value;
  });
}
/// Silence, broken now and then by a burst that fades.
inline Load bursts(std::size_t steps, double height, std::uint64_t seed) {
  Dice dice(seed);
  double value = 0;
  return load_of(steps, [&](std::size_t) {
    value *= 0.8;
    if (dice.uniform() < 0.03) value += height * dice.uniform();
    return value < height / 100 ? 0 : value;
  });
}

}  // namespace sluice::forecast
