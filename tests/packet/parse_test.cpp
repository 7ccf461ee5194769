// SPDX-License-Identifier: Apache-2.0
// parse_frame(): Ethernet, IPv4, TCP and UDP: what it takes from right packets, and what it says to
// lying ones. Every frame stands at the end of accessible memory, so that a read beyond it is a
// fault.
#include "packet/parse.hpp"

#include "packet/judge.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice {
namespace {

using test::Bytes;
using test::destination_of;
using test::judge;
using test::kClient;
using test::kVip;
using test::Lie;
using test::Packet;
using test::port;
using test::source_of;
using test::to_service;
using test::verdict_of;

bool all_zero(const auto& object) {
  const auto bytes = std::as_bytes(std::span(&object, 1));
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// What is read from right packets.

TEST(ParseFrame, TcpSegmentGivesItsFlowAndFlags) {
  const auto [verdict, p] = judge(to_service().ttl(9).tos(0x2e).df().tcp(40000, 443, 0x12));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(source_of(p.key), kClient);
  EXPECT_EQ(destination_of(p.key), kVip);
  EXPECT_EQ(port(p.key.source_port), 40000U);
  EXPECT_EQ(port(p.key.destination_port), 443U);
  EXPECT_EQ(p.key.protocol, 6);
  EXPECT_EQ(p.key.family, 4);
  EXPECT_EQ(p.l3_offset, 14);
  EXPECT_EQ(p.l3_length, 40);
  EXPECT_EQ(p.ttl, 9);
  EXPECT_EQ(p.tos, 0x2e);
  EXPECT_EQ(p.tcp_flags, 0x12);
  EXPECT_TRUE(p.dont_fragment);
  EXPECT_EQ(p.l4_offset, 34);
  EXPECT_EQ(p.kind, Kind::kFlow);
}

TEST(ParseFrame, UdpDatagramGivesItsFlowAndNoFlags) {
  const auto [verdict, p] = judge(to_service().udp(5353, 53).payload(200));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(port(p.key.source_port), 5353U);
  EXPECT_EQ(port(p.key.destination_port), 53U);
  EXPECT_EQ(p.key.protocol, 17);
  EXPECT_EQ(p.l3_length, 228);
  EXPECT_EQ(p.tcp_flags, 0);
  EXPECT_FALSE(p.dont_fragment);
}

TEST(ParseFrame, WordsOfTheKeyThatIpv4DoesNotUseAreZero) {
  const auto key = judge(to_service().tcp(40000, 443)).parsed.key;
  EXPECT_TRUE(all_zero(std::array{key.source[1], key.source[2], key.source[3], key.destination[1],
                                  key.destination[2], key.destination[3]}));
  EXPECT_EQ(key.zero, 0);
}

TEST(ParseFrame, KeyIsTheSameWhateverSurroundsTheFlow) {
  const auto plain = judge(to_service().tcp(40000, 443)).parsed.key;
  const auto dressed = judge(Packet()
                                 .eth()
                                 .qinq(7)
                                 .vlan(5, 3)
                                 .ipv4(kClient, kVip)
                                 .ttl(3)
                                 .tos(8)
                                 .id(99)
                                 .df()
                                 .options(10)
                                 .tcp(40000, 443, 0x11)
                                 .tcp_options(10)
                                 .payload(64))
                           .parsed.key;
  EXPECT_EQ(std::memcmp(&plain, &dressed, sizeof plain), 0);
}

TEST(ParseFrame, UpToTwoVlanTagsAreLookedBehind) {
  EXPECT_EQ(judge(Packet().eth().vlan(5).ipv4(kClient, kVip).udp(1, 2)).parsed.l3_offset, 18);
  const auto two = judge(Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).udp(1, 2));
  EXPECT_EQ(two.verdict, Verdict::kForward);
  EXPECT_EQ(two.parsed.l3_offset, 22);
  EXPECT_EQ(verdict_of(Packet().eth().vlan(7).vlan(5).ipv4(kClient, kVip).udp(1, 2)),
            Verdict::kForward);
}

TEST(ParseFrame, ThirdVlanTagMakesItLinuxsPacket) {
  const auto [verdict, p] =
      judge(Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 2));
  EXPECT_EQ(verdict, Verdict::kHost);
  EXPECT_TRUE(all_zero(p));
}

TEST(ParseFrame, OptionsAreSkippedHoweverLong) {
  for (std::size_t words = 0; words <= 10; ++words) {
    const auto [verdict, p] = judge(to_service().options(words).tcp(40000, 443).tcp_options(words));
    EXPECT_EQ(verdict, Verdict::kForward) << words;
    EXPECT_EQ(port(p.key.destination_port), 443U) << words;
  }
}

TEST(ParseFrame, PaddingOfShortFramesIsNotPartOfThePacket) {
  const auto [verdict, p] = judge(to_service().udp(1, 2).payload(1).pad(60));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(p.l3_length, 29);
}

TEST(ParseFrame, DatagramMayEndBeforeItsPacketDoes) {
  EXPECT_EQ(verdict_of(to_service().udp(1, 2).udp_length(8).payload(20)), Verdict::kForward);
}

// What is Linux's.

TEST(ParseFrame, WhatIsNotIpIsLinuxs) {
  for (const Bytes& packet :
       {Packet().eth().arp_request(test::kClientMac, "10.0.0.1", "10.0.0.2").bytes(),
        Packet().eth().ether_type(0x88cc).payload(46).bytes(),
        Packet().eth().ether_type(46).payload(46).bytes(),  // 802.3: a length
        Packet().eth().vlan(5).arp_request(test::kClientMac, "10.0.0.1", "10.0.0.2").bytes()}) {
    const auto [verdict, p] = judge(packet);
    EXPECT_EQ(verdict, Verdict::kHost) << test::hex(packet);
    EXPECT_TRUE(all_zero(p)) << test::hex(packet);
  }
}

TEST(ParseFrame, OtherProtocolsAreLinuxsWithTheirAddresses) {
  for (int protocol = 0; protocol < 256; ++protocol) {
    if (protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp ||
        protocol == wire::kIpProtoIcmp)
      continue;
    const auto [verdict, p] =
        judge(to_service().protocol(static_cast<std::uint8_t>(protocol)).payload(40));
    EXPECT_EQ(verdict, Verdict::kHost) << protocol;
    EXPECT_EQ(p.key.protocol, protocol);
    EXPECT_EQ(destination_of(p.key), kVip);
    EXPECT_EQ(p.key.source_port | p.key.destination_port, 0) << protocol;
  }
}

TEST(ParseFrame, FragmentsOfOtherProtocolsAreLinuxs) {
  EXPECT_EQ(verdict_of(to_service().fragment(0, true).icmp_echo(1, 2).payload(64)), Verdict::kHost);
  EXPECT_EQ(verdict_of(to_service().fragment(2, false).protocol(1).payload(64)), Verdict::kHost);
}

// Fragments.

TEST(ParseFrame, FirstFragmentIsItsFlowsAndALaterOneHasNoPorts) {
  const auto first = judge(to_service().id(7).fragment(0, true).udp(1, 2).payload(64));
  EXPECT_EQ(first.verdict, Verdict::kForward);
  EXPECT_EQ(first.parsed.kind, Kind::kFlow);
  EXPECT_TRUE(first.parsed.fragmented);
  EXPECT_EQ(first.parsed.fragment_id, 7U);
  EXPECT_EQ(port(first.parsed.key.destination_port), 2U);
  for (const auto& later : {to_service().id(7).fragment(9, true).protocol(17).payload(64),
                            to_service().id(7).fragment(17, false).protocol(17).payload(5),
                            to_service().id(7).fragment(0x1fff, false).protocol(6).payload(1)}) {
    const auto [verdict, p] = judge(later);
    EXPECT_EQ(verdict, Verdict::kForward);
    EXPECT_EQ(p.kind, Kind::kLaterFragment);
    EXPECT_TRUE(p.fragmented);
    EXPECT_EQ(p.fragment_id, 7U);
    EXPECT_EQ(destination_of(p.key), kVip);
    EXPECT_EQ(p.key.source_port | p.key.destination_port | p.tcp_flags, 0);
  }
  EXPECT_FALSE(judge(to_service().id(7).df().udp(1, 2)).parsed.fragmented);
}

// Lies: each field that can contradict the frame, one step on either side of the truth.

class ParseLie : public testing::TestWithParam<Lie> {};

TEST_P(ParseLie, IsJudgedAndLeavesTheAddresses) { test::expect_judged(GetParam(), 4); }

Packet tcp() { return to_service().tcp(40000, 443).payload(10); }  // 20 + 20 + 10 bytes
Packet udp() { return to_service().udp(40000, 443).payload(10); }  // 20 + 8 + 10 bytes

INSTANTIATE_TEST_SUITE_P(
    Fields, ParseLie,
    testing::Values(
        Lie{"Version0", tcp().ip_version(0), Verdict::kMalformed},
        Lie{"Version3", tcp().ip_version(3), Verdict::kMalformed},
        Lie{"Version5", tcp().ip_version(5), Verdict::kMalformed},
        Lie{"Version6", tcp().ip_version(6), Verdict::kMalformed},
        Lie{"Version15", tcp().ip_version(15), Verdict::kMalformed},
        Lie{"HeaderOfNoBytes", tcp().header_length(0), Verdict::kMalformed},
        Lie{"HeaderOf16Bytes", tcp().header_length(4), Verdict::kMalformed},
        Lie{"HeaderBeyondTheTotal", tcp().header_length(15), Verdict::kMalformed},
        Lie{"TotalOf0", tcp().total_length(0), Verdict::kMalformed},
        Lie{"TotalBelowTheHeader", tcp().total_length(19), Verdict::kMalformed},
        Lie{"TotalBelowAHeaderWithOptions", to_service().options(2).total_length(27).tcp(1, 2),
            Verdict::kMalformed},
        Lie{"TotalOneBeyondTheFrame", tcp().total_length(51), Verdict::kMalformed},
        Lie{"TotalOf65535", tcp().total_length(65535), Verdict::kMalformed},
        Lie{"TotalIsTheHeader", tcp().total_length(20), Verdict::kMalformed},
        Lie{"TotalOneShortOfTheTcpHeader", tcp().total_length(39), Verdict::kMalformed},
        Lie{"TotalEndsWithTheTcpHeader", tcp().total_length(40), Verdict::kForward},
        Lie{"TotalOneShortOfTheTcpOptions", to_service().total_length(43).tcp(1, 2).tcp_options(1),
            Verdict::kMalformed},
        Lie{"TotalOneShortOfTheUdpHeader", udp().udp_length(8).total_length(27),
            Verdict::kMalformed},
        Lie{"TotalEndsWithTheUdpHeader", udp().udp_length(8).total_length(28), Verdict::kForward},
        Lie{"DataOffset0", tcp().data_offset(0), Verdict::kMalformed},
        Lie{"DataOffset16", tcp().data_offset(4), Verdict::kMalformed},
        Lie{"DataOffsetIntoTheData", tcp().data_offset(7), Verdict::kForward},
        Lie{"DataOffsetBeyondTheTotal", tcp().data_offset(8), Verdict::kMalformed},
        Lie{"DataOffset60", tcp().data_offset(15), Verdict::kMalformed},
        Lie{"UdpLength0", udp().udp_length(0), Verdict::kMalformed},
        Lie{"UdpLength7", udp().udp_length(7), Verdict::kMalformed},
        Lie{"UdpLengthOneBeyondTheTotal", udp().udp_length(19), Verdict::kMalformed},
        Lie{"UdpLengthIntoThePadding", udp().pad(100).udp_length(19), Verdict::kMalformed},
        Lie{"UdpLength65535", udp().udp_length(65535), Verdict::kMalformed},
        Lie{"WrongChecksumsAreNotJudged", tcp().ip_checksum(1).l4_checksum(1), Verdict::kForward}),
    [](const auto& about) { return about.param.what; });

Packet first() { return to_service().id(7).fragment(0, true); }

INSTANTIATE_TEST_SUITE_P(
    FirstFragments, ParseLie,
    testing::Values(
        Lie{"TcpOptionsBeyondIt", first().tcp(1, 2).data_offset(15), Verdict::kForward},
        Lie{"TcpHeaderTooShort", first().tcp(1, 2).data_offset(4), Verdict::kMalformed},
        Lie{"TcpOneShort", first().protocol(6).payload(19).pad(60), Verdict::kMalformed},
        Lie{"UdpLengthBeyondIt", first().udp(1, 2).udp_length(1480), Verdict::kForward},
        Lie{"UdpLengthBelowItself", first().udp(1, 2).udp_length(7), Verdict::kMalformed},
        Lie{"UdpOneShort", first().protocol(17).payload(7).pad(60), Verdict::kMalformed}),
    [](const auto& about) { return about.param.what; });

TEST(ParseFrame, PayloadTooShortForItsHeaderIsMalformedWhateverThePadding) {
  EXPECT_EQ(verdict_of(to_service().protocol(6).payload(19).pad(60)), Verdict::kMalformed);
  EXPECT_EQ(verdict_of(to_service().protocol(17).payload(7).pad(60)), Verdict::kMalformed);
}

}  // namespace
}  // namespace sluice
