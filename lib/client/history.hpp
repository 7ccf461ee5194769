// SPDX-License-Identifier: Apache-2.0
// The load that a pool has seen: fetched stretch by stretch, as a table and as a trace to plan by.
//
// Threads: values.
#pragma once

#include "base/result.hpp"
#include "client/http.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::client {

struct History {
  std::string pool;
  std::int64_t from_s = 0;  ///< Since 1970.
  std::int64_t step_s = 60;
  std::vector<double> requests_per_s;  ///< Not a number where nothing is known.
};

/// Asks until there is no more: 14 days at most.
/// @param lasts_s  only so much of the end; absent: all.
/// @return also kIo for an answer that makes no sense.
[[nodiscard]] Result<History> fetch_history(Http& http, const std::string& pool,
                                            std::uint32_t step_s,
                                            std::optional<std::uint32_t> lasts_s);

/// One row for each of at most 30 stretches: mean, least and most, and how much is not known.
[[nodiscard]] std::string show_history(const History& history, bool colour);
[[nodiscard]] std::string history_json(const History& history);

/// What `plan --trace` reads: t_seconds from 0, and requests.
struct HistoryTrace {
  std::string text;
  std::int64_t from_s = 0;  ///< Of its first interval, since 1970.
  std::int64_t step_s = 60;
  std::size_t intervals = 0;
  std::size_t bridged = 0;  ///< Of them, those of which nothing is known.

  /// What was written, one line, with the time for `plan --from`.
  [[nodiscard]] std::string summary(const std::string& file) const;
};
/// Gaps are bridged in a straight line, since a plan needs every interval; what is not known before
/// the first and after the last is left out.
/// @return kNotFound when less than two intervals are known.
[[nodiscard]] Result<HistoryTrace> history_trace(const History& history);

}  // namespace sluice::client
