// SPDX-License-Identifier: Apache-2.0
#include "forecast/nelder_mead.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::forecast {
namespace {

constexpr double kAlike = 1e-6;  // relative difference of values at which the search ends

struct Corner {
  std::vector<double> at;
  double value;
};

// A point on the line from `from` through `to`, `times` as far.
std::vector<double> on_line(const std::vector<double>& from, const std::vector<double>& to,
                            double times) {
  std::vector<double> at(from);
  for (std::size_t i = 0; i < at.size(); ++i) at[i] += times * (to[i] - from[i]);
  return at;
}

}  // namespace

std::vector<double> nelder_mead(std::vector<double> start, double size, std::size_t most,
                                const std::function<double(std::span<const double>)>& value) {
  const std::size_t n = start.size();
  std::size_t spent = 0;
  const auto corner = [&](std::vector<double> at) {
    ++spent;
    const double found = value(at);
    return Corner{std::move(at), found};
  };
  std::vector<Corner> corners;
  corners.push_back(corner(start));
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> at(start);
    at[i] += at[i] > 0 ? -size : size;
    corners.push_back(corner(std::move(at)));
  }
  const auto by_value = [](const Corner& a, const Corner& b) { return a.value < b.value; };
  while (true) {
    std::ranges::stable_sort(corners, by_value);
    const Corner& best = corners.front();
    Corner& worst = corners.back();
    if (spent >= most || worst.value - best.value <= kAlike * std::abs(best.value))
      return std::move(corners.front().at);
    std::vector<double> middle(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t c = 0; c < n; ++c) middle[i] += corners[c].at[i];
      middle[i] /= static_cast<double>(n);
    }
    Corner reflected = corner(on_line(worst.at, middle, 2));
    if (reflected.value < best.value) {
      Corner expanded = corner(on_line(worst.at, middle, 3));
      worst = expanded.value < reflected.value ? std::move(expanded) : std::move(reflected);
    } else if (reflected.value < corners[n - 1].value) {
      worst = std::move(reflected);
    } else {
      if (reflected.value < worst.value) worst = std::move(reflected);
      Corner contracted = corner(on_line(worst.at, middle, 0.5));
      if (contracted.value < worst.value) {
        worst = std::move(contracted);
      } else {
        for (std::size_t c = 1; c <= n; ++c)
          corners[c] = corner(on_line(corners[c].at, corners[0].at, 0.5));
      }
    }
  }
}

}  // namespace sluice::forecast
