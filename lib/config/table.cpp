// SPDX-License-Identifier: Apache-2.0
#include "config/table.hpp"

#include "config/address_codec.hpp"
#include "config/codec.hpp"
#include "config/configuration.hpp"
#include "config/forms.hpp"
#include "config/tables.hpp"

namespace sluice::config {
namespace {

// A field that a document may carry and that says nothing about the node.
Field schema_reference() {
  const Text text = form::url();
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
      {field("lcores", kOptional, kRestart, &Dpdk::lcores, form::lcores(),
             "Lcores of the process: one is the main lcore, every other one a worker that polls."),
       field("main_lcore", kOptional, kRestart, &Dpdk::main_lcore, Whole{0, 127},
             "The lcore of the slow path; one of `lcores`."),
       field(
           "huge_pages", kOptional, kRestart, &Dpdk::huge_pages, Flag{},
           "Whether packet memory lies in huge pages. `false` needs no reservation and is slower."),
       field("multi_process", kOptional, kRestart, &Dpdk::multi_process, Flag{},
             "Whether other DPDK processes, as `dpdk-dumpcap`, may attach. Needs `huge_pages`, and "
             "hugetlbfs mounted."),
       field("memory_mb", kOptional, kRestart, &Dpdk::memory_mb, Whole{32, 1'048'576, "MiB"},
             "Memory for packet buffers and flow caches."),
       field("extra_args", kOptional, kRestart, &Dpdk::extra_args,
             ListOf<Text>{form::argument(), 0, 64},
             "Further arguments for DPDK's EAL, handed on unread after our own.")});
}

auto port() {
  return object<Port>(
      "port", "name",
      {field("name", kRequired, kRestart, &Port::name, form::name(),
             "What other parts of the configuration and the metrics call the port."),
       field("device", kRequired, kRestart, &Port::device, form::device(),
             "Device arguments as DPDK takes them: a PCI address or a virtual device."),
       field("mac", kOptional, kRestart, &Port::mac, Mac{},
             "Source address of the frames that leave; the device's own when absent."),
       field("mtu", kOptional, kRestart, &Port::mtu, Whole{576, 9000, "bytes"},
             "Largest IP packet that leaves by the port. Tunnels need 20 to 52 bytes of it."),
       field("queues", kOptional, kRestart, &Port::queues, Whole{1, 127},
             "Receive queues. Worker number q polls queue q of every port."),
       field("xdp", kOptional, kRestart, &Port::xdp,
             Choice<XdpMode>{{{"auto", XdpMode::kAuto},
                              {"native", XdpMode::kNative},
                              {"generic", XdpMode::kGeneric}}},
             "Where the XDP filter of a net_af_xdp device runs: in the driver, in the kernel's "
             "generic hook, or the first of the two that works."),
       field("exception", kOptional, kRestart, &Port::exception,
             Choice<Exception>{{{"none", Exception::kNone}, {"tap", Exception::kTap}}},
             "Where packets go that are for no service, on a device without a kernel interface: "
             "nowhere, or to Linux by a TAP interface with the port's name and MAC address."),
       field("offload", kOptional, kRestart, &Port::offload,
             Choice<Offload>{{{"auto", Offload::kAuto}, {"off", Offload::kOff}}},
             "Who makes and checks checksums: the device where it offers to, or always software."),
       field("flow_rules", kOptional, kRestart, &Port::flow_rules,
             Choice<FlowRules>{
                 {{"auto", FlowRules::kAuto}, {"off", FlowRules::kOff}, {"on", FlowRules::kOn}}},
             "Whether a device that shares its wire with a kernel driver is told which packets are "
             "for services, so that Linux keeps the rest: where it can; never; or always, and the "
             "daemon does not start on a device that cannot.")});
}

auto neighbour() {
  return object<Neighbour>(
      "neighbour", "address",
      {field("address", kRequired, kReload, &Neighbour::address, Prefix{},
             "Destinations this entry is for; the longest prefix that contains an address counts."),
       field("mac", kRequired, kReload, &Neighbour::mac, Mac{},
             "Destination MAC address of frames for them."),
       field("port", kRequired, kReload, &Neighbour::port, form::name(),
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
             "Silence after which a UDP flow is forgotten."),
       field("nat_sessions", kOptional, kRestart, &FlowCache::nat_sessions, Whole{64, 1 << 24},
             "Connections that each worker translates at once, for pools of forwarding `nat`; with "
             "one worker about 290 bytes each, with four 190, whether such a pool is there or "
             "not.")});
}

auto admin() {
  return object<Admin>(
      "admin", "",
      {field("socket", kOptional, kRestart, &Admin::socket,
             form::absolute_path("'/' and after it at most 106 printable ASCII characters", 107),
             "Unix socket of the admin API; who may open it may change everything."),
       field("socket_mode", kOptional, kRestart, &Admin::socket_mode, form::socket_mode(),
             "Who may open the socket: mode of its file."),
       field("socket_group", kOptional, kRestart, &Admin::socket_group, form::name(),
             "Group that owns the socket; absent: the daemon's."),
       field("http", kOptional, kRestart, &Admin::http, form::endpoint(),
             "Address and port of the admin API on TCP, which only reads unless `token_file` is "
             "given; absent: none."),
       field(
           "tls_certificate", kOptional, kRestart, &Admin::tls_certificate,
           form::absolute_path("'/' and after it printable ASCII characters", 4095),
           "PEM file of the certificate, and those that vouch for it, that TCP clients are shown; "
           "absent: no TLS. Read again by a reload."),
       field("tls_key", kOptional, kRestart, &Admin::tls_key,
             form::absolute_path("'/' and after it printable ASCII characters", 4095),
             "PEM file of its key, which others must not be able to read. Read again by a reload."),
       field("token_file", kOptional, kRestart, &Admin::token_file,
             form::absolute_path("'/' and after it printable ASCII characters", 4095),
             "File of bearer tokens that may change everything by TCP, one `NAME TOKEN` a line; "
             "others must not be able to read it. Needs TLS. Read again by a reload.")});
}

auto events() {
  return object<Events>("events", "",
                        {field("webhook", kOptional, kRestart, &Events::webhook, form::webhook(),
                               "URL that events are posted to as JSON, at most 100 in a request; "
                               "absent: none.")});
}

auto protection() {
  return object<Protection>(
      "protection", "",
      {field(
           "bad_checksum", kOptional, kReload, &Protection::bad_checksum, Flag{},
           "Whether packets for services whose checksum is wrong are dropped here. `false` leaves "
           "that to the backends and saves reading the whole packet."),
       field("icmp_answers_per_second", kOptional, kReload, &Protection::icmp_answers_per_second,
             Whole{0, 1'000'000}, "ICMP answers that one source gets in a second; 0: none."),
       field("deny", kOptional, kReload, &Protection::deny, ListOf<Prefix>{{}, 0, kMostDenied},
             "Source prefixes that reach no service; dropped by the XDP filter where there is "
             "one."),
       field("syn_per_second", kOptional, kReload, &Protection::syn_per_second,
             Whole{0, 1'000'000'000, "1/s"},
             "TCP SYNs that one source prefix may send to services, by XDP filter; 0: any "
             "number."),
       field("syn_burst", kOptional, kReload, &Protection::syn_burst, Whole{0, 1'000'000'000},
             "Likewise at once; 0: as many as in a second."),
       field("syn_prefix", kOptional, kReload, &Protection::syn_prefix, Whole{8, 32, "bits"},
             "Bits of an IPv4 source that count as one source."),
       field("syn_prefix6", kOptional, kReload, &Protection::syn_prefix6, Whole{16, 128, "bits"},
             "Likewise of an IPv6 source.")});
}

std::shared_ptr<const Object> configuration() {
  return object<Configuration>(
      "configuration", "",
      {schema_reference(),
       field("node", kOptional, kRestart, &Configuration::node, form::name(),
             "Name of this node; keeps several nodes on one machine apart."),
       field("hash_key", kOptional, kRestart, &Configuration::hash_key, form::secret_key(),
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
             ListOf<Nested>{{service_object()}, 0, 65535}, "What clients connect to."),
       field("pools", kOptional, kReload, &Configuration::pools,
             ListOf<Nested>{{pool_object()}, 0, 65535},
             "Sets of backends, each for one service or several."),
       field("quic_lb", kOptional, kReload, &Configuration::quic_lb,
             ListOf<Nested>{{quic_lb_object()}, 0, 7},
             "How the servers make their QUIC connection ids (QUIC-LB), for affinity `quic_cid`; "
             "one entry for each configuration rotation in use."),
       field("protection", kOptional, kReload, &Configuration::protection, Nested{protection()},
             "What the node does for its own protection."),
       field("answer", kOptional, kReload, &Configuration::answer, Nested{answer_object()},
             "Probes of upstream routers that the XDP filter answers while every worker runs."),
       field("announce", kOptional, kRestart, &Configuration::announce, Nested{announce_object()},
             "Where the services' addresses are while the node is ready."),
       field("events", kOptional, kRestart, &Configuration::events, Nested{events()},
             "Where events go beside the log and the API."),
       field("admin", kOptional, kRestart, &Configuration::admin, Nested{admin()},
             "Where the daemon can be watched and changed."),
       field(
           "drain_timeout_s", kOptional, kReload, &Configuration::drain_timeout,
           Whole{0, 3600, "s"},
           "How long the node goes on forwarding after SIGTERM, at most; it stops earlier when its "
           "traffic has ceased."),
       field("state_dir", kOptional, kRestart, &Configuration::state_dir,
             form::absolute_path("'/' and after it printable ASCII characters", 4095),
             "Directory of what must survive a restart: weights and drains set at run time.")});
}

}  // namespace

const Object& table() {
  static const std::shared_ptr<const Object> made = configuration();
  return *made;
}

}  // namespace sluice::config
