// SPDX-License-Identifier: Apache-2.0
#include "config/difference.hpp"

#include "config/decode.hpp"
#include "config/documents.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <utility>

namespace sluice::config {

static void PrintTo(const Change& change, std::ostream* out) {
  *out << change.path << ": " << change.before << " -> " << change.after
       << (change.reloadable ? " (reload)" : " (restart)");
}

namespace {

using Changes = std::vector<Change>;

Configuration running() { return decode(sample()).configuration; }

/// What changes when `edit` is done to the sample.
Changes after(auto&& edit) {
  auto wanted = running();
  edit(wanted);
  return difference(running(), wanted);
}

TEST(Difference, OfEqualConfigurationsIsEmpty) {
  EXPECT_EQ(difference(running(), running()), Changes());
}

TEST(Difference, NamesTheItemsOfLists) {
  EXPECT_EQ(after([](auto& c) { c.pools[0].backends[0].weight = 50; }),
            (Changes{{"pools/llama/backends/gpu-1/weight", "100", "50", true}}));
}

TEST(Difference, AddedAndRemovedItemsAreOneChangeEach) {
  EXPECT_EQ(
      after([](auto& c) {
        c.pools[0].backends[0] = {
            .name = "gpu-2", .address = *IpAddress::parse("10.0.1.12"), .weight = 7};
      }),
      (Changes{{"pools/llama/backends/gpu-1",
                R"({"name":"gpu-1","address":"10.0.1.11","weight":100,"class":"h100","port":0,)"
                R"("max_connections":0})",
                "", true},
               {"pools/llama/backends/gpu-2", "",
                R"({"name":"gpu-2","address":"10.0.1.12","weight":7,"port":0,"max_connections":0})",
                true}}));
}

TEST(Difference, OrderOfItemsDoesNotCount) {
  auto first = running();
  first.pools[0].backends.push_back(
      {.name = "gpu-2", .address = *IpAddress::parse("10.0.1.12"), .weight = 100});
  auto second = first;
  std::swap(second.pools[0].backends[0], second.pools[0].backends[1]);
  EXPECT_EQ(difference(first, second), Changes());
}

TEST(Difference, WhatNeedsARestartSaysSo) {
  EXPECT_EQ(after([](auto& c) {
              c.node = "edge-2";
              c.dpdk.extra_args = {"--no-pci"};
              c.ports[0].mtu = 9000;
              c.ports.push_back({.name = "back", .device = "net_null0", .mac = {}});
              c.flow_cache.flows = 64;
              c.flow_cache.tcp_timeout = std::chrono::seconds(60);
              c.admin.socket = "/run/a.sock";
              c.state_dir = "/var/lib/a";
            }),
            (Changes{{"node", R"("edge-1")", R"("edge-2")", false},
                     {"dpdk/extra_args", "[]", R"(["--no-pci"])", false},
                     {"ports/front/mtu", "1500", "9000", false},
                     {"ports/back", "",
                      R"({"name":"back","device":"net_null0","mtu":1500,"queues":1,"xdp":"auto",)"
                      R"("exception":"none","offload":"auto","flow_rules":"auto"})",
                      false},
                     {"flow_cache/flows", "1048576", "64", false},
                     {"flow_cache/tcp_timeout_s", "3600", "60", true},
                     {"admin/socket", R"("/run/sluice/admin.sock")", R"("/run/a.sock")", false},
                     {"state_dir", R"("/var/lib/sluice")", R"("/var/lib/a")", false}}));
}

TEST(Difference, OptionalObjectsComeAndGoWhole) {
  EXPECT_EQ(
      after([](auto& c) {
        c.pools[0].health.reset();
        c.pools[0].autoscale->max = 17;
        c.pools[0].forwarding = Forwarding::kL2dsr;
        c.pools[0].encapsulation.reset();
      }),
      (Changes{{"pools/llama/forwarding", R"("ipip")", R"("l2dsr")", true},
               {"pools/llama/encapsulation", R"({"source":"10.0.0.1","variant":1,"port":6080})", "",
                true},
               {"pools/llama/health",
                R"({"type":"http","via":"backend","port":8000,"path":"/health","tls_verify":true,)"
                R"("command":[],"interval_ms":1000,"fast_interval_ms":0,"jitter":0.1,)"
                R"("timeout_ms":500,"rise":2,"fall":3})",
                "", true},
               {"pools/llama/autoscale/max", "16", "17", true}}));
}

TEST(Difference, NeighboursGoByAddress) {
  EXPECT_EQ(after([](auto& c) { c.neighbours[0].mac = *MacAddress::parse("02:00:00:00:01:12"); }),
            (Changes{{"neighbours/10.0.1.11/mac", R"("02:00:00:00:01:11")",
                      R"("02:00:00:00:01:12")", true}}));
}

TEST(Difference, SecretsAreNotShown) {
  EXPECT_EQ(after([](auto& c) { c.hash_key = "00112233445566778899aabbccddeeff"; }),
            (Changes{{"hash_key", "", "\"(hidden)\"", false}}));
}

TEST(Difference, ShardsGoByWhatTheyCatch) {
  auto before = running();
  before.services[0].shards = {
      {.source = IpPrefix::parse("10.0.0.0/8"), .hash_range = {}, .pool = "llama"},
      {.source = {}, .hash_range = std::pair(0.0, 0.5), .pool = "llama"}};
  auto after = before;
  std::swap(after.services[0].shards[0], after.services[0].shards[1]);
  EXPECT_EQ(difference(before, after), Changes());
  after.services[0].shards[1].pool = "other";
  after.services[0].shards[0].hash_range->second = 0.25;
  EXPECT_EQ(difference(before, after),
            (Changes{{"services/chat/shards/10.0.0.0/8/pool", R"("llama")", R"("other")", true},
                     {R"(services/chat/shards/{"hash_range":[0.0,0.5],"pool":"llama"})",
                      R"({"hash_range":[0.0,0.5],"pool":"llama"})", "", true},
                     {R"(services/chat/shards/{"hash_range":[0.0,0.25],"pool":"llama"})", "",
                      R"({"hash_range":[0.0,0.25],"pool":"llama"})", true}}));
}

TEST(Difference, SecretsInItemsOfListsAreNotShown) {
  const auto key = std::string("00112233445566778899aabbccddeeff");
  auto before = running();
  before.quic_lb = {{.rotation = 0, .server_id_bytes = 2, .nonce_bytes = 8, .key = key}};
  auto after = before;
  after.quic_lb[0].key.back() = '0';
  EXPECT_EQ(difference(before, after),
            (Changes{{"quic_lb/0/key", "\"(hidden)\"", "\"(hidden)\"", true}}));
  after.quic_lb[0].rotation = 1;
  EXPECT_EQ(
      difference(before, after),
      (Changes{{"quic_lb/0", R"({"rotation":0,"server_id_bytes":2,"nonce_bytes":8})", "", true},
               {"quic_lb/1", "", R"({"rotation":1,"server_id_bytes":2,"nonce_bytes":8})", true}}));
}

}  // namespace
}  // namespace sluice::config
