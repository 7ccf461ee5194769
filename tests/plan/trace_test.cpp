// SPDX-License-Identifier: Apache-2.0
// Traces from CSV: what a spreadsheet or a script writes is read, all else is refused with its
// line.
#include "plan/trace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

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

std::string refusal(const std::string& text) {
  const auto trace = parse_trace(text, "t.csv");
  if (trace) return "accepted";
  EXPECT_EQ(trace.error().code, Errc::kInvalid);
  return trace.error().text();
}

std::string packed(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
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
  EXPECT_EQ(refusal("t_seconds,requests\n0,1\n1,many\n"),
            "t.csv: line 3: requests is 'many', not a number");
  EXPECT_EQ(refusal("t_seconds,requests\n0,1\n1,-2\n"),
            "t.csv: line 3: requests is -2, not a number from 0 to 1e+12");
  EXPECT_EQ(refusal("t_seconds,requests\n0,1\n10,1\n30,1\n"),
            "t.csv: line 4: t_seconds is 30, expected 20: every interval is 10 s long, and none is "
            "left out; give one without requests a 0");
  EXPECT_EQ(refusal("t_seconds,count\n0,1\n1,1\n"), "t.csv: line 1: has no column requests");
  EXPECT_EQ(refusal("t_seconds,requests\n0,1\n"),
            "t.csv: line 2: a trace has two intervals at least, this one has 1");
}

TEST(Trace, HostileNumbersAreRefused) {
  for (const std::string number :
       {"nan", "inf", "-inf", "1e400", "1e13", "0x10", "1,5", "", "-1", "1 2", "\x1b[31m"})
    EXPECT_THAT(refusal("t_seconds,requests\n0,1\n1,\"" + number + "\"\n"), HasSubstr("line 3"))
        << number;
  for (const std::string t : {"0", "-1", "0.5", "1e300", "90000"})
    EXPECT_THAT(refusal("t_seconds,requests\n0,1\n" + t + ",1\n"), HasSubstr("line 3")) << t;
}

TEST(Trace, MessagesShowNothingThatATerminalWouldActOn) {
  const auto text = refusal("t_seconds,requests\n0,1\n1,\x1b]0;title\x07" + std::string(100, 'x'));
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_LT(text.size(), 120U);
}

TEST(Trace, LongerThanAHundredDaysIsRefused) {
  std::string text = "t_seconds,requests\n";
  for (int day = 0; day <= 100; ++day) text += std::to_string(day * 86'400) + ",1\n";
  EXPECT_THAT(refusal(text), HasSubstr("line 102: the trace is longer than 100 days"));
}

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
