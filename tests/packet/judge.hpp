// SPDX-License-Identifier: Apache-2.0
// What the tests of parse_frame() share: a client, a service, and a parse that no read beyond the
// frame survives.
//
// Threads: values.
#pragma once

#include "packet/parse.hpp"
#include "support/dissect.hpp"
#include "support/guarded.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <string>

namespace sluice {

/// For the messages of failed expectations.
inline std::ostream& operator<<(std::ostream& to, Verdict v) { return to << text(v).name; }

}  // namespace sluice

namespace sluice::test {

inline constexpr const char* kClient = "198.51.100.1";
inline constexpr const char* kVip = "203.0.113.10";
inline constexpr const char* kClient6 = "2001:db8:c::1";
inline constexpr const char* kVip6 = "2001:db8:a::10";

inline Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }
inline Packet to_service6() { return Packet().eth().ipv6(kClient6, kVip6); }
/// What a backend's packet to the client looks like, which ICMP errors quote.
inline Packet to_client() { return Packet().eth().ipv4(kVip, kClient); }
inline Packet to_client6() { return Packet().eth().ipv6(kVip6, kClient6); }

struct Judged {
  Verdict verdict;
  Parsed parsed;
};

/// Parses the first `size` bytes of `packet` as the first segment of a packet of `length` bytes.
/// Once behind a guard page, once in a heap block of that very size (for the address sanitizer);
/// the result is written over rubbish, so that a byte left alone shows.
inline Judged judge(const Bytes& packet, std::size_t size, std::size_t length) {
  const auto whole = std::span(packet).first(size);
  Judged guarded;
  std::memset(&guarded.parsed, 0xa5, sizeof guarded.parsed);
  guarded.verdict = parse_frame(Guarded(whole).bytes(), length, guarded.parsed);

  const auto block = std::make_unique<std::byte[]>(size);
  std::ranges::copy(whole, block.get());
  Judged heap;
  std::memset(&heap.parsed, 0x5a, sizeof heap.parsed);
  heap.verdict = parse_frame({block.get(), size}, length, heap.parsed);
  EXPECT_EQ(guarded.verdict, heap.verdict);
  EXPECT_EQ(std::memcmp(&guarded.parsed, &heap.parsed, sizeof(Parsed)), 0)
      << "some of the result was not written";
  return guarded;
}

inline Judged judge(const Bytes& packet) { return judge(packet, packet.size(), packet.size()); }

inline Verdict verdict_of(const Bytes& packet) { return judge(packet).verdict; }

inline std::string source_of(const FlowKey& key) {
  return text(std::as_bytes(std::span(key.source)).first(key.family == 4 ? 4 : 16));
}
inline std::string destination_of(const FlowKey& key) {
  return text(std::as_bytes(std::span(key.destination)).first(key.family == 4 ? 4 : 16));
}
inline unsigned port(std::uint16_t wire) { return Be16::from_wire(wire).to_host(); }

/// A packet one of whose fields contradicts the frame, or all but does.
struct Lie {
  const char* what;
  Bytes packet;
  Verdict verdict;
};
inline std::ostream& operator<<(std::ostream& to, const Lie& lie) { return to << lie.what; }

/// Whatever the verdict, the addresses are there; without kForward nothing else is.
inline void expect_judged(const Lie& lie, unsigned family) {
  const auto [verdict, p] = judge(lie.packet);
  EXPECT_EQ(verdict, lie.verdict) << hex(lie.packet);
  EXPECT_EQ(p.key.family, family);
  EXPECT_EQ(source_of(p.key), family == 4 ? kClient : kClient6);
  EXPECT_EQ(destination_of(p.key), family == 4 ? kVip : kVip6);
  if (verdict == Verdict::kForward) return;
  EXPECT_EQ(p.key.source_port | p.key.destination_port | p.tcp_flags | p.l4_offset, 0);
  EXPECT_EQ(p.kind, Kind::kFlow);
  EXPECT_FALSE(p.fragmented);
  EXPECT_EQ(p.fragment_id, 0U);
}

}  // namespace sluice::test
