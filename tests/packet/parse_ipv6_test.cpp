// SPDX-License-Identifier: Apache-2.0
// parse_frame(): IPv6, its extension headers, and fragments of both families.
#include "packet/parse.hpp"

#include "packet/judge.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <ostream>

namespace sluice {
namespace {

using test::Bytes;
using test::destination_of;
using test::judge;
using test::kClient6;
using test::kVip;
using test::kVip6;
using test::Lie;
using test::Packet;
using test::port;
using test::source_of;
using test::to_service;
using test::to_service6;
using test::verdict_of;

TEST(ParseIpv6, TcpSegmentGivesItsFlowAndFlags) {
  const auto [verdict, p] = judge(to_service6().ttl(9).tos(0xb9).tcp(40000, 443, 0x12).payload(7));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(source_of(p.key), kClient6);
  EXPECT_EQ(destination_of(p.key), kVip6);
  EXPECT_EQ(port(p.key.source_port), 40000U);
  EXPECT_EQ(port(p.key.destination_port), 443U);
  EXPECT_EQ(p.key.protocol, 6);
  EXPECT_EQ(p.key.family, 6);
  EXPECT_EQ(p.key.zero, 0);
  EXPECT_EQ(p.l3_offset, 14);
  EXPECT_EQ(p.l3_length, 67);
  EXPECT_EQ(p.l4_offset, 54);
  EXPECT_EQ(p.ttl, 9);
  EXPECT_EQ(p.tos, 0xb9);
  EXPECT_EQ(p.tcp_flags, 0x12);
  EXPECT_EQ(p.kind, Kind::kFlow);
  EXPECT_TRUE(p.dont_fragment);
  EXPECT_FALSE(p.fragmented);
}

TEST(ParseIpv6, KeyIsTheSameWhateverSurroundsTheFlow) {
  const auto plain = judge(to_service6().udp(40000, 443)).parsed.key;
  const auto dressed = judge(Packet()
                                 .eth()
                                 .qinq(7)
                                 .vlan(5, 3)
                                 .ipv6(kClient6, kVip6)
                                 .ttl(3)
                                 .tos(8)
                                 .hop_by_hop(3)
                                 .routing(0, 3)
                                 .destination_options()
                                 .fragment_header(0, false, 99)
                                 .udp(40000, 443)
                                 .payload(64))
                           .parsed.key;
  EXPECT_EQ(std::memcmp(&plain, &dressed, sizeof plain), 0);
}

TEST(ParseIpv6, PaddingOfShortFramesIsNotPartOfThePacket) {
  const auto [verdict, p] = judge(to_service6().udp(1, 2).payload(1).pad(80));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(p.l3_length, 49);
}

TEST(ParseIpv6, PacketIsAtMost65535BytesLong) {
  const Bytes longest = to_service6().total_length(65495).udp(1, 2);
  EXPECT_EQ(judge(longest, longest.size(), 70000).verdict, Verdict::kForward);
  EXPECT_EQ(judge(longest, longest.size(), 70000).parsed.l3_length, 65535);
  const Bytes longer = to_service6().total_length(65496).udp(1, 2);
  EXPECT_EQ(judge(longer, longer.size(), 70000).verdict, Verdict::kMalformed);
}

// Extension headers.

TEST(ParseIpv6, EachExtensionHeaderIsSteppedOverHoweverLong) {
  for (const std::size_t units : {1U, 2U, 3U, 31U, 32U, 200U, 256U})
    for (const Bytes& packet : {to_service6().hop_by_hop(units).tcp(40000, 443).bytes(),
                                to_service6().destination_options(units).tcp(40000, 443).bytes(),
                                to_service6().routing(0, units).tcp(40000, 443).bytes()}) {
      const auto [verdict, p] = judge(packet);
      EXPECT_EQ(verdict, Verdict::kForward) << units;
      EXPECT_EQ(p.l4_offset, 54 + units * 8);
      EXPECT_EQ(p.key.protocol, 6);
      EXPECT_EQ(port(p.key.destination_port), 443U) << units;
    }
}

Packet chain_of(int count, void (*add)(Packet&)) {
  Packet packet = to_service6();
  for (int i = 0; i < count; ++i) add(packet);
  return packet.udp(40000, 443);
}

TEST(ParseIpv6, EightExtensionHeadersAreWalkedAndANinthIsLinuxs) {
  constexpr std::array<void (*)(Packet&), 4> kKinds{
      [](Packet& p) { p.hop_by_hop(); }, [](Packet& p) { p.destination_options(); },
      [](Packet& p) { p.routing(); }, [](Packet& p) { p.fragment_header(0, false, 1); }};
  for (const auto add : kKinds) {
    for (int count = 0; count <= 8; ++count) {
      const auto [verdict, p] = judge(chain_of(count, add));
      EXPECT_EQ(verdict, Verdict::kForward) << count;
      EXPECT_EQ(port(p.key.destination_port), 443U) << count;
      EXPECT_EQ(p.l4_offset, 54 + count * 8);
    }
    EXPECT_EQ(verdict_of(chain_of(9, add)), Verdict::kHost);
    EXPECT_EQ(verdict_of(chain_of(30, add)), Verdict::kHost);
  }
}

TEST(ParseIpv6, RoutingHeaderThatIsNotAtItsEndIsLinuxs) {
  EXPECT_EQ(verdict_of(to_service6().routing(0).tcp(1, 2)), Verdict::kForward);
  EXPECT_EQ(verdict_of(to_service6().routing(1).tcp(1, 2)), Verdict::kHost);
  EXPECT_EQ(verdict_of(to_service6().hop_by_hop().routing(255, 3).udp(1, 2)), Verdict::kHost);
}

TEST(ParseIpv6, OtherHeadersAreLinuxsWithTheirAddresses) {
  for (int protocol = 0; protocol < 256; ++protocol) {
    const std::array known{0, 6, 17, 43, 44, 58, 60};
    if (std::ranges::find(known, protocol) != known.end()) continue;
    for (const bool extended : {false, true}) {
      Packet packet = to_service6();
      if (extended) packet.hop_by_hop();
      const auto [verdict, p] =
          judge(packet.protocol(static_cast<std::uint8_t>(protocol)).payload(40));
      EXPECT_EQ(verdict, Verdict::kHost) << protocol;
      EXPECT_EQ(p.key.protocol, protocol);
      EXPECT_EQ(destination_of(p.key), kVip6);
      EXPECT_EQ(p.key.source_port | p.key.destination_port, 0) << protocol;
    }
  }
}

// Lies: each field that can contradict the frame, one step on either side of the truth.

class ParseIpv6Lie : public testing::TestWithParam<Lie> {};

TEST_P(ParseIpv6Lie, IsJudgedAndLeavesTheAddresses) { test::expect_judged(GetParam(), 6); }

Packet tcp() { return to_service6().tcp(40000, 443).payload(10); }  // 40 + 20 + 10 bytes
Packet udp() { return to_service6().udp(40000, 443).payload(10); }  // 40 + 8 + 10 bytes

INSTANTIATE_TEST_SUITE_P(
    Fields, ParseIpv6Lie,
    testing::Values(
        Lie{"Version0", tcp().ip_version(0), Verdict::kMalformed},
        Lie{"Version4", tcp().ip_version(4), Verdict::kMalformed},
        Lie{"Version7", tcp().ip_version(7), Verdict::kMalformed},
        Lie{"Version14", tcp().ip_version(14), Verdict::kMalformed},
        Lie{"PayloadOf0", tcp().total_length(0), Verdict::kMalformed},
        Lie{"PayloadOneBeyondTheFrame", tcp().total_length(31), Verdict::kMalformed},
        Lie{"PayloadOf65535", tcp().total_length(65535), Verdict::kMalformed},
        Lie{"PayloadOneShortOfTheTcpHeader", tcp().total_length(19), Verdict::kMalformed},
        Lie{"PayloadEndsWithTheTcpHeader", tcp().total_length(20), Verdict::kForward},
        Lie{"PayloadOneShortOfTheUdpHeader", udp().udp_length(8).total_length(7),
            Verdict::kMalformed},
        Lie{"PayloadEndsWithTheUdpHeader", udp().udp_length(8).total_length(8), Verdict::kForward},
        Lie{"DataOffset16", tcp().data_offset(4), Verdict::kMalformed},
        Lie{"DataOffsetIntoTheData", tcp().data_offset(7), Verdict::kForward},
        Lie{"DataOffsetBeyondThePacket", tcp().data_offset(8), Verdict::kMalformed},
        Lie{"UdpLength7", udp().udp_length(7), Verdict::kMalformed},
        Lie{"UdpLengthIntoThePadding", udp().pad(100).udp_length(19), Verdict::kMalformed},
        Lie{"WrongChecksumIsNotJudged", tcp().l4_checksum(1), Verdict::kForward},
        Lie{"AtomicFragmentIsJudgedWhole",
            to_service6().fragment_header(0, false, 1).udp(1, 2).udp_length(19).payload(10),
            Verdict::kMalformed}),
    [](const auto& about) { return about.param.what; });

/// A hop-by-hop header that says it is 8 + 8 x `more` bytes long, with `bytes` of it there.
Packet hop_by_hop_of(std::uint8_t more, std::size_t bytes) {
  Bytes header(bytes);
  if (bytes > 0) header[0] = std::byte{wire::kIpProtoUdp};
  if (bytes > 1) header[1] = std::byte{more};
  return to_service6().protocol(wire::kIpHopByHop).payload(header);
}

INSTANTIATE_TEST_SUITE_P(
    Extensions, ParseIpv6Lie,
    testing::Values(Lie{"None", hop_by_hop_of(0, 0).pad(100), Verdict::kMalformed},
                    Lie{"SevenBytesOfIt", hop_by_hop_of(0, 7).pad(100), Verdict::kMalformed},
                    Lie{"NothingBehindIt", hop_by_hop_of(0, 8).pad(100), Verdict::kMalformed},
                    Lie{"SevenBytesBehindIt", hop_by_hop_of(0, 15).pad(100), Verdict::kMalformed},
                    Lie{"BehindThePacket", hop_by_hop_of(2, 16).pad(200), Verdict::kMalformed},
                    Lie{"FarBehindThePacket", hop_by_hop_of(255, 16).pad(4000),
                        Verdict::kMalformed},
                    Lie{"SevenBytesOfAFragmentHeader",
                        to_service6().protocol(44).payload(7).pad(100), Verdict::kMalformed},
                    Lie{"RouteThatGoesOnBehindThePacket",
                        to_service6().total_length(8).routing(1, 4).tcp(1, 2), Verdict::kHost}),
    [](const auto& about) { return about.param.what; });

INSTANTIATE_TEST_SUITE_P(
    FirstFragments, ParseIpv6Lie,
    testing::Values(
        Lie{"TcpOptionsBeyondIt",
            to_service6().fragment_header(0, true, 7).tcp(1, 2).data_offset(15), Verdict::kForward},
        Lie{"TcpOneShort",
            to_service6().fragment_header(0, true, 7).protocol(6).payload(19).pad(100),
            Verdict::kMalformed},
        Lie{"UdpLengthBeyondIt",
            to_service6().fragment_header(0, true, 7).udp(1, 2).udp_length(1480),
            Verdict::kForward},
        Lie{"UdpOneShort",
            to_service6().fragment_header(0, true, 7).protocol(17).payload(7).pad(100),
            Verdict::kMalformed},
        Lie{"SecondFragmentHeader",
            to_service6().fragment_header(0, true, 7).fragment_header(0, true, 8).udp(1, 2),
            Verdict::kHost},
        Lie{"Icmp", to_service6().fragment_header(0, true, 7).icmp_echo(1, 2), Verdict::kHost},
        Lie{"LaterOfIcmp", to_service6().fragment_header(3, false, 7).protocol(58).payload(8),
            Verdict::kHost}),
    [](const auto& about) { return about.param.what; });

// Fragments.

TEST(ParseFragment, FirstIsItsFlows) {
  for (const Bytes& packet :
       {to_service().id(0xbeef).df().fragment(0, true).tcp(40000, 443, 2).payload(64).bytes(),
        to_service6().fragment_header(0, true, 0xbeef).tcp(40000, 443, 2).payload(64).bytes(),
        to_service6()
            .hop_by_hop()
            .fragment_header(0, true, 0xbeef)
            .destination_options()
            .tcp(40000, 443, 2)
            .bytes()}) {
    const auto [verdict, p] = judge(packet);
    EXPECT_EQ(verdict, Verdict::kForward);
    EXPECT_EQ(p.kind, Kind::kFlow);
    EXPECT_TRUE(p.fragmented);
    EXPECT_EQ(p.fragment_id, 0xbeefU);
    EXPECT_EQ(port(p.key.destination_port), 443U);
    EXPECT_EQ(p.tcp_flags, 2);
  }
}

TEST(ParseFragment, LaterOneHasNoPorts) {
  for (const Bytes& packet :
       {to_service().id(7).fragment(1, true).protocol(17).payload(64).bytes(),
        to_service().id(7).fragment(17, false).protocol(17).payload(1).bytes(),
        to_service().id(7).fragment(0x1fff, false).protocol(17).bytes(),
        to_service().id(7).options(10).fragment(0x1fff, true).protocol(17).bytes(),
        to_service6().fragment_header(1, true, 7).protocol(17).payload(64).bytes(),
        to_service6().fragment_header(0x1fff, false, 7).protocol(17).bytes(),
        to_service6().routing().fragment_header(2, false, 7).protocol(17).payload(1).bytes()}) {
    const auto [verdict, p] = judge(packet);
    EXPECT_EQ(verdict, Verdict::kForward) << test::hex(packet);
    EXPECT_EQ(p.kind, Kind::kLaterFragment);
    EXPECT_TRUE(p.fragmented);
    EXPECT_EQ(p.fragment_id, 7U);
    EXPECT_EQ(p.key.protocol, 17);
    EXPECT_EQ(destination_of(p.key), p.key.family == 4 ? kVip : kVip6);
    EXPECT_EQ(p.key.source_port | p.key.destination_port | p.tcp_flags, 0);
    EXPECT_EQ(p.l4_offset,
              p.l3_offset + p.l3_length - test::strip_ip(test::strip_ethernet(packet)).size());
  }
}

TEST(ParseFragment, LaterOneOfIpv6MayHaveOptionsBeforeItsTransportInTheFirst) {
  for (const std::uint8_t options : std::to_array<std::uint8_t>({0, 43, 60})) {
    const auto [verdict, p] =
        judge(to_service6().fragment_header(1, true, 7).protocol(options).payload(64).bytes());
    EXPECT_EQ(verdict, Verdict::kForward);
    EXPECT_EQ(p.kind, Kind::kLaterFragment);
    EXPECT_EQ(p.key.protocol, options);
    EXPECT_EQ(p.fragment_id, 7U);
    EXPECT_EQ(judge(to_service().id(7).fragment(1, true).protocol(options).payload(64)).verdict,
              Verdict::kHost)
        << "in IPv4 this is a protocol";
  }
  for (const std::uint8_t other : std::to_array<std::uint8_t>({44, 50, 51, 58, 122}))
    EXPECT_EQ(judge(to_service6().fragment_header(1, true, 7).protocol(other).payload(64)).verdict,
              Verdict::kHost);
}

TEST(DatagramKey, IsThatOfTheFirstFragmentWhateverProtocolTheOthersTell) {
  const auto hash = [](const Packet& packet) {
    return flow_hash(datagram_key(judge(packet).parsed), default_hash_key());
  };
  const auto later = [](unsigned id, std::uint8_t protocol) {
    return to_service6().fragment_header(1, true, id).protocol(protocol).payload(64);
  };
  const auto first =
      hash(to_service6().fragment_header(0, true, 7).destination_options().udp(1, 2));
  EXPECT_EQ(hash(later(7, 60)), first);
  EXPECT_EQ(hash(later(7, 17)), first);
  EXPECT_NE(hash(later(8, 60)), first);
  EXPECT_NE(hash(to_service().id(7).fragment(1, true).protocol(6)),
            hash(to_service().id(7).fragment(1, true).protocol(17)));
}

TEST(ParseFragment, IdOfIpv6Has32Bits) {
  for (const std::uint32_t id : {1U, 0x10000U, 0xdeadbeefU, 0xffffffffU}) {
    EXPECT_EQ(judge(to_service6().fragment_header(0, true, id).udp(1, 2)).parsed.fragment_id, id);
    EXPECT_EQ(judge(to_service6().fragment_header(1, false, id).protocol(17)).parsed.fragment_id,
              id);
  }
}

TEST(ParseFragment, AtomicOneIsAWholePacket) {
  const auto [verdict, p] =
      judge(to_service6().fragment_header(0, false, 0xdeadbeef).tcp(40000, 443, 2));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(p.kind, Kind::kFlow);
  EXPECT_FALSE(p.fragmented);
  EXPECT_EQ(p.fragment_id, 0U);
  EXPECT_EQ(p.l4_offset, 62);
  EXPECT_EQ(judge(to_service6().fragment_header(0, false, 1).icmp_echo(1, 2)).parsed.kind,
            Kind::kEcho);
}

TEST(ParseFragment, WholePacketWithAnIdIsNone) {
  for (const Bytes& packet :
       {to_service().id(7).udp(1, 2).bytes(), to_service().id(7).df().udp(1, 2).bytes()}) {
    EXPECT_FALSE(judge(packet).parsed.fragmented);
    EXPECT_EQ(judge(packet).parsed.fragment_id, 0U);
  }
}

// The two reserved bits of the fragment header and IPv4's reserved flag say nothing.
TEST(ParseFragment, ReservedBitsDoNotMatter) {
  Bytes atomic = to_service6().fragment_header(0, false, 7).udp(1, 2);
  atomic[14 + 40 + 3] = std::byte{6};
  EXPECT_EQ(judge(atomic).verdict, Verdict::kForward);
  EXPECT_FALSE(judge(atomic).parsed.fragmented);
  Bytes whole = to_service().udp(1, 2);
  whole[14 + 6] = std::byte{0x80};
  EXPECT_EQ(judge(whole).verdict, Verdict::kForward);
  EXPECT_FALSE(judge(whole).parsed.fragmented);
  EXPECT_FALSE(judge(whole).parsed.dont_fragment);
}

}  // namespace
}  // namespace sluice
