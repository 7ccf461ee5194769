// SPDX-License-Identifier: Apache-2.0
#include "scrape/scraper.hpp"

#include "health/rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

namespace sluice::scrape {
namespace {

using namespace std::chrono_literals;
using health::http;
using health::kLoopback;
using health::kLoopback6;
using health::read_request;
using health::send_all;
using health::Server;
using testing::HasSubstr;
using testing::Not;

const std::string kText =
    "vllm:num_requests_running 3\nvllm:num_requests_waiting 1\nvllm:request_success_total 9\n";

Target target_of(std::uint16_t port, std::string backend = "b") {
  Target target{.pool = "p",
                .backend = std::move(backend),
                .address = kLoopback,
                .port = port,
                .metrics = {}};
  target.metrics.interval = 20ms;
  target.metrics.timeout = 15s;
  return target;
}

struct Rig {
  std::unique_ptr<EventLoop> loop = EventLoop::open().value();
  std::unique_ptr<Scraper> scraper = Scraper::open(*loop, {.seed = 1}).value();
  std::map<std::string, std::vector<Scrape>> scrapes = {};

  Rig() {
    scraper->on_scrape([this](const Target& target, const Scrape& scrape) {
      scrapes[target.backend].push_back(scrape);
    });
  }
  /// Turns until `condition`; fails the test after 20 seconds.
  void wait(const std::function<bool()>& condition) {
    const auto end = EventLoop::Clock::now() + 20s;
    while (!condition()) {
      ASSERT_LT(EventLoop::Clock::now(), end);
      loop->turn(100ms);
    }
  }
  /// The first scrape of that target alone.
  Scrape ask(const Target& target) {
    scrapes.clear();
    scraper->set_targets({});
    scraper->set_targets({target});
    wait([&] { return !scrapes.empty(); });
    return scrapes.empty() ? Scrape{.problem = "none"} : scrapes.begin()->second.front();
  }
  Scrape ask(Server::Script script, const std::function<void(Target&)>& change = {}) {
    Server server(std::move(script));
    Target target = target_of(server.port());
    if (change) change(target);
    const Scrape scrape = ask(target);
    scraper->set_targets({});
    return scrape;
  }
};

/// Answers every request of a connection, and counts them.
Server::Script answer_all(std::string bytes, std::atomic<int>& count) {
  return [bytes = std::move(bytes), &count](int fd) {
    while (read_request(fd).ends_with("\r\n\r\n")) {
      count.fetch_add(1);
      send_all(fd, bytes);
    }
  };
}

TEST(Scraper, ReadsWhatABackendShowsAgainAndAgainOnOneConnection) {
  std::atomic<int> requests = 0;
  Server server(answer_all(http(200, kText), requests));
  Rig rig;
  rig.scraper->set_targets({target_of(server.port())});
  rig.wait([&] { return rig.scrapes["b"].size() >= 5; });
  EXPECT_EQ(server.accepted(), 1);
  Time before{};
  for (const Scrape& scrape : rig.scrapes["b"]) {
    EXPECT_EQ(scrape.problem, "");
    EXPECT_EQ(scrape.reading.running, 3);
    EXPECT_EQ(scrape.reading.waiting, 1);
    EXPECT_EQ(scrape.reading.completed, 9);
    EXPECT_EQ(scrape.bytes, kText.size());
    EXPECT_GT(scrape.reading.at, before);
    before = scrape.reading.at;
  }
  rig.scraper->set_targets({});
}

TEST(Scraper, AsksByNameAndPathAndSpeaksForItself) {
  std::string asked;
  const Scrape scrape = Rig().ask(
      [&](int fd) {
        asked = read_request(fd);
        send_all(fd, http(200, kText));
      },
      [](Target& target) { target.metrics.path = "/a/../b?c=d"; });
  EXPECT_EQ(scrape.problem, "");
  EXPECT_TRUE(asked.starts_with("GET /a/../b?c=d HTTP/1.1\r\n")) << asked;
  EXPECT_THAT(asked, HasSubstr("\r\nUser-Agent: sluice-scrape\r\n"));
  EXPECT_THAT(asked, HasSubstr("\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(asked, HasSubstr("text/plain"));
  EXPECT_THAT(asked, Not(HasSubstr("Accept-Encoding")));
}

TEST(Scraper, AsksServersOfIpv6AndThePathOfTheType) {
  std::string asked;
  Server server(
      [&](int fd) {
        asked = read_request(fd);
        send_all(fd, http(200, "trtllm_num_requests_running 2\n"));
      },
      kLoopback6);
  Target target = target_of(server.port());
  target.address = kLoopback6;
  target.metrics.type = config::MetricsType::kTensorRtLlm;
  Rig rig;
  EXPECT_EQ(rig.ask(target).reading.running, 2);
  EXPECT_TRUE(asked.starts_with("GET /prometheus/metrics HTTP/1.1\r\n")) << asked;
  rig.scraper->set_targets({});
}

/// A server that does not do what it should.
struct Hostile {
  const char* name;
  std::string answer;  ///< Sent over and over when `endless`.
  bool endless = false;
  std::string problem = {};
};
class HostileServer : public testing::TestWithParam<Hostile> {};

TEST_P(HostileServer, IsGivenUpWithTheReason) {
  const auto& hostile = GetParam();
  const Scrape scrape = Rig().ask([&](int fd) {
    (void)read_request(fd);
    send_all(fd, hostile.answer.substr(0, hostile.answer.find("\r\n\r\n") + 4));
    const std::string rest = hostile.answer.substr(hostile.answer.find("\r\n\r\n") + 4);
    send_all(fd, rest);
    // A little more than any bound; the connection breaks sooner.
    for (int i = 0; hostile.endless && i < 100'000; ++i) {
      if (::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL) < 0) break;
    }
  });
  EXPECT_THAT(scrape.problem, HasSubstr(hostile.problem));
  EXPECT_FALSE(scrape.reading.inside());
  EXPECT_LE(scrape.bytes, kLongestBody + 16384);
}

INSTANTIATE_TEST_SUITE_P(
    Servers, HostileServer,
    testing::Values(
        Hostile{"Endless", "HTTP/1.1 200 X\r\n\r\na 1\n" + std::string(8000, '\n'), true,
                "more than the 4194304 bytes"},
        Hostile{"EndlessLine", "HTTP/1.1 200 X\r\n\r\n" + std::string(8000, 'x'), true,
                "longer than 65536 bytes"},
        Hostile{"LongHeaders", "HTTP/1.1 200 X\r\nA: " + std::string(20000, 'x') + "\r\n\r\n",
                false, "more headers than are read"},
        Hostile{"NotFound", http(404, kText), false, "HTTP 404"},
        Hostile{"Redirect", http(302, "", "Location: http://127.0.0.1:1/\r\n"), false, "HTTP 302"},
        Hostile{"Page", http(200, "<html>\n<p>\n</html>\n"), false, "no line of it is a metric's"},
        Hostile{"Nothing", http(200, ""), false, "is empty"},
        Hostile{"Cut", http(200, kText.substr(0, kText.size() - 1)), false, "ends within line 3"},
        Hostile{"ShorterThanItSays", "HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n" + kText,
                false, "remaining"},
        Hostile{"OtherProtocol", "SSH-2.0-x\r\n\r\nmore\n", false, "HTTP"},
        Hostile{"NegativeLength", "HTTP/1.1 200 X\r\nContent-Length: -5\r\n\r\n" + kText, false,
                ""},
        Hostile{"BadChunk", "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + kText,
                false, "chunk"}),
    [](const auto& one) { return one.param.name; });

TEST(Scraper, WhatFollowsTheStatedLengthIsNotRead) {
  const Scrape scrape = Rig().ask([&](int fd) {
    (void)read_request(fd);
    send_all(fd, http(200, kText) + "vllm:num_requests_running 500\n");
  });
  EXPECT_EQ(scrape.problem, "");
  EXPECT_EQ(scrape.reading.running, 3);
}

TEST(Scraper, BadLineIsToldBesideWhatTheOthersSay) {
  const Scrape scrape = Rig().ask(health::answer_with(http(200, "9x 1\n" + kText)));
  EXPECT_EQ(scrape.problem, "");
  EXPECT_EQ(scrape.reading.running, 3);
  EXPECT_EQ(scrape.first_bad, "line 1: no metric's name at its beginning");
}

TEST(Scraper, ServerThatDoesNotEndIsGivenUpInTimeAndAskedAgain) {
  for (const bool begins : {false, true}) {
    std::atomic<int> requests = 0;
    Server server([&](int fd) {
      while (read_request(fd).ends_with("\r\n\r\n")) {
        if (requests.fetch_add(1) != 0) {
          send_all(fd, http(200, kText));
        } else if (begins) {
          send_all(fd, "HTTP/1.1 200 X\r\nContent-Length: 5000\r\n\r\nvllm:num_requests_runn");
        }
      }
    });
    Rig rig;
    Target target = target_of(server.port());
    target.metrics.timeout = 100ms;
    rig.scraper->set_targets({target});
    rig.wait([&] { return rig.scrapes["b"].size() >= 2; });
    EXPECT_THAT(rig.scrapes["b"][0].problem, HasSubstr("no whole answer in 100 ms"));
    EXPECT_EQ(rig.scrapes["b"][1].problem, "");
    EXPECT_EQ(rig.scrapes["b"][1].reading.running, 3);
    rig.scraper->set_targets({});
  }
}

TEST(Scraper, WhereNobodyListensIsSaid) {
  const health::NobodyThere nobody;
  EXPECT_THAT(Rig().ask(target_of(nobody.port())).problem, HasSubstr("onnect"));
}

TEST(Scraper, ServerThatClosesAfterEachAnswerIsAskedOnAnotherConnection) {
  Server server(health::answer_with(http(200, kText, "Connection: close\r\n")));
  Rig rig;
  rig.scraper->set_targets({target_of(server.port())});
  rig.wait([&] { return rig.scrapes["b"].size() >= 3; });
  for (const Scrape& scrape : rig.scrapes["b"]) EXPECT_EQ(scrape.problem, "");
  EXPECT_GE(server.accepted(), 3);
  rig.scraper->set_targets({});
}

TEST(Scraper, TargetThatStaysKeepsItsConnectionWhenOthersComeAndGo) {
  std::atomic<int> requests = 0;
  Server server(answer_all(http(200, kText), requests));
  Rig rig;
  const Target target = target_of(server.port());
  for (std::size_t round = 1; round < 5; ++round) {
    const health::NobodyThere nobody;
    rig.scraper->set_targets({target, target_of(nobody.port(), "other")});
    EXPECT_EQ(rig.scraper->targets(), 2U);
    const auto before = rig.scrapes["b"].size();
    rig.wait([&] { return rig.scrapes["b"].size() > before; });
  }
  EXPECT_EQ(server.accepted(), 1);
  rig.scraper->set_targets({});
  EXPECT_EQ(rig.scraper->targets(), 0U);
  EXPECT_EQ(rig.scraper->asking(), 0U);
}

TEST(Scraper, CallbackMayTakeAllTargetsAwayOrEndTheScraper) {
  Server server(health::answer_with(http(200, kText)));
  for (const bool end : {false, true}) {
    Rig rig;
    int calls = 0;
    rig.scraper->on_scrape([&](const Target&, const Scrape&) {
      ++calls;
      if (end)
        rig.scraper.reset();
      else
        rig.scraper->set_targets({});
    });
    rig.scraper->set_targets({target_of(server.port(), "a"), target_of(server.port(), "b")});
    rig.wait([&] { return calls == 1; });
    for (int turn = 0; turn < 3; ++turn) rig.loop->turn(1ms);
    EXPECT_EQ(calls, 1);
  }
}

}  // namespace
}  // namespace sluice::scrape
