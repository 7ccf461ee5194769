// SPDX-License-Identifier: Apache-2.0
// Requests that wait for their answer.
#include "http/server.hpp"

#include "http/served.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::http {
namespace {

using testing::StartsWith;

struct Deferred : HttpServerTest {
  Deferred() {
    handler = [this](const Request& r) -> Answer {
      if (ready || (r.expired && !stubborn))
        return Response{200, r.expired ? "late" : "woken", "text/plain", {}};
      return Defer{5000ms};
    };
  }
  Client wait() {
    Client client = local();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const auto before = server->deferred();
    turn_until([&] { return server->deferred() == before + 1; });
    return client;
  }
  bool ready = false;
  bool stubborn = false;
};

TEST_F(Deferred, RequestIsAskedAgainAtEachWakeUntilItIsAnswered) {
  start();
  Client client = wait();
  server->wake_deferred();
  server->wake_deferred();
  turn_until([&] { return asked.size() == 2; });
  EXPECT_EQ(server->deferred(), 1U);
  client.receive();
  EXPECT_EQ(client.got(), "");
  ready = true;
  server->wake_deferred();
  EXPECT_THAT(client.read_all(), testing::EndsWith("woken"));
  EXPECT_EQ(server->deferred(), 0U);
}

TEST_F(Deferred, RequestIsAskedALastTimeWhenItHasWaitedLongEnough) {
  start();
  Client client = wait();
  ahead += 4900ms;
  server->wake_deferred();  // does not start the wait anew
  turn_until([&] { return asked.size() == 2; });
  ahead += 200ms;
  EXPECT_THAT(client.read_all(), testing::EndsWith("late"));
  EXPECT_TRUE(asked.back().expired);
}

TEST_F(Deferred, HandlerThatDefersForEverIs503) {
  stubborn = true;
  start();
  Client client = wait();
  ahead += 5001ms;
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(Deferred, WaitIsNotCountedAsASlowRequest) {
  options.limits.request = 1000ms;
  start();
  Client client = wait();
  ahead += 4000ms;
  for (int i = 0; i < 10; ++i) loop->turn(1ms);
  ready = true;
  server->wake_deferred();
  EXPECT_THAT(client.read_all(), testing::EndsWith("woken"));
}

TEST_F(Deferred, OthersAreServedWhileOneWaitsAndTooManyAre503) {
  options.limits.deferred = 2;
  start();
  std::deque<Client> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(wait());
  EXPECT_THAT(ask("GET /events"), StartsWith("HTTP/1.1 503 "));
  ready = true;
  EXPECT_THAT(ask("GET /now"), StartsWith("HTTP/1.1 200 "));
  server->wake_deferred();
  for (auto& client : clients) EXPECT_THAT(client.read_all(), testing::EndsWith("woken"));
}

TEST_F(Deferred, ClientThatLeavesIsForgottenAtTheNextWake) {
  start();
  Client client = wait();
  client.close();
  ready = true;
  server->wake_deferred();
  turn_until([&] { return server->deferred() == 0; });
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Deferred, ServerMayEndWhileRequestsWaitAndAWakeIsUnderWay) {
  start();
  Client client = wait();
  server->wake_deferred();
  server.reset();
  loop->turn(0ms);
  client.read_all();
  EXPECT_TRUE(client.closed());
  EXPECT_FALSE(std::filesystem::exists(options.socket));
}

TEST_F(Deferred, HandlerMayWakeTheOthersWhileItAnswers) {
  const auto waits = handler;
  handler = [this, waits](const Request& r) -> Answer {
    if (r.method != "POST") return waits(r);
    ready = true;
    server->wake_deferred();
    return Response{};
  };
  start();
  Client client = wait();
  EXPECT_THAT(ask("POST /change"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(client.read_all(), testing::EndsWith("woken"));
}

}  // namespace
}  // namespace sluice::http
