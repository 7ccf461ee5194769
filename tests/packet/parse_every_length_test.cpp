// SPDX-License-Identifier: Apache-2.0
// parse_frame(): at every length of every kind of packet, and against the slow version of its
// contract on damaged ones.
#include "packet/parse.hpp"

#include "packet/judge.hpp"
#include "packet/slow_parse.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ostream>
#include <random>
#include <vector>

namespace sluice {
namespace {

using test::Bytes;
using test::judge;
using test::kClient;
using test::kClient6;
using test::kVip;
using test::kVip6;
using test::Packet;
using test::to_client;
using test::to_client6;
using test::to_service;
using test::to_service6;

Packet error4() { return to_service().icmp(3, 4, 1400).quote(to_client().tcp(443, 40000), 28); }
Packet error6() { return to_service6().icmp(2, 0, 1400).quote(to_client6().tcp(443, 40000), 48); }

// Every truncation length of every kind of packet.

struct Shape {
  const char* name;
  Bytes packet;
  std::uint8_t family;  ///< 0: not IP.
  std::size_t l3;       ///< Offset of the IP header; 0: none.
  std::size_t headers;  ///< So many bytes of the frame decide.
  Verdict verdict;
};
std::ostream& operator<<(std::ostream& to, const Shape& shape) { return to << shape.name; }

class ParseEveryLength : public testing::TestWithParam<Shape> {
 protected:
  /// From so many bytes on, the addresses are known.
  static std::size_t addresses() { return GetParam().l3 + (GetParam().family == 4 ? 20 : 40); }
  static int family(std::size_t size) {
    return GetParam().l3 != 0 && size >= addresses() ? GetParam().family : 0;
  }
};

// The cable lost the rest: the IP packet's length is beyond the frame.
TEST_P(ParseEveryLength, FrameCutShortIsAFaultUntilItsPacketIsWhole) {
  const auto& shape = GetParam();
  for (std::size_t size = 0; size <= shape.packet.size(); ++size) {
    const auto [verdict, p] = judge(shape.packet, size, size);
    auto expected = Verdict::kTruncated;
    if (size == shape.packet.size() || (shape.l3 == 0 && size >= shape.headers))
      expected = shape.verdict;
    else if (shape.l3 != 0 && size >= addresses())
      expected = Verdict::kMalformed;
    EXPECT_EQ(verdict, expected) << "first " << size << " of " << shape.packet.size() << " bytes";
    EXPECT_EQ(p.key.family, family(size)) << size;
  }
}

// The rest lies in the next segment: all lengths are right, the headers are not all here.
TEST_P(ParseEveryLength, FirstSegmentMustHoldTheHeaders) {
  const auto& shape = GetParam();
  for (std::size_t size = 0; size <= shape.packet.size(); ++size) {
    const auto [verdict, p] = judge(shape.packet, size, shape.packet.size());
    EXPECT_EQ(verdict, size < shape.headers ? Verdict::kTruncated : shape.verdict)
        << "first " << size << " of " << shape.packet.size() << " bytes";
    EXPECT_EQ(p.key.family, family(size)) << size;
    if (verdict != Verdict::kForward) {
      EXPECT_EQ(p.key.source_port | p.key.destination_port | p.l4_offset, 0) << size;
    }
  }
}

constexpr auto kForward = Verdict::kForward;
constexpr auto kHost = Verdict::kHost;

INSTANTIATE_TEST_SUITE_P(
    Ipv4, ParseEveryLength,
    testing::Values(
        Shape{"Tcp", to_service().tcp(1, 2).payload(30), 4, 14, 54, kForward},
        Shape{"TcpOptions", to_service().options(3).tcp(1, 2).tcp_options(5).payload(30), 4, 14, 86,
              kForward},
        Shape{"TcpLongestHeaders", to_service().options(10).tcp(1, 2).tcp_options(10), 4, 14, 134,
              kForward},
        Shape{"Udp", to_service().udp(1, 2).payload(30), 4, 14, 42, kForward},
        Shape{"UdpEmpty", to_service().udp(1, 2), 4, 14, 42, kForward},
        Shape{"UdpOptions", to_service().options(1).udp(1, 2).payload(3), 4, 14, 46, kForward},
        Shape{"VlanTcp", Packet().eth().vlan(5).ipv4(kClient, kVip).tcp(1, 2), 4, 18, 58, kForward},
        Shape{"QinqUdp", Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).udp(1, 2), 4, 22, 50,
              kForward},
        Shape{"FirstFragment", to_service().fragment(0, true).tcp(1, 2).tcp_options(5).payload(8),
              4, 14, 54, kForward},
        Shape{"LaterFragment", to_service().options(1).fragment(4, true).protocol(6).payload(40), 4,
              14, 38, kForward},
        Shape{"Echo", to_service().options(4).icmp_echo(1, 2).payload(20), 4, 14, 58, kForward},
        Shape{"EchoReply", to_service().icmp_echo(1, 2, true).payload(20), 4, 14, 42, kHost},
        Shape{"Error", error4(), 4, 14, 70, kForward},
        Shape{"Ipip", Packet().eth().ipip("10.0.0.1", "10.0.0.2").ipv4(kClient, kVip).tcp(1, 2), 4,
              14, 34, kHost}),
    [](const auto& about) { return about.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Ipv6, ParseEveryLength,
    testing::Values(
        Shape{"Tcp", to_service6().tcp(1, 2).tcp_options(2).payload(30), 6, 14, 82, kForward},
        Shape{"VlanUdp", Packet().eth().vlan(5).ipv6(kClient6, kVip6).udp(1, 2).payload(3), 6, 18,
              66, kForward},
        Shape{"HopByHop", to_service6().hop_by_hop(2).tcp(1, 2), 6, 14, 90, kForward},
        Shape{"Chain", to_service6().hop_by_hop().destination_options(2).routing().udp(1, 2), 6, 14,
              94, kForward},
        Shape{"FirstFragment", to_service6().fragment_header(0, true, 7).udp(1, 2).payload(8), 6,
              14, 70, kForward},
        Shape{"LaterFragment",
              to_service6().hop_by_hop().fragment_header(2, false, 7).protocol(17).payload(30), 6,
              14, 70, kForward},
        Shape{"Echo", to_service6().icmp_echo(1, 2).payload(20), 6, 14, 62, kForward},
        Shape{"Advertisement", to_service6().icmp(136, 0).payload(20), 6, 14, 62, kHost},
        Shape{"Error", error6(), 6, 14, 110, kForward},
        Shape{"ErrorAboutAChain",
              to_service6().destination_options().icmp(1, 4).quote(
                  to_client6().hop_by_hop(2).udp(443, 40000).payload(9)),
              6, 14, 134, kForward},
        Shape{"Nothing", to_service6().payload(20), 6, 14, 54, kHost}),
    [](const auto& about) { return about.param.name; });

INSTANTIATE_TEST_SUITE_P(
    NotIp, ParseEveryLength,
    testing::Values(
        Shape{"Arp", Packet().eth().arp_request(test::kClientMac, "10.0.0.1", "10.0.0.2"), 0, 0, 14,
              kHost},
        Shape{"VlanArp",
              Packet().eth().vlan(5).arp_request(test::kClientMac, "10.0.0.1", "10.0.0.2"), 0, 0,
              18, kHost},
        Shape{"TripleTag", Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 2), 0,
              0, 22, kHost}),
    [](const auto& about) { return about.param.name; });

Packet many_extensions(int count) {
  Packet packet = to_service6();
  for (int i = 0; i < count; ++i) packet.destination_options();
  return packet;
}

// Against the slow version: packets of all kinds with a few bytes made random, cut anywhere, with
// the rest lost or in another segment.
TEST(ParseFrame, AgreesWithTheSlowVersionOnDamagedPackets) {
  const std::vector<Bytes> kinds{
      to_service().tcp(40000, 443).payload(10),
      to_service().udp(40000, 443).payload(10),
      to_service().options(3).tcp(1, 2).tcp_options(5).payload(9),
      to_service().options(10).udp(1, 2).payload(9),
      to_service().icmp_echo(1, 2).payload(20),
      Packet().eth().vlan(5).ipv4(kClient, kVip).tcp(1, 2).payload(9),
      Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).options(1).udp(1, 2).payload(9).pad(90),
      Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 2),
      to_service().fragment(0, true).udp(1, 2).payload(16),
      to_service().fragment(0, true).tcp(1, 2).payload(16),
      to_service().fragment(5, false).protocol(6).payload(16),
      error4(),
      to_service().icmp(11, 0).quote(to_client().options(2).udp(443, 40000).payload(9)),
      to_service().icmp(12, 0).quote(to_client().fragment(0, true).tcp(443, 40000).payload(9)),
      to_service6().tcp(1, 2).tcp_options(1).payload(9),
      to_service6().udp(1, 2).payload(9).pad(90),
      to_service6().hop_by_hop().destination_options().routing(0, 2).udp(1, 2).payload(9),
      to_service6().hop_by_hop().fragment_header(0, true, 77).tcp(1, 2).payload(8),
      to_service6().fragment_header(3, true, 77).protocol(6).payload(16),
      to_service6().fragment_header(0, false, 77).udp(1, 2).payload(16),
      many_extensions(8).udp(1, 2),
      many_extensions(9).udp(1, 2),
      to_service6().icmp_echo(1, 2).payload(9),
      error6(),
      to_service6().icmp(1, 4).quote(to_client6().destination_options().udp(443, 40000), 56),
      to_service6().icmp(3, 0).quote(to_client6().fragment_header(0, true, 7).tcp(443, 40000), 56),
      Packet().eth().vlan(5).ipv6(kClient6, kVip6).icmp(4, 0).quote(to_client6().udp(443, 40000))};
  std::mt19937_64 random(20240611);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::array<std::size_t, kVerdicts> seen{};
  std::array<std::size_t, 4> seen_kinds{};
  for (int round = 0; round < 500'000; ++round) {
    Bytes packet = kinds[below(kinds.size())];
    for (auto flips = below(4); flips > 0;
         --flips)  // mostly one bit, so that lies are near the truth
      packet[below(packet.size())] ^=
          static_cast<std::byte>(below(2) != 0 ? 1U << below(8) : below(256));
    const auto size = below(3) == 0 ? below(packet.size() + 1) : packet.size();
    const auto length = below(2) == 0 ? size : packet.size();
    const std::vector<std::byte> frame(packet.begin(),
                                       packet.begin() + static_cast<std::ptrdiff_t>(size));
    Parsed fast;
    Parsed slow;
    std::memset(&fast, 0xa5, sizeof fast);
    const auto verdict = parse_frame(frame, length, fast);
    ASSERT_EQ(verdict, test::slow_parse(frame, length, slow)) << length << "\n" << test::hex(frame);
    ASSERT_EQ(std::memcmp(&fast, &slow, sizeof fast), 0) << length << "\n" << test::hex(frame);
    ++seen[static_cast<std::size_t>(verdict)];
    if (verdict == Verdict::kForward) ++seen_kinds.at(static_cast<std::size_t>(fast.kind));
  }
  for (const auto v : {Verdict::kForward, Verdict::kHost, Verdict::kTruncated, Verdict::kMalformed})
    EXPECT_GT(seen[static_cast<std::size_t>(v)], 1000U) << v << " was hardly tried";
  for (const auto count : seen_kinds) EXPECT_GT(count, 1000U) << "a kind was hardly tried";
}

}  // namespace
}  // namespace sluice
