// SPDX-License-Identifier: Apache-2.0
// The stages, one packet at a time: what goes in, what comes out byte for byte, and the verdict.
#include "dataplane/stages.hpp"

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;
using test::Rig;

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kSite = "203.0.113.10";
constexpr const char* kStranger = "203.0.113.99";  // no service has it
constexpr const char* kHopMac = "02:00:00:01:01:07";
constexpr unsigned kBackend = 7;
constexpr std::uint8_t kOuterTtl = 64;

/// TCP 443 and UDP 443 on the VIP, both to a pool whose only backend is 10.0.1.7. No ICMP errors:
/// what they change is answer_test.cpp's subject.
snapshot::Input one_backend(Forwarding forwarding) {
  auto made = test::input(
      {test::pool("p", {test::backend("b", kBackend)}, forwarding)},
      {test::service("web", kSite, 443), test::service("quic", kSite, 443, 0, wire::kIpProtoUdp)});
  made.icmp_errors_per_second = 0;
  return made;
}

std::unique_ptr<const snapshot::Snapshot> ipip() {
  return test::built(one_backend(Forwarding::kIpip));
}
std::unique_ptr<const snapshot::Snapshot> l2dsr() {
  return test::built(one_backend(Forwarding::kL2dsr));
}

Packet from_client() { return Packet().eth().ipv4(kClient, kSite); }
/// The frame that leaves, as far as the outer header.
Packet tunnelled() {
  return Packet().eth(kHopMac, test::kOwnMac).ipip("10.0.0.1", "10.0.1.7").ttl(kOuterTtl);
}

#define EXPECT_SAME(actual, wanted) EXPECT_EQ(test::hex(actual), test::hex(Bytes(wanted)))

void expect_unchanged(const snapshot::Snapshot& now, const Bytes& packet, Verdict verdict) {
  Rig rig;
  const auto got = rig.one(now, packet);
  EXPECT_EQ(got.verdict, verdict);
  EXPECT_SAME(got.bytes, packet);
}

void expect_sent(const snapshot::Snapshot& now, const Bytes& packet, const Bytes& wanted) {
  Rig rig;
  const auto got = rig.one(now, packet);
  EXPECT_EQ(got.verdict, Verdict::kForward);
  EXPECT_EQ(got.backend, kBackend);
  EXPECT_SAME(got.bytes, wanted);
}

// l2dsr.

TEST(L2dsr, OnlyTheMacAddressesChange) {
  expect_sent(*l2dsr(), from_client().ttl(9).tos(0x2e).id(77).tcp(40000, 443).payload(100),
              Packet()
                  .eth(kHopMac, test::kOwnMac)
                  .ipv4(kClient, kSite)
                  .ttl(9)
                  .tos(0x2e)
                  .id(77)
                  .tcp(40000, 443)
                  .payload(100));
}

TEST(L2dsr, UdpGoesTheSameWay) {
  expect_sent(*l2dsr(), from_client().udp(40000, 443).payload(9),
              Packet().eth(kHopMac, test::kOwnMac).ipv4(kClient, kSite).udp(40000, 443).payload(9));
}

TEST(L2dsr, TagsAndPaddingStay) {
  expect_sent(*l2dsr(),
              Packet().eth().qinq(100).vlan(5, 3).ipv4(kClient, kSite).udp(1, 443).pad(64),
              Packet()
                  .eth(kHopMac, test::kOwnMac)
                  .qinq(100)
                  .vlan(5, 3)
                  .ipv4(kClient, kSite)
                  .udp(1, 443)
                  .pad(64));
}

TEST(L2dsr, LowTtlIsNoReasonToDropSinceNothingIsRouted) {
  for (const std::uint8_t ttl : std::initializer_list<std::uint8_t>{0, 1})
    expect_sent(*l2dsr(), from_client().ttl(ttl).tcp(40000, 443),
                Packet().eth(kHopMac, test::kOwnMac).ipv4(kClient, kSite).ttl(ttl).tcp(40000, 443));
}

TEST(L2dsr, PacketAsLongAsTheMtuFitsAndOneByteMoreDoesNot) {
  const auto now = l2dsr();
  expect_sent(
      *now, from_client().tcp(40000, 443).payload(1460),
      Packet().eth(kHopMac, test::kOwnMac).ipv4(kClient, kSite).tcp(40000, 443).payload(1460));
  expect_unchanged(*now, from_client().tcp(40000, 443).payload(1461), Verdict::kTooBig);
}

// ipip.

TEST(Ipip, OuterHeaderGoesBeforeAPacketWhoseTtlIsOneLess) {
  expect_sent(*ipip(), from_client().ttl(9).id(77).tcp(40000, 443).payload(100),
              tunnelled().ipv4(kClient, kSite).ttl(8).id(77).tcp(40000, 443).payload(100));
}

TEST(Ipip, UdpGoesTheSameWay) {
  expect_sent(*ipip(), from_client().udp(40000, 443).payload(9),
              tunnelled().ipv4(kClient, kSite).ttl(63).udp(40000, 443).payload(9));
}

TEST(Ipip, TagStaysBeforeTheOuterHeader) {
  expect_sent(*ipip(), Packet().eth().vlan(5, 3).ipv4(kClient, kSite).tcp(40000, 443),
              Packet()
                  .eth(kHopMac, test::kOwnMac)
                  .vlan(5, 3)
                  .ipip("10.0.0.1", "10.0.1.7")
                  .ttl(kOuterTtl)
                  .ipv4(kClient, kSite)
                  .ttl(63)
                  .tcp(40000, 443));
}

TEST(Ipip, TwoTagsStayBeforeTheOuterHeader) {
  expect_sent(*ipip(), Packet().eth().qinq(100).vlan(5).ipv4(kClient, kSite).tcp(40000, 443),
              Packet()
                  .eth(kHopMac, test::kOwnMac)
                  .qinq(100)
                  .vlan(5)
                  .ipip("10.0.0.1", "10.0.1.7")
                  .ttl(kOuterTtl)
                  .ipv4(kClient, kSite)
                  .ttl(63)
                  .tcp(40000, 443));
}

TEST(Ipip, PaddingBehindTheInnerPacketGoes) {
  expect_sent(*ipip(), from_client().tcp(40000, 443).pad(60),
              tunnelled().ipv4(kClient, kSite).ttl(63).tcp(40000, 443));
  expect_sent(*ipip(), from_client().udp(40000, 443).payload(1).pad(300),
              tunnelled().ipv4(kClient, kSite).ttl(63).udp(40000, 443).payload(1));
}

TEST(Ipip, PaddingInASecondSegmentGoesToo) {
  const Bytes packet = from_client().tcp(40000, 443).payload(10).pad(100);
  Rig rig;
  rig.first_segment = 60;  // 64 bytes are packet, 36 are padding
  const auto got = rig.one(*ipip(), packet);
  EXPECT_EQ(got.verdict, Verdict::kForward);
  EXPECT_SAME(got.bytes, tunnelled().ipv4(kClient, kSite).ttl(63).tcp(40000, 443).payload(10));
}

TEST(Ipip, OptionsAreCarriedInsideUnread) {
  expect_sent(*ipip(), from_client().options(3).tcp(40000, 443).tcp_options(5).payload(7),
              tunnelled()
                  .ipv4(kClient, kSite)
                  .options(3)
                  .ttl(63)
                  .tcp(40000, 443)
                  .tcp_options(5)
                  .payload(7));
}

TEST(Ipip, DontFragmentIsCopied) {
  expect_sent(*ipip(), from_client().df().tcp(40000, 443),
              tunnelled().df().ipv4(kClient, kSite).df().ttl(63).tcp(40000, 443));
}

TEST(Ipip, EveryTypeOfServiceAndEcnIsCopied) {
  const auto now = ipip();
  for (unsigned tos = 0; tos < 256; ++tos) {
    const auto t = static_cast<std::uint8_t>(tos);
    expect_sent(*now, from_client().tos(t).tcp(40000, 443),
                tunnelled().tos(t).ipv4(kClient, kSite).tos(t).ttl(63).tcp(40000, 443));
  }
}

TEST(Ipip, EveryTtlAboveOneIsOneLess) {
  const auto now = ipip();
  for (unsigned ttl = 2; ttl < 256; ++ttl)
    expect_sent(
        *now, from_client().ttl(static_cast<std::uint8_t>(ttl)).tcp(40000, 443),
        tunnelled().ipv4(kClient, kSite).ttl(static_cast<std::uint8_t>(ttl - 1)).tcp(40000, 443));
}

TEST(Ipip, TtlOneAndZeroExpire) {
  for (const std::uint8_t ttl : std::initializer_list<std::uint8_t>{0, 1})
    expect_unchanged(*ipip(), from_client().ttl(ttl).tcp(40000, 443), Verdict::kTtlExpired);
}

TEST(Ipip, TtlStaysWhereThePoolSaysSo) {
  auto in = one_backend(Forwarding::kIpip);
  in.pools[0].decrement_ttl = false;
  const auto now = test::built(std::move(in));
  for (const std::uint8_t ttl : std::initializer_list<std::uint8_t>{0, 1, 9})
    expect_sent(*now, from_client().ttl(ttl).tcp(40000, 443),
                tunnelled().ipv4(kClient, kSite).ttl(ttl).tcp(40000, 443));
}

TEST(Ipip, WrongChecksumStaysWrongSoThatTheReceiverRefusesIt) {
  Rig rig;
  const auto got = rig.one(*ipip(), from_client().ip_checksum(0x1234).tcp(40000, 443));
  EXPECT_EQ(got.verdict, Verdict::kForward);
  const auto outer = test::strip_ethernet(got.bytes);
  EXPECT_TRUE(test::ipv4_checksum_ok(outer));
  EXPECT_FALSE(test::ipv4_checksum_ok(test::strip_ipv4(outer)));
}

TEST(Ipip, PacketThatFitsWithItsOuterHeaderIsSentAndOneByteMoreIsNot) {
  const auto now = ipip();
  expect_sent(*now, from_client().tcp(40000, 443).payload(1440),
              tunnelled().ipv4(kClient, kSite).ttl(63).tcp(40000, 443).payload(1440));
  expect_unchanged(*now, from_client().tcp(40000, 443).payload(1441), Verdict::kTooBig);
}

TEST(Ipip, PaddingDoesNotCountAgainstTheMtu) {
  auto in = one_backend(Forwarding::kIpip);
  in.pools[0].backends[0].hop->mtu = 60;
  const auto now = test::built(std::move(in));
  expect_sent(*now, from_client().tcp(40000, 443).pad(200),
              tunnelled().ipv4(kClient, kSite).ttl(63).tcp(40000, 443));
  expect_unchanged(*now, from_client().tcp(40000, 443).payload(1), Verdict::kTooBig);
}

TEST(Ipip, BufferWithoutRoomForTheOuterHeaderIsRefused) {
  const Bytes packet = from_client().tcp(40000, 443);
  const auto now = ipip();
  Rig rig;
  rig.headroom = 19;
  const auto refused = rig.one(*now, packet);
  EXPECT_EQ(refused.verdict, Verdict::kNoRoom);
  EXPECT_SAME(refused.bytes, packet);
  rig.headroom = 20;
  EXPECT_EQ(rig.one(*now, packet).verdict, Verdict::kForward);
}

// Both, and before the rewrite.

class EachMode : public testing::TestWithParam<Forwarding> {
 protected:
  snapshot::Input in = one_backend(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Modes, EachMode, testing::Values(Forwarding::kL2dsr, Forwarding::kIpip),
                         [](const auto& mode) {
                           return mode.param == Forwarding::kL2dsr ? "L2dsr" : "Ipip";
                         });

TEST_P(EachMode, BackendWithoutANextHopIsNoNextHop) {
  in.pools[0].backends[0].hop.reset();
  expect_unchanged(*test::built(in), from_client().tcp(40000, 443), Verdict::kNoNextHop);
}

TEST_P(EachMode, EmptyPoolIsNoBackend) {
  in.pools[0].backends.clear();
  expect_unchanged(*test::built(in), from_client().tcp(40000, 443), Verdict::kNoBackend);
}

TEST_P(EachMode, PoolWithoutWeightIsNoBackend) {
  in.pools[0].backends[0].weight = 0;
  expect_unchanged(*test::built(in), from_client().tcp(40000, 443), Verdict::kNoBackend);
}

TEST_P(EachMode, HeadersThatAreSplitOverSegmentsAreTruncatedAndSplitDataIsNot) {
  const auto now = test::built(in);
  const Bytes packet = from_client().tcp(40000, 443).payload(50);
  constexpr std::size_t kHeaders = 14 + 20 + 20;
  for (std::size_t split = 1; split <= packet.size(); ++split) {
    Rig rig;
    rig.first_segment = split;
    const auto got = rig.one(*now, packet);
    EXPECT_EQ(got.verdict, split < kHeaders ? Verdict::kTruncated : Verdict::kForward) << split;
    const std::size_t grown = got.verdict == Verdict::kForward && GetParam() == Forwarding::kIpip;
    EXPECT_EQ(got.bytes.size(), packet.size() + 20 * grown) << split;
  }
}

TEST_P(EachMode, ServiceOnPortZeroTakesEveryPort) {
  in.services[0].port = 0;
  const auto now = test::built(in);
  Rig rig;
  EXPECT_EQ(rig.one(*now, from_client().tcp(40000, 1)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*now, from_client().tcp(40000, 65535)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*now, from_client().udp(40000, 1)).verdict, Verdict::kHost);
}

TEST_P(EachMode, FragmentForAServiceAddressIsForwardedAndAnyOtherIsTheHosts) {
  const auto now = test::built(in);
  for (const unsigned offset : {0U, 10U})
    for (const bool more : {true, false}) {
      if (offset == 0 && !more) continue;  // no fragment
      const auto o = static_cast<std::uint16_t>(offset);
      Rig rig;
      if (offset != 0)  // it waits for the first one else
        rig.one(*now, from_client().fragment(0, true).udp(40000, 443).payload(80));
      EXPECT_EQ(rig.one(*now, from_client().fragment(o, more).udp(40000, 443).payload(80)).verdict,
                Verdict::kForward);
      expect_unchanged(
          *now,
          Packet().eth().ipv4(kClient, kStranger).fragment(o, more).udp(40000, 443).payload(80),
          Verdict::kHost);
    }
}

struct Foreign {
  const char* name;
  std::function<Bytes()> packet;
  Verdict verdict;

  friend std::ostream& operator<<(std::ostream& to, const Foreign& f) { return to << f.name; }
};

class NotForAService : public testing::TestWithParam<Foreign> {};

TEST_P(NotForAService, IsLeftAsItCame) {
  for (const auto& now : {ipip(), l2dsr()})
    expect_unchanged(*now, GetParam().packet(), GetParam().verdict);
}

INSTANTIATE_TEST_SUITE_P(
    Each, NotForAService,
    testing::Values(
        Foreign{"Arp",
                [] { return Packet().eth().arp_request(test::kClientMac, kClient, kSite).bytes(); },
                Verdict::kHost},
        Foreign{
            "Ipv6",
            [] { return Packet().eth().ipv6("2001:db8::1", "2001:db8::2").tcp(1, 443).bytes(); },
            Verdict::kHost},
        Foreign{"EchoReplyToAServiceAddress",
                [] { return from_client().icmp_echo(1, 1, true).payload(56).bytes(); },
                Verdict::kHost},
        Foreign{"OtherProtocolToAServiceAddress",
                [] { return from_client().protocol(47).payload(20).bytes(); }, Verdict::kHost},
        Foreign{"OtherPort", [] { return from_client().tcp(40000, 22).bytes(); }, Verdict::kHost},
        Foreign{"OtherAddress",
                [] { return Packet().eth().ipv4(kClient, kStranger).tcp(40000, 443).bytes(); },
                Verdict::kHost},
        Foreign{"ThirdTag",
                [] {
                  return Packet()
                      .eth()
                      .qinq(1)
                      .vlan(2)
                      .vlan(3)
                      .ipv4(kClient, kSite)
                      .tcp(1, 443)
                      .bytes();
                },
                Verdict::kHost},
        Foreign{"LyingLengthToAServiceAddress",
                [] { return from_client().total_length(100).tcp(40000, 443).bytes(); },
                Verdict::kMalformed},
        Foreign{"LyingLengthToAnother",
                [] {
                  return Packet()
                      .eth()
                      .ipv4(kClient, kStranger)
                      .total_length(100)
                      .tcp(40000, 443)
                      .bytes();
                },
                Verdict::kHost},
        Foreign{"LyingTcpHeaderToAServiceAddress",
                [] { return from_client().tcp(40000, 443).data_offset(4).bytes(); },
                Verdict::kMalformed},
        Foreign{"LyingUdpLengthToAnother",
                [] {
                  return Packet().eth().ipv4(kClient, kStranger).udp(1, 443).udp_length(7).bytes();
                },
                Verdict::kHost},
        Foreign{"NothingAtAll", [] { return Bytes{}; }, Verdict::kTruncated}),
    [](const auto& about) { return about.param.name; });

TEST(Truncated, AtEveryLengthTheServicesPacketsAreDropsAndOthersAreTheHostsOnceTheirAddressIsRead) {
  const auto now = ipip();
  for (const bool service : {true, false}) {
    const Bytes whole =
        Packet().eth().ipv4(kClient, service ? kSite : kStranger).tcp(40000, 443).payload(20);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      const bool addressed = length >= 14 + 20;
      const Verdict wanted = !addressed ? Verdict::kTruncated
                             : service  ? Verdict::kMalformed  // its total length is a lie
                                        : Verdict::kHost;
      Rig rig;
      EXPECT_EQ(rig.one(*now, cut).verdict, wanted) << length << (service ? " service" : "");
    }
  }
}

TEST(Burst, PacketsLeaveByThePortOfTheirBackendWithItsAddresses) {
  auto in = test::input({test::pool("p", test::backends(8))}, {test::service("s", kSite, 443)});
  for (auto& b : in.pools[0].backends) {
    b.hop->port = static_cast<std::uint16_t>(b.number % 3);
    b.hop->source = MacAddress{{2, 0, 0, 0, 9, static_cast<std::uint8_t>(b.number % 3)}};
  }
  const auto now = test::built(in);
  std::vector<Bytes> packets;
  for (std::uint16_t p = 0; p < 256; ++p)
    packets.push_back(from_client().tcp(static_cast<std::uint16_t>(40000 + p), 443));
  Rig rig;
  std::array<unsigned, 3> by_port{};
  for (const auto& got : rig.run(*now, packets)) {
    ASSERT_EQ(got.verdict, Verdict::kForward);
    ASSERT_EQ(got.port, got.backend % 3);
    ++by_port.at(got.port);
    const auto ethernet = test::ethernet_of(got.bytes);
    ASSERT_EQ(ethernet.source[5], got.port);
    ASSERT_EQ(ethernet.destination[5], got.backend);
    const auto outer = test::ipv4_of(test::strip_ethernet(got.bytes));
    ASSERT_EQ(test::text(outer.destination), "10.0.1." + std::to_string(got.backend));
  }
  for (const auto n : by_port) EXPECT_GT(n, 0U);
}

TEST(Burst, OnePacketsFateIsNotAnothers) {
  const auto now = ipip();
  const std::vector<Bytes> mixed = {
      from_client().tcp(40000, 443),
      Packet().eth().arp_request(test::kClientMac, kClient, kSite),
      from_client().ttl(1).tcp(40001, 443),
      Bytes(5),
      from_client().tcp(40002, 443).payload(1441),
      from_client().udp(40003, 443),
      from_client().fragment(0, true).udp(40003, 443),
      from_client().tcp(40004, 80),
  };
  const Verdict wanted[] = {Verdict::kForward,   Verdict::kHost,   Verdict::kTtlExpired,
                            Verdict::kTruncated, Verdict::kTooBig, Verdict::kForward,
                            Verdict::kForward,   Verdict::kHost};
  Rig rig;
  const auto got = rig.burst(*now, mixed);
  for (std::size_t i = 0; i < mixed.size(); ++i) EXPECT_EQ(got[i].verdict, wanted[i]) << i;
  EXPECT_EQ(got[0].service, 0U);
  EXPECT_EQ(got[5].service, 1U);
  EXPECT_FALSE(got[7].service);
}

TEST(Burst, EmptyOneDoesNothing) {
  Rig rig;
  EXPECT_TRUE(rig.burst(*ipip(), {}).empty());
  EXPECT_EQ(rig.books().rx, 0U);
}

TEST(Count, TrafficIsBookedWithTheBytesAsReceived) {
  const Bytes packet = from_client().tcp(40000, 443, wire::kTcpSyn).pad(60);
  Rig rig;
  rig.one(*ipip(), packet);
  rig.one(*ipip(), from_client().tcp(40000, 443).payload(1461));  // too big: no traffic
  rig.one(*ipip(), from_client().tcp(40000, 443));
  for (const Traffic* t : {&rig.counters().by_service[0], &rig.counters().by_backend[kBackend]}) {
    EXPECT_EQ(t->packets.value(), 2U);
    EXPECT_EQ(t->bytes.value(), 60U + 54U);
    EXPECT_EQ(t->new_flows.value(), 1U);
  }
  EXPECT_EQ(rig.counters().by_service[1].packets.value(), 0U);
}

TEST(Count, FlowsThatFindNoBackendAreBookedToTheirServiceAndPacketsOfOldOnesAreNot) {
  auto in = one_backend(Forwarding::kIpip);
  in.pools[0].backends.clear();
  const auto now = test::built(in);
  Rig rig;
  for (const auto port : {40000, 40000, 40001})  // a client that tries again counts again
    rig.one(*now, from_client().tcp(static_cast<std::uint16_t>(port), 443, wire::kTcpSyn));
  rig.one(*now, from_client().tcp(40002, 443, wire::kTcpAck));
  rig.one(*now, from_client().tcp(40003, 443, wire::kTcpRst));
  EXPECT_EQ(rig.counters().by_service[0].unserved.value(), 3U);
  EXPECT_EQ(rig.counters().by_service[1].unserved.value(), 0U);
  EXPECT_EQ(rig.books().verdicts[static_cast<std::size_t>(Verdict::kNoBackend)], 5U);
}

TEST(Count, FlowsThatFindABackendAreNotUnserved) {
  Rig rig;
  rig.one(*ipip(), from_client().tcp(40000, 443, wire::kTcpSyn));
  EXPECT_EQ(rig.counters().by_service[0].unserved.value(), 0U);
}

}  // namespace
}  // namespace sluice::dataplane
