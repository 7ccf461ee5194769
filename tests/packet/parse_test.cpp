// SPDX-License-Identifier: Apache-2.0
// parse_frame(): what it takes from right packets, and what it says to lying and short ones. Every
// frame stands at the end of accessible memory, so that a read beyond it is a fault.
#include "packet/parse.hpp"

#include "packet/slow_parse.hpp"
#include "support/dissect.hpp"
#include "support/guarded.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace sluice {

std::ostream& operator<<(std::ostream& to, Verdict v) { return to << text(v).name; }

namespace {

using test::Bytes;
using test::Packet;

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kVip = "203.0.113.10";

struct Judged {
  Verdict verdict;
  Parsed parsed;
};

/// Parses the first `size` bytes of `packet` as the first segment of a packet of `length` bytes.
/// Once behind a guard page, once in a heap block of that very size (for the address sanitizer);
/// the result is written over rubbish, so that a byte left alone shows.
Judged judge(const Bytes& packet, std::size_t size, std::size_t length) {
  const auto whole = std::span(packet).first(size);
  Judged guarded;
  std::memset(&guarded.parsed, 0xa5, sizeof guarded.parsed);
  guarded.verdict = parse_frame(test::Guarded(whole).bytes(), length, guarded.parsed);

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

Judged judge(const Bytes& packet) { return judge(packet, packet.size(), packet.size()); }

Verdict verdict_of(const Bytes& packet) { return judge(packet).verdict; }

std::string dotted(std::uint32_t wire) { return test::text(Be32::from_wire(wire)); }
unsigned port(std::uint16_t wire) { return Be16::from_wire(wire).to_host(); }

constexpr const char* kClient6 = "2001:db8:c::1";
constexpr const char* kVip6 = "2001:db8:a::10";

Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }
Packet to_service6() { return Packet().eth().ipv6(kClient6, kVip6); }

/// One IPv6 extension header of `words` times 8 bytes.
Bytes extension(std::uint8_t next, std::size_t words = 1) {
  Bytes r(words * 8);
  r[0] = std::byte{next};
  r[1] = static_cast<std::byte>(words - 1);
  return r;
}

Bytes fragment_header(std::uint8_t next, std::uint16_t offset, bool more) {
  const auto word = static_cast<unsigned>(offset << 3 | (more ? 1 : 0));
  return {std::byte{next},        std::byte{0},    static_cast<std::byte>(word >> 8),
          std::byte(word & 0xff), std::byte{0xde}, std::byte{0xad},
          std::byte{0xbe},        std::byte{0xef}};
}

/// What an ICMP error carries of a packet that went from the service to the client.
Bytes quoted(const Packet& answer, std::size_t bytes) {
  const Bytes packet = answer;
  return {packet.begin() + 14, packet.begin() + static_cast<std::ptrdiff_t>(14 + bytes)};
}
Packet answer() { return Packet().eth().ipv4(kVip, kClient).tcp(443, 40000).payload(9); }
Packet answer6() { return Packet().eth().ipv6(kVip6, kClient6).tcp(443, 40000).payload(9); }
Packet error4() { return to_service().icmp(3, 4, 1400).payload(quoted(answer(), 28)); }
Packet error6() {
  return to_service6().protocol(58).icmp(2, 0, 1400).payload(quoted(answer6(), 48));
}

bool all_zero(const auto& object) {
  const auto bytes = std::as_bytes(std::span(&object, 1));
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// What is read from right packets.

TEST(ParseFrame, TcpSegmentGivesItsFlowAndFlags) {
  const auto [verdict, p] = judge(to_service().ttl(9).tos(0x2e).df().tcp(40000, 443, 0x12));
  EXPECT_EQ(verdict, Verdict::kForward);
  EXPECT_EQ(dotted(p.key.source[0]), kClient);
  EXPECT_EQ(dotted(p.key.destination[0]), kVip);
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
    EXPECT_EQ(dotted(p.key.destination[0]), kVip);
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
    EXPECT_EQ(dotted(p.key.destination[0]), kVip);
    EXPECT_EQ(p.key.source_port | p.key.destination_port | p.tcp_flags, 0);
  }
  EXPECT_FALSE(judge(to_service().id(7).df().udp(1, 2)).parsed.fragmented);
}

// Lies: each field that can contradict the frame, one step on either side of the truth.

struct Lie {
  const char* what;
  Bytes packet;
  Verdict verdict;
};
std::ostream& operator<<(std::ostream& to, const Lie& lie) { return to << lie.what; }

class ParseLie : public testing::TestWithParam<Lie> {};

TEST_P(ParseLie, IsJudgedAndLeavesTheDestination) {
  const auto [verdict, p] = judge(GetParam().packet);
  EXPECT_EQ(verdict, GetParam().verdict) << test::hex(GetParam().packet);
  EXPECT_EQ(p.key.family, 4);
  EXPECT_EQ(dotted(p.key.destination[0]), kVip);
  if (verdict != Verdict::kForward) {
    EXPECT_EQ(p.key.source_port | p.key.destination_port, 0);
  }
}

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

TEST(ParseFrame, PayloadTooShortForItsHeaderIsMalformedWhateverThePadding) {
  EXPECT_EQ(verdict_of(to_service().protocol(6).payload(19).pad(60)), Verdict::kMalformed);
  EXPECT_EQ(verdict_of(to_service().protocol(17).payload(7).pad(60)), Verdict::kMalformed);
}

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
        Shape{
            "HopByHop",
            to_service6().protocol(0).payload(extension(6, 2)).payload(Packet().tcp(1, 2).bytes()),
            6, 14, 90, kForward},
        Shape{"FirstFragment",
              to_service6()
                  .protocol(44)
                  .payload(fragment_header(17, 0, true))
                  .payload(Packet().udp(1, 2).payload(8).bytes()),
              6, 14, 70, kForward},
        Shape{"LaterFragment",
              to_service6().protocol(44).payload(fragment_header(17, 2, false)).payload(30), 6, 14,
              62, kForward},
        Shape{"Echo", to_service6().protocol(58).icmp(128, 0).payload(20), 6, 14, 62, kForward},
        Shape{"Advertisement", to_service6().protocol(58).icmp(136, 0).payload(20), 6, 14, 62,
              kHost},
        Shape{"Error", error6(), 6, 14, 110, kForward},
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

// Against the slow version: packets of all kinds with a few bytes made random, cut anywhere, with
// the rest lost or in another segment.
TEST(ParseFrame, AgreesWithTheSlowVersionOnDamagedPackets) {
  const std::vector<Bytes> kinds{
      tcp(),
      udp(),
      to_service().options(3).tcp(1, 2).tcp_options(5).payload(9),
      to_service().options(10).udp(1, 2).payload(9),
      to_service().icmp_echo(1, 2).payload(20),
      Packet().eth().vlan(5).ipv4(kClient, kVip).tcp(1, 2).payload(9),
      Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).options(1).udp(1, 2).payload(9).pad(90),
      Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 2),
      to_service().fragment(0, true).udp(1, 2).payload(16),
      to_service().fragment(5, false).protocol(6).payload(16),
      error4(),
      to_service().icmp(11, 0).payload(quoted(answer(), 40)),
      to_service6().tcp(1, 2).tcp_options(1).payload(9),
      to_service6().udp(1, 2).payload(9),
      to_service6()
          .protocol(0)
          .payload(extension(60))
          .payload(extension(43, 2))
          .payload(extension(44, 3))
          .payload(fragment_header(17, 0, true))
          .payload(Packet().udp(1, 2).payload(9).bytes()),
      to_service6().protocol(44).payload(fragment_header(6, 3, true)).payload(16),
      to_service6().protocol(58).icmp(128, 0, 77).payload(9),
      error6(),
      to_service6().protocol(58).icmp(1, 0).payload(
          quoted(Packet()
                     .eth()
                     .ipv6(kVip6, kClient6)
                     .protocol(60)
                     .payload(extension(17))
                     .payload(Packet().udp(443, 40000).bytes()),
                 56))};
  std::mt19937_64 random(20240611);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::array<std::size_t, kVerdicts> seen{};
  for (int round = 0; round < 200'000; ++round) {
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
  }
  for (const auto v : {Verdict::kForward, Verdict::kHost, Verdict::kTruncated, Verdict::kMalformed})
    EXPECT_GT(seen[static_cast<std::size_t>(v)], 1000U) << v << " was hardly tried";
}

}  // namespace
}  // namespace sluice
