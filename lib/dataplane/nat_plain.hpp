// SPDX-License-Identifier: Apache-2.0
// A NAT session and a plain packet (plain_headers.hpp): its key and hash, whether it is of the
// session, and its bytes once translated. All by words that stand side by side in both.
//
// Threads: called by the worker that owns packet and session.
#pragma once

#include "dataplane/plain_headers.hpp"
#include "flow/nat_session.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::dataplane {

/// Where TCP or UDP begins.
template <bool kV4>
inline constexpr std::size_t kPlainL4 = kV4 ? kPlainL4v4 : kPlainL4v6;

/// The key of a plain packet.
template <bool kV4>
[[gnu::always_inline, nodiscard]] inline FlowKey plain_key(const std::byte* frame) noexcept {
  const std::byte* ip = frame + kPlainIp;
  FlowKey key{};
  if constexpr (kV4) {
    key.source[0] = wire::load<std::uint32_t>(ip + offsetof(wire::Ipv4, source));
    key.destination[0] = wire::load<std::uint32_t>(ip + offsetof(wire::Ipv4, destination));
    key.protocol = wire::load<std::uint8_t>(ip + offsetof(wire::Ipv4, protocol));
  } else {
    std::memcpy(key.source, ip + offsetof(wire::Ipv6, source), sizeof key.source);
    std::memcpy(key.destination, ip + offsetof(wire::Ipv6, destination), sizeof key.destination);
    key.protocol = wire::load<std::uint8_t>(ip + offsetof(wire::Ipv6, next_header));
  }
  key.source_port = wire::load<std::uint16_t>(frame + kPlainL4<kV4>);
  key.destination_port = wire::load<std::uint16_t>(frame + kPlainL4<kV4> + 2);
  key.family = kV4 ? 4 : 6;
  return key;
}

namespace detail {

/// Word of a session as it stands in memory: ends lie in pairs, in a packet's order.
template <class Word>
[[gnu::always_inline]] inline Word word_of(const void* field) noexcept {
  Word word;
  std::memcpy(&word, field, sizeof word);
  return word;
}

[[gnu::always_inline]] inline std::uint64_t sum_of(std::uint64_t words) noexcept {
  return static_cast<std::uint32_t>(words) + (words >> 32);
}

}  // namespace detail

/// NatSession::matches() of a plain packet's key.
template <bool kV4>
[[gnu::always_inline, nodiscard]] inline bool is_of(const flow::NatSession& s, flow::NatSide side,
                                                    const std::byte* frame) noexcept {
  using detail::word_of;
  const unsigned from = side == flow::NatSide::kClient ? flow::kNatClient : flow::kNatBackend;
  const std::byte* ip = frame + kPlainIp;
  const std::size_t protocol =
      kV4 ? offsetof(wire::Ipv4, protocol) : offsetof(wire::Ipv6, next_header);
  const bool same =
      wire::load<std::uint32_t>(frame + kPlainL4<kV4>) == word_of<std::uint32_t>(&s.port[from]) &&
      s.protocol == wire::load<std::uint8_t>(ip + protocol) && s.family == (kV4 ? 4 : 6);
  if constexpr (kV4) {
    return same && wire::load<std::uint64_t>(ip + offsetof(wire::Ipv4, source)) ==
                       word_of<std::uint64_t>(&s.word0[from]);
  } else {
    std::uint64_t differing = 0;
    for (unsigned end = 0; end < 2; ++end) {
      const std::byte* address = ip + offsetof(wire::Ipv6, source) + std::size_t{16} * end;
      const auto& rest = s.rest[from + end];
      differing |= wire::load<std::uint32_t>(address) ^ s.word0[from + end];
      differing |= wire::load<std::uint64_t>(address + 4) ^ word_of<std::uint64_t>(rest.data());
      differing |= wire::load<std::uint32_t>(address + 12) ^ rest[2];
    }
    return same && differing == 0;
  }
}

/// Gives a plain packet of `from` its new ends, to the byte what set_ends() makes of it, and where
/// `decrement` says so what decrement_ttl() does.
/// @param aged  PlainHeaders::aged of it.
/// Cost: 40 instructions, IPv6 60.
template <bool kV4>
[[gnu::always_inline]] inline void translate_plain(std::byte* frame, const flow::NatSession& s,
                                                   flow::NatSide from, bool decrement,
                                                   std::uint32_t aged) noexcept {
  using detail::sum_of;
  using detail::word_of;
  // The other side's ends, which stand there as they would in packets to this node.
  const unsigned to = from == flow::NatSide::kClient ? flow::kNatBackend : flow::kNatClient;
  std::byte* ip = frame + kPlainIp;
  std::byte* l4 = frame + kPlainL4<kV4>;
  std::uint64_t change = 0;  // of the addresses, in words of any size: RFC 1071, section 2
  if constexpr (kV4) {
    std::byte* ends = ip + offsetof(wire::Ipv4, source);
    const auto after = std::rotl(word_of<std::uint64_t>(&s.word0[to]), 32);
    change = sum_of(~wire::load<std::uint64_t>(ends)) + sum_of(after);
    wire::store(ends, after);
    std::byte* life = ip + offsetof(wire::Ipv4, ttl);  // TTL, protocol, checksum
    const std::uint32_t now = decrement ? aged : wire::load<std::uint32_t>(life);
    const std::uint16_t sum = static_cast<std::uint16_t>(~fold_checksum((~now >> 16) + change));
    wire::store(life, (now & 0xffffU) | std::uint32_t{sum} << 16);
  } else {
    std::byte* ends = ip + offsetof(wire::Ipv6, source);
    for (unsigned end = 0; end < 2; ++end) {
      const auto& rest = s.rest[to + 1 - end];
      std::byte* at = ends + std::size_t{16} * end;
      change += sum_of(~wire::load<std::uint64_t>(at)) + sum_of(~wire::load<std::uint64_t>(at + 8));
      const auto low = word_of<std::uint64_t>(rest.data());
      change += std::uint64_t{s.word0[to + 1 - end]} + sum_of(low) + rest[2];
      wire::store(at, s.word0[to + 1 - end]);
      wire::store(at + 4, low);
      wire::store(at + 12, rest[2]);
    }
    if (decrement) {
      std::byte* limit = ip + offsetof(wire::Ipv6, hop_limit);
      *limit = static_cast<std::byte>(std::to_integer<unsigned>(*limit) - 1U);
    }
  }
  const auto ports = std::rotl(word_of<std::uint32_t>(&s.port[to]), 16);
  change += static_cast<std::uint32_t>(~wire::load<std::uint32_t>(l4));
  change += ports;
  wire::store(l4, ports);
  const bool udp = s.protocol == wire::kIpProtoUdp;
  std::byte* at = l4 + (udp ? offsetof(wire::Udp, checksum) : offsetof(wire::Tcp, checksum));
  const auto before = wire::load<std::uint16_t>(at);
  if (udp && before == 0) return;  // it has none
  auto after =
      static_cast<std::uint16_t>(~fold_checksum(static_cast<std::uint16_t>(~before) + change));
  if (udp && after == 0) after = 0xffff;
  wire::store(at, after);
}

/// The way back to the sender of a plain packet is the session's.
[[nodiscard]] inline bool is_path(const flow::NatPath& path, const std::byte* frame,
                                  std::uint16_t port) noexcept {
  using detail::word_of;
  static_assert(offsetof(flow::NatPath, client_mac) == 0 && offsetof(flow::NatPath, own_mac) == 6);
  constexpr std::uint64_t kSix = 0xffff'ffff'ffff;
  const auto* macs = reinterpret_cast<const std::byte*>(&path);  // the client's, then the node's
  const bool same =
      (wire::load<std::uint64_t>(frame) & kSix) == word_of<std::uint64_t>(macs + 4) >> 16 &&
      wire::load<std::uint64_t>(frame + 4) >> 16 == (word_of<std::uint64_t>(macs) & kSix);
  return same && path.tags == 0 && path.port == port;
}

/// Bytes of a TCP header with its options.
[[nodiscard]] inline std::size_t tcp_header_bytes(const std::byte* tcp) noexcept {
  return (std::to_integer<std::size_t>(tcp[offsetof(wire::Tcp, data_offset)]) >> 4U) * 4;
}

/// Whether a plain TCP packet has a payload. @param length  PlainHeaders::length of it.
template <bool kV4>
[[nodiscard]] bool carries_data(const std::byte* frame, std::uint32_t length) noexcept {
  return kPlainL4<kV4> - kPlainIp + tcp_header_bytes(frame + kPlainL4<kV4>) < length;
}

/// The number that a TCP packet acknowledges, in host order.
[[nodiscard]] inline std::uint32_t acknowledgement(const std::byte* tcp) noexcept {
  return wire::load<Be32>(tcp + offsetof(wire::Tcp, acknowledgement)).to_host();
}

/// Whether a client's packet may be one that its address is put into.
[[nodiscard]] inline bool may_insert(const flow::NatSession& s, const std::byte* tcp) noexcept {
  if ((s.flags & flow::kNatProxy) != 0) return (s.flags & flow::kNatProxyArrived) == 0;
  return acknowledgement(tcp) == s.backend_isn + 1;
}

}  // namespace sluice::dataplane
