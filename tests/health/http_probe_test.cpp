// SPDX-License-Identifier: Apache-2.0
#include "health/http_probe.hpp"

#include "health/http_answer.hpp"
#include "rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;
using testing::HasSubstr;
using testing::StartsWith;

Outcome ask_http(std::string answer, const std::function<void(config::Health&)>& settle = {}) {
  Rig rig;
  const Server server(answer_with(std::move(answer)));
  Target target = target_of(CheckType::kHttp, kLoopback, server.port());
  if (settle) settle(target.check);
  return rig.ask(target);
}

TEST(HttpProbe, Status200IsFineInBothFamilies) {
  Rig rig;
  for (const auto& address : {kLoopback, kLoopback6}) {
    const Server server(answer_with(http(200, "ok")), address);
    const Outcome outcome = rig.ask(target_of(CheckType::kHttp, address, server.port()));
    EXPECT_TRUE(outcome.ok()) << outcome.detail;
    EXPECT_EQ(outcome.detail, "HTTP 200");
  }
}

TEST(HttpProbe, OtherStatusesFailAndTheBeginningOfTheBodyIsShown) {
  const Outcome outcome = ask_http(http(503, "model is\nloading\x1b[1m" + std::string(5000, 'x')));
  EXPECT_EQ(outcome.fault, Fault::kStatus);
  EXPECT_THAT(outcome.detail, StartsWith("HTTP 503 model is loading?[1mxxx"));
  EXPECT_LE(outcome.detail.size(), kLongestDetail);
}

TEST(HttpProbe, ExpectedStatusesAreThoseOfTheList) {
  const auto accept = [](config::Health& check) { check.expect_status = "204,401-403"; };
  EXPECT_TRUE(ask_http(http(402, ""), accept).ok());
  EXPECT_EQ(ask_http(http(200, ""), accept).fault, Fault::kStatus);
}

TEST(HttpProbe, LoadIsReadFromTheHeaderThatTheCheckNamesAndOnlyThere) {
  const auto told = [](std::string_view headers, int status = 200) {
    Server server(answer_with(http(status, "ok", headers)));
    Target target = target_of(config::CheckType::kHttp, kLoopback, server.port());
    target.check.load_header = "X-Load";
    return Rig().ask(target).load;
  };
  EXPECT_EQ(told("X-Load: 3\r\n"), 3);
  EXPECT_EQ(told("Other: 1\r\nx-load:0.25  \r\nX-Loads: 9\r\n"), 0.25);
  EXPECT_EQ(told("Load: 3\r\n"), std::nullopt);
  EXPECT_EQ(told("X-Load: 3\r\n", 503), std::nullopt);
}

TEST(HttpProbe, RedirectIsNotFollowed) {
  const Server other(answer_with(http(200, "ok")));
  const Outcome outcome =
      ask_http(http(302, "", fmt::format("Location: http://127.0.0.1:{}/\r\n", other.port())));
  EXPECT_EQ(outcome.fault, Fault::kStatus);
  EXPECT_EQ(other.accepted(), 0);
}

TEST(HttpProbe, BodyMustContainTheExpectedTextAlsoAcrossPieces) {
  const auto expect = [](config::Health& check) { check.expect_body = "\"state\":\"ready\""; };
  EXPECT_TRUE(ask_http(http(200, "{\"state\":\"ready\"}"), expect).ok());
  const Outcome outcome = ask_http(http(200, "{\"state\":\"loading\"}"), expect);
  EXPECT_EQ(outcome.fault, Fault::kBody);
  EXPECT_THAT(outcome.detail, HasSubstr("loading"));
  const std::string split =
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\"stat\r\n5\r\ne\":\"r\r\n"
      "5\r\neady\"\r\n0\r\n\r\n";
  EXPECT_TRUE(ask_http(split, expect).ok());
  EXPECT_EQ(ask_http(http(200, ""), expect).fault, Fault::kBody);
}

TEST(HttpProbe, BodyIsReadToABoundAndNotWaitedForBeyondIt) {
  // An endless body: the server's script ends when the probe closes.
  Rig rig;
  const Server server([](int fd) {
    (void)read_request(fd);
    send_all(fd, "HTTP/1.1 200 X\r\n\r\n");
    const std::string piece(4096, 'x');
    while (::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  Target target = target_of(CheckType::kHttp, kLoopback, server.port());
  EXPECT_TRUE(rig.ask(target).ok());
  target.check.expect_body = "never there";
  EXPECT_EQ(rig.ask(target).fault, Fault::kBody);
}

TEST(HttpProbe, TextThatEndsAtTheBoundIsFoundAndOneByteFurtherIsNot) {
  const auto expect = [](config::Health& check) { check.expect_body = "needle"; };
  EXPECT_TRUE(ask_http(http(200, std::string(kLongestBody - 6, 'x') + "needle"), expect).ok());
  EXPECT_EQ(ask_http(http(200, std::string(kLongestBody - 5, 'x') + "needle"), expect).fault,
            Fault::kBody);
}

TEST(HttpProbe, HeadersBeyondTheBoundAreAFault) {
  Rig rig;
  const Server server([](int fd) {
    (void)read_request(fd);
    send_all(fd, "HTTP/1.1 200 X\r\n");
    while (::send(fd, "X-Filler: 0123456789012345678901234567890\r\n", 43, MSG_NOSIGNAL) > 0) {
    }
  });
  const Outcome outcome = rig.ask(target_of(CheckType::kHttp, kLoopback, server.port()));
  EXPECT_EQ(outcome.fault, Fault::kProtocol);
  EXPECT_EQ(outcome.detail, "a longer answer than is read");
}

TEST(HttpProbe, InterimAnswersWithoutEndAreAFault) {
  Rig rig;
  const Server server([](int fd) {
    (void)read_request(fd);
    while (::send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) > 0) {
    }
  });
  EXPECT_EQ(rig.ask(target_of(CheckType::kHttp, kLoopback, server.port())).fault, Fault::kProtocol);
}

TEST(HttpProbe, WhatIsNoHttpIsAFaultOfProtocol) {
  EXPECT_EQ(ask_http("SSH-2.0-OpenSSH_9.2p1\r\n").fault, Fault::kProtocol);
  EXPECT_EQ(ask_http("HTTP/1.1 what\r\n\r\n").fault, Fault::kProtocol);
  EXPECT_EQ(ask_http(std::string(300, '\0')).fault, Fault::kProtocol);
}

TEST(HttpProbe, ConnectionThatBreaksBeforeTheAnswerIsWholeIsAReset) {
  EXPECT_EQ(ask_http("").fault, Fault::kReset);
  EXPECT_EQ(ask_http("HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf").fault, Fault::kReset);
  Rig rig;
  const Server server([](int fd) {
    (void)read_request(fd);
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  });
  EXPECT_EQ(rig.ask(target_of(CheckType::kHttp, kLoopback, server.port())).fault, Fault::kReset);
}

TEST(HttpProbe, PortWhereNobodyListensIsRefused) {
  Rig rig;
  const NobodyThere there;
  const Outcome outcome = rig.ask(target_of(CheckType::kHttp, kLoopback, there.port()));
  EXPECT_EQ(outcome.fault, Fault::kRefused);
  EXPECT_EQ(outcome.detail, "connect: Connection refused");
}

TEST(HttpProbe, SlowServerIsATimeOut) {
  Rig rig;
  const Server server(stay_silent());
  Target target = target_of(CheckType::kHttp, kLoopback, server.port());
  target.check.timeout = 50ms;
  const Outcome outcome = rig.ask(target);
  EXPECT_EQ(outcome.fault, Fault::kTimeout);
  EXPECT_EQ(outcome.detail, "no answer in 50 ms");
}

TEST(HttpProbe, HeadersOfTheRequestAreThoseOfTheConfigurationAlone) {
  ::setenv("http_proxy", "http://127.0.0.1:1/", 1);
  Rig rig;
  std::string request;
  const Server server([&](int fd) {
    request = read_request(fd);
    send_all(fd, http(200, ""));
  });
  Target target = target_of(CheckType::kHttp, kLoopback, server.port());
  target.check.path = "/v1/../health?deep=1#x";
  ASSERT_TRUE(rig.ask(target).ok());
  EXPECT_EQ(request, fmt::format("GET /v1/../health?deep=1#x HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n"
                                 "User-Agent: sluice-health\r\nAccept: */*\r\n"
                                 "Connection: close\r\n\r\n",
                                 server.port()));
  target.check.host = "chat.example";
  ASSERT_TRUE(rig.ask(target).ok());
  EXPECT_THAT(request, HasSubstr("\r\nHost: chat.example\r\n"));
  ::unsetenv("http_proxy");
}

TEST(HttpProbe, EachQuestionHasAConnectionOfItsOwn) {
  Rig rig;
  const Server server([](int fd) {
    for (int i = 0; i < 2 && !read_request(fd).empty(); ++i) send_all(fd, http(200, ""));
  });
  Target target = target_of(CheckType::kHttp, kLoopback, server.port());
  target.check.interval = 10ms;
  int good = 0;
  rig.prober->on_outcome([&](const Target&, const Outcome& outcome) { good += outcome.ok(); });
  rig.prober->set_targets({target});
  ASSERT_TRUE(rig.wait([&] { return good >= 3; }));
  rig.prober->set_targets({});
  EXPECT_GE(server.accepted(), 3);
}

TEST(HttpProbe, PresetsAskForWhatTheirServersAnswer) {
  Rig rig;
  std::string request;
  const Server server([&](int fd) {
    request = read_request(fd);
    send_all(fd, http(200, ""));
  });
  for (const auto& [type, path] :
       {std::pair{CheckType::kVllm, "/health"}, std::pair{CheckType::kSglang, "/health"},
        std::pair{CheckType::kTriton, "/v2/health/ready"}, std::pair{CheckType::kTgi, "/health"},
        std::pair{CheckType::kOllama, "/"}, std::pair{CheckType::kLlamaCpp, "/health"}}) {
    EXPECT_TRUE(rig.ask(target_of(type, kLoopback, server.port())).ok());
    EXPECT_THAT(request, StartsWith(fmt::format("GET {} HTTP/1.1\r\n", path)));
  }
}

}  // namespace
}  // namespace sluice::health
