// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind the permutations, against the plain operators.
#include "maglev/course.hpp"

#include "maglev/table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace sluice::maglev {
namespace {

class CourseOf : public testing::TestWithParam<std::uint32_t> {
 protected:
  const std::uint32_t size_ = GetParam();
  const Course course_{size_};
};

TEST_P(CourseOf, ModuloIsThatOfTheOperator) {
  const std::uint64_t square = std::uint64_t{size_} * size_;
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t x = random() % square;
    ASSERT_EQ(course_.modulo(x), x % size_) << x;
    const std::uint64_t multiple = x / size_ * size_;  // where a quotient is easily one off
    ASSERT_EQ(course_.modulo(multiple), 0U) << multiple;
    if (multiple == 0) continue;
    ASSERT_EQ(course_.modulo(multiple - 1), size_ - 1) << multiple - 1;
  }
  EXPECT_EQ(course_.modulo(square - 1), size_ - 1);
}

TEST_P(CourseOf, InverseTimesNumberIsOne) {
  std::mt19937 random(2);
  for (int i = 0; i < 10'000; ++i) {
    const auto x = static_cast<std::uint32_t>(1 + random() % (size_ - 1));
    ASSERT_EQ(std::uint64_t{x} * course_.inverse(x) % size_, 1U) << x;
  }
}

TEST_P(CourseOf, ScrambledOrderIsAPermutationAndBeginsAnewBehindItsEnd) {
  const std::vector<std::uint32_t> order(course_.scrambled(), course_.scrambled() + size_);
  for (std::uint32_t i = 0; i < Course::kOverlap; ++i)
    EXPECT_EQ(course_.scrambled()[size_ + i], order[i % size_]);
  for (std::uint32_t i = 0; i < size_; ++i) ASSERT_EQ(course_.places()[order[i]], i);
  auto sorted = order;
  std::ranges::sort(sorted);
  std::vector<std::uint32_t> all(size_);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(sorted, all);
}

TEST_P(CourseOf, TimesNeverGoBack) {
  EXPECT_TRUE(std::is_sorted(course_.times(), course_.times() + size_));
}

INSTANTIATE_TEST_SUITE_P(Size, CourseOf,
                         testing::Values(2, 3, 5, 7, 31, 37, 61, 67, 65521, kDefaultSize, 131071,
                                         655373, kLargestSize));

TEST(Course, IsSharedWhileSomebodyHoldsIt) {
  auto first = Course::of(1009);
  EXPECT_EQ(Course::of(1009), first);
  EXPECT_NE(Course::of(1013), first);
  const std::weak_ptr<const Course> seen = first;
  first.reset();
  EXPECT_TRUE(seen.expired());
}

TEST(Course, TableKeepsTheOneOfItsSizeForTheNext) {
  const std::vector<Member> members{{1, 1, 0}, {2, 1, 1}};
  const auto table = Table::build(members, 1009).value();
  const auto kept = Course::of(1009);
  EXPECT_EQ(kept.use_count(), 2) << "the table's and this one";
}

}  // namespace
}  // namespace sluice::maglev
