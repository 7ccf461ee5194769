// SPDX-License-Identifier: Apache-2.0
// The packet builder and guarded memory, on which the tests of every other module lean.
#include "support/packet.hpp"

#include "support/dissect.hpp"
#include "support/guarded.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::test {
namespace {

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kVip = "203.0.113.10";
constexpr const char* kClient6 = "2001:db8:c::1";
constexpr const char* kVip6 = "2001:db8:a::10";

Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }
Packet to_service6() { return Packet().eth().ipv6(kClient6, kVip6); }

// A frame whose every field and checksum tcpdump 4.99 finds right.
TEST(PacketBuilder, GivesTheVeryBytesOfAKnownFrame) {
  EXPECT_EQ(hex(Packet()
                    .eth()
                    .vlan(5)
                    .ipv4(kClient, kVip)
                    .ttl(9)
                    .df()
                    .options(2)
                    .tcp(40000, 443, 2)
                    .tcp_options(1)
                    .payload(5)
                    .bytes()),
            "0000  02 00 00 00 00 01 02 00 00 00 00 02 81 00 00 05\n"
            "0010  08 00 47 00 00 39 00 00 40 00 09 06 05 7c c6 33\n"
            "0020  64 01 cb 00 71 0a 01 01 01 01 01 01 01 01 9c 40\n"
            "0030  01 bb 00 00 00 00 00 00 00 00 60 02 ff ff 93 98\n"
            "0040  00 00 01 01 01 01 00 01 02 03 04");
}

// Their checksums and layers are scapy 2.5's.
TEST(PacketBuilder, GivesTheVeryBytesOfAKnownIpv6Frame) {
  EXPECT_EQ(hex(Packet()
                    .eth()
                    .ipv6(kClient6, kVip6)
                    .tos(0xb8)
                    .ttl(9)
                    .hop_by_hop()
                    .routing(0, 2)
                    .fragment_header(0, true, 0xdeadbeef)
                    .destination_options()
                    .icmp_echo(7, 9)
                    .payload(5)
                    .bytes()),
            "0000  02 00 00 00 00 01 02 00 00 00 00 02 86 dd 6b 80\n"
            "0010  00 00 00 35 00 09 20 01 0d b8 00 0c 00 00 00 00\n"
            "0020  00 00 00 00 00 01 20 01 0d b8 00 0a 00 00 00 00\n"
            "0030  00 00 00 00 00 10 2b 00 00 00 00 00 00 00 2c 01\n"
            "0040  00 00 00 00 00 00 00 00 00 00 00 00 00 00 3c 00\n"
            "0050  00 01 de ad be ef 3a 00 00 00 00 00 00 00 80 00\n"
            "0060  1e 0b 00 07 00 09 00 01 02 03 04");
}

TEST(PacketBuilder, GivesTheVeryBytesOfAKnownTunnelAndOfAnErrorInIt) {
  EXPECT_EQ(hex(Packet()
                    .eth()
                    .ipv6("2001:db8::a", "2001:db8::b")
                    .udp(50000, 6080)
                    .gue()
                    .ipv4(kClient, kVip)
                    .icmp(3, 4, 1400)
                    .quote(Packet().eth().ipv4(kVip, kClient).tcp(443, 40000), 28)
                    .bytes()),
            "0000  02 00 00 00 00 01 02 00 00 00 00 02 86 dd 60 00\n"
            "0010  00 00 00 44 11 40 20 01 0d b8 00 00 00 00 00 00\n"
            "0020  00 00 00 00 00 0a 20 01 0d b8 00 00 00 00 00 00\n"
            "0030  00 00 00 00 00 0b c3 50 17 c0 00 44 c8 ca 00 04\n"
            "0040  00 00 45 00 00 38 00 00 00 00 40 01 14 86 c6 33\n"
            "0050  64 01 cb 00 71 0a 03 04 59 88 00 00 05 78 45 00\n"
            "0060  00 28 00 00 00 00 40 06 14 91 cb 00 71 0a c6 33\n"
            "0070  64 01 01 bb 9c 40 00 00 00 00");
}

TEST(PacketBuilder, LengthsAndChecksumsAreRight) {
  for (std::size_t size : {0U, 1U, 2U, 7U, 100U, 1400U})
    for (std::size_t options : {0U, 1U, 10U})
      for (const Bytes& frame :
           {to_service().options(options).tcp(1, 2).tcp_options(options).payload(size).bytes(),
            to_service().options(options).udp(1, 2).payload(size).bytes(),
            to_service().options(options).icmp_echo(1, 2).payload(size).bytes()}) {
        const auto packet = strip_ethernet(frame);
        EXPECT_EQ(ipv4_of(packet).total_length.to_host(), packet.size());
        EXPECT_TRUE(ipv4_checksum_ok(packet)) << hex(frame);
        EXPECT_TRUE(l4_checksum_ok(packet)) << hex(frame);
      }
}

TEST(PacketBuilder, LengthsAndChecksumsOfIpv6AreRight) {
  for (std::size_t size : {0U, 1U, 2U, 7U, 100U, 1400U})
    for (const Bytes& frame :
         {to_service6().tcp(1, 2).tcp_options(3).payload(size).bytes(),
          to_service6().hop_by_hop(2).udp(1, 2).payload(size).bytes(),
          to_service6().icmp_echo(1, 2, true).payload(size).bytes(),
          to_service6().destination_options(3).icmp(1, 4).payload(size).bytes()}) {
      const auto packet = strip_ethernet(frame);
      EXPECT_EQ(ipv6_of(packet).payload_length.to_host() + 40U, packet.size());
      EXPECT_TRUE(l4_checksum_ok(packet)) << hex(frame);
    }
}

TEST(PacketBuilder, LayersNameWhatFollowsThem) {
  const Bytes tunnel =
      Packet().eth().ipip("10.0.0.1", "10.0.1.11").ttl(7).ipv4(kClient, kVip).udp(1, 2).payload(3);
  const auto outer = strip_ethernet(tunnel);
  EXPECT_EQ(ethernet_of(tunnel).type.to_host(), wire::kEtherIpv4);
  EXPECT_EQ(ipv4_of(outer).protocol, wire::kIpProtoIpip);
  EXPECT_EQ(ipv4_of(outer).ttl, 7);
  EXPECT_EQ(text(ipv4_of(outer).destination), "10.0.1.11");
  const auto inner = strip_ipv4(outer);
  EXPECT_EQ(ipv4_of(inner).protocol, wire::kIpProtoUdp);
  EXPECT_EQ(ipv4_of(inner).ttl, 64);
  EXPECT_EQ(text(ipv4_of(inner).destination), kVip);
  EXPECT_TRUE(ipv4_checksum_ok(outer) && ipv4_checksum_ok(inner) && l4_checksum_ok(inner));
  EXPECT_EQ(strip_transport(inner).size(), 3U);

  const Bytes sixes = Packet()
                          .eth()
                          .ipv6("2001:db8::a", "2001:db8::b")
                          .hop_by_hop()
                          .ipv6(kClient6, kVip6)
                          .routing()
                          .icmp_echo(1, 2);
  const auto outer6 = ip_of(strip_ethernet(sixes));
  EXPECT_EQ(ethernet_of(sixes).type.to_host(), wire::kEtherIpv6);
  EXPECT_EQ(outer6.protocol, wire::kIpProtoIpv6);
  EXPECT_EQ(ip_of(outer6.payload).protocol, wire::kIpProtoIcmp6);
  EXPECT_EQ(icmp_of(outer6.payload).type, wire::kIcmp6Echo);

  const Bytes tagged =
      Packet().eth().qinq(7).vlan(5).arp_request(kClientMac, "10.0.0.1", "10.0.0.2");
  EXPECT_EQ(ethernet_of(tagged).type.to_host(), wire::kEtherQinq);
  EXPECT_EQ(strip_ethernet(tagged).size(), 28U);
}

TEST(PacketBuilder, LieStandsWhereItWasAskedForAndNowhereElse) {
  const Bytes lie = to_service()
                        .total_length(1000)
                        .ip_checksum(0x1234)
                        .udp(1, 2)
                        .udp_length(9)
                        .l4_checksum(0xabcd)
                        .payload(4);
  const auto packet = strip_ethernet(lie);
  EXPECT_EQ(lie.size(), 14U + 20 + 8 + 4);
  EXPECT_EQ(ipv4_of(packet).total_length.to_host(), 1000);
  EXPECT_EQ(ipv4_of(packet).checksum.to_host(), 0x1234);
  const auto udp = wire::load<wire::Udp>(packet.data() + 20);
  EXPECT_EQ(udp.length.to_host(), 9);
  EXPECT_EQ(udp.checksum.to_host(), 0xabcd);
  EXPECT_TRUE(ipv4_checksum_ok(
      strip_ethernet(Bytes(to_service().header_length(5).total_length(28).udp(1, 2)))));
}

TEST(PacketBuilder, PaddingLiesBehindThePacket) {
  const Bytes frame = to_service().udp(1, 2).payload(1).pad();
  EXPECT_EQ(frame.size(), 60U);
  EXPECT_EQ(strip_ipv4(strip_ethernet(frame)).size(), 9U);
  EXPECT_EQ(Bytes(to_service().udp(1, 2).payload(100).pad()).size(), 142U);
}

TEST(PacketBuilder, QuoteIsTheOtherPacketsBeginning) {
  const Packet answer = Packet().eth().vlan(5).ipv4(kVip, kClient).tcp(443, 40000).payload(9);
  const Bytes whole = answer;
  const auto ip = strip_ethernet(whole);
  for (const std::size_t bytes : {0U, 20U, 28U, 49U, 1000U}) {
    const Bytes error = to_service().icmp(11, 0).quote(answer, bytes);
    EXPECT_EQ(hex(ByteView(error).subspan(42)), hex(ip.first(std::min<std::size_t>(bytes, 49))));
    EXPECT_TRUE(checksums_right(error)) << hex(error);
  }
}

TEST(PacketBuilder, ProtocolIsThatOfTheLastHeaderBeforeIt) {
  EXPECT_EQ(ip_of(strip_ethernet(Bytes(to_service().protocol(89).payload(4)))).protocol, 89);
  const Bytes later = to_service6().hop_by_hop().fragment_header(3, false, 7).protocol(17);
  const auto ip = ip_of(strip_ethernet(later));
  EXPECT_EQ(ip.protocol, 17);
  EXPECT_EQ(ipv6_of(strip_ethernet(later)).next_header, 0);
  EXPECT_TRUE(ip.fragmented && ip.later);
  EXPECT_EQ(ip.id, 7U);
}

TEST(PacketBuilder, NonsenseThrows) {
  EXPECT_THROW(Packet().eth("02:00"), std::invalid_argument);
  EXPECT_THROW(Packet().ipv4(kClient, "2001:db8::1"), std::invalid_argument);
  EXPECT_THROW(Packet().ipv6(kClient, kVip), std::invalid_argument);
  EXPECT_THROW(Packet().eth().ttl(1), std::invalid_argument);
  EXPECT_THROW(Packet().eth().protocol(1), std::invalid_argument);
  EXPECT_THROW(to_service6().df(), std::invalid_argument);
  EXPECT_THROW(to_service6().fragment(0, true), std::invalid_argument);
  EXPECT_THROW(to_service6().hop_by_hop(257), std::invalid_argument);
  EXPECT_THROW(to_service().udp(1, 2).tcp_options(1), std::invalid_argument);
}

TEST(GuardedDeathTest, ReadBehindTheLastByteIsAFault) {
  for (const std::size_t size : {0UL, 1UL, 60UL, 4096UL, 4097UL}) {
    const std::vector<std::byte> bytes(size, std::byte{7});
    const Guarded guarded(bytes);
    ASSERT_EQ(guarded.bytes().size(), size);
    EXPECT_TRUE(std::ranges::equal(guarded.bytes(), bytes));
    const volatile std::byte* end = guarded.bytes().data() + size;
    EXPECT_DEATH({ [[maybe_unused]] const auto read = *end; }, "");
  }
}

}  // namespace
}  // namespace sluice::test
