// SPDX-License-Identifier: Apache-2.0
#include "packet/parse.hpp"

namespace sluice {
namespace {

using wire::load;

/// The ports, once it is known that `payload` bytes of the IPv4 packet follow its header, of which
/// `here` bytes begin at `at`.
Verdict parse_tcp(const std::byte* at, std::size_t payload, std::size_t here,
                  Parsed& out) noexcept {
  if (payload < sizeof(wire::Tcp)) return Verdict::kMalformed;
  if (here < sizeof(wire::Tcp)) return Verdict::kTruncated;
  const auto tcp = load<wire::Tcp>(at);
  const std::size_t header = (tcp.data_offset >> 4U) * 4U;
  if (header < sizeof(wire::Tcp) || header > payload) return Verdict::kMalformed;
  if (header > here) return Verdict::kTruncated;
  out.key.source_port = tcp.source_port.wire();
  out.key.destination_port = tcp.destination_port.wire();
  out.tcp_flags = tcp.flags;
  return Verdict::kForward;
}

Verdict parse_udp(const std::byte* at, std::size_t payload, std::size_t here,
                  Parsed& out) noexcept {
  if (payload < sizeof(wire::Udp)) return Verdict::kMalformed;
  if (here < sizeof(wire::Udp)) return Verdict::kTruncated;
  const auto udp = load<wire::Udp>(at);
  const std::size_t length = udp.length.to_host();
  if (length < sizeof(wire::Udp) || length > payload) return Verdict::kMalformed;
  out.key.source_port = udp.source_port.wire();
  out.key.destination_port = udp.destination_port.wire();
  return Verdict::kForward;
}

constexpr bool is_tag(std::uint16_t type) noexcept {
  return type == wire::kEtherVlan || type == wire::kEtherQinq;
}

}  // namespace

Verdict parse_frame(std::span<const std::byte> frame, std::size_t length, Parsed& out) noexcept {
  out = {};
  std::size_t offset = sizeof(wire::Ethernet);
  if (frame.size() < offset) return Verdict::kTruncated;
  std::uint16_t type = load<wire::Ethernet>(frame.data()).type.to_host();
  for (unsigned tags = 0; tags < kMostVlanTags && is_tag(type); ++tags) {
    if (frame.size() < offset + sizeof(wire::Vlan)) return Verdict::kTruncated;
    type = load<wire::Vlan>(frame.data() + offset).type.to_host();
    offset += sizeof(wire::Vlan);
  }
  if (type != wire::kEtherIpv4) return Verdict::kHost;

  if (frame.size() < offset + sizeof(wire::Ipv4)) return Verdict::kTruncated;
  const auto ip = load<wire::Ipv4>(frame.data() + offset);
  const std::size_t header = (ip.version_length & 0x0fU) * 4U;
  const std::size_t total = ip.total_length.to_host();
  const std::uint16_t fragment = ip.fragment.to_host();
  out.key.source[0] = ip.source.wire();
  out.key.destination[0] = ip.destination.wire();
  out.key.protocol = ip.protocol;
  out.key.family = 4;
  out.l3_offset = static_cast<std::uint16_t>(offset);
  out.l3_length = static_cast<std::uint16_t>(total);
  out.ttl = ip.ttl;
  out.tos = ip.tos;
  out.dont_fragment = (fragment & wire::kIpDontFragment) != 0;

  // Sums on the left, so that nothing wraps whatever `length` a caller gives.
  if (ip.version_length >> 4U != 4 || header < sizeof(wire::Ipv4) || total < header ||
      offset + total > length)
    return Verdict::kMalformed;
  if (offset + header > frame.size()) return Verdict::kTruncated;
  const bool tcp = ip.protocol == wire::kIpProtoTcp;
  if (!tcp && ip.protocol != wire::kIpProtoUdp) return Verdict::kHost;
  if ((fragment & (wire::kIpMoreFragments | wire::kIpOffsetMask)) != 0) return Verdict::kFragment;

  const std::byte* l4 = frame.data() + offset + header;
  const std::size_t here = frame.size() - offset - header;
  return tcp ? parse_tcp(l4, total - header, here, out) : parse_udp(l4, total - header, here, out);
}

}  // namespace sluice
