// SPDX-License-Identifier: Apache-2.0
// Tunnels: what leaves, byte by byte, for each mode and each pair of families.
#include "dataplane/encapsulate.hpp"

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;
using test::Rig;

constexpr const char* kRouterMac = "02:00:00:01:01:07";

struct Tunnel {
  Forwarding forwarding;
  int outer;  ///< Family.
  int inner;
  std::uint8_t variant = 1;

  [[nodiscard]] std::string name() const {
    const char* mode = forwarding == Forwarding::kIpip ? "Ipip" : variant == 0 ? "Gue0" : "Gue1";
    return fmt::format("{}{}In{}", mode, inner, outer);
  }
  friend std::ostream& operator<<(std::ostream& to, const Tunnel& t) { return to << t.name(); }
};

class EachTunnel : public testing::TestWithParam<Tunnel> {
 protected:
  [[nodiscard]] static snapshot::Input input() {
    const Tunnel& t = GetParam();
    auto backend = test::backend("b", 7);
    if (t.outer == 6) backend.address = test::ip("2001:db8:1::7");
    auto pool = test::pool("p", {backend}, t.forwarding);
    pool.outer_source6 = test::ip("2001:db8::1");
    pool.gue_variant = t.variant;
    pool.gue_port = 9886;
    auto made = test::input({pool}, {test::service("web", vip(), 443),
                                     test::service("quic", vip(), 443, 0, wire::kIpProtoUdp)});
    made.icmp_errors_per_second = 0;
    return made;
  }
  static const char* vip() { return GetParam().inner == 4 ? "203.0.113.10" : "2001:db8:a::10"; }
  static Packet client(Packet p = Packet().eth()) {
    if (GetParam().inner == 4) return p.ipv4("198.51.100.1", vip());
    return p.ipv6("2001:db8:c::1", vip());
  }
  /// The inner packet as it leaves, from its IP header on.
  static Bytes inner(Packet p) {
    const Bytes frame = p;
    const auto ip = test::strip_ethernet(frame);
    return {ip.begin(), ip.end()};
  }
  /// The frame that leaves around `inner`.
  static Bytes wrapped(const Bytes& inner, std::uint8_t tos, bool df, std::uint16_t source_port,
                       Packet p = Packet().eth(kRouterMac, test::kOwnMac)) {
    const Tunnel& t = GetParam();
    if (t.outer == 4)
      p.ipv4("10.0.0.1", "10.0.1.7");
    else
      p.ipv6("2001:db8::1", "2001:db8:1::7");
    p.ttl(64).tos(tos);
    if (df && t.outer == 4) p.df();
    const std::uint8_t protocol = t.inner == 4 ? wire::kIpProtoIpip : wire::kIpProtoIpv6;
    if (t.forwarding == Forwarding::kIpip) return p.protocol(protocol).payload(inner);
    Bytes body;
    if (t.variant == 0) body = {std::byte{0}, std::byte{protocol}, std::byte{0}, std::byte{0}};
    body.insert(body.end(), inner.begin(), inner.end());
    return p.udp(source_port, 9886).payload(body);
  }
  /// The UDP source port of what left; 0 for ipip.
  static std::uint16_t source_port(const Bytes& frame) {
    if (GetParam().forwarding == Forwarding::kIpip) return 0;
    const auto ip = test::strip_ethernet(frame);
    return wire::load<Be16>(ip.data() + (GetParam().outer == 4 ? 20 : 40)).to_host();
  }
  void expect_wrapped(const Bytes& packet, const Bytes& inner, std::uint8_t tos, bool df) {
    const auto now = test::built(input());
    const auto got = rig.one(*now, packet);
    ASSERT_EQ(got.verdict, Verdict::kForward);
    EXPECT_EQ(test::hex(got.bytes), test::hex(wrapped(inner, tos, df, source_port(got.bytes))));
  }
  [[nodiscard]] static bool always_df() { return GetParam().inner == 6; }

  Rig rig;
};

class TunnelOfIpv4 : public EachTunnel {};  // IPv6 has no DF, nor UDP without a checksum
class GueTunnel : public EachTunnel {};

TEST_P(EachTunnel, WholePacketWithOneHopLessIsInside) {
  for (const std::size_t payload : {0U, 1U, 100U, 1000U}) {
    expect_wrapped(client().ttl(9).tcp(40000, 443).payload(payload),
                   inner(client().ttl(8).tcp(40000, 443).payload(payload)), 0, always_df());
    expect_wrapped(client().udp(40000, 443).payload(payload),
                   inner(client().ttl(63).udp(40000, 443).payload(payload)), 0, always_df());
  }
}

TEST_P(EachTunnel, EveryClassAndCongestionMarkIsCopied) {
  for (unsigned tos = 0; tos < 256; ++tos) {
    const auto t = static_cast<std::uint8_t>(tos);
    expect_wrapped(client().tos(t).tcp(40000, 443), inner(client().tos(t).ttl(63).tcp(40000, 443)),
                   t, always_df());
  }
}

TEST_P(TunnelOfIpv4, DontFragmentIsCopied) {
  expect_wrapped(client().df().tcp(40000, 443), inner(client().df().ttl(63).tcp(40000, 443)), 0,
                 true);
}

TEST_P(TunnelOfIpv4, UdpWithoutAChecksumIsSummedUpForTheOuterOne) {
  expect_wrapped(client().udp(40000, 443).l4_checksum(0).payload(33),
                 inner(client().ttl(63).udp(40000, 443).l4_checksum(0).payload(33)), 0, false);
}

TEST_P(EachTunnel, WrongInnerChecksumMakesNoWrongOuterOne) {
  expect_wrapped(client().tcp(40000, 443).l4_checksum(0x1234).payload(33),
                 inner(client().ttl(63).tcp(40000, 443).l4_checksum(0x1234).payload(33)), 0,
                 always_df());
}

TEST_P(EachTunnel, TagsStayAndTheTypeBehindThemIsTheOuterHeaders) {
  const auto now = test::built(input());
  const auto got =
      rig.one(*now, client(Packet().eth().qinq(100).vlan(5, 3)).tcp(40000, 443).payload(9));
  ASSERT_EQ(got.verdict, Verdict::kForward);
  EXPECT_EQ(test::hex(got.bytes),
            test::hex(wrapped(inner(client().ttl(63).tcp(40000, 443).payload(9)), 0, always_df(),
                              source_port(got.bytes),
                              Packet().eth(kRouterMac, test::kOwnMac).qinq(100).vlan(5, 3))));
}

TEST_P(EachTunnel, PaddingOfAShortFrameStaysOutside) {
  expect_wrapped(client().udp(40000, 443).pad(100), inner(client().ttl(63).udp(40000, 443)), 0,
                 always_df());
}

TEST_P(EachTunnel, PaddingGoesThatFillsSegmentsOfItsOwn) {
  const auto now = test::built(input());
  const Bytes packet = client().udp(40000, 443).payload(9);
  for (std::size_t first = packet.size() - 4; first < packet.size() + 4; ++first) {
    rig.first_segment = first;
    const auto got = rig.one(*now, client().udp(40000, 443).payload(9).pad(200));
    ASSERT_EQ(got.verdict, Verdict::kForward);
    ASSERT_EQ(test::hex(got.bytes),
              test::hex(wrapped(inner(client().ttl(63).udp(40000, 443).payload(9)), 0, always_df(),
                                source_port(got.bytes))))
        << first;
  }
}

TEST_P(EachTunnel, SegmentsAreSummedUpAlsoWhereTheyMeetAtAnOddByte) {
  const auto now = test::built(input());
  for (std::size_t first = 74; first < 90; ++first) {
    rig.first_segment = first;
    const auto got = rig.one(*now, client().tcp(40000, 443).payload(999));
    ASSERT_EQ(got.verdict, Verdict::kForward);
    ASSERT_EQ(test::hex(got.bytes),
              test::hex(wrapped(inner(client().ttl(63).tcp(40000, 443).payload(999)), 0,
                                always_df(), source_port(got.bytes))))
        << first;
  }
}

TEST_P(EachTunnel, PacketThatFitsWithItsHeadersIsSentAndOneByteMoreIsNot) {
  const auto now = test::built(input());
  const std::size_t room = 1500U - now->backends[7].overhead - (GetParam().inner == 4 ? 40U : 60U);
  EXPECT_EQ(rig.one(*now, client().tcp(40000, 443).payload(room)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*now, client().tcp(40000, 443).payload(room + 1)).verdict, Verdict::kTooBig);
}

TEST_P(EachTunnel, JumboFramesPassWhereTheMtuAllows) {
  auto in = input();
  in.pools[0].backends[0].hop->mtu = 9000;
  const auto now = test::built(std::move(in));
  rig.first_segment = 1800;
  const auto got = rig.one(*now, client().tcp(40000, 443).payload(3400));
  ASSERT_EQ(got.verdict, Verdict::kForward);
  EXPECT_EQ(test::hex(got.bytes),
            test::hex(wrapped(inner(client().ttl(63).tcp(40000, 443).payload(3400)), 0, always_df(),
                              source_port(got.bytes))));
}

TEST_P(GueTunnel, TheFlowAloneDecidesTheOuterSourcePort) {
  const auto now = test::built(input());
  const auto port_of = [&](std::uint16_t client_port, std::size_t payload) {
    return source_port(rig.one(*now, client().tcp(client_port, 443).payload(payload)).bytes);
  };
  EXPECT_EQ(port_of(40000, 0), port_of(40000, 100));
  EXPECT_NE(port_of(40000, 0), port_of(40001, 0));
}

constexpr auto kIpip = Forwarding::kIpip;
constexpr auto kGue = Forwarding::kGue;
const auto kName = [](const auto& about) { return about.param.name(); };

INSTANTIATE_TEST_SUITE_P(Each, EachTunnel,
                         testing::Values(Tunnel{kIpip, 4, 4}, Tunnel{kIpip, 4, 6},
                                         Tunnel{kIpip, 6, 4}, Tunnel{kIpip, 6, 6},
                                         Tunnel{kGue, 4, 4}, Tunnel{kGue, 4, 6}, Tunnel{kGue, 6, 4},
                                         Tunnel{kGue, 6, 6}, Tunnel{kGue, 4, 4, 0},
                                         Tunnel{kGue, 4, 6, 0}, Tunnel{kGue, 6, 4, 0},
                                         Tunnel{kGue, 6, 6, 0}),
                         kName);
INSTANTIATE_TEST_SUITE_P(Each, TunnelOfIpv4,
                         testing::Values(Tunnel{kIpip, 4, 4}, Tunnel{kIpip, 6, 4},
                                         Tunnel{kGue, 4, 4}, Tunnel{kGue, 6, 4},
                                         Tunnel{kGue, 4, 4, 0}, Tunnel{kGue, 6, 4, 0}),
                         kName);
INSTANTIATE_TEST_SUITE_P(Each, GueTunnel,
                         testing::Values(Tunnel{kGue, 4, 4}, Tunnel{kGue, 6, 6},
                                         Tunnel{kGue, 4, 6, 0}),
                         kName);

}  // namespace
}  // namespace sluice::dataplane
