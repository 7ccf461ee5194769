// SPDX-License-Identifier: Apache-2.0
#include "dataplane/plain_headers.hpp"

#include "dataplane/admit.hpp"
#include "dataplane/encapsulate.hpp"
#include "packet/parse.hpp"

#include <algorithm>

namespace sluice::dataplane {
namespace {

using wire::load;

alignas(64) constexpr std::array<std::byte, 128> kNoFrame{};
static_assert(kNoFrame.size() >= kPlainBytes6);

constexpr std::uint32_t kDontFragment = std::uint32_t{Be16::from_host(wire::kIpDontFragment).wire()}
                                        << 16;

/// Martians, and a few more.
bool is_odd_source(const FlowKey& key) noexcept {
  const std::uint32_t first = key.source[0] & 0xffU;
  if (key.family == 4) return first == 0 || first == 127 || first >= 224;
  return first == 0xff || (key.source[0] | key.source[1] | key.source[2]) == 0;
}

/// Whether the frame's flow stands where it stands in plain packets; then `key` is its key.
bool take_key(const std::byte* frame, std::uint8_t family, FlowKey& key) noexcept {
  const std::byte* ip = frame + kPlainIp;
  const auto type = load<Be16>(frame + offsetof(wire::Ethernet, type)).to_host();
  const auto first = load<std::uint8_t>(ip);
  key = {};
  key.family = family;
  if (family == 4) {
    if (type != wire::kEtherIpv4 || first != 0x45) return false;
    key.source[0] = load<std::uint32_t>(ip + offsetof(wire::Ipv4, source));
    key.destination[0] = load<std::uint32_t>(ip + offsetof(wire::Ipv4, destination));
    key.protocol = load<std::uint8_t>(ip + offsetof(wire::Ipv4, protocol));
  } else {
    if (type != wire::kEtherIpv6 || first >> 4U != 6) return false;
    std::memcpy(key.source, ip + offsetof(wire::Ipv6, source), 16);
    std::memcpy(key.destination, ip + offsetof(wire::Ipv6, destination), 16);
    key.protocol = load<std::uint8_t>(ip + offsetof(wire::Ipv6, next_header));
  }
  const std::byte* l4 = frame + (family == 4 ? kPlainL4v4 : kPlainL4v6);
  key.source_port = load<std::uint16_t>(l4);
  key.destination_port = load<std::uint16_t>(l4 + 2);
  return key.protocol == wire::kIpProtoTcp || key.protocol == wire::kIpProtoUdp;
}

bool is_plain(const Parsed& p, std::uint8_t family) noexcept {
  const std::uint8_t flags =
      p.tcp_flags & (wire::kTcpFin | wire::kTcpSyn | wire::kTcpRst | wire::kTcpAck);
  return p.kind == Kind::kFlow && !p.fragmented && p.ttl > 1 &&
         p.l4_offset == (family == 4 ? kPlainL4v4 : kPlainL4v6) &&
         (p.key.protocol == wire::kIpProtoUdp || flags == wire::kTcpAck ||
          flags == wire::kTcpSyn) &&
         !is_odd_source(p.key) && !std::ranges::equal(p.key.source, p.key.destination);
}

std::uint32_t aged(const std::byte* frame) noexcept {
  std::array<std::byte, sizeof(wire::Ipv4)> ip;
  std::memcpy(ip.data(), frame + kPlainIp, sizeof ip);
  decrement_ttl(ip.data(), 4);
  return load<std::uint32_t>(ip.data() + offsetof(wire::Ipv4, ttl));
}

void read_plain(const Frames& frames, unsigned count, const HashKey& secret, const Target& like,
                std::uint8_t family, PlainHeaders& out) noexcept {
  out.hashed = out.plain = out.syn = out.udp = out.like = 0;
  for (unsigned i = 0; i < count; ++i) {
    const std::byte* frame = frames.at[i];
    FlowKey key;
    if (!take_key(frame, family, key)) continue;
    const std::uint32_t bit = 1U << i;
    out.hashed |= bit;
    out.hash[i] = flow_hash(key, secret);
    out.tag[i] = flow::Cache::tag_of(out.hash[i]);
    frames.flows->prefetch(out.hash[i]);
    Parsed p;
    const Verdict verdict = parse_frame({frame, frames.length[i]}, frames.length[i], p);
    out.length[i] = p.l3_length;
    out.look[i] = p.tos | (p.dont_fragment ? kDontFragment : 0U);
    out.aged[i] = family == 4 ? aged(frame) : 0;
    if (verdict != Verdict::kForward || !is_plain(p, family)) continue;
    out.plain |= bit;
    if (p.key.protocol == wire::kIpProtoUdp)
      out.udp |= bit;
    else if ((p.tcp_flags & wire::kTcpSyn) != 0)
      out.syn |= bit;
    const Target target{.address = std::to_array(p.key.destination),
                        .port = p.key.destination_port,
                        .protocol = p.key.protocol};
    if (target == like) out.like |= bit;
  }
}

}  // namespace

const std::byte* no_frame() noexcept { return kNoFrame.data(); }

void read_plain_v4(const Frames& frames, unsigned count, const HashKey& secret, const Target& like,
                   PlainHeaders& out) noexcept {
  read_plain(frames, count, secret, like, 4, out);
}

void read_plain_v6(const Frames& frames, unsigned count, const HashKey& secret, const Target& like,
                   PlainHeaders& out) noexcept {
  read_plain(frames, count, secret, like, 6, out);
}

PlainReaders plain_readers() noexcept {
  if (__builtin_cpu_supports("avx2") != 0) return {read_plain_v4_avx2, read_plain_v6_avx2};
  return {read_plain_v4, read_plain_v6};
}

}  // namespace sluice::dataplane
