// SPDX-License-Identifier: Apache-2.0
// Traces from CSV: what a spreadsheet or a script writes is read, all else is refused with its
// line.
#include "plan/trace.hpp"

#include "plan/packed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sluice::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Trace read(const std::string& text) {
  const auto trace = parse_trace(text, "t.csv");
  EXPECT_TRUE(trace) << trace.error().text();
  return trace.value_or(Trace{});
}

std::string refused_trace(const std::string& text) {
  const auto trace = parse_trace(text, "t.csv");
  if (trace) return "accepted";
  EXPECT_EQ(trace.error().code, Errc::kInvalid);
  return trace.error().text();
}

TEST(Trace, ColumnsAreFoundByTheirNames) {
  const auto trace = read("mean_input_tokens,requests,other,t_seconds\n1155,3,x,0\n,4.5,,10\n");
  EXPECT_EQ(trace.step_s, 10U);
  EXPECT_THAT(trace.requests, ElementsAre(3.0, 4.5));
  EXPECT_EQ(trace.seconds(), 20U);
}

TEST(Trace, QuotesCrLfAMarkAndEmptyLinesAreNoMatter) {
  const auto trace =
      read("\xef\xbb\xbf\"t_seconds\",\"a,b\",requests\r\n100,\"x,y\",\"1\"\r\n\r\n101,, 2 \r\n");
  EXPECT_EQ(trace.step_s, 1U);
  EXPECT_THAT(trace.requests, ElementsAre(1.0, 2.0));
}

TEST(Trace, LastLineNeedsNoLineFeed) {
  EXPECT_THAT(read("t_seconds,requests\n0,1\n1,2").requests, ElementsAre(1.0, 2.0));
}

TEST(Trace, WhatIsWrongIsToldWithItsLine) {
  EXPECT_EQ(refused_trace("t_seconds,requests\n0,1\n1,many\n"),
            "t.csv: line 3: requests is 'many', not a number");
  EXPECT_EQ(refused_trace("t_seconds,requests\n0,1\n1,-2\n"),
            "t.csv: line 3: requests is -2, not a number from 0 to 1e+12");
  EXPECT_EQ(refused_trace("t_seconds,requests\n0,1\n10,1\n30,1\n"),
            "t.csv: line 4: t_seconds is 30, expected 20: every interval is 10 s long, and none is "
            "left out; give one without requests a 0");
  EXPECT_EQ(refused_trace("t_seconds,count\n0,1\n1,1\n"), "t.csv: line 1: has no column requests");
  EXPECT_EQ(refused_trace("t_seconds,requests\n0,1\n"),
            "t.csv: line 2: a trace has two intervals at least, this one has 1");
}

TEST(Trace, HostileNumbersAreRefused) {
  for (const std::string number :
       {"nan", "inf", "-inf", "1e400", "1e13", "0x10", "1,5", "", "-1", "1 2", "\x1b[31m"})
    EXPECT_THAT(refused_trace("t_seconds,requests\n0,1\n1,\"" + number + "\"\n"),
                HasSubstr("line 3"))
        << number;
  for (const std::string t : {"0", "-1", "0.5", "1e300", "90000"})
    EXPECT_THAT(refused_trace("t_seconds,requests\n0,1\n" + t + ",1\n"), HasSubstr("line 3")) << t;
}

TEST(Trace, MessagesShowNothingThatATerminalWouldActOn) {
  const auto text =
      refused_trace("t_seconds,requests\n0,1\n1,\x1b]0;title\x07" + std::string(100, 'x'));
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_LT(text.size(), 120U);
}

TEST(Trace, LongerThanAHundredDaysIsRefused) {
  std::string text = "t_seconds,requests\n";
  for (int day = 0; day <= 100; ++day) text += std::to_string(day * 86'400) + ",1\n";
  EXPECT_THAT(refused_trace(text), HasSubstr("line 102: the trace is longer than 100 days"));
}

TEST(Trace, AFileThatEndsInGzIsUnpacked) {
  std::string folder = testing::TempDir() + "sluice-trace-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string text = "t_seconds,requests\n0,1\n5,2\n";
  std::ofstream(folder + "/t.csv") << text;
  std::ofstream(folder + "/t.csv.gz", std::ios::binary) << packed(text);
  EXPECT_EQ(read_trace(folder + "/t.csv").value().requests,
            read_trace(folder + "/t.csv.gz").value().requests);
  EXPECT_EQ(read_trace(folder + "/none.csv").error().code, Errc::kNotFound);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::plan
