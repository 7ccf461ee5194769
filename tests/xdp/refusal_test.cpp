// SPDX-License-Identifier: Apache-2.0
// lib/xdp/refuse.bpf.h: what clients get of a service without a backend.
#include "packet/parse.hpp"
#include "support/dissect.hpp"
#include "xdp/filter.hpp"
#include "xdp/program.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using test::kClient;
using test::kClient6;
using test::kVip;
using test::kVip6;
using test::kWholeVip;
using test::kWholeVip6;

constexpr std::uint8_t kTcp = wire::kIpProtoTcp;
constexpr std::uint8_t kUdp = wire::kIpProtoUdp;

std::string address_of(const FlowKey& key, const std::uint32_t (&words)[4]) {
  std::array<std::byte, 16> bytes{};
  std::memcpy(bytes.data(), words, bytes.size());
  return sluice::test::text(sluice::test::ByteView(bytes).first(key.family == 4 ? 4 : 16));
}

bool may_be_answered(const Bytes& frame, const IpAddress& source) {
  const bool group = ((frame[0] | frame[6]) & std::byte{1}) != std::byte{0};
  const bool odd = source.is_v4() && (source.bytes()[0] == 0 || source.bytes()[0] >= 240);
  return !group && !odd && !source.is_multicast() && !source.is_unspecified() &&
         !source.is_loopback();
}

// The refusal of a whole TCP or UDP packet, as RFC 9293, 792 and 4443 have it, built by the test's
// own packet builder; std::nullopt where nothing may be answered.
std::optional<Bytes> refusal_of(const Bytes& frame, const Parsed& parsed) {
  const std::string from = address_of(parsed.key, parsed.key.source);
  const std::string vip = address_of(parsed.key, parsed.key.destination);
  if (!may_be_answered(frame, IpAddress::parse(from).value())) return std::nullopt;
  const bool v4 = parsed.key.family == 4;
  Packet reply = v4 ? Packet().ipv4(vip, from).df() : Packet().ipv6(vip, from);
  const auto whole = std::span(frame).subspan(parsed.l3_offset);
  if (parsed.key.protocol == kTcp) {
    const auto tcp = wire::load<wire::Tcp>(frame.data() + parsed.l4_offset);
    if ((tcp.flags & wire::kTcpRst) != 0) return std::nullopt;
    const bool ack = (tcp.flags & wire::kTcpAck) != 0;
    const auto data =
        parsed.l3_offset + parsed.l3_length - parsed.l4_offset - (tcp.data_offset >> 4U) * 4U;
    const auto length = data + ((tcp.flags & wire::kTcpSyn) != 0 ? 1U : 0U) +
                        ((tcp.flags & wire::kTcpFin) != 0 ? 1U : 0U);
    reply
        .tcp(tcp.destination_port.to_host(), tcp.source_port.to_host(),
             static_cast<std::uint8_t>(ack ? wire::kTcpRst : wire::kTcpRst | wire::kTcpAck))
        .sequence(ack ? tcp.acknowledgement.to_host() : 0)
        .acknowledgement(ack ? 0 : static_cast<std::uint32_t>(tcp.sequence.to_host() + length))
        .window(0);
  } else {
    const std::size_t quote = parsed.l4_offset + 8U - parsed.l3_offset;
    if (quote > 128) return std::nullopt;  // a chain of headers: not worth an answer
    reply.icmp(v4 ? 3 : 1, v4 ? 3 : 4).payload(whole.first(quote));
    if (!v4) reply.protocol(wire::kIpProtoIcmp6);
  }
  Bytes out(frame.begin() + 6, frame.begin() + 12);
  out.insert(out.end(), frame.begin(), frame.begin() + 6);
  out.insert(out.end(), frame.begin() + 12, frame.begin() + parsed.l3_offset);
  const Bytes ip = reply;
  out.insert(out.end(), ip.begin(), ip.end());
  return out;
}

Outcome to_worker(const Bytes& frame) { return {SLUICE_XDP_REDIRECT, XDP_REDIRECT, frame}; }

class Refusal : public ProgramTest {
 protected:
  // TCP 443 and UDP 53 of the usual addresses take nothing.
  void SetUp() override {
    ProgramTest::SetUp();
    if (!IsSkipped()) close(Takes::kNothing);
  }
  void close(Takes takes, bool silent = false) {
    std::vector<ServiceEntry> services;
    for (const char* vip : {kVip, kVip6})
      for (const auto& [port, protocol] : {std::pair{443, kTcp}, std::pair{53, kUdp}})
        services.push_back(entry(vip, static_cast<std::uint16_t>(port), protocol, takes, silent));
    services.push_back(entry(kWholeVip, 0, kTcp, takes, silent));
    services.push_back(entry(kWholeVip6, 0, kUdp, takes, silent));
    const std::array nat = {NatEntry{IpAddress::parse(test::kNat).value(), kTcp}};
    serve(services, nat);
  }

  // The outcome that the oracle wants of a frame for a closed service.
  static Outcome wanted(const Bytes& frame) {
    Parsed parsed;
    EXPECT_EQ(parse_frame(frame, frame.size(), parsed), Verdict::kForward);
    const auto reply = refusal_of(frame, parsed);
    return reply ? Outcome{SLUICE_XDP_REFUSED, XDP_TX, *reply}
                 : Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame};
  }
  void expect_refused(const Bytes& frame, const char* what) {
    const auto got = judge(frame);
    EXPECT_EQ(got, wanted(frame)) << what << "\n" << sluice::test::hex(got.frame);
    EXPECT_EQ(got.stat, SLUICE_XDP_REFUSED) << what;
    EXPECT_TRUE(sluice::test::checksums_right(got.frame)) << what;
  }
};

Packet syn(const std::string& vip) {
  return test::to(vip).tcp(40000, 443, wire::kTcpSyn).sequence(0xfffffffe).acknowledgement(77);
}

TEST_F(Refusal, ASynGetsAResetThatAcknowledgesIt) {
  for (const char* vip : {kVip, kVip6}) {
    expect_refused(syn(vip), "syn");
    expect_refused(syn(vip).tcp_options(5), "with options");
    expect_refused(syn(vip).payload(9), "with data (fast open)");
    expect_refused(syn(vip).pad(90), "padded");
  }
  const auto got = judge(syn(kVip).bytes());
  const auto tcp = sluice::test::tcp_of(sluice::test::strip_ethernet(got.frame));
  EXPECT_EQ(tcp.flags, wire::kTcpRst | wire::kTcpAck);
  EXPECT_EQ(tcp.acknowledgement.to_host(), 0xffffffffU);
  EXPECT_EQ(tcp.source_port.to_host(), 443);
}

TEST_F(Refusal, ASegmentOfAnOldConnectionGetsAResetAtTheNumberThatItsSenderExpects) {
  for (const char* vip : {kVip, kVip6})
    for (const int flags : {+wire::kTcpAck, wire::kTcpAck | wire::kTcpFin, +wire::kTcpFin, 0,
                            wire::kTcpSyn | wire::kTcpAck, wire::kTcpSyn | wire::kTcpFin})
      expect_refused(test::to(vip)
                         .tcp(40000, 443, static_cast<std::uint8_t>(flags))
                         .sequence(1000)
                         .acknowledgement(2000)
                         .payload(33),
                     std::to_string(flags).c_str());
}

TEST_F(Refusal, AResetIsNeverAnswered) {
  for (const int flags : {+wire::kTcpRst, wire::kTcpRst | wire::kTcpAck, wire::kTcpRst | 2}) {
    const Bytes frame = test::to(kVip).tcp(40000, 443, static_cast<std::uint8_t>(flags));
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame}));
  }
}

TEST_F(Refusal, ADatagramGetsAPortUnreachableThatQuotesIt) {
  for (const char* vip : {kVip, kVip6})
    for (const std::size_t data : {0U, 1U, 5U, 64U, 1400U})
      expect_refused(test::to(vip).udp(40000, 53).payload(data), "datagram");
  expect_refused(test::to(kVip).options(10).udp(40000, 53).payload(4), "longest IPv4 header");
  expect_refused(
      test::Extensions().options(0, 2).options(60).before(kVip6, kUdp, test::segment(kUdp)),
      "extension headers");
}

TEST_F(Refusal, VlanTagsAreKept) {
  for (const Packet& link : {Packet().eth().vlan(5, 3), Packet().eth().qinq(7).vlan(5)}) {
    expect_refused(Packet(link).ipv4(kClient, kVip).tcp(40000, 443, wire::kTcpSyn), "tcp");
    expect_refused(Packet(link).ipv6(kClient6, kVip6).tcp(40000, 443, wire::kTcpSyn), "tcp v6");
    expect_refused(Packet(link).ipv4(kClient, kVip).udp(40000, 53).payload(2), "udp");
    expect_refused(Packet(link).ipv6(kClient6, kVip6).udp(40000, 53).payload(2), "udp v6");
  }
}

TEST_F(Refusal, AServiceThatKeepsItsOldFlowsRefusesNothingButASyn) {
  close(Takes::kOldFlows);
  for (const char* vip : {kVip, kVip6}) {
    expect_refused(syn(vip), "syn");
    for (const Bytes& frame : {test::to(vip).tcp(40000, 443, wire::kTcpAck).bytes(),
                               test::to(vip).tcp(40000, 443, wire::kTcpRst).bytes(),
                               test::to(vip).tcp(40000, 443, wire::kTcpSyn | wire::kTcpAck).bytes(),
                               test::to(vip).udp(40000, 53).bytes()})
      EXPECT_EQ(judge(frame), to_worker(frame));
  }
}

TEST_F(Refusal, AServiceOfEveryPortIsRefusedAtEach) {
  for (const std::uint16_t port : std::array<std::uint16_t, 4>{0, 1, 443, 65535}) {
    expect_refused(test::to(kWholeVip).tcp(40000, port, wire::kTcpSyn), "tcp");
    expect_refused(test::to(kWholeVip6).udp(40000, port).payload(7), "udp");
  }
}

TEST_F(Refusal, OnlyTheServiceWithoutBackendIsRefusedAndOnlyWhileItIs) {
  const std::array services = {entry(kVip, 443, kTcp, Takes::kNothing), entry(kVip, 53, kUdp),
                               entry(kVip, 0, kTcp)};
  serve(services);
  expect_refused(syn(kVip), "closed");
  for (const Bytes& frame :
       {test::to(kVip).udp(1, 53).bytes(), test::to(kVip).tcp(1, 80, wire::kTcpSyn).bytes()})
    EXPECT_EQ(judge(frame), to_worker(frame));
  close(Takes::kAll);
  EXPECT_EQ(judge(syn(kVip)), to_worker(syn(kVip)));
}

TEST_F(Refusal, WhatComesToNatIsNotRefused) {
  const std::array services = {entry(test::kNat, 0, kTcp, Takes::kNothing)};
  const std::array nat = {NatEntry{IpAddress::parse(test::kNat).value(), kTcp}};
  serve(services, nat);
  const Bytes frame = test::to(test::kNat).tcp(443, 40000, wire::kTcpSyn);
  EXPECT_EQ(judge(frame), to_worker(frame));
}

TEST_F(Refusal, ASilentOneDrops) {
  close(Takes::kNothing, true);
  for (const Bytes& frame : {syn(kVip).bytes(), test::to(kVip6).udp(1, 53).bytes(),
                             test::to(kWholeVip).tcp(1, 9).bytes()})
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame}));
}

TEST_F(Refusal, NoAnswerGoesToWhatIsNotOneHost) {
  for (const char* source : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"})
    for (const Bytes& frame : {Packet().eth().ipv4(source, kVip).tcp(1, 443, wire::kTcpSyn).bytes(),
                               Packet().eth().ipv4(source, kVip).udp(1, 53).bytes()})
      EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame})) << source;
  for (const char* source : {"::", "::1", "ff02::1"}) {
    const Bytes frame = Packet().eth().ipv6(source, kVip6).udp(1, 53);
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame})) << source;
  }
  for (const char* destination : {"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"}) {
    const Bytes frame = Packet().eth(destination).ipv4(kClient, kVip).udp(1, 53);
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_UNSERVED, XDP_DROP, frame})) << destination;
  }
}

TEST_F(Refusal, IcmpErrorsAreBoundedOverAllServicesAndResetsAreNot) {
  sluice_xdp_settings settings{};
  settings.icmp_cost = 3'600'000'000'000;  // one an hour
  settings.icmp_room = 5 * settings.icmp_cost;
  set(settings);
  unsigned refused = 0;
  for (unsigned i = 0; i < 20; ++i) {
    const auto got = judge(test::to(i % 2 == 0 ? kVip : kVip6).udp(40000, 53));
    refused += got.stat == SLUICE_XDP_REFUSED ? 1 : 0;
    EXPECT_EQ(got.action, static_cast<std::uint32_t>(i < 5 ? XDP_TX : XDP_DROP));
  }
  EXPECT_EQ(refused, 5U);
  expect_refused(syn(kVip), "tcp");
}

TEST_F(Refusal, FragmentsEchoAndIcmpErrorsStayTheWorkers) {
  unsigned seen = 0;
  for (const auto& kind : test::frame_kinds()) {
    Parsed parsed;
    if (parse_frame(kind.frame, kind.frame.size(), parsed) == Verdict::kForward &&
        parsed.kind == Kind::kFlow && !parsed.fragmented)
      continue;
    const auto got = judge(kind.frame);
    EXPECT_TRUE(got.action == XDP_PASS || got.action == XDP_REDIRECT) << kind.name;
    EXPECT_EQ(got.frame, kind.frame) << kind.name;
    seen += got.action == XDP_REDIRECT ? 1 : 0;
  }
  EXPECT_GT(seen, 30U);
}

// Whole frames of every kind, cut, and damaged: what is refused, and how, is what the worker's
// parser and the oracle say; all else is left as it is.
class RefusalOfAnything : public Refusal {
 protected:
  [[nodiscard]] bool closed(const FlowKey& key) const {
    const auto to = address_of(key, key.destination);
    const auto port = __builtin_bswap16(key.destination_port);
    const bool tcp = key.protocol == kTcp;
    return ((to == kVip || to == kVip6) && port == (tcp ? 443 : 53)) || (to == kWholeVip && tcp) ||
           (to == kWholeVip6 && !tcp);
  }
  void check(const Bytes& frame) {
    Parsed parsed;
    const bool flow = parse_frame(frame, frame.size(), parsed) == Verdict::kForward &&
                      parsed.kind == Kind::kFlow && !parsed.fragmented;
    const auto got = judge(frame);
    if (flow && closed(parsed.key)) {
      ASSERT_EQ(got, wanted(frame)) << sluice::test::hex(frame);
      ++refused_;
    } else {
      ASSERT_TRUE(got.action == XDP_PASS || got.action == XDP_REDIRECT);
      ASSERT_EQ(got.frame, frame);
    }
  }
  unsigned refused_ = 0;
};

TEST_F(RefusalOfAnything, CutAtEveryLength) {
  for (const auto& kind : test::frame_kinds())
    for (std::size_t length = 14; length <= kind.frame.size(); ++length)
      check(cut(kind.frame, length));
  EXPECT_GT(refused_, 20U);
}

TEST_F(RefusalOfAnything, Damaged) {
  Random random(std::mt19937(1));
  const auto all = test::frame_kinds();
  for (unsigned i = 0; i < 20000; ++i) check(damaged(all[random() % all.size()].frame, random));
  EXPECT_GT(refused_, 1000U);
}

/// On the wire, in the mode of the parameter.
class RefusalOnAnInterface : public test::Sandboxed, public testing::WithParamInterface<Mode> {};

TEST_P(RefusalOnAnInterface, TheAnswerComesBackToTheSender) {
  const test::Cable cable("lb0", "lb1");
  ASSERT_TRUE(test::shell("ip link set dev lb1 xdp obj '" DECAP_OBJECT "' program sluice_pass"));
  Filter filter = Filter::open("edge-1").value();
  const std::array services = {entry(kVip, 443, kTcp, Takes::kNothing),
                               entry(kVip6, 53, kUdp, Takes::kNothing)};
  ASSERT_TRUE(filter.set_services(services));
  const auto report = filter.attach("lb0", GetParam());
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_TRUE(filter.promote("lb0"));
  test::RawSocket client("lb1");
  unsigned answers = 0;
  for (const Bytes& frame :
       {syn(kVip).bytes(), test::to(kVip6).udp(40000, 53).payload(9).bytes()}) {
    Parsed parsed;
    ASSERT_EQ(parse_frame(frame, frame.size(), parsed), Verdict::kForward);
    const Bytes reply = refusal_of(frame, parsed).value();
    ASSERT_TRUE(client.send(frame));
    ++answers;
    EXPECT_TRUE(test::wait_until([&] {
      return client.received([&](auto got) { return std::ranges::equal(got, reply); }) == answers;
    }));
  }
  const auto stats = filter.statistics("lb0").value();
  EXPECT_EQ(stats[SLUICE_XDP_REFUSED].name, "refused");
  EXPECT_EQ(stats[SLUICE_XDP_REFUSED].packets, 2U);
  EXPECT_TRUE(filter.close());
}

INSTANTIATE_TEST_SUITE_P(Modes, RefusalOnAnInterface,
                         testing::Values(Mode::kNative, Mode::kGeneric),
                         [](const auto& mode) { return std::string(name(mode.param)); });

}  // namespace
}  // namespace sluice::xdp
