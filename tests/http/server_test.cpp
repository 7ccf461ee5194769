// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include "http/served.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>

namespace sluice::http {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST_F(HttpServerTest, RequestArrivesDecodedAndWithItsPeer) {
  start();
  const auto got = ask("GET /api/v1/a%20b?since=7&wait=%2B5&flag");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(got, testing::EndsWith("\r\n\r\n{}\n"));
  EXPECT_THAT(got, HasSubstr("Content-Type: application/json\r\n"));
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].method, "GET");
  EXPECT_EQ(asked[0].path, "/api/v1/a b");
  EXPECT_EQ(asked[0].parameter("since"), "7");
  EXPECT_EQ(asked[0].parameter("wait"), "+5");
  EXPECT_EQ(asked[0].parameter("flag"), "");
  EXPECT_EQ(asked[0].parameter("other"), std::nullopt);
  EXPECT_EQ(asked[0].peer.process, ::getpid());
  EXPECT_EQ(asked[0].peer.user, ::getuid());
  EXPECT_FALSE(asked[0].read_only);
}

TEST_F(HttpServerTest, HeadIsAnsweredAsGetWithoutTheBody) {
  start();
  const auto got = ask("HEAD /");
  EXPECT_THAT(got, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(got, testing::EndsWith("\r\n\r\n"));
  EXPECT_EQ(asked.at(0).method, "GET");
}

TEST_F(HttpServerTest, AnswerThatSaysHowItIsKeptSaysItAlone) {
  handler = [](const Request& request) {
    Response made{200, "{}", "application/json", {}};
    if (request.if_none_match == "\"1\"") made.headers = {{"Cache-Control", "no-cache"}};
    return made;
  };
  start();
  const auto kept = ask("GET /", "If-None-Match: \"1\"\r\nAccept-Encoding: gzip, br\r\n\r\n");
  EXPECT_THAT(kept, HasSubstr("Cache-Control: no-cache\r\n"));
  EXPECT_THAT(kept, Not(HasSubstr("no-store")));
  EXPECT_EQ(asked.at(0).accept_encoding, "gzip, br");
  EXPECT_THAT(ask("GET /"), HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_EQ(asked.at(1).accept_encoding, "");
}

TEST_F(HttpServerTest, BodyArrivesWholeHoweverItIsCut) {
  start();
  Client client = local();
  client.send("POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\n");
  for (const char c : std::string_view("abcdef")) client.send({&c, 1});
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 200 "));
  ask("POST /y", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].body, "abcdef");
  EXPECT_EQ(asked[1].body, "abcde");
}

TEST_F(HttpServerTest, ConnectionServesOneRequestAfterAnother) {
  start();
  Client client = local();
  for (int i = 0; i < 3; ++i) client.send(fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i));
  turn_until([&] { return asked.size() == 3; });
  EXPECT_EQ(asked[2].path, "/2");
}

TEST_F(HttpServerTest, BodyOverTheLimitIs413AndOneAtTheLimitIsNot) {
  options.limits.body_bytes = 100'000;
  start();
  const std::string fits(100'000, 'x');
  EXPECT_THAT(ask("POST /", "Content-Length: 100000\r\n\r\n" + fits), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("POST /", "Content-Length: 100001\r\n\r\n" + fits + "x"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(
      ask("POST /", "Transfer-Encoding: chunked\r\n\r\n186a1\r\n" + fits + "x\r\n0\r\n\r\n"),
      StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask("POST /", "Content-Length: 18446744073709551615\r\n\r\n"),
              Not(StartsWith("HTTP/1.1 200 ")));
  EXPECT_EQ(asked.size(), 1U);
}

TEST_F(HttpServerTest, BodiesOfAllClientsTogetherAreBounded) {
  options.limits.all_body_bytes = 5000;
  start();
  Client first = local();
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4001\r\n\r\n" + std::string(4000, 'x'));
  const std::string second = "Content-Length: 4000\r\n\r\n" + std::string(4000, 'y');
  EXPECT_THAT(ask("POST /", second), StartsWith("HTTP/1.1 503 "));
  first.send("x");
  EXPECT_THAT(first.read_until("{}\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("POST /", second), StartsWith("HTTP/1.1 200 "));  // the room is given back
}

TEST_F(HttpServerTest, TcpListenerReadsAndRefusesEverythingElse) {
  options.http = "127.0.0.1:0";
  start();
  for (const char* const method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "FOO"}) {
    Client client = remote();
    client.send(
        fmt::format("{} /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Content-Length: 2\r\n\r\n{{}}",
                    method));
    const auto got = client.read_all();
    EXPECT_THAT(got, StartsWith("HTTP/1.1 403 ")) << method;
    EXPECT_THAT(got, HasSubstr(R"({"error":{"code":"not_permitted","where":"/x")"));
  }
  EXPECT_TRUE(asked.empty());
  for (const char* const method : {"GET", "HEAD"}) {
    Client client = remote();
    client.send(fmt::format("{} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method));
    EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 200 "));
  }
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_TRUE(asked[0].read_only);
  EXPECT_EQ(asked[0].peer.process, std::nullopt);
  EXPECT_THAT(asked[0].peer.text, StartsWith("127.0.0.1:"));
}

TEST_F(HttpServerTest, ClientThatStopsAfterOneByteDoesNotHoldAnother) {
  start();
  Client slow = local();
  slow.send("G");
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 200 "));
  slow.send("ET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(slow.read_until("{}\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ClientThatDoesNotReadItsAnswerDoesNotHoldAnother) {
  handler = [](const Request& r) {
    return Response{200, std::string(r.path == "/big" ? 8'000'000 : 1, 'x'), "text/plain", {}};
  };
  start();
  Client lazy = local();
  lazy.send("GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  turn_until([&] { return asked.size() == 1; });
  EXPECT_THAT(ask("GET /small"), StartsWith("HTTP/1.1 200 "));
  EXPECT_GT(lazy.read_all().size(), 8'000'000U);
}

TEST_F(HttpServerTest, ClientThatTricklesIsCutWhenItsRequestTakesTooLong) {
  options.limits.request = 1000ms;
  start();
  Client trickle = local();
  trickle.send("GET / HT");
  loop->turn(0ms);
  ahead += 900ms;
  trickle.send("T");
  EXPECT_FALSE(trickle.closed());
  ahead += 900ms;
  EXPECT_EQ(trickle.read_all(), "");
  EXPECT_TRUE(trickle.closed());
}

TEST_F(HttpServerTest, NewcomerOverTheLimitTakesThePlaceOfWhoHasBeenIdleLongest) {
  options.limits.connections = 2;
  start();
  std::deque<Client> idle;
  for (int i = 0; i < 2; ++i) {
    idle.push_back(local());
    idle.back().send("GET /idle HTTP/1.1\r\nHost: x\r\n\r\n");
    idle.back().read_until("{}\n");
    ahead += 1s;
  }
  EXPECT_THAT(ask("GET /third"), StartsWith("HTTP/1.1 200 "));
  idle[0].read_all();
  EXPECT_TRUE(idle[0].closed());
  idle[1].receive();
  EXPECT_FALSE(idle[1].closed());
}

TEST_F(HttpServerTest, CrowdOnOneListenerDoesNotKeepAClientOutOfEither) {
  options.limits.connections = 4;
  options.http = "127.0.0.1:0";
  start();
  std::deque<Client> crowd;
  for (int i = 0; i < 200; ++i) {
    crowd.push_back(i % 2 == 0 ? local() : remote());
    crowd.back().send("GET / HTTP/1.1\r\nX-Half: ");
  }
  EXPECT_THAT(ask("GET /operator"), StartsWith("HTTP/1.1 200 "));
  Client prometheus = remote();
  prometheus.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(prometheus.read_all(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(asked.size(), 2U);
}

TEST_F(HttpServerTest, HandlersJudgeRefusesByTheHeadBeforeTheBodyIsRead) {
  options.admit = [](const Request& request, std::size_t& body_bytes) -> std::optional<Response> {
    body_bytes = 4;
    if (request.path == "/none") return refusal(404, "not_found", request.path, "is not there");
    return std::nullopt;
  };
  start();
  EXPECT_THAT(ask("POST /none", "Content-Length: 1073741824\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("POST /x", "Content-Length: 5\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask("POST /x", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_TRUE(asked.empty());
  EXPECT_THAT(ask("POST /x", "Content-Length: 4\r\n\r\nabcd"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ClientByTcpThatCostsTooMuchIs429AndTheUnixSocketIsNot) {
  options.http = "127.0.0.1:0";
  start();
  handler = [this](const Request&) {
    ahead += 300ms;  // what it takes
    return Response{200, "{}\n", "application/json", {}};
  };
  const auto get = [&] {
    Client client = remote();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.read_all();
  };
  EXPECT_THAT(get(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get(), StartsWith("HTTP/1.1 200 "));
  const auto refused = get();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(refused, HasSubstr("Retry-After: "));
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 200 "));
  ahead += 60s;
  EXPECT_THAT(get(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, TargetThatIsTooLongOrHoldsANulIsRefused) {
  start();
  EXPECT_THAT(ask("GET /" + std::string(8191, 'a')), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /" + std::string(8192, 'a')), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(ask("GET /" + std::string(40'000, 'a')), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(ask("GET /status%00hidden"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(asked.size(), 1U);
}

TEST_F(HttpServerTest, HeadersThatDoNotFitAreRefused) {
  start();
  EXPECT_THAT(ask("GET /", "A: " + std::string(40'000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 4"));
  EXPECT_TRUE(asked.empty());
}

TEST_F(HttpServerTest, GarbageIsRefusedOrCutAndTheNextClientServed) {
  start();
  for (const std::string_view bytes :
       {std::string_view("\0\0\0\0\r\n\r\n", 8), std::string_view("GET\r\n\r\n"),
        std::string_view("GET / HTTP/9.9\r\n\r\n"), std::string_view("\x16\x03\x01\x02\r\n\r\n")}) {
    Client client = local();
    client.send(bytes);
    ahead += options.limits.request + 1s;  // some of it is cut in time rather than answered
    EXPECT_THAT(client.read_all(), Not(StartsWith("HTTP/1.1 200 "))) << bytes;
  }
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ServerWithoutWorkDoesNotTurnTheLoop) {
  handler = [](const Request& r) -> Answer {
    if (r.path == "/wait") return Defer{30s};
    return Response{};
  };
  options.http = "127.0.0.1:0";
  start();
  std::deque<Client> clients;  // one that is idle between requests, one in the middle, one waits
  for (const char* const text :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HT", "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    clients.push_back(local());
    clients.back().send(text);
  }
  turn_until([&] { return server->deferred() == 1 && asked.size() == 2; });
  clients.push_back(remote());
  for (int i = 0; i < 10; ++i) loop->turn(1ms);
  int called = 0;
  for (int i = 0; i < 100; ++i) called += loop->turn(0ms) ? 1 : 0;
  EXPECT_LE(called, 2) << "only a timer may be due";
}

TEST_F(HttpServerTest, HandlerThatThrowsIs500) {
  handler = [](const Request&) -> Answer { throw std::runtime_error("broken"); };
  start();
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 500 "));
}

TEST(Refusal, NamesCodePlaceAndReasonAndSurvivesBytesThatAreNotUtf8) {
  const auto made = refusal(Error{Errc::kNotFound, "pool \xff", "has no \"x\""});
  EXPECT_EQ(made.status, 404);
  EXPECT_EQ(
      made.body,
      "{\"error\":{\"code\":\"not_found\",\"where\":\"pool \xef\xbf\xbd\",\"message\":\"has no "
      "\\\"x\\\"\"}}\n");
}

}  // namespace
}  // namespace sluice::http
