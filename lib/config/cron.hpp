// SPDX-License-Identifier: Apache-2.0
// Times by cron's five fields, in UTC: minute, hour, day of the month, month, day of the week.
//
// Threads: values.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::config {

class Cron {
 public:
  /// Five fields with blanks between: `*`, numbers, ranges `a-b`, steps `*/n` and `a-b/n`, lists
  /// with commas; months and days of the week also by the first three letters of their English
  /// names. Sunday is 0 or 7. Where neither day is `*`, either of them is enough, as cron does it.
  ///
  /// @return kInvalid with the field in `where` and what is wrong with it: no such number, a range
  ///         that runs backwards, a step of 0, a date that no year has.
  [[nodiscard]] static Result<Cron> parse(std::string_view text);

  /// The first time after `utc` (seconds since 1970); nothing where time is not of the years 1970
  /// to 9999. Cost: some us; a day that comes every four years takes 60 us.
  [[nodiscard]] std::optional<std::int64_t> next(std::int64_t utc) const;
  /// The last time at or before `utc`, likewise.
  [[nodiscard]] std::optional<std::int64_t> previous(std::int64_t utc) const;

  friend bool operator==(const Cron&, const Cron&) = default;

 private:
  [[nodiscard]] bool has_day(std::int64_t days_since_1970) const;
  [[nodiscard]] std::optional<std::int64_t> search(std::int64_t utc, int direction) const;

  // Bit n: the number n is one of them.
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0;
  std::uint32_t days_ = 0;
  std::uint32_t months_ = 0;
  std::uint32_t weekdays_ = 0;
  bool any_day_ = false;  // `*`, so that the other kind of day alone decides
  bool any_weekday_ = false;
};

}  // namespace sluice::config
