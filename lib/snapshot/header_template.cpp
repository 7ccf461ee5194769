// SPDX-License-Identifier: Apache-2.0
#include "snapshot/header_template.hpp"

namespace sluice::snapshot {
namespace {

wire::Ipv4 outer_header(const IpAddress& source, const IpAddress& destination) {
  wire::Ipv4 outer{};
  outer.version_length = 0x45;
  outer.ttl = kOuterTtl;
  outer.protocol = wire::kIpProtoIpip;
  outer.source = Be32::from_wire(source.words()[0]);
  outer.destination = Be32::from_wire(destination.words()[0]);
  return outer;
}

}  // namespace

Backend make_backend(const PoolInput& pool, std::uint16_t pool_index, const BackendInput& backend) {
  Backend made;
  made.pool = pool_index;
  made.state = backend.takes_new_flows() ? State::kUp : State::kDraining;
  made.forwarding = pool.forwarding;
  made.decrement_ttl = pool.decrement_ttl && pool.forwarding == Forwarding::kIpip;
  if (!backend.hop) return made;

  made.reachable = true;
  made.port = backend.hop->port;
  made.mtu = backend.hop->mtu;
  wire::store(made.header.data(),
              wire::Ethernet{backend.hop->destination.bytes, backend.hop->source.bytes,
                             Be16::from_host(wire::kEtherIpv4)});
  if (pool.forwarding == Forwarding::kIpip) {
    std::byte* outer = made.header.data() + kEthernetBytes;
    wire::store(outer, outer_header(pool.outer_source, backend.address));
    made.outer_sum = fold_checksum(checksum_sum({outer, kOuterBytes}));  // room for carries
  }
  return made;
}

}  // namespace sluice::snapshot
