// SPDX-License-Identifier: Apache-2.0
// A capture from request to packets by the API; the test stands in for the worker and for time.
#include "control/capture.hpp"

#include "control/node.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <nlohmann/json.hpp>

#include <cstring>

namespace sluice::control {
namespace {

using Parsed = nlohmann::json;
using dataplane::Burst;

constexpr std::uint16_t kLength = 100;  // of the test's packets

class CaptureTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    auto* fast_path = Node::fast_path(why);
    if (fast_path == nullptr) GTEST_SKIP() << why;
    node = std::make_unique<Node>(*fast_path, sample(2));
  }

  Parsed ok(const std::string& method, const std::string& path, const std::string& body = {}) {
    const auto response = node->ask(method, path, body);
    EXPECT_EQ(response.status, 200) << path << ": " << response.body;
    return Parsed::parse(response.body);
  }
  Parsed start(const std::string& body) { return ok("POST", "/api/v1/capture", body); }
  Parsed poll(std::uint64_t id, std::uint64_t from = 0) {
    return ok("GET", fmt::format("/api/v1/capture?id={}&from={}", id, from));
  }
  void refuses(int status, const std::string& method, const std::string& path,
               const std::string& body, const std::string& word) {
    const auto response = node->ask(method, path, body);
    EXPECT_EQ(response.status, status) << body << ": " << response.body;
    EXPECT_NE(response.body.find(word), std::string::npos) << body << ": " << response.body;
  }

  static rte_mempool* buffers() {
    static rte_mempool* pool =
        rte_pktmbuf_pool_create("capture", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    return pool;
  }

  /// The worker gets `count` packets for the service, and sends them to the backend `number`.
  void burst(std::uint16_t count, std::uint16_t number = 0, std::uint16_t length = kLength) {
    auto* tap = node->taps[0];
    ASSERT_NE(tap, nullptr) << "no capture runs";
    const auto& now = node->model->snapshot();
    Burst b;
    b.size = count;
    b.port = 0;
    for (std::uint16_t i = 0; i < count; ++i) {
      b.packet[i] = rte_pktmbuf_alloc(buffers());
      ASSERT_NE(b.packet[i], nullptr);
      std::memset(rte_pktmbuf_append(b.packet[i], length), 0x5a, length);
    }
    tap->before(b, 0);
    for (std::uint16_t i = 0; i < count; ++i) {
      b.service[i] = &now.services[0];
      b.backend[i] = number;
      b.verdict[i] = Verdict::kForward;
      *rte_pktmbuf_mtod(b.packet[i], char*) = 0;
    }
    tap->after(b);
    for (std::uint16_t i = 0; i < count; ++i) rte_pktmbuf_free(b.packet[i]);
    tap->settle(b);
  }

  std::unique_ptr<Node> node;
};

TEST_F(CaptureTest, PacketsAreToldBeforeAndAfterWithNames) {
  const auto started = start(R"({"service": "chat", "verdicts": ["forward"], "snap": 3})");
  EXPECT_EQ(started["workers"], 1);
  const auto number = node->model->number(node->model->running().pools[0],
                                          node->model->running().pools[0].backends[1]);
  burst(2, number);
  const auto answer = poll(started["id"]);
  EXPECT_EQ(answer["running"], true);
  EXPECT_EQ(answer["lost"], 0);
  EXPECT_EQ(answer["next"], 2);
  ASSERT_EQ(answer["packets"].size(), 2U);
  const auto& packet = answer["packets"][0];
  EXPECT_EQ(packet["verdict"], "forward");
  EXPECT_EQ(packet["service"], "chat");
  EXPECT_EQ(packet["backend"], "llama/gpu-2");
  EXPECT_EQ(packet["port"], "front");
  EXPECT_EQ(packet["worker"], 0);
  EXPECT_EQ(packet["before"], (Parsed{{"length", kLength}, {"bytes", "5a5a5a"}}));
  EXPECT_EQ(packet["after"], (Parsed{{"length", kLength}, {"bytes", "005a5a"}}));
  EXPECT_GT(packet["at_ns"].get<std::int64_t>(), 1'700'000'000'000'000'000) << "of this decade";
}

TEST_F(CaptureTest, PacketsStayUntilTheClientAsksForLaterOnes) {
  const std::uint64_t id = start("{}")["id"];
  burst(3);
  EXPECT_EQ(poll(id)["packets"].size(), 3U);
  EXPECT_EQ(poll(id)["packets"].size(), 3U) << "the answer may have been lost";
  burst(1);
  const auto rest = poll(id, 2);
  EXPECT_EQ(rest["packets"].size(), 2U);
  EXPECT_EQ(rest["next"], 4);
  EXPECT_TRUE(poll(id, 4)["packets"].empty());
}

TEST_F(CaptureTest, ItEndsAfterSoManyPackets) {
  const std::uint64_t id = start(R"({"count": 5})")["id"];
  burst(8);
  const auto answer = poll(id);
  EXPECT_EQ(answer["running"], false);
  EXPECT_EQ(answer["packets"].size(), 5U);
  EXPECT_EQ(node->taps[0], nullptr) << "the worker copies no more";
}

TEST_F(CaptureTest, ItEndsByItselfWhenNobodyAsksForTenSeconds) {
  const std::uint64_t id = start("{}")["id"];
  node->now += std::chrono::seconds(9);
  EXPECT_TRUE(node->capture->step());
  poll(id);
  node->now += std::chrono::seconds(9);
  EXPECT_TRUE(node->capture->step()) << "somebody asked";
  EXPECT_NE(node->taps[0], nullptr);
  node->now += std::chrono::seconds(1);
  EXPECT_FALSE(node->capture->step());
  EXPECT_EQ(node->taps[0], nullptr);
  refuses(404, "GET", fmt::format("/api/v1/capture?id={}", id), "", "over and forgotten");
}

TEST_F(CaptureTest, WhatWasCapturedCanBeReadAfterItWasStopped) {
  const std::uint64_t id = start("{}")["id"];
  auto* tap = node->taps[0];
  burst(2);
  const auto stopped = ok("POST", fmt::format("/api/v1/capture/stop?id={}", id));
  EXPECT_EQ(stopped["running"], false);
  EXPECT_EQ(node->taps[0], nullptr);
  node->taps[0] = tap;  // a burst that was under way
  burst(1);
  EXPECT_EQ(poll(id)["packets"].size(), 3U);
}

TEST_F(CaptureTest, OneRunsAtATimeAndAStoppedOneGivesWay) {
  const std::uint64_t first = start("{}")["id"];
  refuses(409, "POST", "/api/v1/capture", "{}", "runs");
  ok("POST", fmt::format("/api/v1/capture/stop?id={}", first));
  const std::uint64_t second = start("{}")["id"];
  EXPECT_NE(first, second);
  refuses(404, "GET", fmt::format("/api/v1/capture?id={}", first), "", "forgotten");
  EXPECT_TRUE(poll(second)["packets"].empty());
}

TEST_F(CaptureTest, MemoryIsBoundedAndWhatIsTooMuchIsCounted) {
  const std::uint64_t id = start(R"({"snap": 2000})")["id"];
  std::uint64_t sent = 0;
  for (unsigned i = 0; i < 200; ++i) {  // nobody reads: 8 MiB are full, then the ring
    burst(32, 0, 1900);
    sent += 32;
    node->capture->step();
  }
  std::uint64_t got = 0;
  std::uint64_t from = 0;
  Parsed answer;
  do {
    answer = poll(id, from);
    got += answer["packets"].size();
    EXPECT_LE(answer["packets"].size(), Capture::kMostInAnswer);
    from = answer["next"];
  } while (!answer["packets"].empty());
  EXPECT_GT(answer["lost"], 0);
  EXPECT_EQ(got + answer["lost"].get<std::uint64_t>(), sent);
}

TEST_F(CaptureTest, BadRequestsAreRefusedWithPlaceAndNothingStarts) {
  const std::string path = "/api/v1/capture";
  refuses(400, "POST", path, "", "is not a JSON object");
  refuses(400, "POST", path, "[]", "is not a JSON object");
  refuses(400, "POST", path, R"({"servce": "chat"})", "did you mean 'service'?");
  refuses(400, "POST", path, R"({"service": 5})", "/service");
  refuses(404, "POST", path, R"({"service": "chatt"})", "service chatt");
  refuses(404, "POST", path, R"({"backend": "gpu-1"})", "POOL/NAME");
  refuses(400, "POST", path, R"({"verdicts": "forward"})", "is not a list");
  refuses(400, "POST", path, R"({"verdicts": ["forwrd"]})", "did you mean 'forward'?");
  refuses(400, "POST", path, R"({"verdicts": [["forward"]]})", "nested");
  refuses(400, "POST", path, R"({"sample": 0})", "1 to 65535");
  refuses(400, "POST", path, R"({"snap": 9217})", "1 to 9216");
  refuses(400, "POST", path, R"({"count": -1})", "/count");
  refuses(400, "POST", path, std::string(5000, ' '), "longer");
  EXPECT_EQ(node->taps[0], nullptr);
}

TEST_F(CaptureTest, WhoMayOnlyReadGetsNoPackets) {
  const std::uint64_t id = start("{}")["id"];
  http::Request request;
  request.method = "GET";
  request.path = "/api/v1/capture";
  request.query = {{"id", std::to_string(id)}};
  request.read_only = true;
  EXPECT_EQ(std::get<http::Response>(node->api->answer(request)).status, 403);
}

}  // namespace
}  // namespace sluice::control
