// SPDX-License-Identifier: Apache-2.0
// Unpacking: every byte comes back, within the limit, or the reason why not.
#include "plan/packed.hpp"
#include "plan/trace.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::plan {
namespace {

TEST(Gzip, EveryByteAndEveryMemberComesBack) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text.push_back(static_cast<char>(i * 7 % 251));
  EXPECT_EQ(unpack_gzip(packed(text), 1 << 20, "t").value(), text);
  EXPECT_EQ(unpack_gzip(packed("one ") + packed("two"), 100, "t").value(), "one two");
  EXPECT_EQ(unpack_gzip(packed(""), 0, "t").value(), "");
}

TEST(Gzip, WhatUnpacksToMoreThanTheLimitIsRefused) {
  const std::string zeros(1 << 20, '\0');
  EXPECT_TRUE(unpack_gzip(packed(zeros), zeros.size(), "t"));
  const auto refused = unpack_gzip(packed(zeros), zeros.size() - 1, "t");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "t: unpacks to more than 1048575 bytes");
}

TEST(Gzip, DamageAnywhereIsRefused) {
  const auto good = packed("t_seconds,requests\n0,1\n1,1\n");
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(unpack_gzip(good.substr(0, size), 1000, "t")) << size;
  EXPECT_FALSE(unpack_gzip("t_seconds,requests\n", 1000, "t"));
  auto flipped = good;
  flipped[good.size() - 6] ^= 1;  // of the checksum
  EXPECT_FALSE(unpack_gzip(flipped, 1000, "t"));
  EXPECT_FALSE(unpack_gzip(good + "x", 1000, "t"));
}

}  // namespace
}  // namespace sluice::plan
