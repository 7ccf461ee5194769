// SPDX-License-Identifier: Apache-2.0
// Checksums that are left to the device, and what it says of those of received packets.
#include "dataplane/encapsulate.hpp"
#include "dataplane/rig.hpp"
#include "dataplane/verify.hpp"
#include "packet/parse.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mbuf_ptype.h>

#include <memory>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;

constexpr std::uint64_t kHash = 0x0123456789abcdefULL;
constexpr std::uint16_t kNumber = 7;  // of the backend

struct FreeBuffer {
  void operator()(rte_mbuf* m) const noexcept { rte_pktmbuf_free(m); }
};
using Buffer = std::unique_ptr<rte_mbuf, FreeBuffer>;

/// Outer family, inner family, GUE variant, VLAN tags.
using Case = std::tuple<int, int, std::uint8_t, int>;

class LeftToTheDevice : public testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] static bool outer_v4() { return std::get<0>(GetParam()) == 4; }
  [[nodiscard]] static std::size_t l2() {
    return 14U + 4U * static_cast<unsigned>(std::get<3>(GetParam()));
  }
  [[nodiscard]] static std::size_t l3() { return outer_v4() ? 20 : 40; }

  [[nodiscard]] static std::unique_ptr<const snapshot::Snapshot> tables(
      Forwarding forwarding = Forwarding::kGue) {
    auto backend = test::backend("b", kNumber);
    if (!outer_v4()) backend.address = test::ip("2001:db8:1::7");
    auto pool = test::pool("p", {backend}, forwarding);
    pool.outer_source6 = test::ip("2001:db8::1");
    pool.gue_variant = std::get<2>(GetParam());
    return test::built(test::input({pool}, {test::service("s", "203.0.113.10", 443)}));
  }
  static Packet client() {
    Packet p = Packet().eth();
    for (int i = 0; i < std::get<3>(GetParam()); ++i) p.vlan(static_cast<std::uint16_t>(5 + i));
    if (std::get<1>(GetParam()) == 4) return p.ipv4("198.51.100.1", "203.0.113.10");
    return p.ipv6("2001:db8:c::1", "2001:db8:a::10");
  }
  static Buffer encapsulated(const snapshot::Snapshot& now, const Bytes& packet, bool device_sums,
                             std::size_t first_segment = SIZE_MAX) {
    Buffer m(test::buffer_of(packet, 128, first_segment));
    Parsed parsed;
    EXPECT_EQ(
        parse_frame({rte_pktmbuf_mtod(m.get(), const std::byte*), m->data_len}, m->pkt_len, parsed),
        Verdict::kForward);
    EXPECT_EQ(encapsulate(*m, parsed, now.backends[kNumber], kHash, device_sums),
              Verdict::kForward);
    return m;
  }
  static std::uint16_t checksum_of(const Bytes& frame) {
    return wire::load<std::uint16_t>(frame.data() + l2() + l3() + offsetof(wire::Udp, checksum));
  }
};

TEST_P(LeftToTheDevice, OuterHeadersAreNamedAndThePseudoHeaderIsSummed) {
  const auto now = tables();
  const auto m = encapsulated(*now, client().tcp(40000, 443).payload(333), true);
  EXPECT_EQ(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
  EXPECT_EQ((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0, outer_v4());
  EXPECT_EQ((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0, !outer_v4());
  EXPECT_EQ(m->ol_flags & (RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_IP_CKSUM), 0U);
  EXPECT_EQ(m->l2_len, l2());
  EXPECT_EQ(m->l3_len, l3());
  EXPECT_EQ(m->l4_len, 8U);
  const auto* ip = rte_pktmbuf_mtod_offset(m.get(), const std::byte*, l2());
  // What DPDK itself would have a driver find there.
  const std::uint16_t wanted =
      outer_v4() ? rte_ipv4_phdr_cksum(reinterpret_cast<const rte_ipv4_hdr*>(ip), 0)
                 : rte_ipv6_phdr_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip), 0);
  EXPECT_EQ(checksum_of(test::bytes_of(m.get())), wanted);
}

TEST_P(LeftToTheDevice, FinishedInSoftwareItIsAsIfItNeverHadBeen) {
  const auto now = tables();
  for (const std::size_t payload : {0U, 1U, 64U, 333U, 1300U}) {
    const Bytes packet = client().udp(40000, 443).payload(payload);
    const auto left = encapsulated(*now, packet, true);
    const auto made = encapsulated(*now, packet, false);
    EXPECT_NE(test::hex(test::bytes_of(left.get())), test::hex(test::bytes_of(made.get())));
    finish_checksum(*left);
    EXPECT_EQ(test::hex(test::bytes_of(left.get())), test::hex(test::bytes_of(made.get())));
    EXPECT_EQ(left->ol_flags, made->ol_flags);
    finish_checksum(*left);  // nothing is left to finish
    EXPECT_EQ(test::hex(test::bytes_of(left.get())), test::hex(test::bytes_of(made.get())));
  }
}

TEST_P(LeftToTheDevice, PacketsOfSeveralSegmentsAreNot) {
  const auto now = tables();
  const Bytes packet = client().tcp(40000, 443).payload(700);
  const auto parts = encapsulated(*now, packet, true, 301);
  EXPECT_EQ(parts->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0U);
  EXPECT_EQ(test::hex(test::bytes_of(parts.get())),
            test::hex(test::bytes_of(encapsulated(*now, packet, false).get())));
}

TEST_P(LeftToTheDevice, TunnelsWithoutUdpHaveNothingToLeave) {
  const auto now = tables(Forwarding::kIpip);
  const auto m = encapsulated(*now, client().tcp(40000, 443).payload(33), true);
  EXPECT_EQ(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0U);
}

INSTANTIATE_TEST_SUITE_P(Gue, LeftToTheDevice,
                         testing::Combine(testing::Values(4, 6), testing::Values(4, 6),
                                          testing::Values(std::uint8_t{0}, std::uint8_t{1}),
                                          testing::Values(0, 1, 2)));

// Zero would say that there is no checksum, which over IPv6 is not allowed.
TEST(FinishedChecksum, IsNeverZero) {
  const Bytes frame = Packet().eth().ipv6("2001:db8::1", "2001:db8::2").udp(1, 2).payload(2);
  Buffer m(test::buffer_of(frame));
  auto* udp = rte_pktmbuf_mtod_offset(m.get(), std::byte*, 14 + 40);
  unsigned ones = 0;
  for (unsigned word = 0; word <= 0xffff; ++word) {
    wire::store(udp + 8, static_cast<std::uint16_t>(word));
    wire::store(udp + offsetof(wire::Udp, checksum), std::uint16_t{0x1234});
    m->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV6;
    m->l2_len = 14;
    m->l3_len = 40;
    finish_checksum(*m);
    const auto sum = wire::load<std::uint16_t>(udp + offsetof(wire::Udp, checksum));
    ASSERT_NE(sum, 0U);
    ones += sum == 0xffff ? 1 : 0;
  }
  EXPECT_GE(ones, 1U);
}

struct DevicesWord : testing::Test {
  static bool right(const Bytes& packet, std::uint64_t flags, std::uint32_t type = 0) {
    const Buffer m(test::buffer_of(packet));
    m->ol_flags = flags;
    m->packet_type = type;
    Parsed parsed;
    EXPECT_EQ(
        parse_frame({rte_pktmbuf_mtod(m.get(), const std::byte*), m->data_len}, m->pkt_len, parsed),
        Verdict::kForward);
    return has_right_checksums(*m, parsed);
  }
  static Packet v4() { return Packet().eth().ipv4("198.51.100.1", "203.0.113.10"); }
  static Packet v6() { return Packet().eth().ipv6("2001:db8:c::1", "2001:db8:a::10"); }

  const Bytes good = v4().tcp(1, 2).payload(50);
  const Bytes bad = v4().tcp(1, 2).l4_checksum(1).payload(50);
  const Bytes bad_ip = v4().ip_checksum(1).tcp(1, 2).payload(50);
};

TEST_F(DevicesWord, GoodSparesTheLook) {
  EXPECT_TRUE(right(bad, RTE_MBUF_F_RX_L4_CKSUM_GOOD));
  EXPECT_TRUE(right(bad_ip, RTE_MBUF_F_RX_IP_CKSUM_GOOD));
}

TEST_F(DevicesWord, BadIsBad) {
  EXPECT_FALSE(right(good, RTE_MBUF_F_RX_L4_CKSUM_BAD));
  EXPECT_FALSE(right(good, RTE_MBUF_F_RX_IP_CKSUM_BAD));
}

TEST_F(DevicesWord, SilenceAndDoubtLeaveItToSoftware) {
  for (const std::uint64_t flags : {std::uint64_t{RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN},
                                    std::uint64_t{RTE_MBUF_F_RX_L4_CKSUM_NONE}}) {
    EXPECT_TRUE(right(good, flags));
    EXPECT_FALSE(right(bad, flags));
    EXPECT_FALSE(right(bad_ip, flags));
  }
}

TEST_F(DevicesWord, OnWhatItTakesForATunnelDoesNotCount) {
  EXPECT_FALSE(right(bad, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_TUNNEL_VXLAN));
  EXPECT_TRUE(right(good, RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_PTYPE_TUNNEL_GENEVE));
  EXPECT_FALSE(right(bad_ip, RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_PTYPE_TUNNEL_IP));
}

TEST_F(DevicesWord, OnUdpWithoutAChecksumDoesNotCount) {
  EXPECT_TRUE(right(v4().udp(1, 2).l4_checksum(0).payload(9), RTE_MBUF_F_RX_L4_CKSUM_BAD));
  EXPECT_FALSE(right(v6().udp(1, 2).l4_checksum(0).payload(9), RTE_MBUF_F_RX_L4_CKSUM_GOOD));
}

}  // namespace
}  // namespace sluice::dataplane
