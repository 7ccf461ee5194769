// SPDX-License-Identifier: Apache-2.0
#include "health/http_answer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice::health {
namespace {

using Progress = HttpReader::Progress;

struct Read {
  Progress progress;
  unsigned status;
  std::string body;
  friend bool operator==(const Read&, const Read&) = default;
};

/// Reads an answer that comes in pieces of that size, and the end of the connection after it.
Read read(std::string_view answer, std::size_t piece, const std::string& expected = "never") {
  AnswerBody body(expected);
  HttpReader reader(body);
  auto progress = Progress::kMore;
  while (progress == Progress::kMore && !answer.empty()) {
    // A copy of just that size, so that a sanitizer sees a read beyond it.
    const std::string part(answer.substr(0, piece));
    progress = reader.take(part);
    answer.remove_prefix(part.size());
  }
  if (progress == Progress::kMore) progress = reader.end();
  return {progress, reader.status(), body.kept()};
}

struct Case {
  std::string answer;
  Progress progress;
  unsigned status = 0;
  std::string body = {};
};

std::vector<Case> cases() {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
  return {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", Progress::kWhole, 200, "ok"},
      {"HTTP/1.0 200\nContent-length:2 \n\nok", Progress::kWhole, 200, "ok"},
      {"HTTP/1.1 503 Service Unavailable\r\n\r\nuntil the close", Progress::kWhole, 503,
       "until the close"},
      {"HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n", Progress::kWhole, 204},
      {"HTTP/1.1 304 X\r\n\r\n", Progress::kWhole, 304},
      {"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", Progress::kWhole, 200},
      {"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n"
       "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\ny",
       Progress::kWhole, 200, "y"},
      {chunked + "3\r\nabc\r\n0a;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
       Progress::kWhole, 200, "abc0123456789"},
      {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Length: "
       "1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
       Progress::kWhole, 200, "ok"},
      {"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Progress::kWhole, 200,
       "ok"},
      {"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Progress::kNotHttp,
       200},
      {"HTTP/1.1 200 X\r\nContent-Length: -2\r\n\r\n", Progress::kNotHttp, 200},
      {"HTTP/1.1 200 X\r\nContent-Length: 99999999999999999999\r\n\r\n", Progress::kNotHttp, 200},
      {"HTTP/1.1 200 X\r\nContent-Length: 18446744073709551615\r\n\r\nok", Progress::kCut, 200,
       "ok"},
      {chunked + "zz\r\n", Progress::kNotHttp, 200},
      {chunked + "-1\r\n", Progress::kNotHttp, 200},
      {chunked + "\r\n", Progress::kNotHttp, 200},
      {chunked + "2\r\nokmore\r\n", Progress::kNotHttp, 200, "ok"},
      {chunked + "11111111111111111\r\n", Progress::kNotHttp, 200},
      {chunked + "ffffffffffffffff\r\nok", Progress::kCut, 200, "ok"},
      {chunked + "2" + std::string(300, ' ') + "\r\nok", Progress::kNotHttp, 200},
      {"HTTP/1.1 20 X\r\n\r\n", Progress::kNotHttp},
      {"HTTP/1.1 2000 X\r\n\r\n", Progress::kNotHttp},
      {"HTTP/1.1 099 X\r\n\r\n", Progress::kNotHttp},
      {"HTTP/1.1  200 X\r\n\r\n", Progress::kNotHttp},
      {"HTTP/1.1200 X\r\n\r\n", Progress::kNotHttp},
      {"HTTP/2 200\r\n\r\n", Progress::kNotHttp},
      {"SSH-2.0-x\r\n", Progress::kNotHttp},
      {"\x16\x03\x01", Progress::kNotHttp},
      {"", Progress::kCut},
      {"HTTP/1.1 200 X\r\n", Progress::kCut, 200},
      {"HTTP/1.1 200 X\r\nA: " + std::string(kLongestHeaders, 'x'), Progress::kTooLong, 200},
  };
}

TEST(HttpReader, AnswerIsTheSameInWhateverPiecesItComes) {
  for (const Case& each : cases())
    for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 100UL, 100'000UL}) {
      const Read got = read(each.answer, piece);
      EXPECT_EQ(got.progress, each.progress) << each.answer << " in pieces of " << piece;
      EXPECT_EQ(got.status, each.status) << each.answer;
      EXPECT_EQ(got.body, each.body) << each.answer;
    }
}

TEST(HttpReader, AnswerThatIsCutAnywhereIsNotWhole) {
  const std::string answer =
      "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n";
  for (std::size_t n = 0; n < answer.size(); ++n)
    EXPECT_EQ(read(answer.substr(0, n), 100'000).progress, Progress::kCut) << n;
  EXPECT_EQ(read(answer, 100'000).progress, Progress::kWhole);
}

TEST(HttpReader, EndlessHeadersInterimAnswersTrailersAndBodiesEnd) {
  const auto feed = [](const std::string& head, const std::string& again) {
    AnswerBody body("never");
    HttpReader reader(body);
    auto progress = reader.take(head);
    std::size_t bytes = 0;
    for (; progress == Progress::kMore && bytes < 10 * kLongestBody; bytes += again.size())
      progress = reader.take(again);
    EXPECT_LE(body.kept().size(), kLongestBody);
    return progress;
  };
  const std::string chunked = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(feed("HTTP/1.1 200 X\r\n", "A: b\r\n"), Progress::kTooLong);
  EXPECT_EQ(feed("HTTP/1.1 100 X\r\n\r\n", "HTTP/1.1 100 X\r\n\r\n"), Progress::kTooLong);
  EXPECT_EQ(feed(chunked + "0\r\n", "A: b\r\n"), Progress::kTooLong);
  EXPECT_EQ(feed(chunked, "1\r\nx\r\n"), Progress::kWhole);
  EXPECT_EQ(feed("HTTP/1.1 200 X\r\n\r\n", "xxxxxxxx"), Progress::kWhole);
}

TEST(HttpReader, RandomBytesEndInAVerdict) {
  std::mt19937 random(1);
  const std::vector<std::string> parts{"HTTP/1.1 ", "200",
                                       " ",         "\r\n",
                                       "\n",        "Content-Length: ",
                                       "5",         "0",
                                       "abc:",      "Transfer-Encoding: chunked",
                                       ";",         "ff",
                                       "\0",        "HTTP/1.0 100 X\r\n"};
  for (int i = 0; i < 20'000; ++i) {
    std::string answer = i % 2 == 0 ? "HTTP/1.1 200 X\r\n" : "";
    for (int n = 0; n < 30; ++n) answer += parts[random() % parts.size()];
    const Read whole = read(answer, 100'000);
    EXPECT_NE(whole.progress, Progress::kMore);
    EXPECT_EQ(read(answer, 1 + random() % 9), whole) << answer;
  }
}

TEST(LoadIn, IsANumberFromNothingToItsBoundAndNothingElse) {
  EXPECT_EQ(load_in("X-Load: 0", "X-Load"), 0);
  EXPECT_EQ(load_in("X-LOAD:\t1e3 \r", "x-load"), 1000);
  EXPECT_EQ(load_in("X-Load: 1000000000", "X-Load"), kMostLoad);
  for (const char* const line :
       {"X-Load: 1000000001", "X-Load: -1", "X-Load: nan", "X-Load: inf", "X-Load:", "X-Load: 1,5",
        "X-Load: 1 2", "X-Load: 0x10", "X-Load: five", "X-Load 1", "X-Load", "X-Loa: 1", ""})
    EXPECT_EQ(load_in(line, "X-Load"), std::nullopt) << line;
  EXPECT_EQ(load_in(": 1", ""), std::nullopt);
}

TEST(HttpReader, LoadOfAnInterimAnswerIsNotThatOfTheAnswer) {
  AnswerBody body("");
  HttpReader reader(body, "X-Load");
  EXPECT_EQ(reader.take("HTTP/1.1 103 Early\r\nX-Load: 7\r\n\r\nHTTP/1.1 200 OK\r\n"
                        "Content-Length: 0\r\n\r\n"),
            HttpReader::Progress::kWhole);
  EXPECT_EQ(reader.load(), std::nullopt);
}

TEST(AnswerBody, TextIsFoundAcrossPiecesAndThenTheRestDoesNotMatter) {
  AnswerBody body("needle");
  EXPECT_TRUE(body.take("hay nee"));
  EXPECT_FALSE(body.take("dle"));
  body.clear();
  EXPECT_TRUE(body.kept().empty());
  EXPECT_TRUE(body.take("dle"));
}

TEST(AnswerBody, WithoutATextOnlyTheBeginningIsKept) {
  AnswerBody body("");
  EXPECT_TRUE(body.take(std::string(kLongestBody - 1, 'x')));
  EXPECT_LT(body.kept().size(), 200U);
  EXPECT_FALSE(body.take("x"));
}

}  // namespace
}  // namespace sluice::health
