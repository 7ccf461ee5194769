// SPDX-License-Identifier: Apache-2.0
// Reading plain headers: eight at a time finds what one by one does, in any frame.
#include "dataplane/plain_headers.hpp"

#include "packet/parse.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;

constexpr const char* kSite = "203.0.113.10";
constexpr const char* kSite6 = "2001:db8::10";
constexpr std::size_t kRoom = 128;

// Built once: some tests want a million of them.
const Bytes& plain_v4() {
  static const Bytes frame =
      Packet().eth().ipv4("198.51.100.1", kSite).tos(0x2e).df().tcp(40000, 443).payload(20);
  return frame;
}
const Bytes& plain_v6() {
  static const Bytes frame =
      Packet().eth().ipv6("2001:db8::1", kSite6).tos(0xb8).udp(40000, 443).payload(20);
  return frame;
}

Target target_of(std::uint8_t family) {
  Parsed p;
  const Bytes frame = family == 4 ? plain_v4() : plain_v6();
  EXPECT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
  return {std::to_array(p.key.destination), p.key.destination_port, p.key.protocol};
}
const Target& target(std::uint8_t family) {
  static const Target v4 = target_of(4);
  static const Target v6 = target_of(6);
  return family == 4 ? v4 : v6;
}

/// A burst of frames in memory of their own, each with room behind it for what is read.
struct Memory {
  explicit Memory(const std::vector<Bytes>& packets) : count(packets.size()) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      const bool there = i < packets.size() && packets[i].size() <= kRoom;
      rooms[i].fill(std::byte{0xa5});
      if (there) std::ranges::copy(packets[i], rooms[i].begin());
      frames.at[i] = there ? rooms[i].data() : no_frame();
      length[i] = there ? static_cast<std::uint32_t>(packets[i].size()) : 0;
    }
    frames.length = length.data();
    frames.flows = &flows;
  }
  std::size_t count;
  std::array<std::array<std::byte, kRoom>, kBurst> rooms;
  std::array<std::uint32_t, kBurst> length;
  std::array<flow::Line, 2> lines{};
  flow::Cache flows{lines};
  Frames frames;
};

PlainHeaders read(ReadPlain by, const Memory& memory, std::uint8_t family) {
  PlainHeaders out;
  by(memory.frames, static_cast<unsigned>(memory.count), default_hash_key(), target(family), out);
  return out;
}

void expect_same(const PlainHeaders& a, const PlainHeaders& b) {
  EXPECT_EQ(a.hashed, b.hashed);
  EXPECT_EQ(a.plain, b.plain);
  EXPECT_EQ(a.syn, b.syn);
  EXPECT_EQ(a.udp, b.udp);
  EXPECT_EQ(a.like, b.like);
  for (std::uint32_t rest = a.hashed & b.hashed; rest != 0; rest &= rest - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(rest));
    EXPECT_EQ(a.hash[i], b.hash[i]) << i;
    EXPECT_EQ(a.tag[i], flow::Cache::tag_of(a.hash[i])) << i;
    EXPECT_EQ(b.tag[i], a.tag[i]) << i;
    if ((a.plain >> i & 1U) == 0) continue;
    EXPECT_EQ(a.length[i], b.length[i]) << i;
    EXPECT_EQ(a.look[i], b.look[i]) << i;
    EXPECT_EQ(a.aged[i], b.aged[i]) << i;
  }
}

/// What is found of one frame.
PlainHeaders of(const Bytes& frame, std::uint8_t family = 4) {
  return read(family == 4 ? read_plain_v4 : read_plain_v6, Memory({frame}), family);
}

TEST(PlainHeaders, TellWhatTheSendingNeeds) {
  const Bytes frame = plain_v4();
  const PlainHeaders found = of(frame);
  Parsed p;
  ASSERT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
  EXPECT_EQ(found.hashed, 1U);
  EXPECT_EQ(found.plain, 1U);
  EXPECT_EQ(found.like, 1U);
  EXPECT_EQ(found.syn | found.udp, 0U);
  EXPECT_EQ(found.hash[0], flow_hash(p.key, default_hash_key()));
  EXPECT_EQ(found.length[0], 60U);
  EXPECT_EQ(found.look[0], 0x2eU | 0x40U << 16);
}

TEST(PlainHeaders, ASynAndADatagramAreToldApart) {
  EXPECT_EQ(of(Packet().eth().ipv4("198.51.100.1", kSite).tcp(1, 443, wire::kTcpSyn)).syn, 1U);
  EXPECT_EQ(of(Packet().eth().ipv4("198.51.100.1", kSite).udp(1, 443).payload(9)).udp, 1U);
  EXPECT_EQ(of(plain_v6(), 6).udp, 1U);
}

TEST(PlainHeaders, WhatTheStagesMustSeeIsNotPlain) {
  const auto from = [](const char* source) { return Packet().eth().ipv4(source, kSite); };
  const auto good = [&] { return from("198.51.100.1"); };
  const std::pair<const char*, Bytes> kOdd[] = {
      {"FIN", good().tcp(1, 443, wire::kTcpFin | wire::kTcpAck)},
      {"RST", good().tcp(1, 443, wire::kTcpRst)},
      {"SYN-ACK", good().tcp(1, 443, wire::kTcpSyn | wire::kTcpAck)},
      {"no flags", good().tcp(1, 443, 0)},
      {"TTL", good().ttl(1).tcp(1, 443)},
      {"a first fragment", good().fragment(0, true).tcp(1, 443)},
      {"a later fragment", good().fragment(9, false).tcp(1, 443)},
      {"options", good().options(1).tcp(1, 443)},
      {"a tag", Packet().eth().vlan(7).ipv4("198.51.100.1", kSite).tcp(1, 443)},
      {"another protocol", good().icmp_echo(1, 1)},
      {"a length beyond the frame", good().total_length(200).tcp(1, 443)},
      {"a TCP header beyond the packet", good().tcp(1, 443).data_offset(6)},
      {"a TCP header too short", good().tcp(1, 443).data_offset(4)},
      {"a UDP length beyond the packet", good().udp(1, 443).payload(9).udp_length(18)},
      {"a UDP length too short", good().udp(1, 443).payload(9).udp_length(7)},
      {"source 0", from("0.1.2.3").tcp(1, 443)},
      {"loopback", from("127.0.0.1").tcp(1, 443)},
      {"multicast", from("224.0.0.1").tcp(1, 443)},
      {"broadcast", from("255.255.255.255").tcp(1, 443)},
      {"source is destination", from(kSite).tcp(1, 443)}};
  for (const auto& [what, frame] : kOdd) EXPECT_EQ(of(frame).plain, 0U) << what;
  EXPECT_EQ(of(plain_v4(), 6).hashed, 0U);
  EXPECT_EQ(of(plain_v6(), 4).hashed, 0U);
}

class EightAtATime : public testing::TestWithParam<std::uint8_t> {
 protected:
  void SetUp() override {
    if (__builtin_cpu_supports("avx2") == 0) GTEST_SKIP() << "this CPU has no AVX2";
  }
  void expect_twins(const Memory& memory) const {
    const bool v4 = GetParam() == 4;
    expect_same(read(v4 ? read_plain_v4 : read_plain_v6, memory, GetParam()),
                read(v4 ? read_plain_v4_avx2 : read_plain_v6_avx2, memory, GetParam()));
  }
};

TEST_P(EightAtATime, FindsTheSameInFramesWithAnyByteChanged) {
  std::mt19937 random(7);
  const auto pick = [&](std::size_t below) { return std::size_t{random() % below}; };
  const Bytes datagram = Packet().eth().ipv4("192.0.2.7", kSite).udp(7, 443).payload(30);
  const Bytes segment = Packet().eth().ipv6("2001:db8::7", kSite6).tcp(7, 443).payload(3);
  std::size_t plain = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Bytes> packets;
    const std::size_t count = 1 + pick(kBurst);
    for (std::size_t i = 0; i < count; ++i) {
      Bytes frame = pick(16) == 0 ? plain_v6() : plain_v4();
      if (GetParam() == 6) frame = pick(16) == 0 ? plain_v4() : plain_v6();
      if (pick(4) == 0) frame = GetParam() == 4 ? datagram : segment;
      // Addresses and ports at random, so that all of the hash is seen; and up to two bytes of the
      // headers before them, mostly of those where a single bit decides.
      for (std::size_t at = GetParam() == 4 ? 26 : 23; at < (GetParam() == 4 ? 38U : 58U); ++at)
        if (pick(3) == 0) frame[at] = static_cast<std::byte>(pick(256));
      for (std::size_t changes = pick(3); changes != 0; --changes)
        frame[12 + pick(frame.size() - 12)] =
            static_cast<std::byte>(pick(2) == 0 ? pick(256) : std::size_t{1} << pick(8));
      if (pick(8) == 0) frame.resize(std::min(kRoom, frame.size() + pick(8)));
      packets.push_back(std::move(frame));
    }
    const Memory memory(packets);
    expect_twins(memory);
    plain += static_cast<std::size_t>(std::popcount(
        read(GetParam() == 4 ? read_plain_v4 : read_plain_v6, memory, GetParam()).plain));
    if (HasFailure()) return;
  }
  EXPECT_GT(plain, 50'000U);  // it is of plain packets that most must be said
}

TEST_P(EightAtATime, FindsTheSameForEveryByteOfEachField) {
  for (std::size_t at = 12; at < 68; ++at)
    for (unsigned base = 0; base < 256; base += kBurst) {
      std::vector<Bytes> packets;
      for (unsigned value = base; value < base + kBurst; ++value) {
        packets.push_back(GetParam() == 4 ? plain_v4() : plain_v6());
        packets.back()[at] = static_cast<std::byte>(value);
      }
      expect_twins(Memory(packets));
    }
}

INSTANTIATE_TEST_SUITE_P(Families, EightAtATime, testing::Values(4, 6));

}  // namespace
}  // namespace sluice::dataplane
