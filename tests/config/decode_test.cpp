// SPDX-License-Identifier: Apache-2.0
#include "config/decode.hpp"

#include "config/documents.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::config {
namespace {

std::vector<std::string> lines(const std::vector<Fault>& faults) {
  std::vector<std::string> lines;
  for (const auto& fault : faults) lines.push_back(fault.text());
  return lines;
}

const auto kName = [](const auto& test) { return test.param.name; };

class RefusedDocument : public testing::TestWithParam<TestDocument> {};

TEST_P(RefusedDocument, IsToldEveryFaultWithPlaceAndRemedy) {
  EXPECT_EQ(lines(decode(GetParam().text).faults), GetParam().faults);
}

INSTANTIATE_TEST_SUITE_P(Each, RefusedDocument, testing::ValuesIn(documents("refused.json")),
                         kName);

class AcceptedDocument : public testing::TestWithParam<TestDocument> {};

TEST_P(AcceptedDocument, HasNoFaults) {
  EXPECT_EQ(lines(decode(GetParam().text).faults), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Each, AcceptedDocument, testing::ValuesIn(documents("accepted.json")),
                         kName);

TEST(Decode, SampleOfTheDocumentationArrivesWhole) {
  const auto decoded = decode(sample());
  ASSERT_EQ(lines(decoded.faults), std::vector<std::string>());
  const auto& c = decoded.configuration;
  EXPECT_EQ(c.node, "edge-1");
  EXPECT_EQ(c.dpdk.workers(), std::vector<unsigned>{1});
  ASSERT_EQ(c.ports.size(), 1U);
  EXPECT_EQ(c.ports[0].interface(), "lb0");
  EXPECT_TRUE(c.ports[0].is_af_xdp());
  EXPECT_EQ(c.ports[0].mac->text(), "02:00:00:00:00:01");
  ASSERT_EQ(c.neighbours.size(), 1U);
  EXPECT_EQ(c.neighbours[0].address.text(), "10.0.1.11");
  ASSERT_EQ(c.services.size(), 1U);
  EXPECT_EQ(c.services[0].address.text(), "203.0.113.10");
  EXPECT_EQ(c.services[0].port, 443);
  ASSERT_EQ(c.pools.size(), 1U);
  EXPECT_EQ(c.pools[0].forwarding, Forwarding::kIpip);
  EXPECT_EQ(c.pools[0].encapsulation->source.text(), "10.0.0.1");
  EXPECT_EQ(c.pools[0].classes[0].capacity, 12.5);
  EXPECT_EQ(c.pools[0].backends[0].backend_class, "h100");
  EXPECT_EQ(c.pools[0].health->interval, std::chrono::milliseconds(1000));
  EXPECT_EQ(c.pools[0].autoscale->max, 16U);
  EXPECT_EQ(c.admin.http, "127.0.0.1:9901");
}

TEST(Decode, ASiteWithEverythingIsNotWarnedOf) {
  EXPECT_EQ(lines(decode(sample()).warnings), std::vector<std::string>());
}

TEST(Decode, ScalingWithoutClassesOrWithSleepThatNobodyCanPutThemToIsWarnedOf) {
  const auto decoded = decode(R"({"ports": [{"name": "p", "device": "d"}],
      "pools": [{"name": "a", "forwarding": "l2dsr", "autoscale": {"policy": "target"}},
                {"name": "b", "forwarding": "l2dsr", "autoscale": {"policy": "target"},
                 "classes": [{"name": "c", "asleep": 1, "wake_s": 2}]}]})");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  EXPECT_EQ(
      lines(decoded.warnings),
      (std::vector<std::string>{
          "/pools/0/autoscale: no class says what a backend can do: 1 request/s at no price, until "
          "it is learned; add one to the pool's classes, with capacity and cold_start_s",
          "/pools/1/autoscale/actuator/type: 'metric' cannot put backends to sleep, as a class "
          "asks "
          "for: they are stopped; take another type, or let asleep be 0"}));
}

TEST(Decode, IdleWorkersAndEmptyPoolsAreWarnedOf) {
  const auto decoded =
      decode(R"({"dpdk": {"lcores": "0-3"}, "ports": [{"name": "p", "device": "d"}],
                                  "pools": [{"name": "a", "forwarding": "l2dsr"}]})");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  EXPECT_EQ(lines(decoded.warnings),
            (std::vector<std::string>{
                "/ports/0/queues: 1 queues leave 2 of 3 workers idle; give each worker a queue, or "
                "fewer dpdk.lcores",
                "/pools/0/backends: the pool has no backends, so its services drop what they get; "
                "add one here or with 'sluicectl backend add'"}));
}

TEST(Decode, WhatWouldDoNothingIsWarnedOf) {
  const auto decoded = decode(R"({"ports": [{"name": "p", "device": "d", "mtu": 9000}],
      "services": [{"name": "s", "address": "203.0.113.1", "port": 53, "protocol": "udp",
                    "pool": "nat"}],
      "pools": [{"name": "flat", "forwarding": "l2dsr", "overflow": "nat",
                 "encapsulation": {"source": "10.0.0.1"}, "nat": {"sources": ["10.0.0.2"]},
                 "backends": [{"name": "b", "address": "10.0.1.1"}]},
                {"name": "tunnel", "forwarding": "ipip",
                 "encapsulation": {"source": "10.0.0.1", "port": 7},
                 "backends": [{"name": "b", "address": "10.0.1.1"}]},
                {"name": "nat", "forwarding": "nat",
                 "nat": {"sources": ["10.0.0.2"], "client_address": "toa"},
                 "backends": [{"name": "b", "address": "10.0.1.1"}]}]})");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  EXPECT_EQ(
      lines(decoded.warnings),
      (std::vector<std::string>{
          "/services/0/pool: backends of pool 'nat' learn the client's address of TCP only; serve "
          "UDP from a pool whose backends do not need it",
          "/pools/0/overflow: a backend without max_connections is never full, so nothing flows "
          "over; give every backend max_connections",
          "/pools/0/encapsulation: forwarding 'l2dsr' has no tunnel; remove it, or let the pool "
          "forward by 'ipip' or 'gue'",
          "/pools/0/nat: forwarding 'l2dsr' translates nothing; remove it, or let the pool forward "
          "by 'nat'",
          "/pools/1/encapsulation: variant and port are of 'gue', and forwarding 'ipip' has "
          "neither; remove them, or let the pool forward by 'gue'"}));
}

TEST(Decode, PolicyWithoutReportsAndAffinityThatIsNotHeededAreWarnedOf) {
  const auto decoded = decode(R"({"ports": [{"name": "p", "device": "d"}],
      "services": [{"name": "s", "address": "203.0.113.1", "port": 53, "pool": "a",
                    "shards": [{"source": "10.0.0.0/8", "pool": "b"}]}],
      "pools": [{"name": "a", "forwarding": "l2dsr", "policy": "least_load",
                 "backends": [{"name": "b", "address": "10.0.1.1"}]},
                {"name": "b", "forwarding": "l2dsr", "affinity": "source",
                 "backends": [{"name": "b", "address": "10.0.1.1"}]}]})");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  EXPECT_EQ(
      lines(decoded.warnings),
      (std::vector<std::string>{
          "/services/0/shards/0/pool: pool 'b' has affinity 'source', but the service goes by that "
          "of its own pool, '5tuple'; give both pools one affinity",
          "/pools/0/policy: nothing reports the backends' load, so that they are taken at random, "
          "by weight; give 'metrics', or 'load_header' in 'health'; or choose "
          "'least_connections'"}));
}

TEST(Decode, LeastLoadIsNotWarnedOfWhereACheckReadsTheLoad) {
  const auto decoded = decode(R"({"ports": [{"name": "p", "device": "d"}],
      "pools": [{"name": "a", "forwarding": "l2dsr",
      "policy": "least_load", "health": {"type": "http", "load_header": "X-Load"},
      "backends": [{"name": "b", "address": "10.0.1.1"}]}]})");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  for (const auto& warning : lines(decoded.warnings))
    EXPECT_EQ(warning.find("/policy"), std::string::npos) << warning;
}

TEST(Decode, ATunnelMustLeaveRoomForWhatIpv6SendersMayCountOn) {
  const auto warning = [](int mtu, const std::string& backend, const std::string& more) {
    const auto decoded = decode(
        R"({"ports": [{"name": "p", "device": "d", "mtu": )" + std::to_string(mtu) +
        R"(}, {"name": "q", "device": "e", "mtu": 1280}],
            "pools": [{"name": "t", "backends": [{"name": "b", "address": ")" +
        backend + R"("}], "encapsulation": {"source": "10.0.0.1", "source6": "2001:db8::1")" +
        more + "}]}");
    EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
    return decoded.warnings.empty() ? "" : decoded.warnings.front().what;
  };
  const auto takes = [](int bytes, int left) {
    return fmt::format(
        "the tunnel takes {} bytes and leaves {} of port 'p', less than the 1280 that IPv6 senders "
        "may count on",
        bytes, left);
  };
  EXPECT_EQ(warning(1299, "10.0.1.1", "}"), takes(20, 1279));
  EXPECT_EQ(warning(1300, "10.0.1.1", "}"), "") << "the sender of a longer packet is told";
  EXPECT_EQ(warning(1300, "2001:db8:1::1", "}"), takes(40, 1260));
  EXPECT_EQ(warning(1307, "10.0.1.1", R"(}, "forwarding": "gue")"), takes(28, 1279));
  EXPECT_EQ(warning(1300, "2001:db8:1::1", R"(, "variant": 0}, "forwarding": "gue")"),
            takes(52, 1248));
}

TEST(Decode, AHundredThousandShardsAreRead) {
  std::string text = R"({"ports": [{"name": "p", "device": "d"}],
      "pools": [{"name": "a", "forwarding": "l2dsr"}],
      "services": [{"name": "s", "address": "203.0.113.1", "port": 1, "pool": "a", "shards": [)";
  for (unsigned i = 0; i < 100'000; ++i)
    text += fmt::format(R"({}{{"source": "10.{}.{}.{}", "pool": "a"}})", i == 0 ? "" : ",",
                        i >> 16U, i >> 8U & 255U, i & 255U);
  const auto decoded = decode(text + "]}]}");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
  ASSERT_EQ(decoded.configuration.services[0].shards.size(), 100'000U);
  EXPECT_EQ(decoded.configuration.services[0].shards.back().source->text(), "10.1.134.159");
}

TEST(Decode, AbsentKeysTakeTheDefaultsOfTheStructs) {
  const auto decoded = decode(R"({"ports": [{"name": "p", "device": "d"}]})");
  ASSERT_EQ(lines(decoded.faults), std::vector<std::string>());
  Configuration expected;
  expected.ports.push_back({.name = "p", .device = "d", .mac = {}});
  EXPECT_EQ(decoded.configuration, expected);
}

TEST(Decode, CommentsAreAllowedAnywhere) {
  const auto decoded = decode(
      "// first\n{ /* a */ \"ports\": [ // b\n {\"name\": \"p\", /**/ "
      "\"device\": \"d\"} ] } // last");
  EXPECT_EQ(lines(decoded.faults), std::vector<std::string>());
}

TEST(Decode, EveryCutOfTheSampleIsRefused) {
  const auto whole = sample();
  const auto end = whole.rfind('}');
  for (std::size_t length = 0; length <= end; ++length)
    EXPECT_FALSE(decode(std::string_view(whole).substr(0, length)).faults.empty()) << length;
}

TEST(Decode, FaultsAreOneLineAndPrintableWhateverTheInput) {
  for (int byte = 1; byte < 256; ++byte) {
    const std::string odd(3, static_cast<char>(byte));
    for (const auto& text : {odd, "{\"" + odd + "\": 1}", "{\"node\": \"" + odd + "\"}",
                             "{\"node\": \"\\u00" + fmt::format("{:02x}", byte) + "\"}"})
      for (const auto& fault : decode(text).faults)
        for (const char c : fault.text())
          EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << byte;
  }
}

TEST(Decode, NestingAtTheLimitIsReadAndBeyondItRefused) {
  const auto nested = [](std::size_t levels) {
    return "{\"x\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };
  EXPECT_EQ(decode(nested(kDeepestNesting)).faults.front().layer, Layer::kField);
  EXPECT_EQ(decode(nested(kDeepestNesting + 1)).faults.front().layer, Layer::kSyntax);
}

TEST(Decode, FaultsBeyondAThousandAreNotLookedFor) {
  std::string text = "{\"ports\": [0";
  for (int i = 0; i < 5000; ++i) text += ",0";
  EXPECT_EQ(decode(text + "]}").faults.size(), 1U);  // too long a list is one fault
  text = "{";
  for (int i = 0; i < 5000; ++i) text += fmt::format("\"k{}\": 0, ", i);
  EXPECT_EQ(decode(text + "\"k\": 0}").faults.size(), kMostFaults);
}

TEST(Decode, MoreThanAMillionValuesAreRefused) {
  std::string text = "{\"x\": [0";
  for (std::size_t i = 0; i < kMostValues; ++i) text += ",0";
  EXPECT_EQ(lines(decode(text + "]}").faults),
            std::vector<std::string>{"/: more than 1000000 values; give a smaller document"});
}

TEST(Decode, DocumentLongerThan16MebibytesIsRefused) {
  EXPECT_EQ(lines(decode(std::string(kLongestDocument + 1, ' ')).faults),
            std::vector<std::string>{"/: longer than 16777216 bytes; give a smaller document"});
}

TEST(Load, MissingFileFailsByItsPath) {
  const auto loaded = load("/nonexistent/sluice.json");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::kNotFound);
  EXPECT_EQ(loaded.error().where, "/nonexistent/sluice.json");
}

TEST(Load, FileIsDecoded) {
  const auto loaded = load(SLUICE_TEST_FILES "/sample.json");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->configuration, decode(sample()).configuration);
}

}  // namespace
}  // namespace sluice::config
