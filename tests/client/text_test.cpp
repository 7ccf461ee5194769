// SPDX-License-Identifier: Apache-2.0
#include "client/text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::client {
namespace {

using namespace std::string_literals;

TEST(Printable, KeepsWhatIsHarmless) {
  for (const std::string text : {"gpu-1", "", "größe", "模型", "🦙", "a\\b"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, ShowsControlCharactersAsEscapes) {
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  EXPECT_EQ(printable("nul\0!"s), "nul\\x00!");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m");  // one-character CSI
}

TEST(Printable, ShowsWhatTurnsOrHidesTextAsEscapes) {
  EXPECT_EQ(printable("abc\u202e"
                      "fed"),
            "abc\\u202efed");
  EXPECT_EQ(printable("\u2066x\u2069"), "\\u2066x\\u2069");
  EXPECT_EQ(printable("a\u200bb"), "a\\u200bb");
  EXPECT_EQ(printable("\u2028"), "\\u2028");
  EXPECT_EQ(printable("\U000e0041"), "\\ue0041");
}

TEST(Printable, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xe6\xa8"), "\\xe6\\xa8");           // cut off
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\x9b"), "\\x9b");
}

TEST(Printable, EveryByteAloneBecomesPrintableAscii) {
  for (int byte = 0; byte < 256; ++byte)
    for (const char c : printable(std::string(1, static_cast<char>(byte)))) {
      EXPECT_GE(c, 0x20) << byte;
      EXPECT_LT(c, 0x7f) << byte;
    }
}

TEST(Printable, DoneTwiceIsDoneOnce) {
  const auto once = printable("\x1b\xff\u202e\\x1b");
  EXPECT_EQ(printable(once), once);
}

TEST(Columns, CountsWhatTheTerminalShows) {
  EXPECT_EQ(columns(""), 0U);
  EXPECT_EQ(columns("gpu-1"), 5U);
  EXPECT_EQ(columns("größe"), 5U);
  EXPECT_EQ(columns("模型"), 4U);
  EXPECT_EQ(columns("e\u0301"), 1U);  // combining accent
  EXPECT_EQ(columns("🦙"), 2U);
}

TEST(Clip, KeepsWhatFitsAndMarksWhatIsCut) {
  EXPECT_EQ(clip("gpu-1", 5), "gpu-1");
  EXPECT_EQ(clip("gpu-10", 5), "gpu-…");
  EXPECT_EQ(clip("模型模型", 5), "模型…");
  EXPECT_EQ(clip("模型模型", 4), "模…");
  EXPECT_EQ(clip("ab", 1), "…");
  EXPECT_EQ(clip("", 1), "");
}

TEST(Clip, NeverTakesMoreColumnsThanAllowed) {
  const std::string text = "a模e\u0301🦙bcd型x";
  for (std::size_t widest = 1; widest <= 16; ++widest)
    EXPECT_LE(columns(clip(text, widest)), widest) << widest;
}

TEST(CountText, KeepsSmallNumbersAndScalesLargeOnes) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(9'999), "9999");
  EXPECT_EQ(count_text(10'000), "10.0K");
  EXPECT_EQ(count_text(99'949), "99.9K");
  EXPECT_EQ(count_text(99'951), "100K");
  EXPECT_EQ(count_text(999'499), "999K");
  EXPECT_EQ(count_text(999'500), "1.00M");
  EXPECT_EQ(count_text(1'234'567), "1.23M");
  EXPECT_EQ(count_text(45'600'000'000), "45.6G");
  EXPECT_EQ(count_text(std::numeric_limits<std::uint64_t>::max()), "18.4E");
}

TEST(ShareText, IsAPercentage) {
  EXPECT_EQ(share_text(0), "0.0 %");
  EXPECT_EQ(share_text(0.1), "10.0 %");
  EXPECT_EQ(share_text(1), "100.0 %");
  EXPECT_EQ(share_text(0.0001), "<0.1 %");
  EXPECT_EQ(share_text(std::numeric_limits<double>::infinity()), "?");
}

TEST(DurationText, NamesTheTwoLargestUnits) {
  EXPECT_EQ(duration_text(-1), "0.0 s");
  EXPECT_EQ(duration_text(3.2), "3.2 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.6), "1 min 0 s");
  EXPECT_EQ(duration_text(61.5), "1 min 2 s");
  EXPECT_EQ(duration_text(7500), "2 h 5 min");
  EXPECT_EQ(duration_text(273'600), "3 d 4 h");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::quiet_NaN()), "?");
  EXPECT_NE(duration_text(1e300), "");
}

TEST(ParseTime, ReadsUtcTimesOnly) {
  const auto time = parse_time("2026-11-21T10:00:00Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->time_since_epoch(), std::chrono::seconds(1'795'255'200));
  EXPECT_EQ(parse_time("2026-11-21T10:00:00.123456Z"), time);
  for (const auto* wrong :
       {"", "now", "2026-11-21", "2026-11-21T10:00:00", "2026-11-21T10:00:00+01:00",
        "2026-13-21T10:00:00Z", "2026-02-30T10:00:00Z", "2026-11-21T24:00:00Z",
        "2026-11-21 10:00:00Z", "2026-11-21T10:00:00.Z", "2026-11-21T1a:00:00Z",
        "2026-11-21T10:00:00.1"})
    EXPECT_FALSE(parse_time(wrong)) << wrong;
}

TEST(AgoText, NamesTheLargestUnit) {
  const auto now = *parse_time("2026-11-21T10:00:00Z");
  EXPECT_EQ(ago_text("2026-11-21T10:00:00Z", now), "just now");
  EXPECT_EQ(ago_text("2026-11-21T11:00:00Z", now), "just now");
  EXPECT_EQ(ago_text("2026-11-21T09:59:18Z", now), "42 s ago");
  EXPECT_EQ(ago_text("2026-11-21T09:56:01Z", now), "3 min ago");
  EXPECT_EQ(ago_text("2026-11-21T05:00:00Z", now), "5 h ago");
  EXPECT_EQ(ago_text("2026-11-17T09:00:00Z", now), "4 d ago");
  EXPECT_EQ(ago_text("\x1b[2J", now), "\\x1b[2J");
}

TEST(Plural, AddsAnSUnlessOne) {
  EXPECT_EQ(plural(0, "backend"), "0 backends");
  EXPECT_EQ(plural(1, "backend"), "1 backend");
}

}  // namespace
}  // namespace sluice::client
