// SPDX-License-Identifier: Apache-2.0
// Typed configuration: what one JSON file says, with every default filled in. Plain data.
//
// Threads: values.
#pragma once

#include "base/address.hpp"
#include "config/autoscale.hpp"
#include "config/health.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::config {

enum class Protocol : std::uint8_t { kTcp, kUdp, kQuic };
enum class Forwarding : std::uint8_t { kL2dsr, kIpip, kGue, kNat };
enum class Policy : std::uint8_t {
  kMaglev,
  kRandom,
  kRoundRobin,
  kWeightedRoundRobin,
  kLeastConnections,
  kLeastLoad,
};
enum class Affinity : std::uint8_t { kFiveTuple, kSource, kQuicCid };
enum class XdpMode : std::uint8_t { kAuto, kNative, kGeneric };
/// Where packets go that are for no service, on a device without a kernel interface.
enum class Exception : std::uint8_t { kNone, kTap };
/// Who makes checksums: the device where it offers to, or always software.
enum class Offload : std::uint8_t { kAuto, kOff };
/// Whether the device is told which packets are for services, and leaves the rest to Linux: where
/// it can, never, or else the daemon does not start.
enum class FlowRules : std::uint8_t { kAuto, kOff, kOn };
/// How a backend behind NAT learns the client's address.
enum class ClientAddress : std::uint8_t { kNone, kProxyV2, kToa };

struct Dpdk {
  std::string lcores = "0-1";  ///< "0-3,6", "0@0,1@0"; every lcore but the main one is a worker.
  unsigned main_lcore = 0;     ///< Runs the slow path; one of `lcores`.
  bool huge_pages = true;      ///< false: ordinary pages (slower, no reservation needed).
  bool multi_process = false;  ///< Whether other DPDK processes (`dpdk-dumpcap`) may attach.
  unsigned memory_mb = 256;    ///< Memory for packet buffers and flow caches.
  std::vector<std::string> extra_args;  ///< Handed to the EAL unread, after ours.

  /// Every lcore but the main one, ascending; empty when `lcores` is no list.
  [[nodiscard]] std::vector<unsigned> workers() const;
  /// The CPU of each lcore, likewise; some may be there twice.
  [[nodiscard]] std::vector<unsigned> cpus() const;

  friend bool operator==(const Dpdk&, const Dpdk&) = default;
};

struct Port {
  std::string name;
  std::string device;             ///< DPDK devargs: "net_af_xdp0,iface=lb0", "0000:3b:00.0".
  std::optional<MacAddress> mac;  ///< Source of what we send; absent: the device's own.
  std::uint16_t mtu = 1500;       ///< Largest IP packet that leaves by this port, bytes.
  std::uint16_t queues = 1;       ///< Receive queues, each polled by a worker of its own.
  XdpMode xdp = XdpMode::kAuto;   ///< Of net_af_xdp devices: where the filter runs.
  Exception exception = Exception::kNone;
  Offload offload = Offload::kAuto;
  FlowRules flow_rules = FlowRules::kAuto;

  /// The kernel interface behind the device ("iface=" of the devargs), empty when there is none.
  [[nodiscard]] std::string interface() const;
  /// The interface by which Linux knows this port: interface(), or the exception path's, which has
  /// the port's name; empty when there is neither.
  [[nodiscard]] std::string kernel_interface() const;
  [[nodiscard]] bool is_af_xdp() const;  ///< The device is of DPDK's net_af_xdp driver.

  friend bool operator==(const Port&, const Port&) = default;
};

/// Where packets for an address go on a device that has no kernel interface, or against the
/// kernel's own routes. The longest prefix that contains the address counts.
struct Neighbour {
  IpPrefix address;
  MacAddress mac;
  std::string port;

  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

struct FlowCache {
  std::uint32_t flows = 1U << 20;  ///< Flows a worker remembers; rounded up to a power of 2.
  std::chrono::seconds tcp_timeout{3600};  ///< Silence after which a flow is forgotten.
  std::chrono::seconds udp_timeout{120};
  std::uint32_t nat_sessions = 1U << 16;  ///< Connections a worker translates at once.

  friend bool operator==(const FlowCache&, const FlowCache&) = default;
};

/// Which flows of a service go to a pool of their own: those of a source prefix, or those whose
/// flow hash lies in a share of its range. One of the two is given.
struct Shard {
  std::optional<IpPrefix> source = {};
  std::optional<std::pair<double, double>> hash_range = {};  ///< From, to (not included): 0 to 1.
  std::string pool;

  friend bool operator==(const Shard&, const Shard&) = default;
};

/// Of one service on this node; 0: none.
struct Limits {
  std::uint64_t new_flows_per_second = 0;
  std::uint64_t packets_per_second = 0;
  std::uint64_t bits_per_second = 0;
  std::uint64_t source_new_flows_per_second = 0;  ///< Of one source address.

  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Service {
  std::string name;
  IpAddress address;
  std::uint16_t port = 0;  ///< 0: every port.
  Protocol protocol = Protocol::kTcp;
  std::string pool;  ///< Of the flows that no shard takes.
  std::vector<Shard> shards = {};
  std::optional<Limits> limits = {};
  std::vector<IpPrefix> deny = {};  ///< Sources whose packets are dropped.

  friend bool operator==(const Service&, const Service&) = default;
};

struct Backend {
  std::string name;
  IpAddress address;
  std::uint32_t weight = 100;      ///< Relative share; 0: no new flows.
  std::string backend_class = {};  ///< JSON key "class"; empty: none.
  std::uint16_t port = 0;  ///< Of forwarding by NAT: where the server listens; 0: the service's.
  std::uint32_t max_connections =
      0;                       ///< Flows on this node, beyond which it gets no new ones; 0: any.
  std::string server_id = {};  ///< Hexadecimal, as it stands in connection ids; empty: none.

  friend bool operator==(const Backend&, const Backend&) = default;
};

/// The tunnel's outer header.
struct Encapsulation {
  IpAddress source = {};      ///< Towards backends of its own family; unspecified: none.
  IpAddress source6 = {};     ///< Towards IPv6 backends beside IPv4 ones; unspecified: none.
  unsigned variant = 1;       ///< Of GUE: 1 has no header of its own, 0 has four bytes.
  std::uint16_t port = 6080;  ///< Of GUE: UDP destination.

  /// Where tunnelled packets to backends of a family come from; unspecified: no such source.
  [[nodiscard]] IpAddress source_for(bool v4) const;

  friend bool operator==(const Encapsulation&, const Encapsulation&) = default;
};

struct Nat {
  std::vector<IpAddress> sources = {};  ///< The node's addresses that backends see.
  std::pair<std::uint16_t, std::uint16_t> ports{1024, 65535};  ///< Least and greatest source port.
  ClientAddress client_address = ClientAddress::kNone;

  friend bool operator==(const Nat&, const Nat&) = default;
};

struct Pool {
  std::string name;
  Forwarding forwarding = Forwarding::kIpip;
  Policy policy = Policy::kMaglev;
  Affinity affinity = Affinity::kFiveTuple;
  std::uint32_t table_size = 65537;  ///< Maglev entries; prime.
  bool decrement_ttl = true;         ///< Of tunnelled packets (RFC 2003).
  double max_load_ratio = 0;  ///< Of the mean load, what one backend may have at most; 0: any.
  std::string overflow = {};  ///< Pool of new flows that no backend here may take; empty: none.
  std::chrono::seconds drain_timeout{
      0};                              ///< After which a drained backend keeps no flow; 0: never.
  std::chrono::seconds slow_start{0};  ///< Time in which a new backend's weight rises to its own.
  std::optional<Encapsulation> encapsulation = {};  ///< Required by ipip and gue.
  std::optional<Nat> nat = {};                      ///< Required by nat.
  std::vector<BackendClass> classes;
  std::vector<Backend> backends;
  std::optional<Health> health;    ///< Absent: backends count as up.
  std::optional<Outlier> outlier;  ///< Absent: traffic takes no backend out.
  unsigned panic_threshold = 0;    ///< Percent of usable backends below which all are used.
  unsigned min_healthy = 1;        ///< Passive checks leave at least so many backends.
  NoBackend no_backend = NoBackend::kRefuse;
  std::optional<Metrics> metrics;  ///< Absent: backends tell no load.
  std::optional<Autoscale> autoscale;

  friend bool operator==(const Pool&, const Pool&) = default;
};

struct Admin {
  std::string socket = "/run/sluice/admin.sock";
  std::string socket_mode = "0660";  ///< Octal.
  std::string socket_group;          ///< Owner of the socket by name; empty: the process's group.
  std::string http;                  ///< "ADDRESS:PORT" of the listener on TCP; empty: none.
  std::string tls_certificate;       ///< File, with tls_key; empty: no TLS.
  std::string tls_key;
  std::string token_file;  ///< Who may change things by TCP; empty: nobody.

  friend bool operator==(const Admin&, const Admin&) = default;
};

/// How the routable connection ids of one configuration rotation are made (QUIC-LB).
struct QuicLb {
  unsigned rotation = 0;  ///< First three bits of the connection id; 7 is never routable.
  unsigned server_id_bytes = 1;
  unsigned nonce_bytes = 4;
  std::string key = {};  ///< 32 hexadecimal digits; empty: server ids stand in the clear.

  friend bool operator==(const QuicLb&, const QuicLb&) = default;
};

/// Of the node itself.
struct Protection {
  bool bad_checksum = false;  ///< Whether packets for services are dropped for a wrong checksum.
  std::uint32_t icmp_answers_per_second = 100;  ///< To one source; 0: none at all.
  std::vector<IpPrefix> deny = {};              ///< Sources that reach no service.
  std::uint32_t syn_per_second = 0;  ///< Of one source prefix to all services; 0: any number.
  std::uint32_t syn_burst = 0;       ///< That come at once; 0: a second's worth.
  unsigned syn_prefix = 32;          ///< Bits of an IPv4 source that count as one.
  unsigned syn_prefix6 = 64;         ///< Likewise of IPv6.

  friend bool operator==(const Protection&, const Protection&) = default;
};

/// Where events go beside the log and the API.
struct Events {
  std::string webhook = {};  ///< URL that they are posted to; empty: none.

  friend bool operator==(const Events&, const Events&) = default;
};

struct Configuration {
  std::string node = "sluice";
  std::string hash_key;  ///< 32 hexadecimal digits, the same on all nodes of a site; empty: public.
  Dpdk dpdk;
  std::vector<Port> ports;
  std::vector<Neighbour> neighbours;
  FlowCache flow_cache;
  std::vector<Service> services;
  std::vector<Pool> pools;
  std::vector<QuicLb> quic_lb;
  Protection protection;
  std::optional<Answer> answer;      ///< Absent: Linux answers, or nobody.
  std::optional<Announce> announce;  ///< Absent: nothing is announced.
  Events events;
  Admin admin;
  std::chrono::seconds drain_timeout{10};  ///< After SIGTERM, unless traffic ceases earlier.
  std::string state_dir = "/var/lib/sluice";

  /// Indices of the ports on the same interface as that one, itself included, ascending. A driver
  /// without queues of its own (af_xdp on veth) serves one queue of an interface by each port.
  [[nodiscard]] std::vector<std::size_t> ports_beside(std::size_t port) const;
  /// Receive queues that share a port's traffic: of it and of those beside it. At least one port.
  [[nodiscard]] std::size_t receive_queues() const;

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

}  // namespace sluice::config
