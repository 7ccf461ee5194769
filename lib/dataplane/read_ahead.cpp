// SPDX-License-Identifier: Apache-2.0
#include "dataplane/read_ahead.hpp"

#include "packet/headers.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {
namespace {

using wire::load;

constexpr std::size_t kLanes = 8;  // frames that are read at a time

bool is_v6(const std::byte* frame) noexcept {
  return load<Be16>(frame + offsetof(wire::Ethernet, type)) == Be16::from_host(wire::kEtherIpv6);
}

/// Shorter than what is read, or in several segments, or cut off: not plain.
[[gnu::noinline]] void drop_frames(const Burst& b, std::size_t least, Frames& frames) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i)
    if (b.packet[i]->data_len < least || b.packet[i]->data_len != b.packet[i]->pkt_len)
      frames.at[i] = no_frame();
}

/// The device has just written the buffers' heads, but this core has not seen the frames.
void take_frames(Burst& b, const flow::Cache& flows) noexcept {
  PlainBurst& p = b.plain;
  std::uint32_t differing = 0;
  std::uint32_t shortest = ~std::uint32_t{0};
  const std::size_t size = b.size;
  for (std::size_t i = 0; i < size; ++i) {
    const rte_mbuf& m = *b.packet[i];
    const auto* frame = rte_pktmbuf_mtod(&m, const std::byte*);
    rte_prefetch0(frame);
    p.frames.at[i] = frame;
    b.length[i] = m.pkt_len;
    const std::uint32_t here = m.data_len;
    differing |= m.pkt_len ^ here;
    shortest = std::min(shortest, here);
  }
  for (std::size_t i = size; i % kLanes != 0; ++i) p.frames.at[i] = no_frame();
  p.frames.length = b.length.data();
  p.frames.flows = &flows;
  if (differing != 0 || shortest < kPlainBytes4) [[unlikely]]
    drop_frames(b, kPlainBytes4, p.frames);
}

[[gnu::noinline]] void read_other_family(Burst& b, const HashKey& secret,
                                         const PlainReaders& readers) noexcept {
  PlainBurst& p = b.plain;
  std::uint32_t others = 0;
  each_bit(p.all & ~p.headers.hashed, [&](std::uint16_t i) {
    if (is_v6(p.frames.at[i]) != p.first_v6) others |= bit_of(i);
  });
  if (others == 0) return;
  PlainHeaders other;
  Frames frames = p.frames;
  if (!p.first_v6) drop_frames(b, kPlainBytes6, frames);
  (p.first_v6 ? readers.v4 : readers.v6)(frames, b.size, secret, p.like, other);
  if (!p.first_v6) p.v6 = other.hashed;
  p.headers.hashed |= other.hashed;
  p.headers.plain |= other.plain;
  p.headers.syn |= other.syn;
  p.headers.udp |= other.udp;
  each_bit(other.hashed, [&](std::uint16_t i) {
    p.headers.hash[i] = other.hash[i];
    p.headers.tag[i] = other.tag[i];
    p.headers.length[i] = other.length[i];
    p.headers.look[i] = other.look[i];
    p.headers.aged[i] = other.aged[i];
  });
}

/// By the reader of the first packet's family, which mostly is that of all.
void read_headers(Burst& b, const HashKey& secret, const PlainReaders& readers) noexcept {
  PlainBurst& p = b.plain;
  p.first_v6 = is_v6(p.frames.at[0]);
  if (p.first_v6) {
    std::uint32_t shortest = ~std::uint32_t{0};
    for (std::size_t i = 0; i < b.size; ++i) shortest = std::min(shortest, b.length[i]);
    Frames frames = p.frames;
    if (shortest < kPlainBytes6) drop_frames(b, kPlainBytes6, frames);
    p.like = target_of(frames.at[0], false);
    readers.v6(frames, b.size, secret, p.like, p.headers);
    p.v6 = p.headers.hashed;
  } else {
    p.like = target_of(p.frames.at[0], true);
    readers.v4(p.frames, b.size, secret, p.like, p.headers);
  }
  if (p.headers.hashed != p.all) [[unlikely]]
    read_other_family(b, secret, readers);
}

}  // namespace

void read_plain(Burst& b, const HashKey& secret, const flow::Cache& flows,
                const PlainReaders& readers) noexcept {
  b.plain.all = static_cast<std::uint32_t>((std::uint64_t{1} << b.size) - 1);
  b.plain.v6 = 0;
  take_frames(b, flows);
  read_headers(b, secret, readers);
  b.read = false;
}

void read_ahead(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept {
  // Checksums are the stages' business, and so is what other workers have handed over.
  if (b.size == 0 || now.verify_checksums || b.taken) return;
  read_plain(b, now.hash_key, state.flows, state.readers);
  b.read = true;
}

bool may_change_flows(const std::byte* frame, std::size_t length) noexcept {
  if (length < kPlainIp + sizeof(wire::Ipv4)) return false;
  const auto type = load<Be16>(frame + offsetof(wire::Ethernet, type)).to_host();
  if (type == wire::kEtherVlan || type == wire::kEtherQinq || type == wire::kEtherIpv6) return true;
  if (type != wire::kEtherIpv4) return false;
  const auto protocol = load<std::uint8_t>(frame + kPlainIp + offsetof(wire::Ipv4, protocol));
  return protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp;
}

}  // namespace sluice::dataplane
