// SPDX-License-Identifier: Apache-2.0
#include "config/table.hpp"

#include "config/codec.hpp"
#include "config/configuration.hpp"
#include "maglev/table.hpp"

#include <algorithm>
#include <string_view>

namespace sluice::config {
namespace {

constexpr auto kRequired = Need::kRequired;
constexpr auto kOptional = Need::kOptional;
constexpr auto kRestart = TakenBy::kRestart;
constexpr auto kReload = TakenBy::kReload;

constexpr std::int64_t kMostBackends = 65535;  // backend numbers have 16 bits

// Forms of text. Each pattern stands beside the function that decides the same.

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }
bool is_graphic(char c) { return c > 0x20 && c <= 0x7e; }
bool is_hexadecimal(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '-';
}
bool is_printable_text(std::string_view text) { return std::ranges::all_of(text, is_printable); }

const Text kName{
    "a name",
    "1 to 64 of the characters A-Z a-z 0-9 _ . -",
    "^[A-Za-z0-9_.-]{1,64}$",
    1,
    64,
    [](std::string_view text) { return std::ranges::all_of(text, is_name_character); }};

const Text kHashKey{"a key",
                    "32 hexadecimal digits",
                    "^[0-9a-fA-F]{32}$",
                    32,
                    32,
                    [](std::string_view text) { return std::ranges::all_of(text, is_hexadecimal); },
                    /*secret=*/true};

Text absolute_path(std::string_view rule, std::size_t longest) {
  return {"an absolute path", rule, "^/[ -~]*$", 1, longest, [](std::string_view text) {
            return text.front() == '/' && is_printable_text(text);
          }};
}

const Text kUrlPath{"a path",
                    "'/' and after it printable characters without blanks, as in /health",
                    "^/[!-~]*$",
                    1,
                    1024,
                    [](std::string_view text) {
                      return text.front() == '/' && std::ranges::all_of(text, is_graphic);
                    }};

const Text kDevice{"DPDK device arguments",
                   "a PCI address or driver with parameters, without blanks, as in "
                   "net_af_xdp0,iface=eth1 or 0000:3b:00.0",
                   "^[!-~]+$",
                   1,
                   512,
                   [](std::string_view text) { return std::ranges::all_of(text, is_graphic); }};

const Text kArgument{"an argument",    "1 to 512 printable ASCII characters", "^[ -~]+$", 1, 512,
                     is_printable_text};

// N | N-N, with commas between; the numbers' meaning is for check().
bool is_lcore_list(std::string_view text) {
  bool range = false;
  std::size_t digits = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      if (++digits > 4) return false;
    } else if (digits == 0 || (c != ',' && (c != '-' || range))) {
      return false;
    } else {
      range = c == '-';
      digits = 0;
    }
  }
  return digits != 0;
}

const Text kLcores{"a list of lcores",
                   "numbers and ranges with ',' between, as in 0-3,6; no maps as in 0@1",
                   "^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$",
                   1,
                   512,
                   is_lcore_list};

bool is_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto address = IpAddress::parse(text.substr(0, colon));
  const auto port = text.substr(colon + 1);
  if (!address || !address->is_v4() || port.empty() || port.size() > 5 || port.front() == '0' ||
      !std::ranges::all_of(port, is_digit))
    return false;
  return port.size() < 5 || port <= "65535";
}

const Text kEndpoint{
    "ADDRESS:PORT",
    "an IPv4 address, ':' and a port from 1 to 65535, as in 127.0.0.1:9901",
    "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?["
    "0-9])"
    ":([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
    1,
    32,
    is_endpoint};

// A field that a document may carry and that says nothing about the node.
Field schema_reference() {
  const Text text{"a URL",          "the place of the JSON Schema, for editors", "^[ -~]+$", 1, 512,
                  is_printable_text};
  return {.key = "$schema",
          .need = kOptional,
          .taken_by = kReload,
          .shape = text.shape(),
          .about = "Where an editor finds the JSON Schema of this file. Read by nobody else.",
          .read =
              [text](Reader& reader, const Value& value, void*) {
                std::string unused;
                text.read(reader, value, unused);
              },
          .write = [](const void*) { return std::optional<Value>(); }};
}

auto dpdk() {
  return object<Dpdk>(
      "dpdk", "",
      {field("lcores", kOptional, kRestart, &Dpdk::lcores, kLcores,
             "Lcores of the process: one is the main lcore, every other one a worker that polls."),
       field("main_lcore", kOptional, kRestart, &Dpdk::main_lcore, Whole{0, 127},
             "The lcore of the slow path; one of `lcores`."),
       field(
           "huge_pages", kOptional, kRestart, &Dpdk::huge_pages, Flag{},
           "Whether packet memory lies in huge pages. `false` needs no reservation and is slower."),
       field("memory_mb", kOptional, kRestart, &Dpdk::memory_mb, Whole{32, 1'048'576, "MiB"},
             "Memory for packet buffers and flow caches."),
       field("extra_args", kOptional, kRestart, &Dpdk::extra_args, ListOf<Text>{kArgument, 0, 64},
             "Further arguments for DPDK's EAL, handed on unread after our own.")});
}

auto port() {
  return object<Port>(
      "port", "name",
      {field("name", kRequired, kRestart, &Port::name, kName,
             "What other parts of the configuration and the metrics call the port."),
       field("device", kRequired, kRestart, &Port::device, kDevice,
             "Device arguments as DPDK takes them: a PCI address or a virtual device."),
       field("mac", kOptional, kRestart, &Port::mac, Mac{},
             "Source address of the frames that leave; the device's own when absent."),
       field("mtu", kOptional, kRestart, &Port::mtu, Whole{576, 9000, "bytes"},
             "Largest IP packet that leaves by the port. Tunnels need 20 bytes of it."),
       field("queues", kOptional, kRestart, &Port::queues, Whole{1, 127},
             "Receive queues. Worker number q polls queue q of every port."),
       field("xdp", kOptional, kRestart, &Port::xdp,
             Choice<XdpMode>{{{"auto", XdpMode::kAuto},
                              {"native", XdpMode::kNative},
                              {"generic", XdpMode::kGeneric}}},
             "Where the XDP filter of a net_af_xdp device runs: in the driver, in the kernel's "
             "generic hook, or the first of the two that works.")});
}

auto neighbour() {
  return object<Neighbour>(
      "neighbour", "address",
      {field("address", kRequired, kReload, &Neighbour::address, Prefix{},
             "Destinations this entry is for; the longest prefix that contains an address counts."),
       field("mac", kRequired, kReload, &Neighbour::mac, Mac{},
             "Destination MAC address of frames for them."),
       field("port", kRequired, kReload, &Neighbour::port, kName,
             "Name of the port they leave by.")});
}

auto flow_cache() {
  return object<FlowCache>(
      "flow cache", "",
      {field("flows", kOptional, kRestart, &FlowCache::flows, Whole{64, 1 << 28},
             "Flows that each worker remembers, 8 bytes each; rounded up to a power of two."),
       field("tcp_timeout_s", kOptional, kReload, &FlowCache::tcp_timeout, Whole{10, 14400, "s"},
             "Silence after which a TCP flow is forgotten."),
       field("udp_timeout_s", kOptional, kReload, &FlowCache::udp_timeout, Whole{10, 14400, "s"},
             "Silence after which a UDP flow is forgotten.")});
}

auto service() {
  return object<Service>(
      "service", "name",
      {field("name", kRequired, kReload, &Service::name, kName, "Name of the service."),
       field("address", kRequired, kReload, &Service::address, HostAddress{},
             "Virtual IP address that clients connect to."),
       field("port", kRequired, kReload, &Service::port, Whole{0, 65535},
             "Port that clients connect to; 0 is every port."),
       field("protocol", kOptional, kReload, &Service::protocol,
             Choice<Protocol>{{{"tcp", Protocol::kTcp}, {"udp", Protocol::kUdp}}, {"quic"}},
             "Transport protocol."),
       field("pool", kRequired, kReload, &Service::pool, kName,
             "Name of the pool whose backends serve it.")});
}

auto backend_class() {
  return object<BackendClass>(
      "class", "name",
      {field("name", kRequired, kReload, &BackendClass::name, kName, "Name of the class."),
       field("capacity", kOptional, kReload, &BackendClass::capacity,
             Fractional{0.001, 1e9, "requests/s"}, "Requests a second that one backend completes."),
       field("service_time_s", kOptional, kReload, &BackendClass::service_time_s,
             Fractional{0.000001, 86400, "s"}, "Time a request takes on an idle backend."),
       field("price_per_hour", kOptional, kReload, &BackendClass::price_per_hour,
             Fractional{0, 1e6, "1/h"}, "Price of one backend, in any one currency."),
       field("cold_start_s", kOptional, kReload, &BackendClass::cold_start_s,
             Fractional{0, 86400, "s"},
             "Time from the decision to start one to its first answer.")});
}

auto backend() {
  return object<Backend>(
      "backend", "name",
      {field("name", kRequired, kReload, &Backend::name, kName,
             "Name of the backend. It alone decides which table entries the backend prefers."),
       field("address", kRequired, kReload, &Backend::address, HostAddress{},
             "Address of the server itself: the end of the tunnel, or the next hop of l2dsr."),
       field("weight", kOptional, kReload, &Backend::weight, Whole{0, 65535},
             "Share of new flows relative to the pool's other backends; 0: no new flows."),
       field("class", kOptional, kReload, &Backend::backend_class, kName,
             "Name of one of the pool's `classes`.")});
}

auto health() {
  return object<Health>(
      "health", "",
      {field("type", kRequired, kReload, &Health::type,
             Choice<std::string>{{{"tcp", "tcp"},
                                  {"http", "http"},
                                  {"https", "https"},
                                  {"grpc", "grpc"},
                                  {"icmp", "icmp"},
                                  {"udp", "udp"},
                                  {"command", "command"}}},
             "How a backend is probed."),
       field("port", kOptional, kReload, &Health::port, Whole{0, 65535},
             "Port of the probe; 0 is the service's."),
       field("path", kOptional, kReload, &Health::path, kUrlPath,
             "Path that an HTTP probe asks for."),
       field("interval_ms", kOptional, kReload, &Health::interval, Whole{10, 3'600'000, "ms"},
             "Time between two probes of a backend."),
       field("timeout_ms", kOptional, kReload, &Health::timeout, Whole{1, 600'000, "ms"},
             "Time after which a probe without an answer has failed; shorter than the interval."),
       field("rise", kOptional, kReload, &Health::rise, Whole{1, 1000},
             "Good answers in a row that bring a backend up."),
       field("fall", kOptional, kReload, &Health::fall, Whole{1, 1000},
             "Failures in a row that take a backend down.")});
}

auto autoscale() {
  return object<Autoscale>(
      "autoscale", "",
      {field("policy", kRequired, kReload, &Autoscale::policy,
             Choice<std::string>{{{"threshold", "threshold"},
                                  {"target", "target"},
                                  {"predictive", "predictive"},
                                  {"scheduled", "scheduled"},
                                  {"cost_aware", "cost_aware"}}},
             "How the number of backends is decided."),
       field("min", kOptional, kReload, &Autoscale::min, Whole{0, kMostBackends},
             "Never fewer backends than this."),
       field("max", kOptional, kReload, &Autoscale::max, Whole{1, kMostBackends},
             "Never more backends than this."),
       field("target_utilisation", kOptional, kReload, &Autoscale::target_utilisation,
             Fractional{0.01, 1}, "Share of the capacity that the load should take."),
       field("tick_s", kOptional, kReload, &Autoscale::tick_s, Fractional{0.1, 3600, "s"},
             "Time between two decisions.")});
}

auto encapsulation() {
  return object<Pool>("encapsulation", "",
                      {field("source", kRequired, kReload, &Pool::encapsulation_source,
                             HostAddress{}, "Source address of the outer header.")});
}

auto pool() {
  return object<Pool>(
      "pool", "name",
      {field("name", kRequired, kReload, &Pool::name, kName, "Name of the pool."),
       field("forwarding", kOptional, kReload, &Pool::forwarding,
             Choice<Forwarding>{{{"l2dsr", Forwarding::kL2dsr}, {"ipip", Forwarding::kIpip}},
                                {"gue", "nat"}},
             "How a packet reaches the backend: with its MAC address rewritten, or inside an IPv4 "
             "tunnel (RFC 2003). Answers go straight to the client in both."),
       field("policy", kOptional, kReload, &Pool::policy,
             Choice<Policy>{{{"maglev", Policy::kMaglev}},
                            {"random", "round_robin", "weighted_round_robin", "least_connections",
                             "least_load"}},
             "How a new flow picks its backend."),
       field("affinity", kOptional, kReload, &Pool::affinity,
             Choice<Affinity>{{{"5tuple", Affinity::kFiveTuple}}, {"source", "quic_cid"}},
             "What is hashed to pick one."),
       field(
           "table_size", kOptional, kReload, &Pool::table_size,
           Whole{2, std::int64_t{maglev::kLargestSize}},
           "Entries of the Maglev table; a prime number, at least 100 for each backend for shares "
           "within 1 %."),
       field("decrement_ttl", kOptional, kReload, &Pool::decrement_ttl, Flag{},
             "Whether the inner TTL of tunnelled packets goes down by one (RFC 2003)."),
       group("encapsulation", kReload, encapsulation(),
             "The tunnel's outer header; required by `ipip`."),
       field("classes", kOptional, kReload, &Pool::classes,
             ListOf<Nested>{{backend_class()}, 0, 256},
             "Kinds of backends, for capacity and cost. Accepted; nothing acts on it yet."),
       field("backends", kOptional, kReload, &Pool::backends,
             ListOf<Nested>{{backend()}, 0, kMostBackends}, "The servers. Order does not matter."),
       field(
           "health", kOptional, kReload, &Pool::health, Nested{health()},
           "Active health checks; absent: backends count as up. Accepted; nothing acts on it yet."),
       field("autoscale", kOptional, kReload, &Pool::autoscale, Nested{autoscale()},
             "The autoscaling controller. Accepted; nothing acts on it yet.")});
}

auto admin() {
  return object<Admin>(
      "admin", "",
      {field("socket", kOptional, kRestart, &Admin::socket,
             absolute_path("'/' and after it at most 106 printable ASCII characters", 107),
             "Unix socket of the admin API; who may open it may change everything."),
       field("http", kOptional, kRestart, &Admin::http, kEndpoint,
             "Address and port of the read-only admin API on TCP; absent: none.")});
}

std::shared_ptr<const Object> configuration() {
  return object<Configuration>(
      "configuration", "",
      {schema_reference(),
       field("node", kOptional, kRestart, &Configuration::node, kName,
             "Name of this node; keeps several nodes on one machine apart."),
       field("hash_key", kOptional, kRestart, &Configuration::hash_key, kHashKey,
             "Secret of the flow hash, the same on all nodes of a site. Absent: a public one, so "
             "that clients can choose their backend."),
       field("dpdk", kOptional, kRestart, &Configuration::dpdk, Nested{dpdk()},
             "Lcores and memory."),
       field("ports", kRequired, kRestart, &Configuration::ports, ListOf<Nested>{{port()}, 1, 32},
             "Devices that packets come and go by."),
       field("neighbours", kOptional, kReload, &Configuration::neighbours,
             ListOf<Nested>{{neighbour()}, 0, 65535},
             "Next hops for devices without a kernel interface, and overrides; elsewhere the "
             "kernel's routes and neighbours decide."),
       field("flow_cache", kOptional, kRestart, &Configuration::flow_cache, Nested{flow_cache()},
             "How many flows keep their backend while a pool changes, and for how long."),
       field("services", kOptional, kReload, &Configuration::services,
             ListOf<Nested>{{service()}, 0, 65535}, "What clients connect to."),
       field("pools", kOptional, kReload, &Configuration::pools, ListOf<Nested>{{pool()}, 0, 65535},
             "Sets of backends, each for one service or several."),
       field("admin", kOptional, kRestart, &Configuration::admin, Nested{admin()},
             "Where the daemon can be watched and changed."),
       field(
           "drain_timeout_s", kOptional, kReload, &Configuration::drain_timeout,
           Whole{0, 3600, "s"},
           "How long the node goes on forwarding after SIGTERM, at most; it stops earlier when its "
           "traffic has ceased."),
       field("state_dir", kOptional, kRestart, &Configuration::state_dir,
             absolute_path("'/' and after it printable ASCII characters", 4095),
             "Directory of what must survive a restart: weights and drains set at run time.")});
}

}  // namespace

const Object& table() {
  static const std::shared_ptr<const Object> made = configuration();
  return *made;
}

}  // namespace sluice::config
