// SPDX-License-Identifier: Apache-2.0
// lib/xdp/answer.bpf.h: upstream probes, answered while every worker is alive.
#include "packet/parse.hpp"
#include "support/dissect.hpp"
#include "xdp/contents.hpp"
#include "xdp/filter.hpp"
#include "xdp/node.hpp"
#include "xdp/program.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using sluice::test::strip_ethernet;
using test::kClient;
using test::kClient6;
using test::kHostAddress;
using test::kHostAddress6;
using test::kVip;
using test::kVip6;

constexpr std::uint16_t kUdpPort = 7007;
constexpr std::uint16_t kTcpPort = 7008;
constexpr std::uint64_t kAnHour = 3'600'000'000'000;

std::uint64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(t.tv_nsec);
}

/// Answers at a VIP and at an address of the host, both families; two workers, alive.
class Answers : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    if (IsSkipped()) return;
    const std::array services = {entry(kVip, 443, 6), entry(kVip, 53, 17), entry(kVip6, 443, 6),
                                 entry(kVip6, 53, 17)};
    serve(services);
    Contents addresses;
    for (const char* address : {kVip, kVip6, kHostAddress, kHostAddress6})
      addresses.emplace(bytes_of(key_of(IpAddress::parse(address).value())),
                        bytes_of(sluice_xdp_answered{}));
    ASSERT_TRUE(make_equal({.fd = bpf_map__fd(object_->maps.sluice_answers),
                            .name = "sluice_answers",
                            .where = "",
                            .key_bytes = sizeof(sluice_xdp_service_key),
                            .limit = SLUICE_XDP_ANSWERED_ADDRESSES},
                           addresses));
    settings_.flags = SLUICE_XDP_ANSWER_ECHO;
    settings_.answer_udp = __builtin_bswap16(kUdpPort);
    settings_.answer_tcp = __builtin_bswap16(kTcpPort);
    settings_.answer_age = kAnHour;
    settings_.workers = 2;
    settings_.secret = 12345;
    set(settings_);
    beat(0, now());
    beat(1, now());
  }
  void beat(std::uint32_t worker, std::uint64_t at) const {
    sluice_xdp_beat line{};
    line.nanoseconds = at;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(object_->maps.sluice_beats), &worker, &line, 0), 0);
  }
  /// Judges a probe that must be answered. @return the reply.
  Bytes reply_to(const Bytes& probe) {
    const auto got = judge(probe);
    EXPECT_EQ(got.stat, SLUICE_XDP_ANSWERED);
    EXPECT_EQ(got.action, static_cast<std::uint32_t>(XDP_TX));
    EXPECT_TRUE(sluice::test::checksums_right(got.frame)) << sluice::test::hex(got.frame);
    return got.frame;
  }
  sluice_xdp_settings settings_{};
};

Packet echo(const std::string& to) {
  return test::to(to).icmp_echo(0x1234, 9).payload("as it came");
}
Packet back(const std::string& from) {
  const Packet link = Packet().eth(sluice::test::kClientMac, sluice::test::kOwnMac);
  return from.find(':') == from.npos ? Packet(link).ipv4(from, kClient)
                                     : Packet(link).ipv6(from, kClient6);
}

TEST_F(Answers, AnEchoRequestComesBackAsItsReply) {
  for (const char* address : {kVip, kVip6, kHostAddress, kHostAddress6}) {
    const Bytes reply = back(address).icmp_echo(0x1234, 9, true).payload("as it came");
    EXPECT_EQ(reply_to(echo(address)), reply) << address;
    EXPECT_EQ(reply_to(echo(address).ttl(3)), reply) << "with a whole life";
  }
}

TEST_F(Answers, ChecksumsAreRightWhateverTheyWere) {
  // Every value of the checksum field, the two zeros of one's complement among them.
  for (unsigned i = 0; i < 0x10000; ++i) {
    const std::array<std::byte, 2> tail = {static_cast<std::byte>(i >> 8U),
                                           static_cast<std::byte>(i & 0xffU)};
    const Bytes probe = test::to(i % 2 == 0 ? kVip : kVip6)
                            .ttl(static_cast<std::uint8_t>(i % 255 + 1))
                            .icmp_echo(1, 1)
                            .payload(tail);
    const auto ran = test::run(bpf_program__fd(object_->progs.sluice_filter), probe);
    ASSERT_TRUE(sluice::test::checksums_right(ran.frame)) << sluice::test::hex(ran.frame);
    ASSERT_EQ(ran.action, static_cast<std::uint32_t>(XDP_TX));
  }
}

TEST_F(Answers, AWrongChecksumStaysWrong) {
  for (const Bytes& probe :
       {echo(kVip).l4_checksum(0x1111).bytes(), echo(kVip).ip_checksum(0x1111).bytes()}) {
    const auto got = judge(probe);
    EXPECT_FALSE(sluice::test::checksums_right(got.frame));
  }
}

TEST_F(Answers, ADatagramComesBackAsItIs) {
  for (const char* address : {kVip, kVip6, kHostAddress, kHostAddress6}) {
    EXPECT_EQ(reply_to(test::to(address).udp(40000, kUdpPort).payload("are you there")),
              back(address).udp(kUdpPort, 40000).payload("are you there").bytes());
  }
  EXPECT_EQ(reply_to(test::to(kVip).udp(40000, kUdpPort).l4_checksum(0)),
            back(kVip).udp(kUdpPort, 40000).l4_checksum(0).bytes());
}

TEST_F(Answers, TwoEchoServicesDoNotKeepEachOtherBusy) {
  for (const std::uint16_t source : std::array<std::uint16_t, 2>{kUdpPort, 0}) {
    const Bytes frame = test::to(kVip).udp(source, kUdpPort);
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_ANSWERED, XDP_DROP, frame}));
  }
}

TEST_F(Answers, ATcpProbeIsAcknowledgedThenLetGo) {
  for (const char* address : {kVip, kVip6, kHostAddress, kHostAddress6}) {
    const auto from_client = [&](int flags) {
      return test::to(address).tcp(40000, kTcpPort, static_cast<std::uint8_t>(flags));
    };
    const Bytes first = reply_to(from_client(wire::kTcpSyn).sequence(0xffffffff).tcp_options(5));
    const auto tcp = sluice::test::tcp_of(strip_ethernet(first));
    const auto number = tcp.sequence.to_host();
    Packet wanted = back(address);
    if (address == kVip || address == kHostAddress) wanted.df();
    EXPECT_EQ(first, Packet(wanted)
                         .tcp(kTcpPort, 40000, wire::kTcpSyn | wire::kTcpAck)
                         .sequence(number)
                         .acknowledgement(0)
                         .window(4096)
                         .bytes());

    const Bytes taken = from_client(wire::kTcpAck).sequence(0).acknowledgement(number + 1);
    EXPECT_EQ(judge(taken), (Outcome{SLUICE_XDP_ANSWERED, XDP_DROP, taken})) << "connected";
    const Bytes reset =
        Packet(wanted).tcp(kTcpPort, 40000, wire::kTcpRst).sequence(number + 1).window(0);
    EXPECT_EQ(reply_to(from_client(wire::kTcpAck | wire::kTcpFin).acknowledgement(number + 1)),
              reset);
    EXPECT_EQ(reply_to(from_client(wire::kTcpAck).acknowledgement(number + 1).payload("GET /")),
              reset);
    const Bytes over = from_client(wire::kTcpRst);
    EXPECT_EQ(judge(over), (Outcome{SLUICE_XDP_ANSWERED, XDP_DROP, over}));
  }
}

TEST_F(Answers, TheFirstNumberOfAConnectionDependsOnItsEndsAndASecret) {
  const auto number = [&](const char* address, std::uint16_t port) {
    return sluice::test::tcp_of(
               strip_ethernet(reply_to(test::to(address).tcp(port, kTcpPort, wire::kTcpSyn))))
        .sequence.to_host();
  };
  std::set<std::uint32_t> numbers = {number(kVip, 1), number(kVip, 2), number(kHostAddress, 1),
                                     number(kVip6, 1)};
  EXPECT_EQ(number(kVip, 1), number(kVip, 1)) << "a repeated SYN gets the same answer";
  settings_.secret = 54321;
  set(settings_);
  numbers.insert(number(kVip, 1));
  EXPECT_EQ(numbers.size(), 5U);
}

TEST_F(Answers, VlanTagsAreKept) {
  const Packet probes[] = {Packet().eth().vlan(5, 3), Packet().eth().qinq(7).vlan(5)};
  const Packet replies[] = {
      Packet().eth(sluice::test::kClientMac, sluice::test::kOwnMac).vlan(5, 3),
      Packet().eth(sluice::test::kClientMac, sluice::test::kOwnMac).qinq(7).vlan(5)};
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(reply_to(Packet(probes[i]).ipv4(kClient, kVip).icmp_echo(1, 2)),
              Packet(replies[i]).ipv4(kVip, kClient).icmp_echo(1, 2, true).bytes());
    EXPECT_EQ(reply_to(Packet(probes[i]).ipv6(kClient6, kVip6).udp(1, kUdpPort).payload(3)),
              Packet(replies[i]).ipv6(kVip6, kClient6).udp(kUdpPort, 1).payload(3).bytes());
    const Bytes syn = Packet(probes[i]).ipv4(kClient, kVip).tcp(1, kTcpPort, wire::kTcpSyn);
    const Bytes acknowledged = reply_to(syn);
    EXPECT_TRUE(std::ranges::equal(std::span(acknowledged).subspan(12, i * 4U + 6),
                                   std::span(syn).subspan(12, i * 4U + 6)));
  }
}

TEST_F(Answers, OneWorkersSilenceSilencesTheNode) {
  const Bytes probes[] = {echo(kVip), test::to(kHostAddress6).udp(1, kUdpPort),
                          test::to(kVip).tcp(1, kTcpPort, wire::kTcpSyn)};
  const auto all = [&](Outcome wanted) {
    for (const auto& probe : probes) {
      wanted.frame = probe;
      EXPECT_EQ(judge(probe), wanted);
    }
  };
  for (const std::uint32_t worker : {0U, 1U}) {
    beat(worker, now() - 2 * kAnHour);
    all({SLUICE_XDP_SILENT, XDP_DROP, {}});
    beat(worker, 0);
    all({SLUICE_XDP_SILENT, XDP_DROP, {}});
    beat(worker, now());
    for (const auto& probe : probes) (void)reply_to(probe);
  }
  beat(1, now() + kAnHour);
  for (const auto& probe : probes) (void)reply_to(probe);

  settings_.workers = 3;  // one that has not begun
  set(settings_);
  all({SLUICE_XDP_SILENT, XDP_DROP, {}});
  settings_.workers = 0;
  set(settings_);
  all({SLUICE_XDP_SILENT, XDP_DROP, {}});
  settings_.workers = std::numeric_limits<std::uint32_t>::max();
  set(settings_);
  all({SLUICE_XDP_SILENT, XDP_DROP, {}});
  settings_.workers = 2;
  settings_.answer_age = 0;
  set(settings_);
  all({SLUICE_XDP_SILENT, XDP_DROP, {}});
  settings_.flags |= SLUICE_XDP_STALE_TO_LINUX;
  set(settings_);
  all({SLUICE_XDP_PASS, XDP_PASS, {}});
}

TEST_F(Answers, TheLastOfAsManyWorkersAsFitCountsToo) {
  settings_.workers = SLUICE_XDP_WORKERS;
  set(settings_);
  for (std::uint32_t i = 0; i < SLUICE_XDP_WORKERS; ++i) beat(i, now());
  (void)reply_to(echo(kVip));
  beat(SLUICE_XDP_WORKERS - 1, now() - 2 * kAnHour);
  EXPECT_EQ(judge(echo(kVip)).stat, SLUICE_XDP_SILENT);
}

TEST_F(Answers, WhatIsNoProbeGoesOnAsBefore) {
  const auto expect = [&](const Bytes& frame, std::uint32_t stat) {
    const auto got = judge(frame);
    EXPECT_EQ(got.stat, stat);
    EXPECT_EQ(got.frame, frame);
  };
  expect(test::to(kVip).tcp(1, 443, wire::kTcpSyn), SLUICE_XDP_REDIRECT);
  expect(test::to(kHostAddress).tcp(1, 22, wire::kTcpSyn), SLUICE_XDP_PASS);
  expect(test::to(kHostAddress).tcp(1, kUdpPort, wire::kTcpSyn), SLUICE_XDP_PASS);
  expect(test::to(kHostAddress).udp(1, kTcpPort), SLUICE_XDP_PASS);
  expect(test::to("203.0.113.99").icmp_echo(1, 1), SLUICE_XDP_PASS);
  expect(test::to(kVip).options(1).icmp_echo(1, 1), SLUICE_XDP_REDIRECT);
  expect(test::to(kVip).fragment(0, true).udp(1, kUdpPort), SLUICE_XDP_FRAGMENT);
  expect(test::to(kHostAddress).fragment(0, true).icmp_echo(1, 1), SLUICE_XDP_PASS);
  expect(test::to(kVip).icmp_echo(1, 1, true), SLUICE_XDP_PASS);
  settings_.flags = 0;
  settings_.answer_tcp = settings_.answer_udp = 0;
  set(settings_);
  expect(echo(kVip), SLUICE_XDP_REDIRECT);
  expect(echo(kHostAddress6), SLUICE_XDP_PASS);
  expect(test::to(kHostAddress).udp(1, 0), SLUICE_XDP_PASS);
}

TEST_F(Answers, AnswerGoesToOneHostOnly) {
  for (const Bytes& frame :
       {Packet().eth().ipv4("255.255.255.255", kVip).icmp_echo(1, 1).bytes(),
        Packet().eth("ff:ff:ff:ff:ff:ff").ipv4(kClient, kVip).icmp_echo(1, 1).bytes(),
        Packet().eth().ipv6("ff02::1", kVip6).udp(1, kUdpPort).bytes()})
    EXPECT_EQ(judge(frame), (Outcome{SLUICE_XDP_SILENT, XDP_DROP, frame}));
}

TEST_F(Answers, AFrameThatIsCutIsNoProbe) {
  for (const Bytes& probe : {echo(kVip).bytes(), echo(kHostAddress6).bytes(),
                             test::to(kVip).udp(1, kUdpPort).payload(9).bytes(),
                             test::to(kHostAddress6).udp(1, kUdpPort).payload(9).bytes(),
                             test::to(kVip).tcp(1, kTcpPort, wire::kTcpSyn).bytes(),
                             Packet()
                                 .eth()
                                 .qinq(7)
                                 .vlan(5)
                                 .ipv6(kClient6, kVip6)
                                 .tcp(1, kTcpPort, wire::kTcpSyn)
                                 .bytes()})
    for (std::size_t length = 14; length < probe.size(); ++length) {
      const auto got = judge(cut(probe, length));
      ASSERT_TRUE(got.action == XDP_PASS || got.action == XDP_REDIRECT) << length;
      ASSERT_EQ(got.frame, cut(probe, length));
    }
}

TEST_F(Answers, OfDamagedProbesThoseAreAnsweredThatStillAreProbes) {
  Random random(std::mt19937(1));
  const Bytes probes[] = {echo(kVip), echo(kHostAddress6),
                          test::to(kVip6).udp(1, kUdpPort).payload(9),
                          test::to(kHostAddress).tcp(1, kTcpPort, wire::kTcpSyn)};
  unsigned answered = 0;
  for (unsigned i = 0; i < 20000; ++i) {
    const Bytes frame = damaged(probes[random() % 4], random);
    Parsed parsed;
    const bool whole = parse_frame(frame, frame.size(), parsed) == Verdict::kForward &&
                       !parsed.fragmented &&
                       (parsed.kind == Kind::kFlow || parsed.kind == Kind::kEcho);
    const auto got = judge(frame);
    if (got.stat == SLUICE_XDP_ANSWERED || got.stat == SLUICE_XDP_SILENT) {
      ASSERT_TRUE(whole) << sluice::test::hex(frame);
      answered += got.action == XDP_TX ? 1 : 0;
    } else {
      ASSERT_EQ(got.frame, frame);
    }
  }
  EXPECT_GT(answered, 3000U);
}

/// By the loader, on the wire, in the mode of the parameter.
class AnswersOnAnInterface : public FilterTest, public testing::WithParamInterface<Mode> {};

TEST_P(AnswersOnAnInterface, AProbeIsAnsweredWhileTheWorkersWriteTheirHeartbeats) {
  const test::Cable cable("lb0", "lb1");
  ASSERT_TRUE(test::shell("ip link set dev lb1 xdp obj '" DECAP_OBJECT "' program sluice_pass"));
  Filter filter = open();
  AnswerSettings answers;
  answers.addresses = {IpAddress::parse(kHostAddress).value()};
  answers.icmp_echo = true;
  answers.max_age = std::chrono::hours(1);
  answers.workers = 2;
  ASSERT_TRUE(filter.set_answers(answers));
  const auto report = filter.attach("lb0", GetParam());
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_TRUE(filter.promote("lb0"));
  test::RawSocket router("lb1");
  const Bytes reply = back(kHostAddress).icmp_echo(0x1234, 9, true).payload("as it came");
  const auto replies = [&] {
    return router.received([&](auto got) { return std::ranges::equal(got, reply); });
  };
  const auto count = [&](sluice_xdp_stat stat) {
    return filter.statistics("lb0").value()[stat].packets;
  };
  const auto beats = filter.heartbeats();
  ASSERT_EQ(beats.size(), kMostHeartbeats);
  ASSERT_TRUE(router.send(echo(kHostAddress).bytes()));
  EXPECT_TRUE(test::wait_until([&] { return count(SLUICE_XDP_SILENT) == 1; }));
  std::atomic_ref(beats[0].nanoseconds).store(now(), std::memory_order_relaxed);
  ASSERT_TRUE(router.send(echo(kHostAddress).bytes()));
  EXPECT_TRUE(test::wait_until([&] { return count(SLUICE_XDP_SILENT) == 2; }));
  std::atomic_ref(beats[1].nanoseconds).store(now(), std::memory_order_relaxed);
  ASSERT_TRUE(router.send(echo(kHostAddress).bytes()));
  EXPECT_TRUE(test::wait_until([&] { return replies() == 1; }));
  EXPECT_EQ(count(SLUICE_XDP_ANSWERED), 1U);
}

INSTANTIATE_TEST_SUITE_P(Modes, AnswersOnAnInterface,
                         testing::Values(Mode::kNative, Mode::kGeneric),
                         [](const auto& mode) { return std::string(name(mode.param)); });

class AnswersOfALoader : public FilterTest {};

TEST_F(AnswersOfALoader, ADeadDaemonsHeartbeatsFadeAndItsSuccessorsCount) {
  AnswerSettings answers;
  answers.addresses = {IpAddress::parse(kVip).value()};
  answers.icmp_echo = true;
  answers.workers = 1;
  {
    Filter killed = open();
    ASSERT_TRUE(killed.set_answers(answers));
    killed.heartbeats()[0].nanoseconds = 77;
  }
  Filter filter = open();
  EXPECT_EQ(filter.heartbeats()[0].nanoseconds, 77U) << "the same memory";
  const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_settings"));
  const std::uint32_t first = 0;
  sluice_xdp_settings settings{};
  ASSERT_EQ(bpf_map_lookup_elem(map.get(), &first, &settings), 0);
  EXPECT_EQ(settings.workers, 1U) << "what it answered stays until another word";
  EXPECT_NE(settings.secret, 0U);
  answers.workers = kMostHeartbeats + 1;
  const auto refused = filter.set_answers(answers);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
}

TEST_F(AnswersOfALoader, AddressesThatStayAreThereAtEveryMoment) {
  Filter filter = open();
  const auto set_of = [](int from, int to) {
    AnswerSettings answers;
    for (int i = from; i < to; ++i)
      answers.addresses.push_back(IpAddress::v4(
          {10, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)}));
    return answers;
  };
  ASSERT_TRUE(filter.set_answers(set_of(0, 1000)));
  const std::string pin = std::string(kNode) + "/sluice_answers";
  const UniqueFd map(bpf_obj_get(pin.c_str()));
  const auto key = key_of(IpAddress::v4({10, 0, 3, 231}));  // the 999th
  test::Watch watch([&] {
    sluice_xdp_answered value{};
    return bpf_map_lookup_elem(map.get(), &key, &value) == 0;
  });
  for (int i = 1; i < 20; ++i) ASSERT_TRUE(filter.set_answers(set_of(i * 49, 1000 + i)));
  EXPECT_TRUE(watch.held());
  const auto full = filter.set_answers(set_of(2000, 2000 + 4096));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kExhausted);
}

}  // namespace
}  // namespace sluice::xdp
