// SPDX-License-Identifier: Apache-2.0
// Fields of pools: how packets reach the backends, how one is picked, and who they are.
#include "config/address_codec.hpp"
#include "config/codec.hpp"
#include "config/configuration.hpp"
#include "config/forms.hpp"
#include "config/tables.hpp"
#include "maglev/table.hpp"

namespace sluice::config {
namespace {

auto backend() {
  return object<Backend>(
      "backend", "name",
      {field("name", kRequired, kReload, &Backend::name, form::name(),
             "Name of the backend. It alone decides which table entries the backend prefers."),
       field("address", kRequired, kReload, &Backend::address, HostAddress{},
             "Address of the server itself: the end of the tunnel, the next hop of l2dsr, or where "
             "nat "
             "sends packets to."),
       field("weight", kOptional, kReload, &Backend::weight, Whole{0, 65535},
             "Share of new flows relative to the pool's other backends; 0: no new flows."),
       field("class", kOptional, kReload, &Backend::backend_class, form::name(),
             "Name of one of the pool's `classes`."),
       field("port", kOptional, kReload, &Backend::port, Whole{0, 65535},
             "Port that the server listens on, for forwarding `nat`; 0: the service's."),
       field("max_connections", kOptional, kReload, &Backend::max_connections,
             Whole{0, 1'000'000'000},
             "Flows on this node beyond which the backend gets no new ones; 0: no limit."),
       field("server_id", kOptional, kReload, &Backend::server_id, form::server_id(),
             "What stands for the server in QUIC connection ids; required by affinity "
             "`quic_cid`.")});
}

auto encapsulation() {
  return object<Encapsulation>(
      "encapsulation", "",
      {field("source", kOptional, kReload, &Encapsulation::source, HostAddress{},
             "Source address of the outer header, towards backends of its own family."),
       field("source6", kOptional, kReload, &Encapsulation::source6,
             HostAddress{HostAddress::Family::kV6},
             "Likewise towards IPv6 backends, where `source` is IPv4: for pools with backends of "
             "both."),
       field("variant", kOptional, kReload, &Encapsulation::variant, Whole{0, 1},
             "Of `gue`: 1 puts the packet right behind the UDP header, 0 puts GUE's own four bytes "
             "between."),
       field("port", kOptional, kReload, &Encapsulation::port, Whole{1, 65535},
             "Of `gue`: UDP port that the backends take tunnelled packets on.")});
}

auto nat() {
  return object<Nat>(
      "nat", "",
      {field("sources", kRequired, kReload, &Nat::sources, ListOf<HostAddress>{{}, 1, 256},
             "Addresses of the node that the backends see and answer to."),
       field("ports", kOptional, kReload, &Nat::ports, Pair<Whole>{{1, 65535}},
             "Least and greatest source port; they are divided among the workers."),
       field("client_address", kOptional, kReload, &Nat::client_address,
             Choice<ClientAddress>{{{"none", ClientAddress::kNone},
                                    {"proxy_v2", ClientAddress::kProxyV2},
                                    {"toa", ClientAddress::kToa}}},
             "How a backend learns the client's address: not at all, by a PROXY protocol header of "
             "version 2 before the first data, or by a TCP option in them (kind 254).")});
}

}  // namespace

std::shared_ptr<const Object> pool_object() {
  return object<Pool>(
      "pool", "name",
      {field("name", kRequired, kReload, &Pool::name, form::name(), "Name of the pool."),
       field(
           "forwarding", kOptional, kReload, &Pool::forwarding,
           Choice<Forwarding>{{{"l2dsr", Forwarding::kL2dsr},
                               {"ipip", Forwarding::kIpip},
                               {"gue", Forwarding::kGue},
                               {"nat", Forwarding::kNat}}},
           "How a packet reaches the backend: with its MAC address rewritten, inside an IP tunnel "
           "(RFC 2003, RFC 2473), inside a UDP tunnel (GUE), or with its addresses and ports "
           "rewritten. Answers go straight to the client, but for `nat` through this node."),
       field("policy", kOptional, kReload, &Pool::policy,
             Choice<Policy>{{{"maglev", Policy::kMaglev},
                             {"random", Policy::kRandom},
                             {"round_robin", Policy::kRoundRobin},
                             {"weighted_round_robin", Policy::kWeightedRoundRobin},
                             {"least_connections", Policy::kLeastConnections},
                             {"least_load", Policy::kLeastLoad}}},
             "How a new flow picks its backend; it then keeps it. Only `maglev` picks the same on "
             "every node and after a restart."),
       field("affinity", kOptional, kReload, &Pool::affinity,
             Choice<Affinity>{{{"5tuple", Affinity::kFiveTuple},
                               {"source", Affinity::kSource},
                               {"quic_cid", Affinity::kQuicCid}}},
             "What keeps its backend: a connection, everything from one source address, or a QUIC "
             "connection whatever address its client has."),
       field(
           "table_size", kOptional, kReload, &Pool::table_size,
           Whole{2, std::int64_t{maglev::kLargestSize}},
           "Entries of the Maglev table; a prime number, at least 100 for each backend for shares "
           "within 1 %."),
       field("decrement_ttl", kOptional, kReload, &Pool::decrement_ttl, Flag{},
             "Whether the inner TTL of tunnelled packets goes down by one (RFC 2003)."),
       field("max_load_ratio", kOptional, kReload, &Pool::max_load_ratio, Fractional{0, 100},
             "Most flows that one backend may have, relative to its fair share of the pool's; "
             "further ones go to another. Above 1, or 0: no bound."),
       field("overflow", kOptional, kReload, &Pool::overflow, form::name(),
             "Name of the pool that gets new flows while every backend here has its "
             "`max_connections`."),
       field("slow_start_s", kOptional, kReload, &Pool::slow_start, Whole{0, 3600, "s"},
             "Time in which the weight of a backend that is added or comes back rises to its own; "
             "0: at once."),
       field("drain_timeout_s", kOptional, kReload, &Pool::drain_timeout, Whole{0, 604'800, "s"},
             "Time after which a drained backend keeps none of its flows; 0: they end by "
             "themselves."),
       field("encapsulation", kOptional, kReload, &Pool::encapsulation, Nested{encapsulation()},
             "The tunnel's outer header; required by `ipip` and `gue`."),
       field("nat", kOptional, kReload, &Pool::nat, Nested{nat()},
             "How addresses are translated; required by `nat`."),
       field("classes", kOptional, kReload, &Pool::classes,
             ListOf<Nested>{{backend_class_object()}, 0, 256},
             "Kinds of backends, for capacity and cost. A backend that names none is of the "
             "first."),
       field("backends", kOptional, kReload, &Pool::backends,
             ListOf<Nested>{{backend()}, 0, kMostBackends}, "The servers. Order does not matter."),
       field("health", kOptional, kReload, &Pool::health, Nested{health_object()},
             "Active health checks; absent: backends count as up."),
       field("outlier", kOptional, kReload, &Pool::outlier, Nested{outlier_object()},
             "Passive health checks; absent: traffic takes no backend out."),
       field("panic_threshold", kOptional, kReload, &Pool::panic_threshold, Whole{0, 100, "%"},
             "Share of usable backends below which new flows go to all backends that are not "
             "drained, as if all were up; 0: never."),
       field("min_healthy", kOptional, kReload, &Pool::min_healthy, Whole{0, kMostBackends},
             "Backends that passive checks leave in the pool at least."),
       field("no_backend", kOptional, kReload, &Pool::no_backend,
             Choice<NoBackend>{{{"refuse", NoBackend::kRefuse}, {"drop", NoBackend::kDrop}}},
             "What clients get while no backend takes new flows: a TCP reset or an ICMP error at "
             "once, or silence."),
       field("metrics", kOptional, kReload, &Pool::metrics, Nested{metrics_object()},
             "Where the backends tell their load (Prometheus text); absent: they tell none."),
       field("autoscale", kOptional, kReload, &Pool::autoscale, Nested{autoscale_object()},
             "The autoscaling controller; absent: the pool keeps its size.")});
}

std::shared_ptr<const Object> quic_lb_object() {
  return object<QuicLb>(
      "rotation", "rotation",
      {field("rotation", kRequired, kReload, &QuicLb::rotation, Whole{0, 6},
             "First three bits of the connection ids that are made this way."),
       field("server_id_bytes", kRequired, kReload, &QuicLb::server_id_bytes, Whole{1, 15, "bytes"},
             "Length of the server id."),
       field("nonce_bytes", kRequired, kReload, &QuicLb::nonce_bytes, Whole{4, 18, "bytes"},
             "Length of the nonce; with the server id at most 19 bytes."),
       field("key", kOptional, kReload, &QuicLb::key, form::secret_key(),
             "Key that the server ids are encrypted with; absent: they stand in the clear.")});
}

}  // namespace sluice::config
