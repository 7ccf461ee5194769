// SPDX-License-Identifier: Apache-2.0
// The packet builder and the dissector, on which the tests of every other module lean.
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

Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }

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

TEST(PacketBuilder, NonsenseThrows) {
  EXPECT_THROW(Packet().eth("02:00"), std::invalid_argument);
  EXPECT_THROW(Packet().ipv4(kClient, "2001:db8::1"), std::invalid_argument);
  EXPECT_THROW(Packet().ipv6(kClient, kVip), std::invalid_argument);
  EXPECT_THROW(Packet().eth().ttl(1), std::invalid_argument);
  EXPECT_THROW(to_service().udp(1, 2).tcp_options(1), std::invalid_argument);
}

TEST(Dissector, EveryFlippedBitBreaksAChecksum) {
  const Bytes frame = to_service().tcp(40000, 443).payload(11);
  for (std::size_t bit = 14 * 8; bit < frame.size() * 8; ++bit) {
    if (bit / 8 == 14 || bit / 8 == 16 || bit / 8 == 17)
      continue;  // lengths: it is another packet then
    Bytes damaged = frame;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto packet = strip_ethernet(damaged);
    EXPECT_FALSE(ipv4_checksum_ok(packet) && l4_checksum_ok(packet)) << bit;
  }
}

TEST(Dissector, UdpWithoutAChecksumIsRight) {
  EXPECT_TRUE(
      l4_checksum_ok(strip_ethernet(Bytes(to_service().udp(1, 2).l4_checksum(0).payload(5)))));
  EXPECT_FALSE(
      l4_checksum_ok(strip_ethernet(Bytes(to_service().udp(1, 2).l4_checksum(1).payload(5)))));
}

TEST(Dissector, ShortBytesThrow) {
  const Bytes frame = to_service().tcp(1, 2);
  const auto whole = ByteView(frame);
  EXPECT_THROW(static_cast<void>(strip_ethernet(whole.first(13))), std::out_of_range);
  EXPECT_THROW(static_cast<void>(ipv4_of(whole.subspan(14, 19))), std::out_of_range);
  EXPECT_THROW(static_cast<void>(strip_ipv4(whole.subspan(14, 39))), std::out_of_range);
  EXPECT_THROW(
      static_cast<void>(tcp_of(strip_ethernet(Bytes(to_service().total_length(30).tcp(1, 2))))),
      std::out_of_range);
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
