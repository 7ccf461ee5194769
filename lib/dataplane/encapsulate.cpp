// SPDX-License-Identifier: Apache-2.0
#include "dataplane/encapsulate.hpp"

#include "packet/checksum.hpp"
#include "packet/headers.hpp"
#include "snapshot/header_template.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

using snapshot::kEthernetBytes;
using snapshot::kOuterBytes;

constexpr std::size_t kMacBytes = 12;  // both addresses

void decrement_ttl(std::byte* ip) noexcept {
  // TTL and protocol share a 16-bit word of the header.
  std::byte* word = ip + offsetof(wire::Ipv4, ttl);
  std::byte* sum = ip + offsetof(wire::Ipv4, checksum);
  const auto before = wire::load<Be16>(word);
  const auto after = Be16::from_host(static_cast<std::uint16_t>(before.to_host() - 0x100U));
  wire::store(word, after);
  wire::store(sum, checksum_update(wire::load<Be16>(sum), before, after));
}

// Frames shorter than 60 bytes are padded; behind an outer header the padding would be noise.
void trim_padding(rte_mbuf& packet, std::uint32_t wanted) noexcept {
  if (packet.pkt_len <= wanted) return;
  if (packet.nb_segs == 1) [[likely]] {  // of a capture that was cut, less than pkt_len is here
    packet.data_len = static_cast<std::uint16_t>(std::min<std::uint32_t>(packet.data_len, wanted));
    packet.pkt_len = wanted;
    return;
  }
  const std::uint32_t surplus = packet.pkt_len - wanted;
  if (surplus < rte_pktmbuf_lastseg(&packet)->data_len)
    rte_pktmbuf_trim(&packet, static_cast<std::uint16_t>(surplus));
}

}  // namespace

Verdict redirect(rte_mbuf& packet, const Parsed& parsed, const snapshot::Backend& to) noexcept {
  if (parsed.l3_length > to.mtu) return Verdict::kTooBig;
  std::memcpy(rte_pktmbuf_mtod(&packet, std::byte*), to.header.data(), kMacBytes);
  return Verdict::kForward;
}

Verdict encapsulate(rte_mbuf& packet, const Parsed& parsed, const snapshot::Backend& to) noexcept {
  const std::uint32_t total = parsed.l3_length + std::uint32_t{kOuterBytes};
  if (to.decrement_ttl && parsed.ttl <= 1) return Verdict::kTtlExpired;
  if (total > to.mtu) return Verdict::kTooBig;
  auto* frame = reinterpret_cast<std::byte*>(rte_pktmbuf_prepend(&packet, kOuterBytes));
  if (frame == nullptr) return Verdict::kNoRoom;

  trim_padding(packet, parsed.l3_offset + total);
  if (to.decrement_ttl) decrement_ttl(frame + kOuterBytes + parsed.l3_offset);
  std::byte* outer = frame + parsed.l3_offset;
  if (parsed.l3_offset == kEthernetBytes) [[likely]] {
    std::memcpy(frame, to.header.data(), kEthernetBytes + kOuterBytes);
  } else {
    std::memcpy(frame, to.header.data(), kMacBytes);
    std::memmove(frame + kMacBytes, frame + kOuterBytes + kMacBytes, parsed.l3_offset - kMacBytes);
    std::memcpy(outer, to.header.data() + kEthernetBytes, kOuterBytes);
  }
  snapshot::finish_outer(outer, to.outer_sum, parsed.tos, static_cast<std::uint16_t>(total),
                         parsed.dont_fragment);
  return Verdict::kForward;
}

}  // namespace sluice::dataplane
