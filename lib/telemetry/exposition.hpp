// SPDX-License-Identifier: Apache-2.0
// OpenMetrics text, written family by family.
//
// Threads: one writer.
#pragma once

#include "telemetry/family.hpp"

#include <cstddef>
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

/// Adds `key="value"` to what a sample's braces hold, with a comma before it if it is not the
/// first. For labels that many families share: they are escaped once.
void put_label(std::string& labels, std::string_view key, std::string_view value);

class Exposition {
 public:
  /// Begins a family; its samples follow. The row must outlive them.
  void begin(const Family& family);

  /// A sample of the family begun last. Counts stay exact beyond 2^53.
  void sample(std::uint64_t value, std::initializer_list<Label> labels = {});
  void sample(double value, std::initializer_list<Label> labels = {});
  /// The same with labels from put_label(); `key` and `word` come last, where there is a key, and
  /// need no escaping. Cost: about 30 ns.
  void row(std::uint64_t value, std::string_view labels, std::string_view key = {},
           std::string_view word = {});
  void row(double value, std::string_view labels);

  /// The samples of a histogram: its buckets (cumulative, as the text wants them), count and sum.
  ///
  /// @param bounds  upper bounds, ascending; a value on a bound belongs to its bucket.
  /// @param counts  values of each bucket alone, one more than bounds: the last has no bound.
  void buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
               std::initializer_list<Label> labels = {});
  /// The same with labels from put_label().
  void histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
                 std::string_view labels);

  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }  ///< Not taken yet.
  /// What has been written since the last time; the family goes on.
  [[nodiscard]] std::string take() { return std::exchange(text_, {}); }
  void move_to(std::string& end) {  ///< The same, behind what is there; keeps its own memory.
    end += text_;
    text_.clear();
  }
  void end() { text_ += "# EOF\n"; }  ///< The end mark.

 private:
  void put_name(std::string_view ending, std::string_view labels, std::string_view key = {},
                std::string_view word = {});
  void put_value(std::uint64_t value);
  void put_value(double value);

  std::string text_;
  std::string name_;  ///< As samples carry it.
};

}  // namespace sluice::telemetry
