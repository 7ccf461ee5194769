// SPDX-License-Identifier: Apache-2.0
#include "config/cron.hpp"

#include "config/value.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <span>
#include <string>

namespace sluice::config {
namespace {

constexpr std::int64_t kSecondsOfADay = 86400;
constexpr std::int64_t kLastDay = 2'932'896;   // 9999-12-31
constexpr std::int64_t kLongestGap = 8 * 366;  // days: no 29 February in 2100
constexpr std::size_t kLongestText = 256;      // of all five fields

constexpr auto kMonths = std::to_array<std::string_view>(
    {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"});
constexpr auto kWeekdays =
    std::to_array<std::string_view>({"sun", "mon", "tue", "wed", "thu", "fri", "sat"});

struct Subject {
  std::string_view name;
  unsigned low;
  unsigned high;
  std::span<const std::string_view> names = {};  // the first is that of `low`
};

constexpr std::array<Subject, 5> kSubjects = {{{"minute", 0, 59},
                                               {"hour", 0, 23},
                                               {"day", 1, 31},
                                               {"month", 1, 12, kMonths},
                                               {"weekday", 0, 7, kWeekdays}}};

// What stands before `separator`, which goes with it; all of the text when there is none.
std::string_view take_until(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const auto taken = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return taken;
}

std::string lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

Result<unsigned> number(const Subject& subject, std::string_view text) {
  const auto by_name = std::ranges::find(subject.names, lower(text));
  if (by_name != subject.names.end())
    return subject.low + static_cast<unsigned>(by_name - subject.names.begin());
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      value < subject.low || value > subject.high)
    return fail(Errc::kInvalid, std::string(subject.name), "{} is no number from {} to {}",
                quoted(text), subject.low, subject.high);
  return value;
}

Result<unsigned> step_of(const Subject& subject, std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value == 0)
    return fail(Errc::kInvalid, std::string(subject.name), "{} is no step", quoted(text));
  return value;
}

// One item of a list: a number, a range, or `*`, and a step.
Result<std::uint64_t> item(const Subject& subject, std::string_view text) {
  const bool stepped = text.find('/') != std::string_view::npos;
  auto range = take_until(text, '/');
  unsigned step = 1;
  if (stepped) {
    const auto given = step_of(subject, text);
    if (!given) return tl::unexpected(given.error());
    step = *given;
  }
  unsigned first = subject.low;
  unsigned last = subject.high;
  if (range != "*") {
    const bool is_range = range.find('-') != std::string_view::npos;
    const auto from = number(subject, take_until(range, '-'));
    if (!from) return tl::unexpected(from.error());
    const auto to = is_range ? number(subject, range) : from;
    if (!to) return tl::unexpected(to.error());
    if (*to < *from)
      return fail(Errc::kInvalid, std::string(subject.name), "{} is after {}", *from, *to);
    first = *from;
    last = is_range || !stepped ? *to : subject.high;  // "5/10": from there on
  }
  std::uint64_t bits = 0;
  for (unsigned value = first; value <= last; ++value) {
    bits |= std::uint64_t{1} << value;
    if (step > last - value) break;
    value += step - 1;
  }
  return bits;
}

Result<std::uint64_t> list(const Subject& subject, std::string_view text) {
  std::uint64_t bits = 0;
  do {
    const bool more = text.find(',') != std::string_view::npos;
    const auto one = item(subject, take_until(text, ','));
    if (!one) return one;
    bits |= *one;
    if (!more) return bits;
  } while (true);
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > kLongestText)
    return fail(Errc::kInvalid, "cron", "is longer than {} characters", kLongestText);
  std::array<std::uint64_t, kSubjects.size()> bits{};
  std::array<std::string_view, kSubjects.size()> fields{};
  std::size_t count = 0;
  while (!text.empty()) {
    const auto field = take_until(text, ' ');
    if (field.empty()) continue;
    if (count < fields.size()) fields[count] = field;
    ++count;
  }
  if (count != fields.size()) return fail(Errc::kInvalid, "cron", "has {} fields, not five", count);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto read = list(kSubjects[i], fields[i]);
    if (!read) return tl::unexpected(read.error());
    bits[i] = *read;
  }
  if ((bits[4] & 0x80U) != 0) bits[4] |= 1U;  // Sunday by its other number
  Cron cron;
  cron.minutes_ = bits[0];
  cron.hours_ = static_cast<std::uint32_t>(bits[1]);
  cron.days_ = static_cast<std::uint32_t>(bits[2]);
  cron.months_ = static_cast<std::uint32_t>(bits[3]);
  cron.weekdays_ = static_cast<std::uint32_t>(bits[4] & 0x7fU);
  cron.any_day_ = fields[2].front() == '*';
  cron.any_weekday_ = fields[4].front() == '*';
  constexpr std::int64_t kSomeTime = 1'000'000'000;
  if (!cron.next(kSomeTime)) return fail(Errc::kInvalid, "day", "no year has such a date");
  return cron;
}

bool Cron::has_day(std::int64_t days_since_1970) const {
  const std::chrono::sys_days day{std::chrono::days(days_since_1970)};
  const std::chrono::year_month_day date(day);
  const auto bit = [](std::uint32_t bits, unsigned n) { return ((bits >> n) & 1U) != 0; };
  if (!bit(months_, static_cast<unsigned>(date.month()))) return false;
  const bool of_month = bit(days_, static_cast<unsigned>(date.day()));
  const bool of_week = bit(weekdays_, std::chrono::weekday(day).c_encoding());
  return any_day_ || any_weekday_ ? of_month && of_week : of_month || of_week;
}

std::optional<std::int64_t> Cron::search(std::int64_t utc, int direction) const {
  if (utc < 0 || utc / kSecondsOfADay > kLastDay) return std::nullopt;
  std::int64_t minute = utc % kSecondsOfADay / 60;  // of the day
  std::int64_t day = utc / kSecondsOfADay;
  for (std::int64_t days = 0; days <= kLongestGap && day >= 0 && day <= kLastDay; ++days) {
    if (has_day(day)) {
      for (; minute >= 0 && minute < 1440; minute += direction)
        if (((hours_ >> (minute / 60)) & 1U) != 0 && ((minutes_ >> (minute % 60)) & 1U) != 0)
          return day * kSecondsOfADay + minute * 60;
    }
    day += direction;
    minute = direction > 0 ? 0 : 1439;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Cron::next(std::int64_t utc) const {
  if (utc < 0 || utc / kSecondsOfADay > kLastDay) return std::nullopt;
  return search(utc - utc % 60 + 60, 1);
}

std::optional<std::int64_t> Cron::previous(std::int64_t utc) const { return search(utc, -1); }

}  // namespace sluice::config
