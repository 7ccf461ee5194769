// SPDX-License-Identifier: Apache-2.0
#include "scrape/exposition_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace sluice::scrape {
namespace {

using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A sample that outlives its text.
struct Kept {
  std::string name;
  std::string labels;
  double value;

  friend bool operator==(const Kept&, const Kept&) = default;
};

std::vector<Kept> samples_of(std::string_view text) {
  std::vector<Kept> kept;
  const auto read = read_exposition(text, [&](const Sample& sample) {
    kept.push_back({std::string(sample.name), std::string(sample.labels), sample.value});
  });
  EXPECT_TRUE(read) << read.error().message;
  if (!read) return {};
  EXPECT_EQ(read->first_bad, "");
  return kept;
}

double value_of(std::string_view text) {
  const auto sample = read_sample("a " + std::string(text));
  EXPECT_TRUE(sample) << text;
  return sample ? sample->value : -1;
}

std::string refusal_of(std::string_view text) {
  const auto read = read_exposition(text, [](const Sample&) {});
  return read ? "" : read.error().message;
}

TEST(ExpositionReader, SamplesOfAnEngineAreReadAsTheyStand) {
  const auto samples = samples_of(
      "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
      "# TYPE vllm:num_requests_running gauge\n"
      "vllm:num_requests_running{engine=\"0\",model_name=\"llama\"} 3.0\n"
      "\n"
      "up 1\n"
      "# TYPE wait histogram\n"
      "wait_bucket{le=\"+Inf\"} 7\r\n"
      "  wait_sum\t2.5e-1\n"
      "wait_count 7 1700000000000\n");
  EXPECT_EQ(samples, (std::vector<Kept>{
                         {"vllm:num_requests_running", "engine=\"0\",model_name=\"llama\"", 3},
                         {"up", "", 1},
                         {"wait_bucket", "le=\"+Inf\"", 7},
                         {"wait_sum", "", 0.25},
                         {"wait_count", "", 7}}));
}

TEST(ExpositionReader, OpenMetricsIsReadWithItsExemplarsAndItsEnd) {
  const auto samples = samples_of(
      "# TYPE done counter\n"
      "done_total{a=\"b\"} 17 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n"
      "done_created 1520430000.123\n"
      "# EOF");
  EXPECT_EQ(samples, (std::vector<Kept>{{"done_total", "a=\"b\"", 17},
                                        {"done_created", "", 1520430000.123}}));
}

TEST(ExpositionReader, NumbersAreReadInEverySpellingOfTheFormat) {
  for (const auto& [text, value] : std::map<std::string, double>{{"0", 0},
                                                                 {"-0", 0},
                                                                 {"1.5", 1.5},
                                                                 {"+7", 7},
                                                                 {"-2", -2},
                                                                 {".5", .5},
                                                                 {"1e3", 1000},
                                                                 {"1.25E+2", 125},
                                                                 {"4e-2", .04},
                                                                 {"+Inf", kInfinity},
                                                                 {"Inf", kInfinity},
                                                                 {"-Inf", -kInfinity},
                                                                 {"9007199254740993", 0x1p53}})
    EXPECT_EQ(value_of(text), value) << text;
  EXPECT_TRUE(std::isnan(value_of("NaN")));
}

TEST(ExpositionReader, TimesAreReadWithTheirSign) {
  EXPECT_EQ(read_sample("a 1 -5")->timestamp, -5);
  EXPECT_EQ(read_sample("a 1 1.5")->timestamp, 1.5);
  EXPECT_FALSE(read_sample("a 1")->timestamp);
}

TEST(ExpositionReader, LabelsAreComparedWithTheirEscapesUndone) {
  const auto sample =
      read_sample(R"(a{ path = "C:\\x\n\"y\"" , model="a,b} c",empty="",model="other" ,} 1)");
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_TRUE(has_label(*sample, "path", "C:\\x\n\"y\""));
  EXPECT_TRUE(has_label(*sample, "model", "a,b} c"));
  EXPECT_TRUE(has_label(*sample, "empty", ""));
  EXPECT_FALSE(has_label(*sample, "model", "other"));  // the first one counts
  EXPECT_FALSE(has_label(*sample, "path", "C:\\x\n\"y"));
  EXPECT_FALSE(has_label(*sample, "path", ""));
  EXPECT_FALSE(has_label(*sample, "absent", ""));
}

class BadLine : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(BadLine, IsLeftOutByItsNumberAndTheRestCounts) {
  const auto& [line, why] = GetParam();
  std::vector<std::string> names;
  const auto read = read_exposition("a 1\n" + line + "\nb 2\n",
                                    [&](const Sample& sample) { names.emplace_back(sample.name); });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read->bad, 1U);
  EXPECT_EQ(read->first_bad, "line 2: " + why);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadLine,
    testing::Values(
        std::pair("x", "no value"), std::pair("x ", "no number as its value"),
        std::pair("9x 1", "no metric's name at its beginning"),
        std::pair("{a=\"b\"} 1", "no metric's name at its beginning"),
        std::pair("x-y 1", "no blank behind the name"),
        std::pair("x 1,5", "no number as its value"), std::pair("x 0x10", "no number as its value"),
        std::pair("x +-1", "no number as its value"), std::pair("x --1", "no number as its value"),
        std::pair("x nan(1)", "no number as its value"),
        std::pair("x 1e999", "no number as its value"), std::pair("x 1 z", "no number as its time"),
        std::pair("x 1 NaN", "no number as its time"),
        std::pair("x 1 2 3", "more behind its value and time"),
        std::pair("x{a=\"b\"", "the labels do not end"),
        std::pair("x{a=\"b} 1", "a label that is not NAME=\"VALUE\""),
        std::pair("x{a=b} 1", "a label that is not NAME=\"VALUE\""),
        std::pair("x{a:b=\"c\"} 1", "a label that is not NAME=\"VALUE\""),
        std::pair("x{a=\"b\" c=\"d\"} 1", "a label that is not NAME=\"VALUE\""),
        std::pair("x{a=\"\\t\"} 1", "a label that is not NAME=\"VALUE\""),
        std::pair("x{a=\"\\", "a label that is not NAME=\"VALUE\""),
        std::pair("x{,} 1", "a label that is not NAME=\"VALUE\"")));

TEST(ExpositionReader, LabelsAreCountedToTheirBound) {
  const auto with = [](std::size_t labels) {
    std::string line = "x{";
    for (std::size_t i = 0; i < labels; ++i) line += fmt::format("l{}=\"\",", i);
    return line + "} 1";
  };
  EXPECT_TRUE(read_sample(with(kMostLabels)));
  ASSERT_FALSE(read_sample(with(kMostLabels + 1)));
  EXPECT_EQ(read_sample(with(kMostLabels + 1)).error().message, "more than 64 labels");
}

TEST(ExpositionReader, WhatIsNoExpositionIsRefusedWhole) {
  EXPECT_EQ(refusal_of(""), "is empty");
  EXPECT_EQ(refusal_of("<html>\n<body>\n</html>\n"), "no line of it is a metric's");
  EXPECT_EQ(refusal_of("\n\n"), "no line of it is a metric's");
}

TEST(ExpositionReader, TextThatWasCutIsRefusedForANumberMayLackDigits) {
  EXPECT_EQ(refusal_of("a 1\nb 12"), "ends within line 2");
  EXPECT_EQ(refusal_of("a 1\nb 12\n"), "");
}

TEST(ExpositionReader, BodyAndLineAreBoundedToTheByte) {
  const std::string line = "a 1\n";
  std::string text;
  while (text.size() + line.size() <= kLongestBody) text += line;
  text += std::string(kLongestBody - text.size(), '\n');
  EXPECT_EQ(refusal_of(text), "");
  EXPECT_THAT(refusal_of(text + "\n"), HasSubstr("more than the 4194304 bytes"));

  const std::string longest = "# " + std::string(kLongestLine - 2, 'x');
  EXPECT_EQ(refusal_of(longest + "\n"), "");
  EXPECT_EQ(refusal_of("a 1\n" + longest + "x\n"), "line 2 is longer than 65536 bytes");
}

TEST(ExpositionReader, PiecesOfAnySizeMakeTheSameSamples) {
  const std::string text =
      "# HELP a b\na{x=\"1\"} 1\nnonsense\nb 2 3\n\nc{y=\"\\\"\"} NaN\nd +Inf\n# EOF\n";
  const auto in_pieces = [&](std::size_t size) {
    std::vector<std::string> lines;
    ExpositionReader reader({}, [&](const Sample& s) {
      lines.push_back(fmt::format("{} {} {}", s.name, s.labels, s.value));
    });
    for (std::size_t at = 0; at < text.size(); at += size)
      EXPECT_TRUE(reader.take(std::string_view(text).substr(at, size)));
    const auto read = reader.end();
    EXPECT_TRUE(read);
    lines.push_back(
        fmt::format("{} lines, {} samples, {}", read->lines, read->samples, read->first_bad));
    return lines;
  };
  const auto whole = in_pieces(text.size());
  EXPECT_EQ(whole.back(), "8 lines, 4 samples, line 3: no value");
  for (std::size_t size = 1; size < text.size(); ++size) EXPECT_EQ(in_pieces(size), whole) << size;
}

TEST(ExpositionReader, LinesOfNamesThatNobodyWantsArePassedOverUnread) {
  std::vector<std::string> names;
  ExpositionReader reader([](std::string_view name) { return name == "b"; },
                          [&](const Sample& sample) { names.emplace_back(sample.name); });
  EXPECT_TRUE(reader.take("a{ 1\nb 2\nbb 3\nab 4\n"));
  const auto read = reader.end();
  ASSERT_TRUE(read);
  EXPECT_EQ(names, std::vector<std::string>{"b"});
  EXPECT_EQ(read->bad, 0U);
}

TEST(ExpositionReader, NothingIsTakenOnceABoundIsPassed) {
  std::size_t taken = 0;
  ExpositionReader reader({}, [&](const Sample&) { ++taken; });
  EXPECT_FALSE(reader.take(std::string(kLongestLine + 1, 'x')));
  EXPECT_FALSE(reader.take("\na 1\n"));
  EXPECT_EQ(taken, 0U);
  EXPECT_FALSE(reader.end());
}

}  // namespace
}  // namespace sluice::scrape
