// SPDX-License-Identifier: Apache-2.0
// Text for a terminal: nothing from outside reaches it unescaped, and numbers have units.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::client {

using TimePoint = std::chrono::system_clock::time_point;

/// `untrusted` with all that could steer a terminal or mislead its reader made visible: control
/// characters, bytes that are not UTF-8 ("\x1b"), and characters that change the direction of text
/// or break its line ("\u202e"). What is printable stays as it is, so printable() twice is
/// printable().
[[nodiscard]] std::string printable(std::string_view untrusted);

/// Terminal columns that printable text takes: 2 for a wide character, 0 for a combining one.
[[nodiscard]] std::size_t columns(std::string_view text);

/// Printable text cut to at most `widest` columns (1 or more); a cut ends with an ellipsis.
[[nodiscard]] std::string clip(std::string_view text, std::size_t widest);

/// "9999", then three digits and a decimal unit: "12.3K", "1.23M", "45.6G".
[[nodiscard]] std::string count_text(std::uint64_t n);

/// A ratio as a percentage: 0.1 is "10.0 %"; "<0.1 %" for what is small but not nothing.
[[nodiscard]] std::string share_text(double ratio);

/// "3.2 s", "1 min 1 s", "2 h 5 min", "3 d 4 h"; negative times count as 0.
[[nodiscard]] std::string duration_text(double seconds);

/// RFC 3339 in UTC ("2026-11-21T10:00:00Z", fractions are dropped); std::nullopt for anything else.
[[nodiscard]] std::optional<TimePoint> parse_time(std::string_view text);

/// "42 s ago", "3 min ago", "5 h ago", "4 d ago"; "just now" for less than a second and for the
/// future; what is no time is printed as it is.
[[nodiscard]] std::string ago_text(std::string_view time, TimePoint now);

/// "1 backend", "4 backends".
[[nodiscard]] std::string plural(std::uint64_t n, std::string_view noun);

}  // namespace sluice::client
