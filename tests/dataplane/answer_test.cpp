// SPDX-License-Identifier: Apache-2.0
// What the node says itself: echo replies, and errors about packets that cannot go on.
#include "dataplane/answer.hpp"

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;
using test::Rig;

/// A VIP of each family, behind a tunnel over IPv4 whose way takes 1400 bytes.
class Answer : public testing::TestWithParam<int> {
 protected:
  static snapshot::Input input(Forwarding forwarding = Forwarding::kIpip) {
    auto backend = test::backend("b", 7);
    backend.hop->mtu = 1400;
    backend.hop->port = 3;
    return test::input(
        {test::pool("p", {backend}, forwarding)},
        {test::service("web", "203.0.113.10", 443), test::service("web6", "2001:db8:a::10", 443),
         test::service("dns", "203.0.113.10", 53, 0, wire::kIpProtoUdp),
         test::service("dns6", "2001:db8:a::10", 53, 0, wire::kIpProtoUdp)});
  }
  [[nodiscard]] static bool v4() { return GetParam() == 4; }
  static const char* vip() { return v4() ? "203.0.113.10" : "2001:db8:a::10"; }
  static Packet ip(const std::string& from, const std::string& to, Packet p) {
    return v4() ? p.ipv4(from, to) : p.ipv6(from, to);
  }
  static std::string client(unsigned number = 1) {
    return fmt::format("{}{}", v4() ? "198.51.100." : "2001:db8:c::", number);
  }
  static Packet from_client(unsigned number = 1, Packet p = Packet().eth()) {
    return ip(client(number), vip(), std::move(p));
  }
  /// The frame of an answer, up to its IP header.
  static Packet to_client(unsigned number = 1,
                          Packet p = Packet().eth(test::kClientMac, test::kOwnMac)) {
    return ip(vip(), client(number), std::move(p));
  }
  static Packet error(Packet p, std::uint32_t mtu) {  // too big, or without an MTU time exceeded
    p.tos(0xc0);
    if (mtu != 0) return v4() ? p.icmp(3, 4, mtu) : p.icmp(2, 0, mtu);
    return v4() ? p.icmp(11, 0) : p.icmp(3, 0);
  }
  static std::size_t longest() { return v4() ? 576 - 28 : 1280 - 48; }
  Rig rig;
};

TEST_P(Answer, EchoToAServiceAddressIsAnsweredToWhomItCameFrom) {
  const auto now = test::built(input());
  rig.port = 5;
  const auto got =
      rig.one(*now, from_client(1, Packet().eth().vlan(9)).ttl(3).icmp_echo(77, 3).payload(56));
  EXPECT_EQ(got.verdict, Verdict::kAnsweredEcho);
  EXPECT_EQ(got.port, 5U) << "the port it came from";
  const Bytes wanted = to_client(1, Packet().eth(test::kClientMac, test::kOwnMac).vlan(9))
                           .icmp_echo(77, 3, true)
                           .payload(56);
  EXPECT_EQ(test::hex(got.bytes), test::hex(wanted));
}

TEST_P(Answer, EchoToAnyOtherAddressIsLinuxs) {
  const auto now = test::built(input());
  const Bytes packet = ip(client(), v4() ? "203.0.113.99" : "2001:db8:a::99", Packet().eth())
                           .icmp_echo(1, 1)
                           .payload(56);
  const auto got = rig.one(*now, packet);
  EXPECT_EQ(got.verdict, Verdict::kHost);
  EXPECT_EQ(got.bytes, packet);
}

TEST_P(Answer, ReplyOfAnEchoIsNotAnswered) {
  EXPECT_EQ(rig.one(*test::built(input()), from_client().icmp_echo(1, 1, true)).verdict,
            Verdict::kHost);
}

TEST_P(Answer, SenderOfAPacketThatIsTooBigIsToldWhatFits) {
  const auto now = test::built(input());
  rig.port = 2;
  const Packet big = from_client().tcp(40000, 443).payload(1400);
  const auto got = rig.one(*now, big);
  EXPECT_EQ(got.verdict, Verdict::kAnsweredTooBig);
  EXPECT_EQ(got.port, 2U);
  EXPECT_EQ(test::hex(got.bytes), test::hex(Bytes(error(to_client(), 1380).quote(big, longest()))));
}

TEST_P(Answer, MtuThatIsToldFits) {
  const auto now = test::built(input());
  const std::size_t headers = v4() ? 40 : 60;
  EXPECT_EQ(rig.one(*now, from_client().tcp(40000, 443).payload(1380 - headers)).verdict,
            Verdict::kForward);
  EXPECT_EQ(rig.one(*now, from_client().tcp(40000, 443).payload(1381 - headers)).verdict,
            Verdict::kAnsweredTooBig);
}

TEST_P(Answer, WithoutATunnelTheMtuOfTheWayIsTold) {
  const auto now = test::built(input(Forwarding::kL2dsr));
  const Packet big = from_client().tcp(40000, 443).payload(1400);
  EXPECT_EQ(test::hex(rig.one(*now, big).bytes),
            test::hex(Bytes(error(to_client(), 1400).quote(big, longest()))));
}

TEST_P(Answer, SenderWhoseHopsAreUsedUpIsTold) {
  const auto now = test::built(input());
  for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
    const Packet last = from_client().ttl(ttl).tcp(40000, 443).payload(20);
    const auto got = rig.one(*now, last);
    EXPECT_EQ(got.verdict, Verdict::kAnsweredTtlExpired);
    EXPECT_EQ(test::hex(got.bytes), test::hex(Bytes(error(to_client(), 0).quote(last))));
  }
}

TEST_P(Answer, TagsAndSegmentsOfThePacketAreNoObstacle) {
  const auto now = test::built(input());
  rig.first_segment = 700;
  const Packet big = from_client(1, Packet().eth().qinq(7).vlan(9)).tcp(40000, 443).payload(1400);
  const auto got = rig.one(*now, big);
  EXPECT_EQ(got.verdict, Verdict::kAnsweredTooBig);
  // Of what lies in the first segment, as much as an error quotes.
  const std::size_t quoted = std::min(longest(), std::size_t{700} - 22);
  const Bytes wanted =
      error(to_client(1, Packet().eth(test::kClientMac, test::kOwnMac).qinq(7).vlan(9)), 1380)
          .quote(big, quoted);
  EXPECT_EQ(test::hex(got.bytes), test::hex(wanted));
}

TEST_P(Answer, PaddingIsNotQuoted) {
  const auto now = test::built(input());
  const Packet last = from_client().ttl(1).udp(40000, 53);
  Packet padded = last;
  const auto got = rig.one(*now, padded.pad(200));
  EXPECT_EQ(test::hex(got.bytes), test::hex(Bytes(error(to_client(), 0).quote(last))));
}

TEST_P(Answer, ErrorsAreNotAnsweredWithErrors) {
  auto in = input();
  in.pools[0].backends[0].hop->mtu = 80;
  const auto now = test::built(std::move(in));
  const Packet ours = to_client().tcp(443, 40000).payload(30);
  const auto got = rig.one(*now, error(from_client(), 1300).quote(ours));
  EXPECT_EQ(got.verdict, Verdict::kTooBig);
}

TEST_P(Answer, ASourceIsToldOnlySoOftenAndOthersAllTheSame) {
  auto in = input();
  in.icmp_errors_per_second = 10;
  const auto now = test::built(std::move(in));
  const auto told = [&](unsigned number, unsigned times) {
    unsigned answered = 0;
    for (unsigned i = 0; i < times; ++i)
      answered += rig.one(*now, from_client(number).ttl(1).tcp(40000, 443)).verdict ==
                          Verdict::kAnsweredTtlExpired
                      ? 1U
                      : 0U;
    return answered;
  };
  const unsigned burst = told(1, 100);
  EXPECT_GE(burst, 1U);
  EXPECT_LE(burst, 10U);
  EXPECT_EQ(told(1, 10), 0U);
  EXPECT_EQ(told(2, 1), 1U) << "another source";
  rig.cycles += Rig::kCyclesPerSecond;
  EXPECT_EQ(told(1, 100), 10U) << "a second later";
}

TEST_P(Answer, NoErrorsWhereTheRateIsZero) {
  auto in = input();
  in.icmp_errors_per_second = 0;
  const auto now = test::built(std::move(in));
  const Bytes packet = from_client().ttl(1).tcp(40000, 443);
  const auto got = rig.one(*now, packet);
  EXPECT_EQ(got.verdict, Verdict::kTtlExpired);
  EXPECT_EQ(got.bytes, packet);
}

TEST_P(Answer, BufferWithoutRoomForTheErrorDropsThePacket) {
  const auto now = test::built(input());
  rig.headroom = 10;
  EXPECT_EQ(rig.one(*now, from_client().ttl(1).tcp(40000, 443)).verdict, Verdict::kTtlExpired);
}

INSTANTIATE_TEST_SUITE_P(Families, Answer, testing::Values(4, 6),
                         [](const auto& about) { return fmt::format("V{}", about.param); });

}  // namespace
}  // namespace sluice::dataplane
