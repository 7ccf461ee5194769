// SPDX-License-Identifier: Apache-2.0
// The admin API from request to answer, on a whole node. Also covers views, reports of changes, and
// metrics: the wire contract is docs/reference/api.md.
#include "control/api.hpp"

#include "control/node.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

using Parsed = nlohmann::json;

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    auto* fast_path = Node::fast_path(why);
    if (fast_path == nullptr) GTEST_SKIP() << why;
    node = std::make_unique<Node>(*fast_path, sample(4));
  }
  Parsed get(const std::string& path) {
    const auto response = node->ask("GET", path);
    EXPECT_EQ(response.status, 200) << path << ": " << response.body;
    return Parsed::parse(response.body);
  }
  Parsed post(const std::string& path, const std::string& body = {}) {
    const auto response = node->ask("POST", path, body);
    EXPECT_EQ(response.status, 200) << path << ": " << response.body;
    return Parsed::parse(response.body);
  }
  void refuses(int status, const std::string& method, const std::string& path,
               const std::string& body, const std::string& word) {
    const auto response = node->ask(method, path, body);
    EXPECT_EQ(response.status, status) << path << ' ' << body << ": " << response.body;
    const auto error = Parsed::parse(response.body).at("error");
    EXPECT_NE((error.at("where").get<std::string>() + " " + error.at("message").get<std::string>())
                  .find(word),
              std::string::npos)
        << response.body;
  }

  std::unique_ptr<Node> node;
};

TEST_F(ApiTest, StatusHasEveryPartOfTheContract) {
  const auto status = get("/api/v1/status");
  for (const auto* key :
       {"node", "version", "isa", "pid", "uptime_s", "ready", "not_ready_because", "stopping",
        "generation", "generation_age_s", "configuration", "state", "books", "ports", "huge_pages",
        "workers", "services", "pools", "backends"})
    EXPECT_TRUE(status.contains(key)) << key;
  EXPECT_EQ(status["node"], sample_node());
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["generation"], 1);
  EXPECT_EQ(status["books"]["balanced"], true);
  EXPECT_EQ(status["ports"][0]["mac"], "02:00:00:00:00:01");
  EXPECT_EQ(status["ports"][0]["xdp"], nullptr);
  EXPECT_EQ(status["backends"]["up"], 4);
}

TEST_F(ApiTest, BackendsShowSharesThatAddUp) {
  post("/api/v1/backends/llama/gpu-1/weight", R"({"weight": 300})");
  double slots = 0;
  double weights = 0;
  const auto view = get("/api/v1/backends");
  for (const auto& backend : view["backends"]) {
    slots += backend["slots_share"].get<double>();
    weights += backend["weight_share"].get<double>();
    EXPECT_NEAR(backend["slots_share"].get<double>(), backend["weight_share"].get<double>(),
                1.001 / 65537)
        << "exact to one entry";
    EXPECT_EQ(backend["next_hop"]["resolved"], true);
    EXPECT_EQ(backend["next_hop"]["source"], "configuration");
  }
  EXPECT_NEAR(slots, 1, 1e-9);
  EXPECT_NEAR(weights, 1, 1e-9);
  const auto first = get("/api/v1/backends?pool=llama")["backends"][0];
  EXPECT_EQ(first["weight"], 300);
  EXPECT_EQ(first["configured_weight"], 100);
  EXPECT_EQ(first["origin"], "configuration");
  refuses(404, "GET", "/api/v1/backends?pool=lama", "", "did you mean 'llama'?");
}

TEST_F(ApiTest, AddDrainWeightAndRemoveAnswerWithGenerationChangesAndMovement) {
  const auto added = post("/api/v1/backends/llama", R"({"name": "gpu-5", "address": "10.0.1.5"})");
  EXPECT_EQ(added["generation"], 2);
  EXPECT_EQ(added["changes"][0]["path"], "pools/llama/backends/gpu-5");
  EXPECT_EQ(added["moved"]["of"], 65537);
  EXPECT_GE(added["moved"]["slots"].get<int>(), added["moved"]["least"].get<int>());
  EXPECT_NEAR(added["moved"]["least"].get<double>(), 65537.0 / 5, 2);
  EXPECT_EQ(get("/api/v1/backends")["backends"][4]["origin"], "operator");

  const auto drained = post("/api/v1/backends/llama/gpu-5/drain");
  EXPECT_EQ(drained["changes"][0]["path"], "pools/llama/backends/gpu-5/operator");
  EXPECT_EQ(drained["changes"][0]["after"], "drain");
  EXPECT_EQ(get("/api/v1/backends")["backends"][4]["state"], "draining");
  EXPECT_EQ(post("/api/v1/backends/llama/gpu-5/maintenance")["changes"][0]["before"], "drain");
  EXPECT_EQ(get("/api/v1/backends")["backends"][4]["state"], "maintenance");
  EXPECT_EQ(get("/api/v1/backends")["backends"][4]["operator"], "maintenance");
  EXPECT_EQ(get("/api/v1/status")["backends"]["down"], 1);
  EXPECT_EQ(post("/api/v1/backends/llama/gpu-5/undrain")["changes"][0]["after"], "none");
  EXPECT_EQ(post("/api/v1/backends/llama/gpu-5/weight", R"({"weight": 7})")["changes"][0]["path"],
            "pools/llama/backends/gpu-5/weight");
  EXPECT_EQ(post("/api/v1/backends/llama/gpu-5/remove")["generation"], 7);
  EXPECT_EQ(node->changes.front(), "tester: add backend gpu-5 at 10.0.1.5 to pool llama");
  EXPECT_EQ(node->changes.size(), 6U);
}

TEST_F(ApiTest, AddedBackendHasAllThatTheFileCouldGiveIt) {
  post("/api/v1/backends/llama",
       R"({"name": "gpu-5", "address": "10.0.1.5", "weight": 7, "max_connections": 512,
           "server_id": "0a1f"})");
  const auto& added = node->model->operator_state().pools.at("llama").added.at(0);
  EXPECT_EQ(added.weight, 7U);
  EXPECT_EQ(added.max_connections, 512U);
  EXPECT_EQ(added.server_id, "0a1f");
  const auto running = get("/api/v1/config")["pools"][0]["backends"][4];
  EXPECT_EQ(running["max_connections"], 512);
  EXPECT_EQ(running["server_id"], "0a1f");
}

TEST_F(ApiTest, BadBodiesAreRefusedWithPlaceAndNothingChanges) {
  const std::string backends = "/api/v1/backends/llama";
  refuses(400, "POST", backends, "", "is not a JSON object");
  refuses(400, "POST", backends, "[]", "is not a JSON object");
  refuses(400, "POST", backends, R"({"name": "x"})", "/address");
  refuses(400, "POST", backends, R"({"nam": "x", "address": "10.0.1.9"})", "did you mean 'name'?");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1"})",
          "'10.0.1' is not an IP address");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "weight": -1})",
          "/weight");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "weight": 4294967296})",
          "/weight");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "port": 65536})", "/port");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "port": 80})",
          "keeps the service's port");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "max_connections": "9"})",
          "/max_connections");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "server_id": 10})",
          "/server_id");
  refuses(400, "POST", backends, R"({"name": "x", "address": "10.0.1.9", "server_id": "0a1"})",
          "is not a server id");
  refuses(400, "POST", backends, R"({"name": 5, "address": "10.0.1.9"})", "/name");
  refuses(400, "POST", backends, R"({"name": {"a": [[[[]]]]}, "address": "10.0.1.9"})", "/name");
  refuses(400, "POST", backends, R"({"name": "a b", "address": "10.0.1.9"})", "name");
  refuses(400, "POST", backends, std::string(5000, ' '), "longer");
  refuses(409, "POST", backends, R"({"name": "gpu-1", "address": "10.0.1.9"})", "gpu-1");
  refuses(400, "POST", backends + "/gpu-1/weight", R"({"weight": 1.5})", "/weight");
  refuses(404, "POST", backends + "/gpu-99/drain", "", "gpu-99");
  EXPECT_EQ(node->model->snapshot().generation, 1U);
  EXPECT_TRUE(node->changes.empty());
}

TEST_F(ApiTest, OtherPathsAre404AndOtherMethods405) {
  refuses(404, "GET", "/api/v1/nothing", "", "is no path");
  refuses(404, "GET", "/api/v1/backends/llama//drain", "", "is no path");
  refuses(405, "POST", "/api/v1/status", "", "takes GET");
  refuses(405, "GET", "/api/v1/backends/llama/gpu-1/drain", "", "takes POST");
  refuses(405, "DELETE", "/api/v1/status", "", "takes GET");
}

TEST_F(ApiTest, WhatIsNotTextIsRefusedBeforeAnyHandler) {
  refuses(400, "GET", "/api/v1/\xff", "", "path");
  refuses(400, "GET", "/api/v1/backends?pool=\xc0\xaf", "", "pool");
  refuses(400, "POST", "/api/v1/backends/llama", "{\"name\": \"\xed\xa0\x80\"}", "body");
  EXPECT_TRUE(node->changes.empty());
}

TEST_F(ApiTest, WhoMayOnlyReadIsToldHowToChange) {
  http::Request request;
  request.read_only = true;
  std::size_t body = 1U << 30U;
  const auto status = [&](const char* method, const char* path) {
    request.method = method;
    request.path = path;
    const auto refused = node->api->admit(request, body);
    return refused ? refused->status : 200;
  };
  EXPECT_EQ(status("GET", "/api/v1/status"), 200);
  EXPECT_EQ(body, Route::kSmallBody);
  EXPECT_EQ(status("POST", "/api/v1/reload"), 403);
  EXPECT_NE(node->api->admit(request, body)->body.find("token_file"), std::string::npos);
  EXPECT_EQ(status("GET", "/api/v1/capture"), 403);
  EXPECT_EQ(status("DELETE", "/api/v1/status"), 405);
  EXPECT_EQ(status("GET", "/api/v1/\xff"), 400);
  EXPECT_EQ(status("POST", "/api/v1/none"), 404);
  EXPECT_EQ(std::get<http::Response>(node->api->answer(request)).status, 404);
}

TEST_F(ApiTest, EachChangeLeavesAnEventOfWhoChangedWhat) {
  post("/api/v1/backends/llama/gpu-1/weight", R"({"weight": 7})");
  refuses(404, "POST", "/api/v1/backends/llama/gpu-99/drain", "", "gpu-99");
  std::vector<std::string> audits;
  for (const auto* event : node->events.since(0, 1000).events)
    if (event->component == "audit") audits.push_back(event->text);
  EXPECT_EQ(audits, std::vector<std::string>{"tester: weight of backend gpu-1 of pool llama to 7: "
                                             "pools/llama/backends/gpu-1/weight from 100 to 7"});
}

TEST_F(ApiTest, FlowsAreAListAndItsLengthIsBounded) {
  const auto view = get("/api/v1/flows?limit=10000&pool=llama&backend=gpu-1");
  EXPECT_TRUE(view["flows"].is_array());
  EXPECT_TRUE(view.contains("capacity"));
  refuses(400, "GET", "/api/v1/flows?limit=10001", "", "10000");
  refuses(400, "GET", "/api/v1/flows?limit=x", "", "limit");
}

TEST_F(ApiTest, TraceNamesShardDenyAndFamily) {
  auto c = sample(2);
  c.pools.push_back(c.pools[0]);
  c.pools[1].name = "rest";
  c.services[0].shards = {
      {.source = IpPrefix::parse("198.51.0.0/16"), .hash_range = {}, .pool = "llama"},
      {.source = IpPrefix::parse("198.51.100.0/24"), .hash_range = {}, .pool = "rest"},
      {.source = {}, .hash_range = std::pair(0.0, 1.0), .pool = "rest"}};
  c.services[0].deny = {IpPrefix::parse("192.0.2.0/24").value()};
  c.services.push_back(c.services[0]);
  c.services[1] = {.name = "six", .address = v4("2001:db8::10"), .port = 443, .pool = "llama"};
  ASSERT_TRUE(node->model->replace_file(std::move(c)));
  const std::string to = "&destination=203.0.113.10&destination_port=443";
  const auto from = [&](const std::string& source) {
    return get("/api/v1/trace?protocol=tcp&source_port=40000&source=" + source + to);
  };
  EXPECT_EQ(from("198.51.100.7")["shard"]["source"], "198.51.100.0/24");
  EXPECT_EQ(from("198.51.100.7")["pool"], "rest");
  EXPECT_EQ(from("198.51.101.7")["pool"], "llama");
  EXPECT_EQ(from("203.0.113.200")["shard"]["hash_range"][1], 1.0);
  EXPECT_EQ(from("192.0.2.1")["verdict"], "drop");
  const auto six =
      get("/api/v1/trace?protocol=tcp&source=2001:db8:9::1&source_port=40000"
          "&destination=2001:db8::10&destination_port=443");
  EXPECT_EQ(six["service"], "six");
  EXPECT_EQ(six["shard"], nullptr);
  EXPECT_EQ(six["flow"]["source"], "2001:db8:9::1");
  EXPECT_EQ(six["verdict"], "forward");
  refuses(400, "GET", "/api/v1/trace?protocol=tcp&source=2001:db8::1&source_port=1" + to, "",
          "family");
}

TEST_F(ApiTest, TraceAgreesWithTheTable) {
  const auto trace =
      get("/api/v1/"
          "trace?protocol=tcp&source=198.51.100.7&source_port=40000&destination=203.0.113.10&"
          "destination_port=443");
  EXPECT_EQ(trace["verdict"], "forward");
  EXPECT_EQ(trace["service"], "chat");
  const auto& now = node->model->snapshot();
  EXPECT_EQ(trace["number"], now.pools[0].slots[trace["slot"].get<std::size_t>()]);
  EXPECT_EQ(get("/api/v1/"
                "trace?protocol=udp&source=198.51.100.7&source_port=1&destination=203.0.113.10&"
                "destination_port=443")["verdict"],
            "host");
  refuses(400, "GET", "/api/v1/trace?protocol=icmp", "", "protocol");
  refuses(400, "GET", "/api/v1/trace?protocol=tcp&source=x", "", "source");
  refuses(400, "GET",
          "/api/v1/trace?protocol=tcp&source=10.0.0.1&destination=10.0.0.2&source_port=65536", "",
          "source_port");
}

TEST_F(ApiTest, DiffShowsAndApplyTakesAConfigurationInPlaceOfTheRunningOne) {
  post("/api/v1/backends/llama/gpu-1/drain");
  const auto wanted = sample_text(5);
  const auto diff = post("/api/v1/config/diff", wanted);
  ASSERT_EQ(diff["changes"].size(), 2U) << "the new backend, and the drain that is gone";
  EXPECT_EQ(diff["changes"][0]["path"], "pools/llama/backends/gpu-5");
  EXPECT_EQ(get("/api/v1/pools")["pools"][0]["backends"].size(), 4U) << "diff changes nothing";
  const auto applied = post("/api/v1/config/apply", wanted);
  EXPECT_EQ(applied["changes"].size(), 2U) << "the new backend, and the drain that is gone";
  EXPECT_EQ(get("/api/v1/pools")["pools"][0]["backends"].size(), 5U);
}

TEST_F(ApiTest, AFaultyConfigurationIsRefusedWithAllItsFaults) {
  const auto response =
      node->ask("POST", "/api/v1/config/apply", R"({"node": "test-1", "nonsense": 1})");
  EXPECT_EQ(response.status, 400);
  EXPECT_GE(Parsed::parse(response.body)["faults"].size(), 2U);
  refuses(409, "POST", "/api/v1/config/apply",
          sample_text(4, "/nonexistent/sluice", "net_null1,no-rx=1"), "changes only on restart");
}

TEST_F(ApiTest, EveryKeyThatNeedsARestartIsNamed) {
  auto wanted = sample_text(4, "/elsewhere");
  wanted.replace(wanted.find(sample_node()), sample_node().size(), "test-other");
  const auto response = node->ask("POST", "/api/v1/config/apply", wanted);
  EXPECT_EQ(response.status, 409);
  for (const auto* key : {"node", "admin/socket", "state_dir"})
    EXPECT_NE(response.body.find(key), std::string::npos) << key << ": " << response.body;
  EXPECT_EQ(get("/api/v1/status")["node"], sample_node());
}

TEST_F(ApiTest, AFailedReloadShowsTheFaults) {
  node->standing.last_reload.faults = {"/services: is missing; name at least one"};
  const auto response = node->ask("POST", "/api/v1/reload");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Parsed::parse(response.body)["faults"][0], "/services: is missing; name at least one");
}

TEST_F(ApiTest, EventsArePagedAndWaitForTheNextOne) {
  EXPECT_EQ(node->ask("GET", "/api/v1/events?wait=5").body, "deferred");
  node->events.add(Level::kInfo, "test", "one", "first");
  node->events.add(Level::kError, "test", "two", "second");
  const auto all = get("/api/v1/events");
  EXPECT_EQ(all["events"].size(), 2U);
  EXPECT_EQ(all["next"], 3);
  EXPECT_EQ(get("/api/v1/events?since=2")["events"][0]["text"], "second");
  EXPECT_EQ(node->ask("GET", "/api/v1/events?since=3&wait=5").body, "deferred");
  EXPECT_EQ(get("/api/v1/events?since=3")["events"].size(), 0U);
  refuses(400, "GET", "/api/v1/events?since=x", "", "'x' is not a whole number");
}

TEST_F(ApiTest, ReadinessFollowsTheTableAndTheStop) {
  EXPECT_EQ(node->ask("GET", "/readyz").status, 200);
  for (const auto* name : {"gpu-1", "gpu-2", "gpu-3", "gpu-4"})
    post(fmt::format("/api/v1/backends/llama/{}/drain", name));
  EXPECT_EQ(node->ask("GET", "/readyz").status, 503);
  EXPECT_EQ(node->ask("GET", "/healthz").status, 200);
  post("/api/v1/backends/llama/gpu-2/undrain");
  EXPECT_EQ(node->ask("GET", "/readyz").status, 200);
  node->standing.stopping = true;
  EXPECT_EQ(node->ask("GET", "/readyz").body, "stopping\n");
}

TEST_F(ApiTest, DropsNameEveryReasonWithItsRemedy) {
  const auto drops = get("/api/v1/drops");
  std::size_t reasons = 0;
  for (std::size_t v = 0; v < kVerdicts; ++v)
    reasons += outcome(static_cast<Verdict>(v)) == Outcome::kDrop ? 1U : 0U;
  EXPECT_EQ(drops["drops"].size(), reasons);
  for (const auto& drop : drops["drops"]) EXPECT_NE(drop["remedy"], "") << drop;
}

TEST_F(ApiTest, MetricsAreOpenMetricsWithEveryReasonAndBackend) {
  const auto response = node->ask("GET", "/metrics");
  EXPECT_EQ(response.content_type.rfind("application/openmetrics-text", 0), 0U);
  EXPECT_NE(response.body.find("sluice_dropped_packets_total{reason=\"no_backend\"} 0\n"),
            std::string::npos);
  EXPECT_NE(response.body.find("sluice_backend_weight{pool=\"llama\",backend=\"gpu-4\"} 100\n"),
            std::string::npos);
  EXPECT_EQ(response.body.substr(response.body.size() - 6), "# EOF\n");
}

TEST_F(ApiTest, TheRunningConfigurationDecodesAgain) {
  post("/api/v1/backends/llama/gpu-1/weight", R"({"weight": 5})");
  const auto response = node->ask("GET", "/api/v1/config");
  const auto decoded = config::decode(response.body);
  EXPECT_TRUE(decoded.faults.empty());
  EXPECT_EQ(decoded.configuration.pools[0].backends[0].weight, 5U);
}

TEST_F(ApiTest, TheSecretOfTheHashIsNotShownToWhoMayOnlyRead) {
  auto secret = sample(2);
  secret.hash_key = "00112233445566778899aabbccddeeff";
  node = std::make_unique<Node>(node->fast_path_, secret);
  http::Request request;
  request.method = "GET";
  request.path = "/api/v1/config";
  const auto body = [&] { return std::get<http::Response>(node->api->answer(request)).body; };
  EXPECT_NE(body().find(secret.hash_key), std::string::npos);
  request.read_only = true;
  EXPECT_EQ(body().find(secret.hash_key), std::string::npos);
  EXPECT_TRUE(config::decode(body()).faults.empty());
}

}  // namespace
}  // namespace sluice::control
