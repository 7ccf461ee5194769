// SPDX-License-Identifier: Apache-2.0
#include "control/load_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::control {
namespace {

constexpr double kUnits = 1000;  // of a request, or of a room: for what is between whole ones
constexpr double kLeastShare = 0.1;
constexpr double kLeastRequests = 0.5;
constexpr double kLeastRoom = 0.02;

enum class By { kNothing, kRequests, kRooms, kHeader };

By way_of(std::span<const ToldLoad> pool) {
  const auto known = [](const ToldLoad& one) { return one.room > 0; };
  if (std::ranges::any_of(pool, [](const ToldLoad& one) { return one.inside.has_value(); }))
    return std::ranges::all_of(pool, known) ? By::kRooms : By::kRequests;
  if (std::ranges::any_of(pool, [](const ToldLoad& one) { return one.header.has_value(); }))
    return By::kHeader;
  return By::kNothing;
}

std::optional<double> figure_of(const ToldLoad& one, By way) {
  switch (way) {
    case By::kRequests:
      return one.inside;
    case By::kRooms:
      if (!one.inside) return std::nullopt;
      return *one.inside / one.room * one.weight;
    case By::kHeader:
      return one.header;
    case By::kNothing:
      break;
  }
  return 0;
}

std::uint32_t in_units(double figure) {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(std::round(figure * kUnits), kMost));
}

}  // namespace

std::vector<std::uint32_t> load_figures(std::span<const ToldLoad> pool) {
  const By way = way_of(pool);
  double busiest = 0;  // for its weight
  for (const ToldLoad& one : pool)
    if (const auto figure = figure_of(one, way); figure && one.weight != 0)
      busiest = std::max(busiest, *figure / one.weight);
  std::vector<std::uint32_t> figures;
  figures.reserve(pool.size());
  for (const ToldLoad& one : pool)
    figures.push_back(in_units(figure_of(one, way).value_or(busiest * one.weight)));
  return figures;
}

bool differs_enough(std::span<const std::uint32_t> shown, std::span<const std::uint32_t> now,
                    std::span<const ToldLoad> pool) {
  if (shown.size() != now.size()) return true;
  const By way = way_of(pool);
  double mean = 0;
  for (const std::uint32_t one : now) mean += one / static_cast<double>(now.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    double least = kLeastShare * std::max<double>(mean, shown[i]);
    if (way == By::kRequests) least = std::max(least, kLeastRequests * kUnits);
    if (way == By::kRooms) least = std::max(least, kLeastRoom * kUnits * pool[i].weight);
    if (std::abs(static_cast<double>(now[i]) - shown[i]) > least) return true;
  }
  return false;
}

}  // namespace sluice::control
