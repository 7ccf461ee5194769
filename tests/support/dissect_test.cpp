// SPDX-License-Identifier: Apache-2.0
// The dissector: what is right, what is not, and bytes that end too early.
#include "support/dissect.hpp"

#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <stdexcept>
#include <string>

namespace sluice::test {
namespace {

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kVip = "203.0.113.10";
constexpr const char* kClient6 = "2001:db8:c::1";
constexpr const char* kVip6 = "2001:db8:a::10";

Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }
Packet to_service6() { return Packet().eth().ipv6(kClient6, kVip6); }
Packet tunnel() { return Packet().eth().ipip("10.0.0.1", "10.0.1.7"); }
Packet tunnel6() { return Packet().eth().ipv6("2001:db8::a", "2001:db8::b"); }

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

TEST(Dissector, Ipv6NeedsAUdpChecksum) {
  EXPECT_FALSE(
      l4_checksum_ok(strip_ethernet(Bytes(to_service6().udp(1, 2).l4_checksum(0).payload(5)))));
}

TEST(Dissector, UdpChecksumCoversTheDatagramAndNotWhatFollowsIt) {
  const Bytes sent = to_service().total_length(33).udp(1, 2).payload(5);
  Bytes longer = to_service().total_length(37).udp(1, 2).payload(5).pad(60);
  EXPECT_TRUE(checksums_right(sent));
  EXPECT_TRUE(checksums_right(longer));
  longer.at(50) = std::byte{1};
  EXPECT_TRUE(checksums_right(longer));
  EXPECT_EQ(strip_transport(strip_ethernet(longer)).size(), 5U);
}

TEST(Dissector, PartsOfAnIpv6PacketLieBehindItsExtensionHeaders) {
  const Bytes frame = to_service6().hop_by_hop(2).destination_options().routing().udp(7, 9);
  const auto ip = ip_of(strip_ethernet(frame));
  EXPECT_EQ(ip.family, 6U);
  EXPECT_EQ(ip.protocol, 17);
  EXPECT_EQ(text(ip.source), kClient6);
  EXPECT_EQ(text(ip.destination), kVip6);
  EXPECT_EQ(ip.fixed.size(), 40U);
  EXPECT_EQ(ip.payload.size(), 8U);
  EXPECT_EQ(udp_of(strip_ethernet(frame)).destination_port.to_host(), 9);
}

TEST(Dissector, AtomicFragmentIsAWholePacket) {
  const Bytes frame = to_service6().fragment_header(0, false, 9).udp(1, 2).payload(3);
  const auto ip = ip_of(strip_ethernet(frame));
  EXPECT_FALSE(ip.fragmented);
  EXPECT_TRUE(l4_checksum_ok(strip_ethernet(frame)));
}

// Every checksum of every layer: one frame of each kind, each of whose bits that a checksum covers
// is flipped in turn.

struct Layered {
  const char* name;
  Bytes frame;
  std::size_t covered_from;  ///< Bytes before it have no checksum.
};
std::ostream& operator<<(std::ostream& to, const Layered& l) { return to << l.name; }

class ChecksumsRight : public testing::TestWithParam<Layered> {};

TEST_P(ChecksumsRight, OfTheFrameAndOfNoFrameWithAFlippedBit) {
  const auto& [name, frame, from] = GetParam();
  EXPECT_TRUE(checksums_right(frame)) << hex(frame);
  for (std::size_t at = from; at < frame.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes damaged = frame;
      damaged[at] ^= static_cast<std::byte>(1U << bit);
      EXPECT_FALSE(checksums_right(damaged)) << "byte " << at << ", bit " << bit;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ChecksumsRight,
    testing::Values(
        Layered{"Tcp", to_service().tcp(1, 2).payload(11), 14},
        Layered{"VlanUdp", Packet().eth().vlan(5).ipv4(kClient, kVip).udp(1, 2).payload(4), 18},
        Layered{"Echo", to_service().options(1).icmp_echo(1, 2).payload(5), 14},
        Layered{"Tcp6", to_service6().tcp(1, 2).payload(11), 22},
        Layered{"Udp6", to_service6().hop_by_hop().udp(1, 2).payload(3), 62},
        Layered{"Echo6", to_service6().icmp_echo(1, 2).payload(3), 22},
        Layered{"Ipip", tunnel().ipv4(kClient, kVip).tcp(1, 2).payload(5), 14},
        Layered{"SixInFour", tunnel().ipv6(kClient6, kVip6).udp(1, 2).payload(5), 42},
        Layered{"FourInSix", tunnel6().ipv4(kClient, kVip).icmp_echo(1, 2), 54},
        Layered{"Gue", tunnel().udp(50000, 6080).ipv4(kClient, kVip).tcp(1, 2).payload(5), 14},
        Layered{"Gue0", tunnel6().udp(50000, 6080).gue().ipv6(kClient6, kVip6).icmp_echo(1, 2),
                54}),
    [](const auto& about) { return about.param.name; });

TEST(ChecksumsRight, NotWhenOnlyTheInnermostIsWrong) {
  const auto wrong_inside = [](Packet outer) {
    return checksums_right(
        outer.ipv4(kClient, kVip).tcp(1, 2).l4_checksum(0x1234).payload(5).bytes());
  };
  EXPECT_FALSE(wrong_inside(tunnel()));
  EXPECT_FALSE(wrong_inside(tunnel6()));
  EXPECT_FALSE(wrong_inside(tunnel().udp(50000, 6080)));
  EXPECT_FALSE(wrong_inside(tunnel().udp(50000, 6080).gue()));
  EXPECT_FALSE(wrong_inside(tunnel6().udp(50000, 6080).l4_checksum(0)));
  EXPECT_FALSE(checksums_right(tunnel().ipv4(kClient, kVip).ip_checksum(7).tcp(1, 2).bytes()));
  EXPECT_TRUE(wrong_inside(tunnel().udp(50000, 6081)));  // no tunnel: a datagram's data
}

TEST(ChecksumsRight, WhereThereIsNoneToJudge) {
  const Bytes wrong = to_service().ip_checksum(1).tcp(1, 2).l4_checksum(1);
  for (const Bytes& frame :
       {Packet().eth().arp_request(kClientMac, "10.0.0.1", "10.0.0.2").bytes(),
        to_service().fragment(0, true).udp(1, 2).l4_checksum(1).payload(8).bytes(),
        to_service().fragment(9, false).protocol(6).payload(32).bytes(),
        to_service6().fragment_header(9, true, 1).protocol(6).payload(32).bytes(),
        to_service().protocol(50).payload(9).bytes(),
        to_service().icmp(3, 1).quote(Packet().ipv4(kVip, kClient).ip_checksum(9)).bytes()})
    EXPECT_TRUE(checksums_right(frame)) << hex(frame);
  EXPECT_FALSE(checksums_right(wrong));
}

TEST(ChecksumsRight, NotOfBytesThatEndTooEarly) {
  const Bytes frame = to_service6().hop_by_hop().udp(1, 2).payload(3);
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(checksums_right(ByteView(frame).first(size))) << size;
}

}  // namespace
}  // namespace sluice::test
