// SPDX-License-Identifier: Apache-2.0
#include "plan/rounding.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::plan {
namespace {

TEST(Rounding, ExactHalvesGoToTheEvenDigitAndOthersToTheNearest) {
  EXPECT_EQ(round_decimals(0.5, 0), 0.0);
  EXPECT_EQ(round_decimals(1.5, 0), 2.0);
  EXPECT_EQ(round_decimals(0.125, 2), 0.12);
  EXPECT_EQ(round_decimals(2.675, 2), 2.67);  // the double is a little below the half
  EXPECT_EQ(round_decimals(1.0000004, 6), 1.0);
  EXPECT_EQ(round_decimals(-0.0000015, 6), -0.000002);
}

TEST(Rounding, WhatHasFewDecimalsStaysAsItIs) {
  for (const double value : {0.0, 3.0, -7.25, 1e14, 0.000001})
    EXPECT_EQ(round_decimals(value, 6), value);
}

TEST(Rounding, CountsAreNeverNegativeNorBeyondReason) {
  EXPECT_EQ(ceil_count(2.1), 3);
  EXPECT_EQ(ceil_count(3.0), 3);
  EXPECT_EQ(ceil_count(-0.5), 0);
  EXPECT_EQ(ceil_count(std::nan("")), 0);
  EXPECT_EQ(ceil_count(std::numeric_limits<double>::infinity()), 4'000'000'000);
}

}  // namespace
}  // namespace sluice::plan
