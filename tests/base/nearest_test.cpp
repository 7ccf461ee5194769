// SPDX-License-Identifier: Apache-2.0
// The word that was meant.
#include "base/nearest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 5> kWords{"services", "pools", "ports", "backends",
                                                 "neighbours"};

TEST(Nearest, OneSlipOfEachKindIsForgiven) {
  EXPECT_EQ(nearest("service", kWords), "services");       // left out
  EXPECT_EQ(nearest("backendss", kWords), "backends");     // too many
  EXPECT_EQ(nearest("neighbovrs", kWords), "neighbours");  // replaced
  EXPECT_EQ(nearest("bakcends", kWords), "backends");      // swapped, which counts once
  EXPECT_EQ(nearest("pools", kWords), "pools");
}

TEST(Nearest, SwapCountsAsOneSlip) {  // as two it would be beyond a third of four letters
  constexpr std::array<std::string_view, 1> kOne{"mode"};
  EXPECT_EQ(nearest("mdoe", kOne), "mode");
}

TEST(Nearest, FewestSlipsWinAndTheFirstOfEquals) {
  EXPECT_EQ(nearest("porls", kWords), "pools");  // one slip to either
  constexpr std::array<std::string_view, 2> kOther{"ports", "pools"};
  EXPECT_EQ(nearest("pools", kOther), "pools");
  EXPECT_EQ(nearest("porls", kOther), "ports");
}

TEST(Nearest, WordsThatShareLittleAreNotGuessed) {
  EXPECT_EQ(nearest("weight", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("x", kWords), "");
  EXPECT_EQ(nearest("pools", {}), "");
}

TEST(Nearest, ThirdOfTheLongerWordIsTheLimit) {
  constexpr std::array<std::string_view, 1> kSix{"abcdef"};
  EXPECT_EQ(nearest("abcdxy", kSix), "abcdef");  // two slips of six letters
  EXPECT_EQ(nearest("abcxyz", kSix), "");        // three
}

TEST(Nearest, WordsBeyond64LettersNeverMatch) {
  const std::string longest(64, 'a');
  const std::string too_long(65, 'a');
  const std::array<std::string_view, 2> words{too_long, longest};
  EXPECT_EQ(nearest(longest, words), longest);
  EXPECT_EQ(nearest(too_long, words), "");
}

TEST(DidYouMean, EndsAMessageOrAddsNothing) {
  EXPECT_EQ(did_you_mean("pool", kWords), ", did you mean 'pools'?");
  EXPECT_EQ(did_you_mean("weight", kWords), "");
}

}  // namespace
}  // namespace sluice
