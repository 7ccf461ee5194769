// SPDX-License-Identifier: Apache-2.0
#include "snapshot/numbers.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace sluice::snapshot {
namespace {

using std::chrono::seconds;
using Names = std::vector<std::string>;

constexpr seconds kRest{60};

/// Numbers and a clock that stands still until a test moves it.
struct Clocked {
  explicit Clocked(std::size_t limit) : numbers(limit, kRest) {}
  Result<void> use(const Names& names) { return numbers.use(names, now); }

  Numbers numbers;
  Numbers::Time now{};
};

TEST(Numbers, NewNamesGetTheLowestNumbersThatWereNeverUsed) {
  Clocked c(10);
  ASSERT_TRUE(c.use({"a", "b"}));
  EXPECT_EQ((std::set{c.numbers.of("a"), c.numbers.of("b")}), (std::set<std::uint16_t>{0, 1}));
  EXPECT_EQ(c.numbers.extent(), 2U);
}

TEST(Numbers, UnknownNameHasNoNumber) {
  Clocked c(10);
  EXPECT_EQ(c.numbers.of("a"), Numbers::kNoNumber);
  ASSERT_TRUE(c.use({"a"}));
  ASSERT_TRUE(c.use({}));
  EXPECT_EQ(c.numbers.of("a"), Numbers::kNoNumber);
}

TEST(Numbers, NameKeepsItsNumberWhateverComesAndGoes) {
  Clocked c(10);
  ASSERT_TRUE(c.use({"m"}));
  const auto number = c.numbers.of("m");
  ASSERT_TRUE(c.use({"a", "m", "z"}));
  EXPECT_EQ(c.numbers.of("m"), number);
  c.now += 2 * kRest;
  ASSERT_TRUE(c.use({"z", "m"}));
  EXPECT_EQ(c.numbers.of("m"), number);
}

TEST(Numbers, NameGivenTwiceIsOneName) {
  Clocked c(1);
  ASSERT_TRUE(c.use({"a", "a"}));
  EXPECT_EQ(c.numbers.of("a"), 0U);
}

TEST(Numbers, NumberIsKeptBackUntilItsRestIsOver) {
  Clocked c(10);
  ASSERT_TRUE(c.use({"a"}));
  ASSERT_TRUE(c.use({}));
  c.now += kRest - std::chrono::nanoseconds(1);
  ASSERT_TRUE(c.use({"b"}));
  EXPECT_EQ(c.numbers.of("b"), 1U) << "0 still rests";
  c.now += std::chrono::nanoseconds(1);
  ASSERT_TRUE(c.use({"b", "c"}));
  EXPECT_EQ(c.numbers.of("c"), 0U);
  EXPECT_EQ(c.numbers.extent(), 2U) << "rested numbers go before new ones";
}

TEST(Numbers, NumberFreedInTheSameCallIsNotGivenOutInIt) {
  Clocked c(10);
  ASSERT_TRUE(c.use({"a"}));
  c.now += 10 * kRest;
  ASSERT_TRUE(c.use({"b"}));
  EXPECT_NE(c.numbers.of("b"), 0U);
}

TEST(Numbers, TooManyNamesAreRefusedAndNothingChanges) {
  Clocked c(3);
  ASSERT_TRUE(c.use({"a", "b"}));
  const auto a = c.numbers.of("a");
  const auto refused = c.use({"b", "c", "d"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kExhausted);
  EXPECT_EQ(c.numbers.of("a"), a);
  EXPECT_EQ(c.numbers.of("c"), Numbers::kNoNumber);
  ASSERT_TRUE(c.use({"a", "b", "c"})) << "the refused call left nothing behind";
}

TEST(Numbers, RefusalSaysWhenTheNextNumberIsFree) {
  Clocked c(1);
  ASSERT_TRUE(c.use({"a"}));
  ASSERT_TRUE(c.use({}));
  c.now += seconds(15);
  const auto refused = c.use({"b"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("in 45 s"), std::string::npos) << refused.error().message;
  c.now += seconds(45);
  EXPECT_TRUE(c.use({"b"}));
}

TEST(Numbers, NoNumberIsEverHeldTwiceNorReusedWithinItsRest) {
  constexpr std::size_t kLimit = 40;
  Clocked c(kLimit);
  std::mt19937 random(1);
  std::map<std::uint16_t, std::string> holder;         // of each number, last seen
  std::map<std::uint16_t, Numbers::Time> last_in_use;  // when use() last saw it held
  std::size_t refused = 0;
  for (int step = 0; step < 20'000; ++step) {
    c.now += seconds(random() % 8);
    Names names;
    for (int n = 0; n < 26; ++n)
      if (random() % 8 == 0) names.push_back(std::string(1, static_cast<char>('a' + n)));
    if (!c.use(names)) {
      ++refused;
      continue;
    }
    std::set<std::uint16_t> held;
    for (const auto& name : names) {
      const auto number = c.numbers.of(name);
      ASSERT_LT(number, kLimit);
      ASSERT_TRUE(held.insert(number).second) << name << " shares " << number;
      if (holder.contains(number) && holder[number] != name) {
        ASSERT_GE(c.now - last_in_use[number], kRest) << number;
      }
      holder[number] = name;
      last_in_use[number] = c.now;
    }
  }
  EXPECT_GT(refused, 0U) << "the limit was never felt";
  EXPECT_LT(refused, 19'000U);
}

}  // namespace
}  // namespace sluice::snapshot
