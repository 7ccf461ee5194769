// SPDX-License-Identifier: Apache-2.0
// A trace of load: how many requests came in each interval of a recorded time, read from CSV.
//
// Threads: values; read_trace() waits for the disk.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace sluice::plan {

constexpr std::size_t kLongestTrace = 100 * 86'400;     ///< Seconds.
constexpr std::size_t kLongestTraceText = 512U << 20U;  ///< Bytes, unpacked.
constexpr double kMostRequests = 1e12;                  ///< Of one interval.

struct Trace {
  std::uint32_t step_s = 1;      ///< Length of an interval, seconds.
  std::vector<double> requests;  ///< By interval; at least two.

  [[nodiscard]] std::size_t seconds() const noexcept { return requests.size() * step_s; }
};

/// Reads CSV text: a header line that names the columns, of which `t_seconds` (start of the
/// interval, whole seconds) and `requests` count and any others are passed over; then an interval a
/// line, evenly spaced and without a gap. Fields may be quoted; lines may end with CR LF; empty
/// lines are passed over.
/// @param name  of the text, for messages.
/// @return kInvalid with "NAME: line N" for what is not such a table. Cost: linear, never throws.
[[nodiscard]] Result<Trace> parse_trace(std::string_view text, std::string_view name);

/// parse_trace() of a file; one that ends in ".gz" is unpacked first, up to kLongestTraceText.
/// @return also what read_file() fails with, and kInvalid for damaged or endless gzip.
[[nodiscard]] Result<Trace> read_trace(const std::filesystem::path& path);

/// Unpacks gzip: all members of it, at most `limit` bytes.
/// @return kInvalid: not gzip, damaged, cut short, or longer than `limit`.
[[nodiscard]] Result<std::string> unpack_gzip(std::string_view packed, std::size_t limit,
                                              std::string_view name);

}  // namespace sluice::plan
