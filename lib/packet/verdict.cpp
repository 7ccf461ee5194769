// SPDX-License-Identifier: Apache-2.0
#include "packet/verdict.hpp"

namespace sluice {
namespace {

// In the order of the enumerators.
constexpr std::array<VerdictText, kVerdicts> kTexts{{
    {"forward", ""},
    {"host", ""},
    {"answered_echo", ""},
    {"answered_too_big",
     "Expect a few while senders learn the MTU; where they do not stop, raise the egress port's "
     "`mtu` and that of the network behind it by the encapsulation's bytes, or lower the MSS that "
     "clients use."},
    {"answered_ttl_expired",
     "Expect this of a traceroute through the service; many of them are a routing loop before this "
     "node."},
    {"answered_reset",
     "Expect these when a backend of a NAT pool goes down or is removed: its clients are told at "
     "once that their connections are over, and connect again to another."},
    {"truncated",
     "Capture some on the ingress port: headers are cut off, by a damaged link or sender, or by a "
     "device that splits them over several buffers."},
    {"malformed",
     "Capture some on the ingress port: a version or length field lies, so either a device on the "
     "way damages packets or somebody probes the service."},
    {"martian",
     "Filter sources that cannot be (RFC 6890) at the site's edge: somebody forges them."},
    {"bad_tcp_flags", "Expect this of port scanners; no TCP sends such flags."},
    {"bad_checksum",
     "Look for a damaged link or a sender with broken checksum offload; `protection.bad_checksum` "
     "is what looks at checksums."},
    {"denied",
     "Expect this of the prefixes in the service's `deny`; take the prefix out if it was put there "
     "by mistake."},
    {"packet_rate",
     "Raise the service's `limits.packets_per_second` if this load is wanted, or find its source "
     "with `sluicectl capture`."},
    {"bit_rate",
     "Raise the service's `limits.bits_per_second` if this load is wanted, or find its source with "
     "`sluicectl capture`."},
    {"new_flow_rate",
     "Raise the service's `limits.new_flows_per_second` if this load is wanted; established flows "
     "go on meanwhile."},
    {"source_flow_rate",
     "Raise the service's `limits.source_new_flows_per_second` if one source stands for many "
     "clients, as behind a proxy."},
    {"no_backend",
     "Look at `sluicectl backends`: the pool of the service has no backend that takes new flows, "
     "so bring one up, undrain it or give it a weight."},
    {"backend_full",
     "Add backends, or raise `max_connections` of the backends of this pool: all of them have as "
     "many flows as they may; an `overflow` pool would take the rest."},
    {"no_next_hop",
     "Look at `ip neigh` and `ip route get BACKEND` on this node: the backend does not answer ARP "
     "or neighbour discovery or no route leads to it; without a kernel interface, add it to "
     "`neighbours`."},
    {"ttl_expired",
     "Look for a routing loop or a traceroute through the service: packets arrive with TTL 1 or 0; "
     "if the last hop must not count, set `\"decrement_ttl\": false` in the pool."},
    {"too_big",
     "Raise the egress port's `mtu` and that of the network behind it by the encapsulation's "
     "bytes, or lower the MSS that clients use; senders that were told go on regardless."},
    {"no_room",
     "Give the port's packet buffers more headroom: the device left too little before the packet "
     "for the outer header."},
    {"no_nat_port",
     "Give the pool more addresses in `nat.sources` or a wider `nat.ports`: every source port "
     "towards the backend is taken."},
    {"nat_table_full",
     "Raise `flow_cache.nat_sessions`: the node has as many NAT sessions as it has room for."},
    {"no_nat_session",
     "Expect some after a restart and from backends that answer late; many of them mean that the "
     "NAT timeouts are shorter than the backends' patience."},
    {"hand_over_full",
     "Add workers: the one that owns these sessions takes packets more slowly than the others hand "
     "them over."},
    {"tx_full",
     "Look at the egress link's speed and errors: the device sends more slowly than packets "
     "arrive, so add queues or workers, or spread the load over more nodes."},
    {"no_host_path",
     "Expect this for stray traffic on a port that has no kernel interface; if Linux should get "
     "it, use a device that keeps one, such as net_af_xdp, or set the port's `exception`."},
}};

}  // namespace

const VerdictText& text(Verdict v) noexcept { return kTexts[static_cast<std::size_t>(v)]; }

std::string_view name(Outcome o) noexcept {
  switch (o) {
    case Outcome::kForward:
      return "forward";
    case Outcome::kHost:
      return "host";
    case Outcome::kAnswer:
      return "answer";
    case Outcome::kDrop:
      return "drop";
  }
  return "unknown";
}

}  // namespace sluice
