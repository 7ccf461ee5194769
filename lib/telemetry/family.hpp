// SPDX-License-Identifier: Apache-2.0
// What a metric is: the row of a table from which the exposition and its reference page both come.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::telemetry {

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };

/// "counter", "gauge", "histogram".
[[nodiscard]] constexpr std::string_view name(Type type) noexcept {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      break;
  }
  return "histogram";
}

struct Family {
  std::string_view name;  ///< A counter's is without "_total".
  Type type;
  /// Ending of the name that tells the unit, without its underscore; empty: a number of things
  /// whose name the metric's own name is, a word or a truth.
  std::string_view unit;
  std::string_view labels;  ///< Those that its samples carry, in order: "pool,backend".
  std::string_view help;    ///< One sentence.
};

/// Whether a row keeps to OpenMetrics: the unit ends the name, and no ending of a sample does.
[[nodiscard]] constexpr bool is_sound(const Family& family) noexcept {
  if (family.name.ends_with("_total") || family.help.empty()) return false;
  if (family.unit.empty()) return true;
  if (!family.name.ends_with(family.unit)) return false;
  return family.name.size() > family.unit.size() &&
         family.name[family.name.size() - family.unit.size() - 1] == '_';
}

}  // namespace sluice::telemetry
