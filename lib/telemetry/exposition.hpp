// SPDX-License-Identifier: Apache-2.0
// OpenMetrics text, written family by family.
//
// Threads: one writer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::telemetry {

inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

using Label = std::pair<std::string_view, std::string_view>;

class Exposition {
 public:
  /// Begins a family; its samples follow. `name` of a counter is without "_total".
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);
  /// A sample of the family begun last. Counts stay exact beyond 2^53.
  void sample(std::uint64_t value, std::initializer_list<Label> labels = {});
  void sample(double value, std::initializer_list<Label> labels = {});
  /// The samples of a histogram: its buckets (cumulative, as the text wants them), count and sum.
  ///
  /// @param bounds  upper bounds, ascending; a value on a bound belongs to its bucket.
  /// @param counts  values of each bucket alone, one more than bounds: the last has no bound.
  void buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
               std::initializer_list<Label> labels = {});

  /// The whole text, with its end mark; begins anew.
  [[nodiscard]] std::string finish();

 private:
  void begin(std::string_view type, std::string_view name, std::string_view help);
  void put_name(std::string_view ending, std::initializer_list<Label> labels,
                std::string_view bound = {});

  std::string text_;
  std::string name_;  ///< As samples carry it.
};

}  // namespace sluice::telemetry
