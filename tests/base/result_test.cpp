// SPDX-License-Identifier: Apache-2.0
// Errors say where and what, and map to exit and HTTP statuses.
#include "base/result.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace sluice {
namespace {

struct Mapping {
  Errc code;
  std::string_view name;
  int exit;
  int http;
};

constexpr std::array<Mapping, 6> kAll{{
    {Errc::kInvalid, "invalid", 2, 400},
    {Errc::kNotFound, "not_found", 1, 404},
    {Errc::kConflict, "conflict", 1, 409},
    {Errc::kExhausted, "exhausted", 1, 507},
    {Errc::kIo, "io", 1, 500},
    {Errc::kUnsupported, "unsupported", 1, 501},
}};

TEST(Errc, EachMapsToItsNameAndStatuses) {
  std::set<std::string_view> names;
  for (const auto& m : kAll) {
    EXPECT_EQ(name(m.code), m.name);
    EXPECT_EQ(exit_status(m.code), m.exit) << m.name;
    EXPECT_EQ(http_status(m.code), m.http) << m.name;
    EXPECT_TRUE(names.insert(name(m.code)).second) << m.name;
  }
}

Result<int> halve(int n) {
  if (n % 2 != 0)
    return fail(Errc::kInvalid, "/n", "{} is odd; the nearest are {} and {}", n, n - 1, n + 1);
  return n / 2;
}

Result<std::string> describe(int n) {
  const auto half = halve(n);
  if (!half) return forward_error(half);
  return fmt::format("twice {}", *half);
}

TEST(Result, CarriesTheValueOrTheError) {
  EXPECT_EQ(halve(8).value(), 4);
  const auto odd = halve(7);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, Errc::kInvalid);
  EXPECT_EQ(odd.error().where, "/n");
  EXPECT_EQ(odd.error().message, "7 is odd; the nearest are 6 and 8");
}

TEST(Result, ErrorPassesThroughToAnotherTypeUnchanged) {
  EXPECT_EQ(describe(8).value(), "twice 4");
  const auto odd = describe(7);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, Errc::kInvalid);
  EXPECT_EQ(odd.error().text(), "/n: 7 is odd; the nearest are 6 and 8");
}

TEST(Error, WithoutAPlaceIsItsMessageAlone) {
  EXPECT_EQ((Error{Errc::kIo, "", "the disk is full"}.text()), "the disk is full");
}

}  // namespace
}  // namespace sluice
