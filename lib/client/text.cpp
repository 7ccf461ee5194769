// SPDX-License-Identifier: Apache-2.0
#include "client/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cwchar>

namespace sluice::client {
namespace {

struct Character {
  std::uint32_t code;
  std::size_t bytes;
  bool valid;  ///< false: one byte that is no part of UTF-8.
};

// The first character of a text that is not empty. Overlong forms and surrogates are not valid.
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const Character broken{lead, 1, false};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return broken;
  std::uint32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return broken;
    code = (code << 6U) | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    return broken;
  return {code, bytes, true};
}

bool misleads(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) ||          // C0, DEL, C1
         code == 0x061c || (code >= 0x200b && code <= 0x200f) ||  // invisible, and direction marks
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
         code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) || (code & 0xfffeU) == 0xfffe ||
         (code >= 0xe0000 && code <= 0xe007f);  // tags
}

// wcwidth() of the C locale knows ASCII only; C.UTF-8 is part of the C library.
std::size_t width_of(std::uint32_t code) {
  if (code < 0x7f) return 1;
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  const locale_t before = ::uselocale(utf8);
  const int width = ::wcwidth(static_cast<wchar_t>(code));
  ::uselocale(before);
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

template <class T>
bool digits(std::string_view text, std::size_t at, std::size_t count, T& value) {
  const auto part = text.substr(at, count);
  if (part.size() != count ||
      !std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  std::from_chars(part.data(), part.data() + part.size(), value);
  return true;
}

}  // namespace

std::string printable(std::string_view untrusted) {
  std::string out;
  out.reserve(untrusted.size());
  while (!untrusted.empty()) {
    const auto c = first_of(untrusted);
    if (!c.valid || (c.code < 0x80 && misleads(c.code)))
      out += fmt::format("\\x{:02x}", c.code);
    else if (misleads(c.code))
      out += fmt::format("\\u{:04x}", c.code);
    else
      out += untrusted.substr(0, c.bytes);
    untrusted.remove_prefix(c.bytes);
  }
  return out;
}

std::size_t columns(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    const auto c = first_of(text);
    sum += c.valid ? width_of(c.code) : 1;
    text.remove_prefix(c.bytes);
  }
  return sum;
}

std::string clip(std::string_view text, std::size_t widest) {
  std::size_t sum = 0;
  std::size_t cut = 0;  // bytes that leave a column for the ellipsis
  for (std::size_t at = 0; at < text.size();) {
    const auto c = first_of(text.substr(at));
    sum += c.valid ? width_of(c.code) : 1;
    if (sum > widest) return std::string(text.substr(0, cut)) + "…";
    at += c.bytes;
    if (sum < widest) cut = at;
  }
  return std::string(text);
}

std::string count_text(std::uint64_t n) {
  if (n < 10'000) return fmt::format("{}", n);
  double scaled = static_cast<double>(n);
  std::size_t unit = 0;
  for (; scaled >= 999.5; ++unit) scaled /= 1000;
  const int decimals = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", scaled, decimals, std::string_view(" KMGTPE")[unit]);
}

std::string share_text(double ratio) {
  if (!std::isfinite(ratio)) return "?";
  if (ratio > 0 && ratio < 0.0005) return "<0.1 %";
  return fmt::format("{:.1f} %", ratio * 100);
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  const auto s = static_cast<std::uint64_t>(std::min(seconds, 1e15) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3600);
}

std::optional<TimePoint> parse_time(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < std::string_view("2026-11-21T10:00:00Z").size()) return std::nullopt;
  int year = 0;
  unsigned month = 0, day = 0;
  int hour = 0, minute = 0, second = 0;
  const bool fields = digits(text, 0, 4, year) && digits(text, 5, 2, month) &&
                      digits(text, 8, 2, day) && digits(text, 11, 2, hour) &&
                      digits(text, 14, 2, minute) && digits(text, 17, 2, second);
  if (!fields || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  auto rest = text.substr(19);
  if (rest.starts_with('.')) {
    const auto end = rest.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(end);
  }
  const year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                            std::chrono::day{day}};
  if (rest != "Z" || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
}

std::string ago_text(std::string_view time, TimePoint now) {
  using namespace std::chrono;
  const auto then = parse_time(time);
  if (!then) return printable(time);
  const auto past = floor<seconds>(now - *then);
  if (past < 1s) return "just now";
  if (past < 1min) return fmt::format("{} s ago", past.count());
  if (past < 1h) return fmt::format("{} min ago", floor<minutes>(past).count());
  if (past < days(1)) return fmt::format("{} h ago", floor<hours>(past).count());
  return fmt::format("{} d ago", floor<days>(past).count());
}

std::string plural(std::uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

}  // namespace sluice::client
