// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_client_address.hpp"

#include "packet/checksum_delta.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace sluice::dataplane {
namespace {

using flow::NatSession;

constexpr std::uint8_t kToaKind = 254;  // RFC 4727: for experiments; what TOA modules look for
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNothing = 1;
constexpr std::uint8_t kOptionSegmentSize = 2;
constexpr std::uint8_t kOptionSack = 5;
constexpr std::uint16_t kLeastSegment = 64;
constexpr std::size_t kLongestTcpHeader = 60;

// The PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt, section 2.2).
constexpr std::array<std::uint8_t, 12> kProxySignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::uint8_t kProxyCommand = 0x21;  // version 2, PROXY
constexpr std::uint8_t kProxyTcp4 = 0x11;
constexpr std::uint8_t kProxyTcp6 = 0x21;

/// A header or option, built on the stack.
class Insertion {
 public:
  template <class T>
  void put(const T& value) noexcept {
    std::memcpy(bytes_.data() + size_, &value, sizeof value);
    size_ += sizeof value;
  }
  void put(const flow::NatAddress& address, bool v4) noexcept {
    const std::size_t bytes = v4 ? 4 : 16;
    std::memcpy(bytes_.data() + size_, address.data(), bytes);
    size_ += bytes;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  std::array<std::byte, 64> bytes_;
  std::size_t size_ = 0;
};

Insertion insertion_of(const NatSession& s) noexcept {
  const bool v4 = s.family == 4;
  const std::uint16_t bytes = insertion_bytes(s);
  Insertion i;
  if ((s.flags & flow::kNatToa) != 0) {
    i.put(kToaKind);
    i.put(static_cast<std::uint8_t>(bytes));
    i.put(s.port[flow::kNatClient]);
    i.put(s.address(flow::kNatClient), v4);
    return i;
  }
  i.put(kProxySignature);
  i.put(kProxyCommand);
  i.put(v4 ? kProxyTcp4 : kProxyTcp6);
  i.put(Be16::from_host(static_cast<std::uint16_t>(bytes - 16)));
  i.put(s.address(flow::kNatClient), v4);
  i.put(s.address(flow::kNatService), v4);
  i.put(s.port[flow::kNatClient]);
  i.put(s.port[flow::kNatService]);
  return i;
}

std::uint32_t first_byte(const NatSession& s) noexcept { return s.client_isn + 1; }

std::size_t header_bytes(const std::byte* tcp) noexcept {
  return (std::to_integer<std::size_t>(tcp[offsetof(wire::Tcp, data_offset)]) >> 4U) * 4;
}

/// Changes a number that may stand at an odd offset, as those of options do, and the checksum. All
/// words that hold it lie in the header, whose length is even.
template <class Number>
void change(std::byte* tcp, std::size_t at, Number after) noexcept {
  const std::size_t begin = at & ~std::size_t{1};
  const std::size_t end = (at + sizeof after + 1) & ~std::size_t{1};
  std::array<std::byte, sizeof after + 2> before{};
  std::memcpy(before.data(), tcp + begin, end - begin);
  wire::store(tcp + at, after);
  ChecksumDelta delta;
  for (std::size_t i = 0; i < end - begin; i += 2)
    delta.change(wire::load<Be16>(before.data() + i), wire::load<Be16>(tcp + begin + i));
  delta.update(tcp + offsetof(wire::Tcp, checksum));
}

/// Leaves room for what is put into the client's packets.
void lower_segment_size(std::byte* tcp, std::size_t at, std::uint16_t insertion) noexcept {
  const std::uint16_t size = wire::load<Be16>(tcp + at).to_host();
  if (size >= kLeastSegment + insertion)
    change(tcp, at, Be16::from_host(static_cast<std::uint16_t>(size - insertion)));
}

/// Calls f(kind, offset, bytes) for each whole option; offset and bytes are those of its value.
template <class F>
void each_option(const std::byte* tcp, std::size_t end, F&& f) noexcept {
  std::size_t at = sizeof(wire::Tcp);
  while (at < end) {
    const auto kind = std::to_integer<std::uint8_t>(tcp[at]);
    if (kind == kOptionEnd) return;
    if (kind == kOptionNothing) {
      ++at;
      continue;
    }
    if (at + 2 > end) return;
    const auto bytes = std::to_integer<std::size_t>(tcp[at + 1]);
    if (bytes < 2 || at + bytes > end) return;
    f(kind, at + 2, bytes - 2);
    at += bytes;
  }
}

void grow_ip(std::byte* ip, std::uint8_t family, std::uint16_t bytes) noexcept {
  ChecksumDelta delta;
  std::byte* at = ip + (family == 4 ? offsetof(wire::Ipv4, total_length)
                                    : offsetof(wire::Ipv6, payload_length));
  const std::uint16_t before = wire::load<Be16>(at).to_host();
  delta.store(at, Be16::from_host(static_cast<std::uint16_t>(before + bytes)));
  if (family == 4) delta.update(ip + offsetof(wire::Ipv4, checksum));
}

}  // namespace

bool carries_insertion(const NatSession& s, const Parsed& p, const std::byte* tcp) noexcept {
  constexpr std::uint8_t kNever = wire::kTcpSyn | wire::kTcpRst;
  if ((s.flags & (flow::kNatProxy | flow::kNatToa)) == 0 || p.kind != Kind::kFlow || p.fragmented ||
      (p.tcp_flags & kNever) != 0 || (p.tcp_flags & wire::kTcpAck) == 0)
    return false;
  if ((s.flags & flow::kNatProxy) != 0)
    return (s.flags & flow::kNatProxyArrived) == 0 &&
           wire::load<Be32>(tcp + offsetof(wire::Tcp, sequence)).to_host() == first_byte(s);
  return s.state != flow::NatState::kNew &&
         header_bytes(tcp) + insertion_bytes(s) <= kLongestTcpHeader &&
         wire::load<Be32>(tcp + offsetof(wire::Tcp, acknowledgement)).to_host() ==
             s.backend_isn + 1;
}

Verdict insert_client_address(rte_mbuf& packet, Parsed& p, const NatSession& s) noexcept {
  const Insertion insertion = insertion_of(s);
  const auto bytes = static_cast<std::uint16_t>(insertion.bytes().size());
  auto* frame = reinterpret_cast<std::byte*>(rte_pktmbuf_prepend(&packet, bytes));
  if (frame == nullptr) return Verdict::kNoRoom;
  const bool option = (s.flags & flow::kNatToa) != 0;
  const std::size_t header = header_bytes(frame + bytes + p.l4_offset);
  // The option goes before others, where a few kernel modules alone look for it.
  const std::size_t before = p.l4_offset + (option ? sizeof(wire::Tcp) : header);
  std::memmove(frame, frame + bytes, before);
  std::ranges::copy(insertion.bytes(), frame + before);

  std::byte* tcp = frame + p.l4_offset;
  ChecksumDelta delta;
  const auto segment = static_cast<std::uint16_t>(p.l3_offset + p.l3_length - p.l4_offset);
  delta.change(Be16::from_host(segment),
               Be16::from_host(static_cast<std::uint16_t>(segment + bytes)));
  delta.insert(insertion.bytes());
  if (option) {
    std::byte* word = tcp + offsetof(wire::Tcp, data_offset);
    const auto flags = wire::load<Be16>(word).to_host();
    delta.store(word, Be16::from_host(static_cast<std::uint16_t>(flags + (bytes / 4 << 12))));
  }
  delta.update(tcp + offsetof(wire::Tcp, checksum));
  grow_ip(frame + p.l3_offset, s.family, bytes);
  p.l3_length = static_cast<std::uint16_t>(p.l3_length + bytes);
  return Verdict::kForward;
}

void shift_sequence(const NatSession& s, std::byte* tcp) noexcept {
  if ((s.flags & flow::kNatProxy) == 0) return;
  const auto flags = std::to_integer<std::uint8_t>(tcp[offsetof(wire::Tcp, flags)]);
  if ((flags & wire::kTcpSyn) != 0) return;
  const std::uint32_t number = wire::load<Be32>(tcp + offsetof(wire::Tcp, sequence)).to_host();
  // Before the header has arrived nothing is certain to stand behind it but what begins later.
  const bool arrived = (s.flags & flow::kNatProxyArrived) != 0;
  if (!arrived && static_cast<std::int32_t>(number - first_byte(s)) <= 0) return;
  change(tcp, offsetof(wire::Tcp, sequence), Be32::from_host(number + insertion_bytes(s)));
}

std::uint32_t unshifted(const NatSession& s, std::uint32_t number) noexcept {
  if ((s.flags & flow::kNatProxy) == 0) return number;
  const std::uint16_t bytes = insertion_bytes(s);
  const std::uint32_t behind = number - first_byte(s);
  if (behind < bytes) return first_byte(s);  // in the header: none of the client's bytes
  if ((s.flags & flow::kNatProxyArrived) == 0 && static_cast<std::int32_t>(behind) < 0)
    return number;
  return number - bytes;
}

void answer_to_client(NatSession& s, std::byte* tcp, std::size_t bytes) noexcept {
  if ((s.flags & (flow::kNatProxy | flow::kNatToa)) == 0) return;
  const auto flags = std::to_integer<std::uint8_t>(tcp[offsetof(wire::Tcp, flags)]);
  if ((flags & wire::kTcpSyn) != 0) {
    each_option(tcp, bytes, [&](std::uint8_t kind, std::size_t at, std::size_t size) {
      if (kind == kOptionSegmentSize && size == sizeof(Be16))
        lower_segment_size(tcp, at, insertion_bytes(s));
    });
    return;
  }
  if ((s.flags & flow::kNatProxy) == 0 || (flags & wire::kTcpAck) == 0) return;
  const std::uint32_t number =
      wire::load<Be32>(tcp + offsetof(wire::Tcp, acknowledgement)).to_host();
  const auto behind = static_cast<std::int32_t>(number - first_byte(s));
  if (behind >= insertion_bytes(s)) s.flags |= flow::kNatProxyArrived;
  change(tcp, offsetof(wire::Tcp, acknowledgement), Be32::from_host(unshifted(s, number)));
  each_option(tcp, bytes, [&](std::uint8_t kind, std::size_t at, std::size_t size) {
    if (kind != kOptionSack) return;
    for (std::size_t edge = at; edge + sizeof(Be32) <= at + size; edge += sizeof(Be32))
      change(tcp, edge, Be32::from_host(unshifted(s, wire::load<Be32>(tcp + edge).to_host())));
  });
}

}  // namespace sluice::dataplane
