// SPDX-License-Identifier: Apache-2.0
// Answers that are made piece by piece, as the client takes them.
#include "http/served.hpp"
#include "http/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

namespace sluice::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kPiece = 16384;

struct HttpPiecesTest : HttpServerTest {
  HttpPiecesTest() {
    handler = [this](const Request& request) -> Answer {
      if (request.path != "/long") return Response{200, "{}\n", "application/json", {}};
      Response made{200, {}, "text/plain", {}};
      made.pieces = [this, held = held, at = std::size_t{0}](std::string& out) mutable {
        if (at == count) return false;
        out += std::string(kPiece, static_cast<char>('a' + at++ % 26));
        ++given;
        return true;
      };
      return made;
    };
  }
  std::size_t count = 400;  // 6 MB, as ten thousand backends' metrics
  std::size_t given = 0;
  std::shared_ptr<int> held = std::make_shared<int>();
};

TEST_F(HttpPiecesTest, AllOfThemArriveInOrder) {
  count = 30;
  start();
  const auto got = ask("GET /long");
  EXPECT_THAT(got, HasSubstr("Transfer-Encoding: chunked\r\n"));
  const auto body = unchunked(got);
  ASSERT_EQ(body.size(), count * kPiece);
  for (std::size_t i = 0; i < count; ++i)
    ASSERT_EQ(body[i * kPiece + kPiece / 2], static_cast<char>('a' + i % 26));
}

// What one turn works for a client is what bounds the wait of all others.
TEST_F(HttpPiecesTest, ATurnMakesAFewHoweverMuchTheClientTakes) {
  start();
  Client client = local();
  client.send("GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::size_t most = 0;
  std::size_t before = given;
  turn_until([&] {
    most = std::max(most, given - before);
    before = given;
    client.receive();
    return client.closed();
  });
  EXPECT_EQ(given, count);
  EXPECT_LE(most, 16U) << "two in each of four runs, for the descriptor and for the timer";
}

TEST_F(HttpPiecesTest, OthersAreAnsweredBetweenThem) {
  start();
  Client reader = local();
  reader.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
  Client other = local();
  other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  turn_until([&] {
    reader.receive();
    other.receive();
    return other.got().find("{}\n") != std::string::npos;
  });
  EXPECT_LT(given, count) << "the long answer is still under way";
}

TEST_F(HttpPiecesTest, NoneAreMadeForAClientThatDoesNotRead) {
  start();
  Client client = local();
  client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
  std::size_t before = given + 1;
  for (int quiet = 0; quiet < 10; quiet = given == before ? quiet + 1 : 0) {
    before = given;
    loop->turn(std::chrono::milliseconds{1});
  }
  EXPECT_LT(given, count) << "what the socket holds, and no more";
}

TEST_F(HttpPiecesTest, WhatMakesThemEndsWithTheConnection) {
  start();
  {
    Client client = local();
    client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until([&] { return given > 0; });
    EXPECT_GT(held.use_count(), 1);
    client.close();
  }
  turn_until([&] { return held.use_count() == 1; });
}

TEST_F(HttpPiecesTest, HeadMakesNone) {
  start();
  const auto got = ask("HEAD /long");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(got, EndsWith("\r\n\r\n"));
  EXPECT_EQ(given, 0U);
}

TEST_F(HttpPiecesTest, EmptyOnesArePassedOver) {
  handler = [](const Request&) -> Answer {
    Response made{200, {}, "text/plain", {}};
    made.pieces = [at = 0](std::string& out) mutable {
      if (++at % 2 == 0) out += std::to_string(at);
      return at < 9;
    };
    return made;
  };
  start();
  EXPECT_EQ(unchunked(ask("GET /long")), "2468");
}

TEST_F(HttpPiecesTest, AnExceptionTearsTheAnswerSoThatTheClientSeesIt) {
  handler = [](const Request&) -> Answer {
    Response made{200, {}, "text/plain", {}};
    made.pieces = [first = true](std::string& out) mutable {
      if (!std::exchange(first, false)) throw std::runtime_error("no more");
      out = "begin";
      return true;
    };
    return made;
  };
  start();
  const auto got = ask("GET /long");
  EXPECT_THAT(got, HasSubstr("begin"));
  EXPECT_THAT(got, Not(EndsWith("0\r\n\r\n")));
}

}  // namespace
}  // namespace sluice::http
