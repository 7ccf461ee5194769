// SPDX-License-Identifier: Apache-2.0
// A broken invariant stops the program with its text.
#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(AssertDeathTest, BrokenInvariantAbortsWithItsText) {
  const int slots = 3;
  EXPECT_DEATH(SLUICE_ASSERT(slots == 4, "a slot was lost"),
               "assert_test.cpp:[0-9]+: broken invariant: a slot was lost .slots == 4.");
}

TEST(Assert, InvariantThatHoldsIsEvaluatedOnce) {
  int times = 0;
  SLUICE_ASSERT(++times == 1, "it is evaluated");
  EXPECT_EQ(times, 1);
}

}  // namespace
}  // namespace sluice
