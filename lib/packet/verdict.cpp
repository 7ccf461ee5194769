// SPDX-License-Identifier: Apache-2.0
#include "packet/verdict.hpp"

namespace sluice {
namespace {

// In the order of the enumerators.
constexpr std::array<VerdictText, kVerdicts> kTexts{{
    {"forward", ""},
    {"host", ""},
    {"truncated",
     "Capture some on the ingress port: headers are cut off, by a damaged link or sender, or by a "
     "device that splits them over several buffers."},
    {"malformed",
     "Capture some on the ingress port: a version or length field lies, so either a device on the "
     "way damages packets or somebody probes the service."},
    {"fragment",
     "Find out why clients fragment: lower the MTU or MSS on their path to the service, or let "
     "path "
     "MTU discovery's ICMP messages through."},
    {"no_backend",
     "Look at `sluicectl backends`: the pool of the service has no backend that takes new flows, "
     "so "
     "bring one up, undrain it or give it a weight."},
    {"no_next_hop",
     "Look at `ip neigh` and `ip route get BACKEND` on this node: the backend does not answer ARP "
     "or "
     "no route leads to it; without a kernel interface, add it to `neighbours`."},
    {"ttl_expired",
     "Look for a routing loop or a traceroute through the service: packets arrive with TTL 1 or 0; "
     "if the last hop must not count, set `\"decrement_ttl\": false` in the pool."},
    {"too_big",
     "Raise the egress port's `mtu` and that of the network behind it by the encapsulation's 20 "
     "bytes, or lower the MSS that clients use."},
    {"no_room",
     "Give the port's packet buffers more headroom: the device left too little before the packet "
     "for "
     "the outer header."},
    {"tx_full",
     "Look at the egress link's speed and errors: the device sends more slowly than packets "
     "arrive, "
     "so add queues or workers, or spread the load over more nodes."},
    {"no_host_path",
     "Expect this for stray traffic on a port that has no kernel interface; if Linux should get "
     "it, "
     "use a device that keeps one, such as net_af_xdp."},
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
