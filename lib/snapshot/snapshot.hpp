// SPDX-License-Identifier: Apache-2.0
// Snapshot: the immutable tables that workers read, each with a generation number.
//
// Threads: built on the slow path; once published, read by any number of workers and never changed.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "flow/cache.hpp"
#include "maglev/table.hpp"
#include "packet/flow_key.hpp"
#include "packet/quic_lb.hpp"
#include "snapshot/nat.hpp"
#include "snapshot/policy.hpp"
#include "snapshot/rules.hpp"
#include "snapshot/service_table.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::snapshot {

using flow::BackendNumber;

/// Largest count of backends on a node; numbers are 0 to kMostBackends - 1.
inline constexpr std::size_t kMostBackends = 65535;
inline constexpr std::size_t kMostServices = 65535;
inline constexpr std::size_t kMostPools = 65535;

enum class Forwarding : std::uint8_t {
  kL2dsr,  ///< New MAC addresses.
  kIpip,   ///< An IP header before the packet: 4in4, 6in6, 4in6, 6in4 (RFC 2003, 2473, 4213).
  kGue,    ///< An IP and a UDP header, and in variant 0 a GUE header.
  kNat,    ///< Both addresses and ports translated, both ways.
};

inline constexpr std::uint32_t kIcmpErrorsPerSecond = 100;
inline constexpr std::uint16_t kGuePort = 6080;  ///< IANA's.

/// Whether flows may go to a backend number; in order of trust.
enum class State : std::uint8_t {
  kAbsent,    ///< Nobody has this number in this generation.
  kDown,      ///< Takes no flows and keeps none: they go elsewhere.
  kDraining,  ///< Keeps the flows it has.
  kUp,        ///< Takes new flows and keeps those it has.
};

/// How a plain packet is sent to a backend that takes packets without a second look; see
/// dataplane/short_way.hpp.
enum class ShortWay : std::uint8_t {
  kNone,  ///< Down, not reachable, or NAT: only the stages know.
  kL2dsr,
  kIpip4,  ///< In IPv4, whatever family the packet is of.
  kIpip6,
  kGue4,
  kGue6,
};

/// Whether flows that a backend of this state has may stay there.
[[nodiscard]] constexpr bool keeps_flows(State state) noexcept { return state > State::kDown; }

/// How to reach a backend from this node.
struct Hop {
  std::uint16_t port = 0;  ///< Index of the egress port.
  MacAddress destination;  ///< Of the backend, or of the router before it.
  MacAddress source;       ///< Of the egress port.
  std::uint16_t mtu = 0;   ///< Of the egress port: largest IP packet, bytes.

  friend bool operator==(const Hop&, const Hop&) = default;
};

/// Longest bytes that any rewrite puts before a packet's IP header: Ethernet, IPv6, UDP, GUE.
inline constexpr std::size_t kLongestHeader = 14 + 40 + 8 + 4;

/// What a worker needs to send a packet to one backend: two cache lines, of which l2dsr and what
/// goes in IPv4 touch the first.
struct alignas(64) Backend {
  /// Sum of the words of the outer IPv4 header as it stands in `header`, folded to 16 bits.
  std::uint16_t outer_sum = 0;
  /// For gue, sum of the pseudo header without its length, of the UDP header and of the GUE header
  /// as they stand in `header`, folded.
  std::uint16_t udp_sum = 0;
  std::uint16_t pool = 0;  ///< Index into Snapshot::pools; flows of another never go here.
  std::uint16_t port = 0;
  std::uint16_t mtu = 0;
  State state = State::kAbsent;
  Forwarding forwarding = Forwarding::kL2dsr;
  bool reachable = false;  ///< The next hop is known: `header`, `port` and `mtu` hold.
  bool decrement_ttl = false;
  std::uint8_t outer_family = 0;  ///< 4 or 6 for ipip and gue.
  std::uint8_t overhead = 0;      ///< Bytes put before the inner IP header, without Ethernet.
  ShortWay short_way = ShortWay::kNone;
  std::uint16_t longest = 0;  ///< IP packet that may take the short way, bytes; 0: none may.
  /// Ethernet header (14 bytes), then for ipip and gue the outer headers (`overhead` bytes) with
  /// the fields that differ from packet to packet left zero; see header_template.hpp.
  std::array<std::byte, kLongestHeader> header{};
};
static_assert(sizeof(Backend) == 128 && offsetof(Backend, header) + 14 + 20 + 8 <= 64);

/// A pool as a worker sees it.
struct Pool {
  std::span<const maglev::Slot> slots;  ///< Backend number of each entry; empty: no backend.
  const PoolPolicy* policy = nullptr;   ///< Null: new flows take the slot of their hash.
};

struct Service {
  std::uint16_t pool;    ///< Index into Snapshot::pools.
  std::uint16_t number;  ///< Index of the service's counters; stable over generations.
  const ServiceRules* rules = nullptr;  ///< Null: all flows go to the pool, and none is refused.
  bool short_way = false;               ///< No rules and no NAT: plain packets may take it.
};

/// What the slow path says of a backend.
struct BackendInput {
  std::string name;
  IpAddress address;
  std::uint32_t weight = 0;  ///< 0: no new flows.
  BackendNumber number = 0;
  bool draining = false;
  bool down = false;       ///< Flows leave it; whatever `weight` and `draining` say.
  std::uint16_t port = 0;  ///< For nat, where it listens, host order; 0: the service's port.
  std::optional<Hop> hop;  ///< Absent: packets for it are dropped and counted.
  std::uint32_t max_connections = 0;    ///< Active flows on this node; 0: any number.
  std::uint32_t load = 0;               ///< As last reported; see Capacity::load.
  std::optional<ServerId> server_id{};  ///< For affinity by connection id.

  [[nodiscard]] bool takes_new_flows() const noexcept { return weight != 0 && !draining && !down; }
  friend bool operator==(const BackendInput&, const BackendInput&) = default;
};

struct PoolInput {
  std::string name;
  Forwarding forwarding = Forwarding::kIpip;
  std::uint32_t table_size = maglev::kDefaultSize;
  bool decrement_ttl = true;
  IpAddress outer_source;                  ///< For ipip and gue to IPv4 backends.
  std::optional<IpAddress> outer_source6;  ///< Likewise to IPv6 backends.
  std::uint16_t gue_port = kGuePort;       ///< UDP destination port.
  std::uint8_t gue_variant = 1;            ///< 1: the IP header follows UDP; 0: a GUE header first.
  std::optional<NatInput> nat;             ///< For nat.
  Policy policy = Policy::kMaglev;
  Affinity affinity = Affinity::kFiveTuple;  ///< Of the services that have this pool.
  double max_load_ratio = 0;  ///< Of the mean load, what one backend may have at most; 0: any.
  std::optional<std::size_t> overflow{};  ///< Pool of new flows that no backend here may take.
  std::vector<BackendInput> backends;

  friend bool operator==(const PoolInput&, const PoolInput&) = default;
};

struct ServiceInput {
  std::string name;
  IpAddress address;
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;
  std::size_t pool = 0;  ///< Index into Input::pools.
  std::uint16_t number = 0;
  std::vector<ShardInput> shards{};
  Limits limits{};
  std::vector<IpPrefix> deny{};  ///< Sources whose packets are dropped.

  friend bool operator==(const ServiceInput&, const ServiceInput&) = default;
};

/// Everything a snapshot is a function of.
struct Input {
  std::uint64_t generation = 0;
  HashKey hash_key{};
  flow::Tick tcp_timeout = 0;
  flow::Tick udp_timeout = 0;
  std::uint32_t icmp_errors_per_second = kIcmpErrorsPerSecond;  ///< To one source; 0: none.
  bool verify_checksums = false;         ///< Drop packets for services whose checksums are wrong.
  std::vector<QuicLbConfig> quic_lb;     ///< How servers make connection ids.
  std::vector<std::uint16_t> port_mtus;  ///< By index of the port: largest IP packet, bytes.
  std::vector<ServiceInput> services;
  std::vector<PoolInput> pools;
};

/// A pool's table together with what it was built from, so that an unchanged pool keeps its table.
struct PoolTable {
  std::vector<maglev::Member> members;
  std::uint32_t size = 0;
  std::optional<maglev::Table> table;  ///< Absent: no member has weight.
};

struct Snapshot {
  std::uint64_t generation = 0;
  HashKey hash_key{};
  flow::Tick tcp_timeout = 0;
  flow::Tick udp_timeout = 0;
  std::uint32_t icmp_errors_per_second = 0;  ///< To one source, by all workers; 0: none.
  ServiceTable service_table;                ///< Values are indices into `services`.
  std::vector<Service> services;
  std::vector<Pool> pools;        ///< Parallel to input.pools.
  std::vector<Backend> backends;  ///< By number; never empty.
  NatTables nat;
  std::vector<std::shared_ptr<const PoolTable>> tables;  ///< Keeps what `pools` points into.
  bool verify_checksums = false;
  QuicLb quic_lb;
  std::vector<std::uint16_t> port_mtus;  ///< By index of the port.
  std::vector<Capacity> capacities;      ///< By backend number; parallel to `backends`.
  std::vector<std::unique_ptr<const PoolPolicy>> policies;  ///< What `pools` points to.
  std::vector<std::unique_ptr<const ServiceRules>> rules;   ///< What `services` points to.
  Input input;  ///< Names and addresses, for the slow path.

  /// Largest IP packet that leaves by a port; what is not told of is not limited.
  [[nodiscard]] std::uint16_t mtu_of_port(std::uint16_t port) const noexcept {
    return port < port_mtus.size() ? port_mtus[port] : std::uint16_t{65535};
  }
  /// The service of a flow, or null.
  [[nodiscard]] const Service* find(const FlowKey& key) const noexcept {
    return at(service_table.find(key));
  }
  /// The service of a packet without ports, or null; see ServiceTable::find_portless().
  [[nodiscard]] const Service* find_portless(const FlowKey& key) const noexcept {
    return at(service_table.find_portless(key));
  }

 private:
  [[nodiscard]] const Service* at(std::uint32_t index) const noexcept {
    return index == ServiceTable::kNone ? nullptr : &services[index];
  }
};

/// Builds a snapshot. Tables of pools whose members did not change are taken over from `previous`.
///
/// @param previous  the snapshot before, or null.
/// @return the snapshot; kInvalid (a table_size that is not prime or too small for the members, two
///   services with one address, port and protocol, a protocol that is neither TCP nor UDP, two
///   backends with one number, two of one name in a pool, a number out of range, a backend in a
///   tunnel whose family has no source address, and what build_policy(), build_rules() and
///   QuicLb::create() say) or kExhausted (more services, pools, rounds or limiters than kMost...).
/// Cost: one Maglev table a changed pool, pools in parallel on the cores that the
/// calling thread may run on; 64 bytes a number.
[[nodiscard]] Result<std::unique_ptr<const Snapshot>> build(Input input, const Snapshot* previous);

/// What a change of tables did to the flows of the services, in entries.
struct Movement {
  std::uint64_t moved = 0;  ///< Entries whose backend differs.
  std::uint64_t least = 0;  ///< The least any method could move, given both sets of shares.
  std::uint64_t total = 0;  ///< Entries of the pools that are in both.
};

/// Compares two snapshots pool by pool (by name; a pool whose size changed counts as moved whole).
[[nodiscard]] Movement movement(const Snapshot& before, const Snapshot& after);

/// What one backend of a pool loses by a change.
struct Loss {
  BackendNumber number = 0;
  std::uint64_t had = 0;   ///< Entries before.
  std::uint64_t lost = 0;  ///< Those of them that are another's afterwards.
  bool left = false;       ///< It keeps no flow: it is gone, or down.
};

struct PoolMovement {
  std::string pool;
  Movement movement;
  std::vector<Loss> losses;  ///< Of backends that lose anything.
};

/// The same for each pool of `before` that changes or is gone (which has no movement then, only
/// losses), in its order. Cost: one pass over the tables, as movement().
[[nodiscard]] std::vector<PoolMovement> movement_by_pool(const Snapshot& before,
                                                         const Snapshot& after);

}  // namespace sluice::snapshot
