// SPDX-License-Identifier: Apache-2.0
#include "scrape/reading.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace sluice::scrape {
namespace {

constexpr const char* kNames[] = {"running", "waiting", "completed", "cache"};

std::shared_ptr<const Choices> plain_choices() {
  Choices choices;
  for (std::size_t i = 0; i < kSignals; ++i) choices[i].alternatives = {{kNames[i]}};
  return std::make_shared<const Choices>(choices);
}

Reading reading_of(std::string_view text) {
  Gathering gathering(plain_choices());
  const auto read = read_exposition(text, [&](const Sample& sample) { gathering.take(sample); });
  EXPECT_TRUE(read);
  return gathering.finish(Time{});
}

struct Case {
  const char* value;
  const char* fault;
};
class BadValue : public testing::TestWithParam<Case> {};

TEST_P(BadValue, LeavesItsSignalUnknownAndIsNamed) {
  for (std::size_t i = 0; i < kSignals; ++i) {
    std::string text;
    for (std::size_t j = 0; j < kSignals; ++j)
      text += fmt::format("{} {}\n", kNames[j], i == j ? GetParam().value : "0.5");
    const auto reading = reading_of(text);
    const std::optional<double> values[] = {reading.running, reading.waiting, reading.completed,
                                            reading.cache};
    for (std::size_t j = 0; j < kSignals; ++j)
      EXPECT_EQ(values[j], i == j ? std::nullopt : std::optional(0.5)) << kNames[j];
    EXPECT_EQ(reading.trouble(), fmt::format("{} is {}", kNames[i], GetParam().fault));
  }
}

INSTANTIATE_TEST_SUITE_P(Values, BadValue,
                         testing::Values(Case{"NaN", "not a number"}, Case{"+Inf", "not a number"},
                                         Case{"-Inf", "not a number"}, Case{"-1", "negative"},
                                         Case{"2e12", "absurd"}));

TEST(Reading, BoundsHoldTheirOwnValue) {
  const auto at_most = reading_of("running 1e6\nwaiting 1e6\ncompleted 1e12\ncache 1\n");
  EXPECT_EQ(at_most.trouble(), "");
  const auto above = reading_of("running 1000001\nwaiting 2e6\ncompleted 1.1e12\ncache 1.01\n");
  EXPECT_EQ(above.trouble(),
            "running is absurd, waiting is absurd, completed is absurd, cache is absurd");
}

TEST(Reading, OneBadSampleSpoilsTheSumOfItsName) {
  const auto reading = reading_of("running{e=\"0\"} 5\nrunning{e=\"1\"} NaN\nwaiting 1\n");
  EXPECT_FALSE(reading.running);
  EXPECT_FALSE(reading.inside());
}

TEST(Reading, MissingSignalsAreUnknownAndNamedButForTheCache) {
  const auto reading = reading_of("running 5\n");
  EXPECT_FALSE(reading.waiting);
  EXPECT_FALSE(reading.completed);
  EXPECT_EQ(reading.trouble(), "waiting is missing, completed is missing");
}

TEST(Reading, OneOfRunningAndWaitingIsEnoughToKnowWhatIsInside) {
  EXPECT_EQ(reading_of("running 5\n").inside(), 5);
  EXPECT_EQ(reading_of("waiting 2\n").inside(), 2);
  EXPECT_EQ(reading_of("running 5\nwaiting 2\n").inside(), 7);
  EXPECT_FALSE(reading_of("completed 2\n").inside());
  EXPECT_FALSE(reading_of("running 5\nwaiting -2\n").inside());
}

TEST(Reading, EachScrapeBeginsAnew) {
  Gathering gathering(plain_choices());
  gathering.take({.name = "running", .value = 5});
  gathering.take({.name = "waiting", .value = -5});
  EXPECT_EQ(gathering.finish(Time{}).running, 5);
  gathering.take({.name = "waiting", .value = 1});
  const auto second = gathering.finish(Time{});
  EXPECT_FALSE(second.running);
  EXPECT_EQ(second.waiting, 1);
}

}  // namespace
}  // namespace sluice::scrape
