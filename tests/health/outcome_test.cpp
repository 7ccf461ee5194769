// SPDX-License-Identifier: Apache-2.0
#include "health/outcome.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sluice::health {
namespace {

TEST(Outcome, OnlyOurOwnTroubleSaysNothingOfTheBackend) {
  for (int i = 0; i <= static_cast<int>(Fault::kLocal); ++i) {
    const Outcome outcome{static_cast<Fault>(i)};
    EXPECT_EQ(outcome.ok(), i == 0);
    EXPECT_EQ(outcome.counts(), outcome.fault != Fault::kLocal);
  }
}

TEST(Outcome, EveryFaultHasAWordOfItsOwn) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(Fault::kLocal); ++i)
    words.insert(name(static_cast<Fault>(i)));
  EXPECT_EQ(words.size(), 11U);
  EXPECT_FALSE(words.contains("unknown"));
}

TEST(Clean, ControlBytesAndOthersBecomeQuestionMarksAndBlanksOneBlank) {
  EXPECT_EQ(clean("  a\r\n\t b \n"), "a b");
  EXPECT_EQ(clean("\x1b[31mred\x07 \xc3\xa4"), "?[31mred? ??");
  EXPECT_EQ(clean(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(clean(""), "");
}

TEST(Clean, TextOfTheLimitStaysAndOneByteMoreIsCut) {
  EXPECT_EQ(clean("12345678", 8), "12345678");
  EXPECT_EQ(clean("123456789", 8), "12345...");
  EXPECT_EQ(clean("1234567        ", 8), "1234567");
  EXPECT_EQ(clean("12345", 2), "..");
}

TEST(Clean, EveryByteComesOutPrintable) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const std::string cleaned = clean(all, 300);
  EXPECT_TRUE(std::ranges::all_of(cleaned, [](char c) { return c >= ' ' && c <= '~'; }));
}

}  // namespace
}  // namespace sluice::health
