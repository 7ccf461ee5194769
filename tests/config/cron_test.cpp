// SPDX-License-Identifier: Apache-2.0
#include "config/cron.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {
namespace {

using std::chrono::sys_days;

constexpr std::int64_t utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0,
                           int second = 0) {
  const sys_days date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return std::int64_t{date.time_since_epoch().count()} * 86400 + hour * 3600 + minute * 60 + second;
}

Cron cron(std::string_view text) { return Cron::parse(text).value(); }

TEST(Cron, FindsTheNextAndThePreviousTime) {
  const auto workdays = cron("0 8 * * 1-5");
  const auto friday = utc(2026, 11, 20, 8);
  EXPECT_EQ(workdays.next(friday), utc(2026, 11, 23, 8));
  EXPECT_EQ(workdays.previous(friday), friday) << "the time itself has come";
  EXPECT_EQ(workdays.previous(friday - 1), utc(2026, 11, 19, 8));
  EXPECT_EQ(workdays.next(friday - 1), friday);
}

TEST(Cron, TakesListsRangesStepsAndNames) {
  const auto from = utc(2026, 1, 1);
  EXPECT_EQ(cron("*/15 * * * *").next(from), utc(2026, 1, 1, 0, 15));
  EXPECT_EQ(cron("5/20 0 * * *").next(from + 5 * 60), utc(2026, 1, 1, 0, 25));
  EXPECT_EQ(cron("7,3,59 * * * *").next(from), utc(2026, 1, 1, 0, 3));
  EXPECT_EQ(cron("0 10-20/5 * * *").next(utc(2026, 1, 1, 10)), utc(2026, 1, 1, 15));
  EXPECT_EQ(cron("30 12 * Feb,MAR *").next(from), utc(2026, 2, 1, 12, 30));
  EXPECT_EQ(cron("  0   0 * *  mon "), cron("0 0 * * 1"));
  EXPECT_EQ(cron("0 0 * * 7"), cron("0 0 * * sun"));
}

TEST(Cron, EitherDayIsEnoughWhereBothAreGiven) {
  const auto both = cron("0 0 13 * fri");
  EXPECT_EQ(both.next(utc(2026, 11, 12)), utc(2026, 11, 13));
  EXPECT_EQ(both.next(utc(2026, 11, 13)), utc(2026, 11, 20)) << "a Friday that is no 13th";
  EXPECT_EQ(cron("0 0 */2 * mon").next(utc(2026, 11, 20)), utc(2026, 11, 23))
      << "a day that begins with '*' restricts nothing by itself: both must be";
}

TEST(Cron, FindsDaysThatFewYearsHave) {
  const auto leap = cron("0 0 29 2 *");
  EXPECT_EQ(leap.next(utc(2026, 1, 1)), utc(2028, 2, 29));
  EXPECT_EQ(leap.next(utc(2096, 2, 29)), utc(2104, 2, 29)) << "2100 is no leap year";
  EXPECT_EQ(leap.previous(utc(2104, 2, 28)), utc(2096, 2, 29));
}

TEST(Cron, AgreesWithASearchMinuteByMinute) {
  const std::vector<std::string> texts = {"*/7 * * * *", "0 8 * * 1-5", "30 23 31 * *",
                                          "1,59 0,23 1 * 0", "0 */6 2-4 * *"};
  const auto from = utc(2027, 12, 28, 3, 4, 5);
  for (const auto& text : texts) {
    const auto times = cron(text);
    // Of every minute the time before must be the same as what next() of one before it said.
    auto last = times.previous(from);
    ASSERT_TRUE(last) << text;
    auto coming = times.next(*last);
    for (auto now = from; now < from + 40 * 86400; now += 60) {
      if (coming && *coming <= now) {
        last = coming;
        coming = times.next(*last);
      }
      ASSERT_EQ(times.previous(now), last) << text << " at " << now;
      ASSERT_EQ(times.next(now), coming) << text << " at " << now;
    }
  }
}

TEST(Cron, TimesBeyondItsYearsHaveNone) {
  EXPECT_EQ(cron("* * * * *").next(-1), std::nullopt);
  EXPECT_EQ(cron("* * * * *").previous(-1), std::nullopt);
  EXPECT_EQ(cron("0 0 2 1 *").previous(86399), std::nullopt) << "before the first one";
  EXPECT_EQ(cron("* * * * *").next(INT64_MAX), std::nullopt);
  EXPECT_EQ(cron("* * * * *").next(INT64_MIN), std::nullopt);
}

TEST(Cron, SaysWhichFieldIsWrong) {
  const auto wrong = [](std::string_view text) {
    const auto parsed = Cron::parse(text);
    return parsed ? std::string("accepted") : parsed.error().where + ": " + parsed.error().message;
  };
  EXPECT_EQ(wrong("0 8 * *"), "cron: has 4 fields, not five");
  EXPECT_EQ(wrong("0 8 * * 1-5 x"), "cron: has 6 fields, not five");
  EXPECT_EQ(wrong("60 8 * * *"), "minute: '60' is no number from 0 to 59");
  EXPECT_EQ(wrong("0 -1 * * *"), "hour: '' is no number from 0 to 23");
  EXPECT_EQ(wrong("0 0 0 * *"), "day: '0' is no number from 1 to 31");
  EXPECT_EQ(wrong("0 0 * may-mar *"), "month: 5 is after 3");
  EXPECT_EQ(wrong("0 0 * * 5-1"), "weekday: 5 is after 1");
  EXPECT_EQ(wrong("*/0 * * * *"), "minute: '0' is no step");
  EXPECT_EQ(wrong("*/ * * * *"), "minute: '' is no step");
  EXPECT_EQ(wrong("1,,2 * * * *"), "minute: '' is no number from 0 to 59");
  EXPECT_EQ(wrong("1, * * * *"), "minute: '' is no number from 0 to 59");
  EXPECT_EQ(wrong("** * * * *"), "minute: '**' is no number from 0 to 59");
  EXPECT_EQ(wrong("0 0 30 2 *"), "day: no year has such a date");
  EXPECT_EQ(wrong(std::string(257, '*')), "cron: is longer than 256 characters");
  EXPECT_EQ(wrong(""), "cron: has 0 fields, not five");
}

TEST(Cron, AStepBeyondTheRangeTakesItsFirst) {
  EXPECT_EQ(cron("*/4294967295 0 * * *"), cron("0 0 * * *"));
}

}  // namespace
}  // namespace sluice::config
