// SPDX-License-Identifier: Apache-2.0
#include "dataplane/encapsulate.hpp"

#include "dataplane/outer_header.hpp"
#include "dataplane/segment_sum.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

// Frames shorter than 60 bytes are padded; behind an outer header the padding would be noise.
void trim_padding(rte_mbuf& packet, std::uint32_t wanted) noexcept {
  if (packet.pkt_len <= wanted) return;
  if (packet.nb_segs == 1) [[likely]] {  // of a capture that was cut, less than pkt_len is here
    packet.data_len = static_cast<std::uint16_t>(std::min<std::uint32_t>(packet.data_len, wanted));
    packet.pkt_len = wanted;
    return;
  }
  rte_mbuf* last = &packet;
  std::uint32_t left = wanted;
  std::uint16_t segments = 1;
  for (; left > last->data_len && last->next != nullptr; last = last->next, ++segments)
    left -= last->data_len;
  last->data_len = static_cast<std::uint16_t>(std::min<std::uint32_t>(last->data_len, left));
  rte_pktmbuf_free(last->next);
  last->next = nullptr;
  packet.nb_segs = segments;
  packet.pkt_len = wanted;
}

}  // namespace

void decrement_ttl(std::byte* ip, std::uint8_t family) noexcept {
  if (family != 4) {
    std::byte* limit = ip + offsetof(wire::Ipv6, hop_limit);
    *limit = static_cast<std::byte>(std::to_integer<unsigned>(*limit) - 1U);
    return;
  }
  // TTL and protocol share a 16-bit word of the header.
  std::byte* word = ip + offsetof(wire::Ipv4, ttl);
  std::byte* sum = ip + offsetof(wire::Ipv4, checksum);
  const auto before = wire::load<Be16>(word);
  const auto after = Be16::from_host(static_cast<std::uint16_t>(before.to_host() - 0x100U));
  wire::store(word, after);
  wire::store(sum, checksum_update(wire::load<Be16>(sum), before, after));
}

void leave_checksum(rte_mbuf& packet, std::byte* udp, std::uint16_t template_sum,
                    std::size_t l3_offset, bool v4) noexcept {
  const auto length = wire::load<Be16>(udp + offsetof(wire::Udp, length));
  const auto port = wire::load<Be16>(udp + offsetof(wire::Udp, destination_port));
  // The template's sum has the destination port besides.
  const std::uint16_t without = static_cast<std::uint16_t>(~port.wire());
  wire::store(udp + offsetof(wire::Udp, checksum),
              fold_checksum(std::uint32_t{template_sum} + without + length.wire()));
  packet.ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  packet.tx_offload = rte_mbuf_tx_offload(l3_offset, v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6),
                                          sizeof(wire::Udp), 0, 0, 0, 0);
  // Drivers that do it in software (net_vhost) look there before they write 0 as ones.
  packet.packet_type = RTE_PTYPE_L4_UDP;
}

Verdict redirect(rte_mbuf& packet, const Parsed& parsed, const snapshot::Backend& to) noexcept {
  if (parsed.l3_length > to.mtu) return Verdict::kTooBig;
  std::memcpy(rte_pktmbuf_mtod(&packet, std::byte*), to.header.data(), kMacBytes);
  return Verdict::kForward;
}

Verdict encapsulate(rte_mbuf& packet, const Parsed& parsed, const snapshot::Backend& to,
                    std::uint64_t hash, bool device_sums) noexcept {
  const std::uint32_t total = parsed.l3_length + std::uint32_t{to.overhead};
  if (to.decrement_ttl && parsed.ttl <= 1) return Verdict::kTtlExpired;
  if (total > to.mtu) return Verdict::kTooBig;
  auto* frame = reinterpret_cast<std::byte*>(rte_pktmbuf_prepend(&packet, to.overhead));
  if (frame == nullptr) return Verdict::kNoRoom;

  trim_padding(packet, parsed.l3_offset + total);
  if (to.decrement_ttl) decrement_ttl(frame + to.overhead + parsed.l3_offset, parsed.key.family);
  const bool gue = to.forwarding == snapshot::Forwarding::kGue;
  // Some drivers lose a carry where a segment ends at an odd byte.
  const bool leave = device_sums && packet.nb_segs == 1;
  const InnerPacket inner{
      .l3_offset = parsed.l3_offset,
      .length = parsed.l3_length,
      .tos = parsed.tos,
      .fragment = Be16::from_host(parsed.dont_fragment ? wire::kIpDontFragment : std::uint16_t{0}),
      .v4 = parsed.key.family == 4,
      .hash = hash,
      .sum = gue && !leave ? segment_sum(packet, parsed.l3_offset + std::size_t{to.overhead},
                                         parsed.l3_length)
                           : 0};
  if (to.outer_family == 4) {
    if (gue)
      write_outer<true, true>(packet, frame, inner, to, to.overhead, leave);
    else
      write_outer<true, false>(packet, frame, inner, to, to.overhead, leave);
  } else {
    if (gue)
      write_outer<false, true>(packet, frame, inner, to, to.overhead, leave);
    else
      write_outer<false, false>(packet, frame, inner, to, to.overhead, leave);
  }
  return Verdict::kForward;
}

void finish_checksum(rte_mbuf& packet) noexcept {
  if ((packet.ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_UDP_CKSUM) return;
  packet.ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
  const auto at = static_cast<std::uint32_t>(packet.l2_len + packet.l3_len);
  auto* udp = rte_pktmbuf_mtod_offset(&packet, std::byte*, at);
  const std::uint16_t length = wire::load<Be16>(udp + offsetof(wire::Udp, length)).to_host();
  // The pseudo header's sum stands in the packet already.
  const auto check = static_cast<std::uint16_t>(~fold_checksum(segment_sum(packet, at, length)));
  wire::store(udp + offsetof(wire::Udp, checksum), check == 0 ? std::uint16_t{0xffff} : check);
}

}  // namespace sluice::dataplane
