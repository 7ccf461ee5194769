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
    c.dpdk.multi_process = c.dpdk.huge_pages && coin();
    const auto queues = static_cast<std::uint16_t>(number(1, workers));
    for (unsigned i = 0, n = number(1, 4); i < n; ++i)
      c.ports.push_back(
          {.name = name(i),
           .device = fmt::format("net_af_xdp{},iface=lb{},queue_count={}", i, i, queues),
           .mac = coin() ? std::optional(mac()) : std::nullopt,
           .mtu = static_cast<std::uint16_t>(number(1280, 9000)),
           .queues = queues,
           .xdp = static_cast<XdpMode>(number(0, 2)),
           .exception = Exception::kNone,
           .offload = static_cast<Offload>(number(0, 1)),
           .flow_rules = static_cast<FlowRules>(number(0, 2))});
    for (unsigned i = 0, n = number(0, 3); i < n; ++i)
      c.neighbours.push_back({*IpPrefix::parse(fmt::format("10.{}.0.0/{}", i, number(16, 32))),
                              mac(),
                              c.ports[number(0, static_cast<unsigned>(c.ports.size()) - 1)].name});
    c.flow_cache = {.flows = number(64, 1U << 28U),
                    .tcp_timeout = std::chrono::seconds(number(10, 14400)),
                    .udp_timeout = std::chrono::seconds(number(10, 14400)),
                    .nat_sessions = number(64, 1U << 24U)};
    for (unsigned i = 0, n = number(1, 3); i < n; ++i) c.pools.push_back(pool(i));
    for (unsigned i = 0, n = number(0, 4); i < n; ++i)
      c.services.push_back(service(i, c.pools[number(0, count(c.pools) - 1)].name));
    for (unsigned i = 0, n = number(0, 7); i < n; ++i)
      c.quic_lb.push_back(
          {.rotation = i,
           .server_id_bytes = 8,
           .nonce_bytes = number(4, 11),
           .key = coin() ? fmt::format("{:016x}{:016X}", random_(), random_()) : ""});
    c.protection = {.bad_checksum = coin(),
                    .icmp_answers_per_second = number(0, 1'000'000),
                    .deny = {IpPrefix::parse("192.0.2.0/24").value()},
                    .syn_per_second = number(0, 1'000'000),
                    .syn_burst = number(0, 1'000'000),
                    .syn_prefix = number(8, 32),
                    .syn_prefix6 = number(16, 128)};
    if (coin())
      c.answer = Answer{.addresses = {address(10, 9)},
                        .icmp_echo = coin(),
                        .udp_port = static_cast<std::uint16_t>(number(0, 65535)),
                        .tcp_port = static_cast<std::uint16_t>(number(0, 65535)),
                        .max_age = std::chrono::milliseconds(number(5, 60'000))};
    if (coin()) c.events.webhook = "https://pager.example/a?b=c";
    if (coin()) c.announce = Announce{.link = "sluice0", .create = coin()};
    c.admin.socket = "/" + name();
    if (coin()) c.admin.socket_mode = "0600";
    if (coin()) c.admin.socket_group = name();
    if (coin()) c.admin.http = fmt::format("0.0.0.0:{}", number(1, 65535));
    if (coin() && !c.admin.http.empty()) {
      c.admin.tls_certificate = "/" + name();
      c.admin.tls_key = "/" + name();
      if (coin()) c.admin.token_file = "/" + name();
    }
    c.drain_timeout = std::chrono::seconds(number(0, 3600));
    c.state_dir = "/ " + name();
    return c;
  }

 private:
  Service service(unsigned i, std::string pool) {
    Service s{.name = name(i),
              .address = address(203, i),
              .port = static_cast<std::uint16_t>(number(0, 65535)),
              .protocol = static_cast<Protocol>(number(0, 2)),
              .pool = pool,
              .shards = {},
              .limits = {},
              .deny = {}};
    for (unsigned k = 0, n = number(0, 3); k < n; ++k)
      s.shards.push_back({.source = IpPrefix::parse(fmt::format("10.{}.0.0/{}", k, number(16, 32))),
                          .hash_range = {},
                          .pool = pool});
    const double middle = real(0.1, 0.9);
    if (coin())
      s.shards.push_back({.source = {}, .hash_range = std::pair(middle, 1.0), .pool = pool});
    if (coin())
      s.shards.push_back({.source = {}, .hash_range = std::pair(0.0, middle), .pool = pool});
    if (coin())
      s.limits = Limits{.new_flows_per_second = number(0, 1'000'000'000),
                        .packets_per_second = number(0, 1'000'000'000),
                        .bits_per_second = std::uint64_t{1'000'000'000'000} - number(0, 1000),
                        .source_new_flows_per_second = number(0, 1000)};
    for (unsigned k = 0, n = number(0, 3); k < n; ++k) s.deny.push_back({address(198, k), 32});
    return s;
  }

  Pool pool(unsigned i) {
    Pool p;
    p.name = name(i);
    p.forwarding = static_cast<Forwarding>(number(0, 3));
    p.policy = static_cast<Policy>(number(0, 5));
    p.affinity = static_cast<Affinity>(number(0, 1));
    p.table_size = coin() ? 251 : 65537;
    p.decrement_ttl = coin();
    if (p.policy <= Policy::kRandom && coin()) p.max_load_ratio = real(1.0001, 100);
    if (i != 0 && coin()) p.overflow = first_pool_;
    if (i == 0) first_pool_ = p.name;
    p.slow_start = std::chrono::seconds(number(0, 3600));
    const bool tunnel = p.forwarding == Forwarding::kIpip || p.forwarding == Forwarding::kGue;
    if (tunnel || coin())
      p.encapsulation = Encapsulation{.source = address(10, i),
                                      .source6 = coin() || tunnel ? address6(i) : IpAddress{},
                                      .variant = number(0, 1),
                                      .port = static_cast<std::uint16_t>(number(1, 65535))};
    if (p.forwarding == Forwarding::kNat || coin())
      p.nat = Nat{.sources = {address(10, 100 + i), address6(100 + i)},
                  .ports = {static_cast<std::uint16_t>(number(1, 1024)),
                            static_cast<std::uint16_t>(number(2048, 65535))},
                  .client_address = static_cast<ClientAddress>(number(0, 2))};
    for (unsigned k = 0, n = number(0, 3); k < n; ++k)
      p.classes.push_back({.name = name(k),
                           .capacity = real(0.001, 1e9),
                           .service_time_s = real(1e-6, 86400),
                           .price_per_hour = real(0, 1e6),
                           .cold_start_s = real(0, 86400),
                           .wake_s = real(0.1, 86400),
                           .asleep_price_per_hour = real(0, 1e6),
                           .asleep = number(0, 65535),
                           .min = number(0, 10),
                           .max = coin() ? 0 : number(100, 65535),
                           .domain = coin() ? "" : "rack-1"});
    for (unsigned k = 0, n = number(0, 200); k < n; ++k)
      p.backends.push_back(
          {.name = name(k),
           .address = tunnel && coin() ? address6(1000 + k) : address(172, k),
           .weight = number(0, 65535),
           .backend_class = p.classes.empty() || coin() ? "" : p.classes.front().name,
           .port =
               static_cast<std::uint16_t>(p.forwarding == Forwarding::kNat ? number(0, 65535) : 0),
           .max_connections = number(0, 1'000'000'000),
           .server_id = coin() ? fmt::format("{:016x}", random_()) : ""});
    if (coin()) p.health = health();
    if (coin())
      p.outlier = Outlier{.consecutive_failures = number(0, 1000),
                          .silent_flows = number(0, 1000),
                          .window = std::chrono::milliseconds(number(100, 60'000)),
                          .success_rate_factor = real(0, 10),
                          .min_backends = number(1, 65535),
                          .min_flows = number(1, 1'000'000),
                          .interval = std::chrono::seconds(number(1, 3600)),
                          .base_ejection = std::chrono::seconds(number(1, 3600)),
                          .max_ejection = std::chrono::seconds(number(3600, 86400)),
                          .max_ejection_percent = number(0, 100)};
    p.panic_threshold = number(0, 100);
    p.min_healthy = number(0, 65535);
    p.no_backend = coin() ? NoBackend::kRefuse : NoBackend::kDrop;
    if (coin()) p.metrics = metrics();
    if (coin()) p.autoscale = autoscale(p);
    return p;
  }

  MetricChoice metric() {
    MetricChoice choice{.names = {"a_total", "b:c"}, .of = MetricChoice::Of(number(0, 2))};
    if (coin()) choice.labels = {"model=\"x\" y", "z="};
    return choice;
  }

  Metrics metrics() {
    return {.type = static_cast<MetricsType>(number(0, 5)),
            .port = static_cast<std::uint16_t>(number(0, 65535)),
            .path = coin() ? "" : "/m?a=b",
            .interval = std::chrono::milliseconds(number(500, 3'600'000)),
            .timeout = std::chrono::milliseconds(number(10, 500)),
            .stale_after = std::chrono::milliseconds(coin() ? 0 : number(3'600'000, 36'000'000)),
            .running = metric(),
            .waiting = coin() ? MetricChoice{} : metric(),
            .completed = metric(),
            .cache = coin() ? MetricChoice{} : metric()};
  }

  Autoscale autoscale(const Pool& pool) {
    Autoscale scale{.policy = static_cast<ScalePolicy>(number(0, 4)),
                    .mode = static_cast<ScaleMode>(number(0, 1)),
                    .min = number(0, 100),
                    .max = number(100, pool.table_size),
                    .target_utilisation = real(0.01, 1),
                    .tick_s = real(0.1, 3600),
                    .slo_wait_s = real(0, 86400),
                    .forecaster = static_cast<ForecastKind>(number(0, 7)),
                    .season_s = real(0, 2'678'400),
                    .tolerance = real(0, 1),
                    .late_cost = real(0, 1e6),
                    .stabilisation_s = real(0, 86400),
                    .hold_s = real(0, 86400),
                    .cooldown_s = real(0, 86400),
                    .step_up = number(0, 65535),
                    .step_down = number(0, 65535),
                    .idle_s = real(0, 604'800),
                    .budget_per_hour = coin() ? 0 : real(1.3e8, 1e9),
                    .max_domain_share = real(0.01, 1),
                    .drain_limit = std::chrono::seconds(number(0, 86400)),
                    .thresholds = {.up = real(0.5, 1),
                                   .down = real(0, 0.49),
                                   .step_up = number(1, 65535),
                                   .step_down = number(1, 65535)},
                    .schedule = {{.cron = "*/5 0-8/2 1,15 jan-DEC Mon",
                                  .duration = std::chrono::seconds(number(60, 31'622'400)),
                                  .min = number(0, 100),
                                  .max = coin() ? 0 : number(100, 65535)}},
                    .actuator = actuator(pool)};
    if (scale.actuator.type == ActuatorType::kStandby) scale.min = 0;
    return scale;
  }

  Actuator actuator(const Pool& pool) {
    Actuator actuator{.type = static_cast<ActuatorType>(number(0, 4)),
                      .timeout = std::chrono::milliseconds(number(100, 600'000)),
                      .retries = number(0, 100)};
    using enum ActuatorType;
    if (actuator.type == kKubernetes && pool.classes.size() > 1) actuator.type = kMetric;
    if (actuator.type == kStandby)
      for (unsigned k = 0, n = number(1, 20); k < n; ++k)
        actuator.backends.push_back(
            {.name = fmt::format("standby-{}", k),
             .address = address(173, k),
             .port = static_cast<std::uint16_t>(
                 pool.forwarding == Forwarding::kNat ? number(0, 65535) : 0),
             .backend_class = pool.classes.empty() || coin() ? "" : pool.classes.back().name});
    if (actuator.type == kCommand) actuator.command = {"/bin/scale", "--a b", "\"c\""};
    if (actuator.type == kWebhook || actuator.type == kKubernetes) {
      actuator.url = "https://a.example/b?c";
      if (coin()) actuator.ca_file = "/etc/ca.pem";
    }
    if (actuator.type == kWebhook) actuator.secret_file = "/etc/secret";
    if (actuator.type == kKubernetes) {
      if (coin()) actuator.token_file = "/etc/token";
      actuator.name_space = "models";
      actuator.workload = "statefulsets/llama-8b";
      actuator.endpoints = "llama";
    }
    return actuator;
  }

  Health health() {
    Health h{.port = static_cast<std::uint16_t>(number(0, 65535)),
             .interval = std::chrono::milliseconds(number(501, 3'600'000)),
             .fast_interval = std::chrono::milliseconds(number(0, 501)),
             .jitter = real(0, 0.5),
             .timeout = std::chrono::milliseconds(number(1, 500)),
             .rise = number(1, 1000),
             .fall = number(1, 1000)};
    h.type = static_cast<CheckType>(number(0, static_cast<unsigned>(CheckType::kLlamaCpp)));
    if (h.is_http()) {
      h.path = "/a?b=\"c\\d\"";
      h.host = "a.example:80";
      h.expect_status = "200-299,304";
      h.expect_body = "\"ok\"";
      h.load_header = "X-Load";
    }
    if (h.type == CheckType::kTcp && coin()) h.via = Via::kService;
    if (h.type == CheckType::kGrpc) h.grpc_service = "a.B";
    if (h.type == CheckType::kCommand) h.command = {"/bin/true", "a b"};
    if (h.type == CheckType::kHttps) {
      h.tls_name = "a.example";
      h.tls_ca = "/etc/ca.pem";
      h.tls_verify = coin();
    }
    return h;
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
  IpAddress address6(unsigned i) {
    return *IpAddress::parse(fmt::format("2001:db8:{:x}::{:x}", number(0, 65535), i + 1));
  }
  static unsigned count(const auto& list) { return static_cast<unsigned>(list.size()); }
  MacAddress mac() {
    return *MacAddress::parse(
        fmt::format("02:00:00:00:{:02x}:{:02x}", number(0, 255), number(0, 255)));
  }

  std::mt19937_64 random_;
  std::string first_pool_;
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
