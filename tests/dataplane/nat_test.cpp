// SPDX-License-Identifier: Apache-2.0
// NAT, both ways: what goes in, what comes out byte for byte, and the verdict.
#include "dataplane/nat.hpp"

#include "dataplane/nat_family.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <array>
#include <random>
#include <string>
#include <tuple>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::connect;
using test::kBackendMac;
using test::kListens;
using test::kRouterMac;
using test::kSynAck;
using test::Packet;
using test::Rig;
using test::source_port;
using Family = test::NatFamily;
using wire::kTcpAck;
using wire::kTcpFin;
using wire::kTcpRst;
using wire::kTcpSyn;

class BothFamilies : public testing::TestWithParam<int> {
 protected:
  Family f{GetParam()};
  Rig rig;
};
INSTANTIATE_TEST_SUITE_P(Families, BothFamilies, testing::Values(4, 6));

/// The rest of the handshake; the backend's first number is 5000.
void accept(Rig& rig, const snapshot::Snapshot& now, const Family& f, std::uint16_t port,
            std::uint16_t client = 40000, std::uint32_t isn = 1000) {
  EXPECT_EQ(
      rig.one(now,
              f.from_backend().tcp(kListens, port, kSynAck).sequence(5000).acknowledgement(isn + 1))
          .verdict,
      Verdict::kForward);
  EXPECT_EQ(rig.one(now, f.from_client().tcp(client, 443).sequence(isn + 1).acknowledgement(5001))
                .verdict,
            Verdict::kForward);
}

// Both ways.

TEST_P(BothFamilies, TcpGoesToTheBackendFromALocalPortAndComesBackFromTheService) {
  const auto now = test::built(f.input());
  const std::uint16_t port = connect(rig, *now, f);
  EXPECT_GE(port, 1024);
  const auto again = rig.one(*now, f.from_client().tos(0x2e).tcp(40000, 443).payload(101));
  EXPECT_EQ(again.verdict, Verdict::kForward);
  EXPECT_EQ(again.backend, 7U);
  EXPECT_EQ(again.service, 0U);
  EXPECT_BYTES(again.bytes, f.to_backend().tos(0x2e).tcp(port, kListens).payload(101));
  const auto back = rig.one(*now, f.from_backend().tcp(kListens, port).payload(33));
  EXPECT_EQ(back.verdict, Verdict::kForward);
  EXPECT_EQ(back.backend, 7U);
  EXPECT_EQ(back.service, 0U);
  EXPECT_FALSE(back.new_flow);
  EXPECT_BYTES(back.bytes, f.to_client().tcp(443, 40000).payload(33));
}

TEST_P(BothFamilies, UdpGoesThereAndBack) {
  const auto now = test::built(f.input());
  const auto out = rig.one(*now, f.from_client().udp(40000, 443).payload(7));
  EXPECT_EQ(out.verdict, Verdict::kForward);
  const std::uint16_t port = source_port(out.bytes);
  EXPECT_BYTES(out.bytes, f.to_backend().udp(port, kListens).payload(7));
  const auto back = rig.one(*now, f.from_backend().udp(kListens, port).payload(9));
  EXPECT_BYTES(back.bytes, f.to_client().udp(443, 40000).payload(9));
  EXPECT_EQ(back.service, 1U);
}

TEST_P(BothFamilies, AnswersGoBackWhereTheClientsLastPacketCameFrom) {
  const auto now = test::built(f.input());
  rig.port = 3;
  const std::uint16_t port = connect(rig, *now, f);
  const auto tagged = [&] {
    return f.from_client(Packet().eth(test::kOwnMac, kRouterMac).qinq(100).vlan(7, 3));
  };
  EXPECT_EQ(rig.one(*now, tagged().tcp(40000, 443)).verdict, Verdict::kForward);
  rig.port = 0;
  const auto back = rig.one(*now, f.from_backend().tcp(kListens, port));
  EXPECT_EQ(back.port, 3U);
  EXPECT_BYTES(back.bytes, f.ip(f.hosts.vip, f.hosts.client,
                                Packet().eth(kRouterMac, test::kOwnMac).qinq(100).vlan(7, 3))
                               .ttl(63)
                               .tcp(443, 40000));
}

TEST_P(BothFamilies, EveryChecksumOfRandomPacketsIsRight) {
  const auto now = test::built(f.input());
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  for (unsigned n = 0; n < 1000; ++n) {
    const auto client = static_cast<std::uint16_t>(1 + below(65535));
    const bool tcp = below(2) == 0;
    const unsigned bytes = below(900);
    Packet there = f.from_client().ttl(static_cast<std::uint8_t>(2 + below(250)));
    tcp ? there.tcp(client, 443, kTcpSyn).sequence(below(0xffffffff)) : there.udp(client, 443);
    const auto out = rig.one(*now, there.payload(bytes));
    ASSERT_EQ(out.verdict, Verdict::kForward);
    ASSERT_TRUE(test::checksums_right(out.bytes)) << test::hex(out.bytes);
    Packet answer = f.from_backend();
    const std::uint16_t port = source_port(out.bytes);
    tcp ? answer.tcp(kListens, port, kSynAck) : answer.udp(kListens, port);
    const auto back = rig.one(*now, answer.payload(below(900)));
    ASSERT_EQ(back.verdict, Verdict::kForward);
    ASSERT_TRUE(test::checksums_right(back.bytes)) << test::hex(back.bytes);
    ASSERT_EQ(test::udp_of(test::strip_ethernet(back.bytes)).destination_port.to_host(), client);
  }
}

TEST(Nat, DatagramsWithoutAChecksumStayWithoutOne) {
  const Family f(4);
  Rig rig;
  const auto now = test::built(f.input());
  const auto out = rig.one(*now, f.from_client().udp(40000, 443).l4_checksum(0).payload(7));
  const std::uint16_t port = source_port(out.bytes);
  EXPECT_BYTES(out.bytes, f.to_backend().udp(port, kListens).l4_checksum(0).payload(7));
}

TEST_P(BothFamilies, AWrongChecksumStaysWrong) {
  const auto now = test::built(f.input());
  const auto out = rig.one(*now, f.from_client().udp(40000, 443).l4_checksum(0x1234).payload(7));
  EXPECT_FALSE(test::l4_checksum_ok(test::strip_ethernet(out.bytes)));
}

// Sessions.

TEST_P(BothFamilies, StraysAreDroppedAsSuch) {
  const auto now = test::built(f.input());
  EXPECT_EQ(rig.one(*now, f.from_client().tcp(40000, 443)).verdict, Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*now, f.from_backend().tcp(kListens, 2000)).verdict, Verdict::kNoNatSession);
  const std::uint16_t port = connect(rig, *now, f);
  EXPECT_EQ(rig.one(*now, f.from_backend().tcp(kListens, port ^ 1U)).verdict,
            Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*now, f.from_backend().tcp(kListens + 1, port)).verdict,
            Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*now, f.from_backend().udp(kListens, port)).verdict, Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*now, f.ip(f.hosts.router, f.hosts.local).tcp(kListens, port)).verdict,
            Verdict::kNoNatSession);
}

TEST_P(BothFamilies, ALocalPortIsNotUsedAgainBeforeItsMinuteIsOver) {
  auto in = f.input();
  in.pools[0].nat->first_port = in.pools[0].nat->last_port = 5555;
  const auto now = test::built(std::move(in));
  ASSERT_EQ(connect(rig, *now, f), 5555);
  accept(rig, *now, f, 5555);
  const Bytes other = f.from_client().tcp(40001, 443, kTcpSyn);
  EXPECT_EQ(rig.one(*now, other).verdict, Verdict::kNoNatPort);
  rig.one(*now, f.from_backend().tcp(kListens, 5555, kTcpFin | kTcpAck));
  rig.one(*now, f.from_client().tcp(40000, 443, kTcpFin | kTcpAck));
  rig.tick = 30;
  rig.sweep_nat();
  EXPECT_EQ(rig.one(*now, other).verdict, Verdict::kNoNatPort);
  rig.tick = 31;
  rig.sweep_nat();
  EXPECT_EQ(rig.one(*now, other).verdict, Verdict::kForward);
}

TEST_P(BothFamilies, AClientThatReusesItsPortGetsAnotherLocalPortAndWithoutOneTheSame) {
  auto in = f.input();
  in.pools[0].nat->first_port = 5554;
  in.pools[0].nat->last_port = 5555;
  const auto now = test::built(std::move(in));
  const std::uint16_t first = connect(rig, *now, f);
  accept(rig, *now, f, first);
  rig.one(*now, f.from_client().tcp(40000, 443, kTcpRst));
  const std::uint16_t second = connect(rig, *now, f);
  EXPECT_NE(second, first);
  accept(rig, *now, f, second);
  EXPECT_EQ(rig.one(*now, f.from_backend().tcp(kListens, first)).verdict, Verdict::kNoNatSession)
      << "nobody waits for the old connection";
  rig.one(*now, f.from_client().tcp(40000, 443, kTcpRst));
  EXPECT_EQ(connect(rig, *now, f), second);
}

TEST_P(BothFamilies, ASessionStaysAtItsBackendUntilThatIsGone) {
  auto in = f.input();
  const auto before = test::built(in);
  const std::uint16_t port = connect(rig, *before, f);
  in.pools[0].backends[0].draining = true;
  in.generation = 2;
  const auto draining = test::built(in);
  EXPECT_EQ(rig.one(*draining, f.from_client().tcp(40000, 443)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*draining, f.from_backend().tcp(kListens, port)).verdict, Verdict::kForward);
  in.pools[0].backends[0].draining = false;
  in.pools[0].backends[0].address = test::ip(f.v4() ? "10.0.1.8" : "2001:db8:1::8");
  in.generation = 3;
  const auto moved = test::built(in);
  EXPECT_EQ(rig.one(*moved, f.from_client().tcp(40000, 443)).verdict, Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*moved, f.from_backend().tcp(kListens, port)).verdict, Verdict::kNoNatSession);
  EXPECT_EQ(rig.one(*moved, f.from_client().tcp(40000, 443, kTcpSyn)).verdict, Verdict::kForward);
}

TEST_P(BothFamilies, WhatIsTooBigOrHasNoHopLeftIsNotTranslated) {
  const auto now = test::built(f.input());
  connect(rig, *now, f);
  const Bytes big = f.from_client().tcp(40000, 443).payload(1500);
  const auto got = rig.one(*now, big);
  EXPECT_EQ(got.verdict, Verdict::kTooBig);
  EXPECT_BYTES(got.bytes, big);
  const Bytes last = f.from_client().ttl(1).tcp(40000, 443);
  const auto expired = rig.one(*now, last);
  EXPECT_EQ(expired.verdict, Verdict::kTtlExpired);
  EXPECT_BYTES(expired.bytes, last);
}

TEST_P(BothFamilies, AnAnswerThatDoesNotFitTheClientsPortIsAnsweredWithThatPortsMtu) {
  auto in = f.input();
  in.icmp_errors_per_second = 100;
  in.port_mtus = {1500, 1500, 1500, 1400};
  const auto now = test::built(std::move(in));
  rig.port = 3;
  const std::uint16_t port = connect(rig, *now, f);
  rig.port = 0;
  const std::size_t headers = f.v4() ? 40 : 60;
  const auto answer = [&](std::size_t bytes) {
    return f.from_backend().tcp(kListens, port).payload(bytes - headers);
  };
  const auto fits = rig.one(*now, answer(1400));
  EXPECT_EQ(fits.verdict, Verdict::kForward);
  EXPECT_EQ(fits.port, 3U);
  const Packet longer = answer(1401);
  const auto told = rig.one(*now, longer);
  ASSERT_EQ(told.verdict, Verdict::kAnsweredTooBig);
  EXPECT_EQ(told.port, 0U) << "to the backend";
  Packet error = f.ip(f.hosts.local, f.hosts.backend, Packet().eth(kBackendMac, test::kOwnMac));
  error = f.v4() ? error.icmp(3, 4, 1400) : error.icmp(2, 0, 1400);
  const Bytes sent = error.quote(longer, (f.v4() ? 576U - 28 : 1280U - 48));
  EXPECT_EQ(test::hex(test::ip_of(test::strip_ethernet(told.bytes)).payload),
            test::hex(test::ip_of(test::strip_ethernet(sent)).payload));
  EXPECT_TRUE(test::checksums_right(told.bytes));
  EXPECT_EQ(test::text(test::ip_of(test::strip_ethernet(told.bytes)).source),
            test::ip(f.hosts.local).text());
}

TEST_P(BothFamilies, AnAnswerThatDoesNotFitIsDroppedWhereNoErrorIsDue) {
  auto in = f.input();
  in.port_mtus = {1400};
  const auto silent = test::built(in);
  const std::uint16_t port = connect(rig, *silent, f);
  const Bytes longer = f.from_backend().tcp(kListens, port).payload(1400);
  const auto got = rig.one(*silent, longer);
  EXPECT_EQ(got.verdict, Verdict::kTooBig);
  EXPECT_BYTES(got.bytes, longer);
}

// ICMP errors.

class Errors : public testing::TestWithParam<std::tuple<int, bool, std::size_t>> {
 protected:
  Family f{std::get<0>(GetParam())};
  bool tcp = std::get<1>(GetParam());
  std::size_t quoted = std::get<2>(GetParam());
  Rig rig;

  Packet l4(Packet p, std::uint16_t from, std::uint16_t to) const {
    return (tcp ? p.tcp(from, to, kTcpSyn).sequence(77) : p.udp(from, to)).payload(64);
  }
  std::size_t quote_bytes() const { return (f.v4() ? 20 : 40) + quoted; }
  Packet too_big(Packet p, const Packet& about) const {
    return (f.v4() ? p.icmp(3, 4, 1400) : p.icmp(2, 0, 1400)).quote(about, quote_bytes());
  }
};

TEST_P(Errors, FromTheBackendsSideReachTheClientAsAboutItsOwnPacket) {
  const auto now = test::built(f.input());
  const Packet asked = l4(f.from_client(), 40000, 443);
  const auto out = rig.one(*now, asked);
  const Packet sent =
      l4(f.ip(f.hosts.local, f.hosts.backend).ttl(63), source_port(out.bytes), kListens);
  for (const char* from : {f.hosts.router, f.hosts.backend}) {
    const auto got = rig.one(
        *now, too_big(f.ip(from, f.hosts.local, Packet().eth(test::kOwnMac, kBackendMac)), sent));
    ASSERT_EQ(got.verdict, Verdict::kForward);
    const char* seen = from == f.hosts.backend ? f.hosts.vip : from;
    Packet about = l4(f.from_client().ttl(63), 40000, 443);
    EXPECT_BYTES(
        got.bytes,
        too_big(f.ip(seen, f.hosts.client, Packet().eth(test::kClientMac, test::kOwnMac)).ttl(63),
                about));
    EXPECT_TRUE(test::checksums_right(got.bytes));
  }
}

TEST_P(Errors, FromTheClientsSideReachTheBackendAsAboutItsOwnPacket) {
  const auto now = test::built(f.input());
  const auto out = rig.one(*now, l4(f.from_client(), 40000, 443));
  const std::uint16_t port = source_port(out.bytes);
  const Packet seen = l4(f.ip(f.hosts.vip, f.hosts.client).ttl(60), 443, 40000);
  const auto got = rig.one(*now, too_big(f.ip(f.hosts.router, f.hosts.vip), seen));
  ASSERT_EQ(got.verdict, Verdict::kForward);
  const Packet about = l4(f.ip(f.hosts.backend, f.hosts.local).ttl(60), kListens, port);
  EXPECT_BYTES(got.bytes, too_big(f.to_backend(), about));
}

TEST_P(Errors, OfNoSessionAreDropped) {
  const auto now = test::built(f.input());
  const Packet sent = l4(f.ip(f.hosts.local, f.hosts.backend), 2000, kListens);
  EXPECT_EQ(rig.one(*now, too_big(f.ip(f.hosts.router, f.hosts.local), sent)).verdict,
            Verdict::kNoNatSession);
}

INSTANTIATE_TEST_SUITE_P(Quotes, Errors,
                         testing::Combine(testing::Values(4, 6), testing::Bool(),
                                          testing::Values(8, 20, 100)));

// Several workers.

TEST_P(BothFamilies, AnAnswerAtAnotherWorkerGoesToTheOneThatHasTheSession) {
  auto rings = HandOver::create(2);
  ASSERT_TRUE(rings) << rings.error().text();
  Rig one(1024, {2, 0}, rings->get());
  Rig other(1024, {2, 1}, rings->get());
  const auto now = test::built(f.input());
  const std::uint16_t port = connect(one, *now, f);
  EXPECT_EQ(flow::NatShare(2, 0).owner(port), 0U);
  const std::vector<Bytes> mixed{f.from_client().udp(9, 443),
                                 f.from_backend().tcp(kListens, port).payload(1),
                                 f.from_client().udp(10, 443)};
  const auto here = other.burst(*now, mixed);
  ASSERT_EQ(here.size(), 2U) << "what is handed over is judged elsewhere";
  EXPECT_EQ(here[0].verdict, Verdict::kForward);
  EXPECT_EQ(here[1].verdict, Verdict::kForward);
  const auto taken = one.taken(*now, 1);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].verdict, Verdict::kForward);
  EXPECT_BYTES(taken[0].bytes, f.to_client().tcp(443, 40000).payload(1));
  EXPECT_TRUE(one.taken(*now, 1).empty());
}

// Devices spread ICMP errors by their own addresses, and some senders change the queue of a flow.
TEST_P(BothFamilies, AClientsPacketAtAnotherWorkerGoesRoundUntilItsSessionIsFound) {
  auto rings = HandOver::create(3);
  ASSERT_TRUE(rings) << rings.error().text();
  std::array<Rig, 3> worker{Rig(1024, {3, 0}, rings->get()), Rig(1024, {3, 1}, rings->get()),
                            Rig(1024, {3, 2}, rings->get())};
  const auto now = test::built(f.input());
  const std::uint16_t port = connect(worker[0], *now, f);
  const Packet seen = f.ip(f.hosts.vip, f.hosts.client).tcp(443, 40000).payload(64);
  const Packet error = f.ip(f.hosts.router, f.hosts.vip);
  const std::vector<Bytes> both{
      f.from_client().tcp(40000, 443).payload(5),
      (f.v4() ? Packet(error).icmp(3, 4, 1400) : Packet(error).icmp(2, 0, 1400)).quote(seen)};
  EXPECT_TRUE(worker[1].burst(*now, both).empty());
  EXPECT_TRUE(worker[2].taken(*now, 1).empty());
  const auto found = worker[0].taken(*now, 2);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_BYTES(found[0].bytes, f.to_backend().tcp(port, kListens).payload(5));
  EXPECT_EQ(found[1].verdict, Verdict::kForward);
  // What nobody knows ends before it comes back to where it began.
  EXPECT_TRUE(worker[1].burst(*now, std::vector<Bytes>{f.from_client().tcp(9, 443)}).empty());
  EXPECT_TRUE(worker[2].taken(*now, 1).empty());
  const auto stray = worker[0].taken(*now, 2);
  ASSERT_EQ(stray.size(), 1U);
  EXPECT_EQ(stray[0].verdict, Verdict::kNoNatSession);
}

// Linux gives a SYN that it sends again another queue of a virtual device.
TEST_P(BothFamilies, OfTwoSessionsOfOneSynTheClientsAcknowledgementFindsTheOneThatItAccepts) {
  const auto now = test::built(f.input());
  for (const bool accepts_first : {true, false}) {
    auto rings = HandOver::create(2);
    ASSERT_TRUE(rings) << rings.error().text();
    Rig first(1024, {2, 0}, rings->get());
    Rig second(1024, {2, 1}, rings->get());
    const auto answer = [&](Rig& at, std::uint16_t port, std::uint32_t isn) {
      const auto got = at.one(
          *now, f.from_backend().tcp(kListens, port, kSynAck).sequence(isn).acknowledgement(1001));
      EXPECT_EQ(got.verdict, Verdict::kForward);
    };
    const std::uint16_t port = connect(first, *now, f);
    const std::uint16_t again = connect(second, *now, f);
    answer(first, port, 5000);
    answer(second, again, 900000);
    // Both the last packet of the handshake and what follows come to the other worker.
    Rig& wrong = accepts_first ? second : first;
    Rig& right = accepts_first ? first : second;
    const std::uint32_t number = accepts_first ? 5001 : 900001;
    for (const std::size_t bytes : {0U, 100U, 200U}) {
      const auto packet = [&](Packet p, std::uint16_t from, std::uint16_t to) {
        return p.tcp(from, to).sequence(1001).acknowledgement(number).payload(bytes);
      };
      const std::vector<Bytes> sent{packet(f.from_client(), 40000, 443)};
      EXPECT_TRUE(wrong.burst(*now, sent).empty());
      const auto got = right.taken(*now, accepts_first ? 1 : 0);
      ASSERT_EQ(got.size(), 1U);
      EXPECT_BYTES(got[0].bytes, packet(f.to_backend(), accepts_first ? port : again, kListens));
    }
    const auto direct =
        right.one(*now, f.from_client().tcp(40000, 443).sequence(1001).acknowledgement(number));
    EXPECT_EQ(direct.verdict, Verdict::kForward);
    const auto refused = wrong.one(*now, f.from_client().tcp(40000, 443, kTcpRst));
    EXPECT_EQ(refused.verdict, Verdict::kForward) << "a refusal is for the session that is here";
  }
}

TEST_P(BothFamilies, AWorkerThatDoesNotTakeItsPacketsLosesThemCounted) {
  auto rings = HandOver::create(2);
  ASSERT_TRUE(rings) << rings.error().text();
  Rig other(1024, {2, 1}, rings->get());
  const auto now = test::built(f.input());
  const std::vector<Bytes> burst(32, f.from_backend().tcp(kListens, 128));  // worker 0's
  for (unsigned n = 0; n < HandOver::kDepth / 32; ++n)
    for (const auto& h : other.burst(*now, burst)) EXPECT_EQ(h.verdict, Verdict::kHandOverFull);
  const auto last = other.burst(*now, burst);
  ASSERT_FALSE(last.empty());
  for (const auto& h : last) EXPECT_EQ(h.verdict, Verdict::kHandOverFull);
  std::array<rte_mbuf*, 32> waiting;
  while (const unsigned n = (*rings)->take(1, 0, waiting))
    for (unsigned i = 0; i < n; ++i) rte_pktmbuf_free(waiting[i]);
}

}  // namespace
}  // namespace sluice::dataplane
