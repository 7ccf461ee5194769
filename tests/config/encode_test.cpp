// SPDX-License-Identifier: Apache-2.0
#include "config/encode.hpp"

#include "config/decode.hpp"
#include "config/documents.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace sluice::config {
namespace {

/// Configurations that keep the rules, any value of any field.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Configuration configuration() {
    Configuration c;
    c.node = name();
    if (coin()) c.hash_key = fmt::format("{:016x}{:016X}", random_(), random_());
    const auto workers = number(1, 8);
    c.dpdk = {.lcores = fmt::format("3-{}", 3 + workers),
              .main_lcore = 3 + number(0, workers),
              .huge_pages = coin(),
              .memory_mb = number(32, 1'048'576),
              .extra_args = std::vector<std::string>(number(0, 3), "--log-level=\"a\\b\" ~")};
    const auto queues = static_cast<std::uint16_t>(number(1, workers));
    for (unsigned i = 0, n = number(1, 4); i < n; ++i)
      c.ports.push_back({.name = name(i),
                         .device = fmt::format("net_af_xdp{},iface=lb{}", i, i),
                         .mac = coin() ? std::optional(mac()) : std::nullopt,
                         .mtu = static_cast<std::uint16_t>(number(576, 9000)),
                         .queues = queues,
                         .xdp = static_cast<XdpMode>(number(0, 2))});
    for (unsigned i = 0, n = number(0, 3); i < n; ++i)
      c.neighbours.push_back({*IpPrefix::parse(fmt::format("10.{}.0.0/{}", i, number(16, 32))),
                              mac(),
                              c.ports[number(0, static_cast<unsigned>(c.ports.size()) - 1)].name});
    c.flow_cache = {.flows = number(64, 1U << 28U),
                    .tcp_timeout = std::chrono::seconds(number(10, 14400)),
                    .udp_timeout = std::chrono::seconds(number(10, 14400))};
    for (unsigned i = 0, n = number(1, 3); i < n; ++i) c.pools.push_back(pool(i));
    for (unsigned i = 0, n = number(0, 4); i < n; ++i)
      c.services.push_back(
          {.name = name(i),
           .address = address(203, i),
           .port = static_cast<std::uint16_t>(number(0, 65535)),
           .protocol = static_cast<Protocol>(number(0, 1)),
           .pool = c.pools[number(0, static_cast<unsigned>(c.pools.size()) - 1)].name});
    c.admin.socket = "/" + name();
    if (coin()) c.admin.http = fmt::format("0.0.0.0:{}", number(1, 65535));
    c.drain_timeout = std::chrono::seconds(number(0, 3600));
    c.state_dir = "/ " + name();
    return c;
  }

 private:
  Pool pool(unsigned i) {
    Pool p;
    p.name = name(i);
    p.forwarding = static_cast<Forwarding>(number(0, 1));
    p.table_size = coin() ? 251 : 65537;
    p.decrement_ttl = coin();
    if (p.forwarding == Forwarding::kIpip || coin()) p.encapsulation_source = address(10, i);
    for (unsigned k = 0, n = number(0, 3); k < n; ++k)
      p.classes.push_back(
          {name(k), real(0.001, 1e9), real(1e-6, 86400), real(0, 1e6), real(0, 86400)});
    for (unsigned k = 0, n = number(0, 200); k < n; ++k)
      p.backends.push_back({name(k), address(172, k), number(0, 65535),
                            p.classes.empty() || coin() ? "" : p.classes.front().name});
    if (coin())
      p.health = Health{.type = "grpc",
                        .port = static_cast<std::uint16_t>(number(0, 65535)),
                        .path = "/a?b=\"c\\d\"",
                        .interval = std::chrono::milliseconds(number(501, 3'600'000)),
                        .timeout = std::chrono::milliseconds(number(1, 500)),
                        .rise = number(1, 1000),
                        .fall = number(1, 1000)};
    if (coin())
      p.autoscale = Autoscale{.policy = "cost_aware",
                              .min = number(0, 100),
                              .max = number(100, 65535),
                              .target_utilisation = real(0.01, 1),
                              .tick_s = real(0.1, 3600)};
    return p;
  }

  bool coin() { return number(0, 1) == 1; }
  unsigned number(unsigned low, unsigned high) {
    return std::uniform_int_distribution<unsigned>(low, high)(random_);
  }
  double real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  std::string name(unsigned i = 0) { return fmt::format("n_{}.{}-{}", i, number(0, 99999), i); }
  IpAddress address(unsigned first, unsigned i) {
    return *IpAddress::parse(fmt::format("{}.{}.{}.{}", first, number(0, 255), i, number(1, 254)));
  }
  MacAddress mac() {
    return *MacAddress::parse(
        fmt::format("02:00:00:00:{:02x}:{:02x}", number(0, 255), number(0, 255)));
  }

  std::mt19937_64 random_;
};

TEST(Encode, DecodesToAnEqualConfiguration) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto configuration = Generator(seed).configuration();
    const auto text = encode(configuration);
    const auto decoded = decode(text);
    ASSERT_TRUE(decoded.faults.empty()) << decoded.faults.front().text() << "\n" << text;
    EXPECT_EQ(decoded.configuration, configuration) << text;
  }
}

TEST(Encode, WritesEveryDefaultOut) {
  const auto text = encode(decode(R"({"ports": [{"name": "p", "device": "d"}]})").configuration);
  for (const auto* part : {"\"node\": \"sluice\"", "\"mtu\": 1500", "\"tcp_timeout_s\": 3600",
                           "\"socket\": \"/run/sluice/admin.sock\"", "\"pools\": []"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(Encode, HiddenSecretsAreLeftOutAndNothingElseIs) {
  auto configuration = decode(sample()).configuration;
  const auto without = encode(configuration);
  configuration.hash_key = "00112233445566778899aabbccddeeff";
  EXPECT_NE(encode(configuration).find("00112233445566778899aabbccddeeff"), std::string::npos);
  EXPECT_EQ(encode(configuration, Secrets::kHidden), without);
}

}  // namespace
}  // namespace sluice::config
