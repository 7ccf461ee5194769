// SPDX-License-Identifier: Apache-2.0
#include "dataplane/verify.hpp"

#include "dataplane/segment_sum.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>

#include <span>

namespace sluice::dataplane {
namespace {

/// A sum over bytes that hold a right checksum is all ones once folded.
constexpr std::uint16_t kRight = 0xffff;

/// What the device says of checksums. Of a packet that it takes for a tunnel's it may mean those
/// inside.
std::uint64_t word_of(const rte_mbuf& packet) noexcept {
  return (packet.packet_type & RTE_PTYPE_TUNNEL_MASK) == 0 ? packet.ol_flags : 0;
}

bool is_ip_header_right(const rte_mbuf& packet, const std::byte* ip) noexcept {
  const std::uint64_t told = word_of(packet) & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  if (told == RTE_MBUF_F_RX_IP_CKSUM_GOOD) return true;
  if (told == RTE_MBUF_F_RX_IP_CKSUM_BAD) return false;
  const std::size_t length = (wire::load<std::uint8_t>(ip) & 0x0fU) * 4U;
  return fold_checksum(checksum_sum({ip, length})) == kRight;
}

bool is_l4_right(const rte_mbuf& packet, const Parsed& p) noexcept {
  const auto* frame = rte_pktmbuf_mtod(&packet, const std::byte*);
  if (p.key.protocol == wire::kIpProtoUdp &&
      wire::load<std::uint16_t>(frame + p.l4_offset + offsetof(wire::Udp, checksum)) == 0)
    return p.key.family == 4;  // some devices call that bad, others good
  const std::uint64_t told = word_of(packet) & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (told == RTE_MBUF_F_RX_L4_CKSUM_GOOD) return true;
  if (told == RTE_MBUF_F_RX_L4_CKSUM_BAD) return false;
  // UDP says itself how much of the packet it is.
  const auto length =
      p.key.protocol == wire::kIpProtoUdp
          ? wire::load<Be16>(frame + p.l4_offset + offsetof(wire::Udp, length)).to_host()
          : static_cast<std::uint16_t>(p.l3_offset + p.l3_length - p.l4_offset);
  const std::uint64_t sum = segment_sum(packet, p.l4_offset, length) +
                            checksum_sum(std::as_bytes(std::span(p.key.source))) +
                            checksum_sum(std::as_bytes(std::span(p.key.destination))) +
                            Be16::from_host(p.key.protocol).wire() + Be16::from_host(length).wire();
  return fold_checksum(sum) == kRight;
}

}  // namespace

bool has_right_checksums(const rte_mbuf& packet, const Parsed& parsed) noexcept {
  const auto* ip = rte_pktmbuf_mtod(&packet, const std::byte*) + parsed.l3_offset;
  if (parsed.key.family == 4 && !is_ip_header_right(packet, ip)) return false;
  return parsed.fragmented || parsed.kind != Kind::kFlow || is_l4_right(packet, parsed);
}

}  // namespace sluice::dataplane
