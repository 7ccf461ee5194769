// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

constexpr auto kNowhere = std::string_view::npos;

TEST(Utf8, TextOfEveryLengthIsTaken) {
  EXPECT_EQ(find_not_utf8(""), kNowhere);
  EXPECT_EQ(find_not_utf8("plain, and longer than eight bytes"), kNowhere);
  EXPECT_EQ(find_not_utf8("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf"), kNowhere);
}

TEST(Utf8, WhatIsNotTextIsFoundWhereItBegins) {
  for (const std::string_view wrong :
       {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x98("})
    for (std::size_t before = 0; before < 18; ++before)
      EXPECT_EQ(find_not_utf8(std::string(before, 'a') + std::string(wrong) + "aaaaaaaaaa"),
                before);
}

TEST(Utf8, TextThatEndsInACharacterIsNotText) {
  const std::string whole = "12345678\xf0\x9f\x98\x80";
  for (std::size_t size = 9; size < whole.size(); ++size)
    EXPECT_EQ(find_not_utf8(std::string_view(whole).substr(0, size)), 8U);
}

}  // namespace
}  // namespace sluice
