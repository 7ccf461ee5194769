// SPDX-License-Identifier: Apache-2.0
#include "dataplane/replay.hpp"

#include "dataplane/capture.hpp"
#include "dataplane/packet_file.hpp"
#include "dataplane/rig.hpp"
#include "dataplane/temporary.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::CaptureBytes;
using test::Packet;
using test::Temporary;

constexpr const char* kService = "203.0.113.10";

std::unique_ptr<const snapshot::Snapshot> tables(unsigned backends = 4) {
  auto made = test::input({test::pool("p", test::backends(backends))},
                          {test::service("web", kService, 443),
                           test::service("quic", kService, 443, 0, wire::kIpProtoUdp)});
  made.icmp_errors_per_second = 0;
  return test::built(std::move(made));
}

Packet from(unsigned client) {
  return Packet().eth().ipv4("198.51.100." + std::to_string(client % 250 + 1), kService);
}
Bytes syn(unsigned client) { return from(client).tcp(40000, 443, wire::kTcpSyn); }
Bytes ack(unsigned client) { return from(client).tcp(40000, 443).payload(10); }

/// What a replay told and wrote.
struct Replayed {
  Result<Books> books;
  std::vector<ReplayVerdict> told;
  Bytes file;                  ///< The output's bytes.
  std::vector<Bytes> packets;  ///< Those in it.
};

Replayed run(const Temporary& folder, const Bytes& capture, const snapshot::Snapshot& now,
             double time_scale = 1) {
  Replayed r{.books = Books{}, .told = {}, .file = {}, .packets = {}};
  ReplaySettings settings;
  settings.in = folder.file("in", capture);
  settings.out = folder.path("out");
  settings.time_scale = time_scale;
  settings.flows = 1024;
  r.books = replay(settings, now, [&](const ReplayVerdict& v) { r.told.push_back(v); });
  r.file = Temporary::content(settings.out);
  if (auto reader = CaptureReader::open(settings.out)) {
    for (auto packet = reader->next(); packet && *packet; packet = reader->next())
      r.packets.emplace_back((*packet)->bytes.begin(), (*packet)->bytes.end());
  }
  return r;
}

Replayed run(const Bytes& capture, const snapshot::Snapshot& now, double time_scale = 1) {
  return run(Temporary(), capture, now, time_scale);
}

TEST(Replay, EveryPacketIsToldInOrderAndForwardedOnesAreWrittenInOrder) {
  const auto now = tables();
  CaptureBytes capture;
  capture.pcap_header();
  std::vector<Verdict> wanted;
  for (unsigned i = 0; i < 500; ++i) {  // many bursts, the last one not full
    switch (i % 4) {
      case 0:
        capture.pcap_packet(i, 0, from(i).id(static_cast<std::uint16_t>(i)).udp(1, 443));
        wanted.push_back(Verdict::kForward);
        break;
      case 1:
        capture.pcap_packet(i, 0,
                            Packet().eth().arp_request(test::kClientMac, "10.0.0.9", kService));
        wanted.push_back(Verdict::kHost);
        break;
      case 2:
        capture.pcap_packet(i, 0, from(i).ttl(1).tcp(1, 443));
        wanted.push_back(Verdict::kTtlExpired);
        break;
      default:
        capture.pcap_packet(i, 0, from(i).tcp(1, 80));
        wanted.push_back(Verdict::kHost);
    }
  }
  const auto r = run(capture, *now);
  ASSERT_TRUE(r.books) << r.books.error().text();
  ASSERT_EQ(r.told.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(r.told[i].index, i);
    EXPECT_EQ(r.told[i].verdict, wanted[i]) << i;
  }
  ASSERT_EQ(r.packets.size(), 125U);
  for (std::size_t i = 0; i < r.packets.size(); ++i) {
    const auto inner = test::strip_ipv4(test::strip_ethernet(r.packets[i]));
    EXPECT_EQ(test::ipv4_of(inner).id.to_host(), 4 * i);
  }
  EXPECT_EQ(r.books->rx, wanted.size());
  EXPECT_EQ(r.books->in_flight(), 0U);
  EXPECT_EQ(r.books->total(Outcome::kForward), 125U);
  EXPECT_EQ(r.books->total(Outcome::kHost), 250U);
  EXPECT_EQ(r.books->total(Outcome::kDrop), 125U);
}

TEST(Replay, VerdictNamesServiceAndBackendAsFarAsTheyWereChosen) {
  auto far = test::backend("far", 9);
  far.hop.reset();
  const auto now = test::built(test::input(
      {test::pool("p", {test::backend("b", 7)}), test::pool("empty", {}), test::pool("far", {far})},
      {test::service("s", kService, 443, 0), test::service("none", kService, 80, 1),
       test::service("far", kService, 81, 2)}));
  const auto r = run(CaptureBytes()
                         .pcap_header()
                         .pcap_packet(0, 0, from(1).tcp(1, 443))
                         .pcap_packet(0, 0, from(1).tcp(1, 80))
                         .pcap_packet(0, 0, from(1).tcp(1, 81))
                         .pcap_packet(0, 0, from(1).tcp(1, 82)),
                     *now);
  ASSERT_EQ(r.told.size(), 4U);
  EXPECT_EQ(r.told[0].service, &now->services[0]);
  EXPECT_EQ(r.told[0].backend, &now->backends[7]);
  EXPECT_EQ(r.told[0].number, 7U);
  EXPECT_EQ(r.told[1].verdict, Verdict::kNoBackend);
  EXPECT_EQ(r.told[1].service, &now->services[1]);
  EXPECT_EQ(r.told[1].backend, nullptr);
  EXPECT_EQ(r.told[2].verdict, Verdict::kNoNextHop);
  EXPECT_EQ(r.told[2].backend, &now->backends[9]) << "chosen, though not reached";
  EXPECT_EQ(r.told[3].service, nullptr);
  EXPECT_EQ(r.told[3].backend, nullptr);
}

TEST(Replay, StagesGiveTheSameBytesAsInAWorkersBurst) {
  const auto now = tables();
  CaptureBytes capture;
  capture.pcap_header();
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < 100; ++i) packets.push_back(syn(i));
  for (const auto& p : packets) capture.pcap_packet(0, 0, p);
  test::Rig rig;
  const auto wanted = rig.run(*now, packets);
  const auto r = run(capture, *now);
  ASSERT_EQ(r.packets.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(r.packets[i], wanted[i].bytes) << i;
}

TEST(Replay, OutputIsTheSameBytesEachTime) {
  const auto now = tables();
  CaptureBytes capture;
  capture.pcap_header();
  for (unsigned i = 0; i < 1000; ++i) capture.pcap_packet(i / 7, i, i % 3 == 0 ? syn(i) : ack(i));
  const auto a = run(capture, *now);
  const auto b = run(capture, *now);
  EXPECT_EQ(a.packets.size(), 1000U);
  EXPECT_EQ(a.file, b.file);
}

TEST(Replay, TimesOfTheCaptureAreThoseOfTheOutput) {
  const Temporary folder;
  run(folder, CaptureBytes().pcap_header(0xa1b23c4d).pcap_packet(1700000000, 123456789, syn(1)),
      *tables());
  auto reader = CaptureReader::open(folder.path("out"));
  ASSERT_TRUE(reader);
  const auto packet = reader->next();
  ASSERT_TRUE(packet && *packet);
  EXPECT_EQ((*packet)->time,
            std::chrono::seconds(1700000000) + std::chrono::nanoseconds(123456789));
}

TEST(Replay, PcapngIsReplayedLikePcap) {
  const auto now = tables();
  const auto a = run(CaptureBytes().pcap_header().pcap_packet(5, 0, syn(1)), *now);
  const auto b = run(CaptureBytes().pcapng_header().pcapng_packet(5'000'000, syn(1)), *now);
  EXPECT_EQ(a.file, b.file);
}

// The clock.

constexpr std::uint32_t kUdpSilence = 60 * flow::kTickSeconds;  // udp_timeout of test inputs

/// Which packets of one UDP flow, sent at these seconds, open it anew.
std::vector<bool> opens(const std::vector<std::uint32_t>& at_seconds, double time_scale = 1) {
  CaptureBytes capture;
  capture.pcap_header();
  for (const auto s : at_seconds) capture.pcap_packet(1'000'000 + s, 0, from(1).udp(1, 443));
  const auto r = run(capture, *tables(), time_scale);
  std::vector<bool> opened;
  for (const auto& v : r.told) opened.push_back(v.new_flow);
  return opened;
}

TEST(ReplayClock, FlowIsForgottenWhenTheCaptureIsSilentForItsTimeout) {
  EXPECT_EQ(opens({0, kUdpSilence, 2 * kUdpSilence}), (std::vector{true, false, false}));
  EXPECT_EQ(opens({0, kUdpSilence + 2, 2 * kUdpSilence}), (std::vector{true, true, false}));
}

TEST(ReplayClock, ScaleStretchesAndPressesTheCapturesTime) {
  EXPECT_EQ(opens({0, 10}, 1), (std::vector{true, false}));
  EXPECT_EQ(opens({0, 10}, 100), (std::vector{true, true}));
  EXPECT_EQ(opens({0, 100 * kUdpSilence}, 1), (std::vector{true, true}));
  EXPECT_EQ(opens({0, 100 * kUdpSilence}, 0.001), (std::vector{true, false}));
  EXPECT_EQ(opens({0, 100 * kUdpSilence}, 0), (std::vector{true, false}));
}

TEST(ReplayClock, StepBackIsNoTimeAtAll) {
  EXPECT_EQ(opens({1000, 0, 1001}), (std::vector{true, false, false}));
}

TEST(ReplayClock, FlowIsNotRevivedWhenTheTicksComeRoundAgain) {
  const std::uint32_t round = (flow::kTickMask + 1U) * flow::kTickSeconds;
  for (const std::uint32_t rounds : {1U, 2U, 5U, 100U})
    EXPECT_EQ(opens({0, rounds * round}), (std::vector{true, true})) << rounds;
  EXPECT_EQ(opens({0, round / 4, round / 2, round}), (std::vector(4, true)));
}

TEST(ReplayClock, NoScaleIsTooWild) {
  for (const double scale : {1e300, -1.0, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(opens({0, 1000, 4'000'000'000U - 1'000'000}, scale).size(), 3U) << scale;
}

// Captures that are cut, too long or damaged, and files that cannot be.

TEST(ReplayOfACut, PacketWhoseHeadersAreThereIsForwardedWithBothLengths) {
  const auto now = tables(1);
  const Bytes packet = from(1).tcp(40000, 443).payload(1000);
  const Temporary folder;
  const auto r =
      run(folder,
          CaptureBytes().pcap_header().pcap_packet(0, 0, std::span(packet).first(60),
                                                   static_cast<std::uint32_t>(packet.size())),
          *now);
  ASSERT_EQ(r.told.size(), 1U);
  EXPECT_EQ(r.told[0].verdict, Verdict::kForward);
  test::Rig rig;
  const auto whole = rig.one(*now, packet).bytes;
  auto reader = CaptureReader::open(folder.path("out"));
  ASSERT_TRUE(reader);
  const auto out = reader->next();
  ASSERT_TRUE(out && *out);
  EXPECT_EQ((*out)->wire_length, whole.size());
  EXPECT_TRUE(std::ranges::equal((*out)->bytes, std::span(whole).first(80)));
}

TEST(ReplayOfACut, LengthOnTheWireDecidesWhatIsTooBig) {
  const Bytes packet = from(1).tcp(40000, 443).payload(1441);
  const auto r =
      run(CaptureBytes().pcap_header().pcap_packet(0, 0, std::span(packet).first(60),
                                                   static_cast<std::uint32_t>(packet.size())),
          *tables());
  ASSERT_EQ(r.told.size(), 1U);
  EXPECT_EQ(r.told[0].verdict, Verdict::kTooBig);
}

TEST(ReplayOfACut, HeadersThatAreCutAreTruncated) {
  const Bytes packet = from(1).tcp(40000, 443).payload(1000);
  for (std::size_t captured = 34; captured < 54; ++captured) {
    const auto r =
        run(CaptureBytes().pcap_header().pcap_packet(0, 0, std::span(packet).first(captured),
                                                     static_cast<std::uint32_t>(packet.size())),
            *tables());
    ASSERT_EQ(r.told.size(), 1U);
    EXPECT_EQ(r.told[0].verdict, Verdict::kTruncated) << captured;
  }
}

TEST(ReplayOfACut, PaddingThatWasCutTakesNothingFromThePacket) {
  const Bytes packet = from(1).udp(40000, 443).payload(10).pad(200);  // 52 bytes are packet
  for (const std::size_t captured : {42U, 51U, 52U, 60U, 199U}) {
    const auto r =
        run(CaptureBytes().pcap_header().pcap_packet(0, 0, std::span(packet).first(captured), 200),
            *tables());
    ASSERT_EQ(r.packets.size(), 1U) << captured;
    EXPECT_EQ(r.packets[0].size(), 20 + std::min<std::size_t>(captured, 52)) << captured;
  }
}

TEST(ReplayOfACut, LengthsOnTheWireThatLieDoNoHarm) {
  const Bytes packet = from(1).tcp(40000, 443).payload(10);
  for (const std::uint32_t lie : {0U, 1U, 60U, 65535U, 0x7fffffffU, 0xffffffecU, 0xffffffffU}) {
    const auto r = run(CaptureBytes().pcap_header().pcap_packet(0, 0, packet, lie), *tables());
    ASSERT_EQ(r.told.size(), 1U) << lie;
    EXPECT_EQ(r.told[0].verdict, Verdict::kForward) << lie;
    ASSERT_EQ(r.packets.size(), 1U) << lie;
    EXPECT_EQ(r.packets[0].size(), packet.size() + 20) << lie;
  }
}

TEST(Replay, LongestIpPacketOfOrdinaryFramesFitsABuffer) {
  auto in =
      test::input({test::pool("p", {test::backend("b", 7)})}, {test::service("s", kService, 443)});
  in.pools[0].backends[0].hop->mtu = 65535;
  const Bytes longest = from(1).tcp(40000, 443).payload(65000);
  const auto r = run(CaptureBytes().pcap_header().pcap_packet(0, 0, longest), *test::built(in));
  ASSERT_EQ(r.packets.size(), 1U);
  EXPECT_EQ(r.packets[0].size(), longest.size() + 20);
}

TEST(Replay, FrameThatFitsNoBufferEndsItAfterThePacketsBeforeIt) {
  CaptureBytes capture;
  capture.pcap_header();
  for (unsigned i = 0; i < 40; ++i) capture.pcap_packet(0, 0, syn(i));
  capture.pcap_packet(0, 0, Bytes(65'500)).pcap_packet(0, 0, syn(99));
  const auto r = run(capture, *tables());
  ASSERT_FALSE(r.books);
  EXPECT_EQ(r.books.error().code, Errc::kUnsupported);
  EXPECT_NE(r.books.error().message.find("packet 40 has 65500 bytes"), std::string::npos)
      << r.books.error().message;
  EXPECT_EQ(r.told.size(), 40U);
  EXPECT_EQ(r.packets.size(), 40U);
}

TEST(Replay, DamageEndsItAfterThePacketsBeforeIt) {
  CaptureBytes capture;
  capture.pcap_header();
  for (unsigned i = 0; i < 40; ++i) capture.pcap_packet(0, 0, syn(i));
  capture.u32(0).u32(0).u32(100);
  const auto r = run(capture, *tables());
  ASSERT_FALSE(r.books);
  EXPECT_EQ(r.books.error().code, Errc::kInvalid);
  EXPECT_EQ(r.told.size(), 40U);
  EXPECT_EQ(r.packets.size(), 40U);
}

TEST(Replay, CaptureOfNothingGivesACaptureOfNothing) {
  const auto r = run(CaptureBytes().pcap_header(), *tables());
  ASSERT_TRUE(r.books);
  EXPECT_EQ(r.books->rx, 0U);
  EXPECT_TRUE(r.told.empty());
  EXPECT_EQ(r.file.size(), 24U);
}

TEST(Replay, MissingInputLeavesTheOutputAsItWas) {
  const Temporary folder;
  const Bytes old(10, std::byte{1});
  ReplaySettings settings;
  settings.in = folder.path("none");
  settings.out = folder.file("out", old);
  const auto books = replay(settings, *tables(), [](const ReplayVerdict&) { FAIL(); });
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, Errc::kNotFound);
  EXPECT_EQ(Temporary::content(settings.out), old);
}

TEST(Replay, OutputThatIsTheInputIsRefusedBeforeItIsEmptied) {
  const Temporary folder;
  const Bytes capture = CaptureBytes().pcap_header().pcap_packet(0, 0, syn(1));
  ReplaySettings settings;
  settings.in = folder.file("in", capture);
  settings.out = folder.path("link");
  std::filesystem::create_symlink(settings.in, settings.out);
  const auto books = replay(settings, *tables(), [](const ReplayVerdict&) { FAIL(); });
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, Errc::kInvalid);
  EXPECT_EQ(Temporary::content(settings.in), capture);
}

TEST(Replay, FullDiskIsAnError) {
  const Temporary folder;
  ReplaySettings settings;
  settings.in = folder.file("in", CaptureBytes().pcap_header().pcap_packet(0, 0, syn(1)));
  settings.out = "/dev/full";
  const auto books = replay(settings, *tables(), [](const ReplayVerdict&) {});
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, Errc::kIo);
}

// NAT has its sessions from the capture itself: the answer of a backend is translated back.
TEST(Replay, NatTranslatesBothWaysAndItsPortsRestByTheCapturesClock) {
  auto pool = test::pool("p", test::backends(1), snapshot::Forwarding::kNat);
  pool.nat =
      snapshot::NatInput{.sources = {test::ip("10.0.0.9")}, .first_port = 5555, .last_port = 5555};
  const auto now = test::built(test::input({pool}, {test::service("web", kService, 443)}));
  const auto answer = Packet().eth().ipv4("10.0.1.1", "10.0.0.9").tcp(443, 5555, 0x14);  // RST, ACK
  const auto r = run(CaptureBytes()
                         .pcap_header()
                         .pcap_packet(0, 0, syn(1))
                         .pcap_packet(1, 0, answer)
                         .pcap_packet(2, 0, from(2).tcp(40000, 443))  // of no session
                         .pcap_packet(20, 0, answer)                  // of none any more
                         .pcap_packet(21, 0, syn(2)),
                     *now);
  ASSERT_TRUE(r.books) << r.books.error().text();
  std::vector<Verdict> verdicts;
  for (const auto& v : r.told) verdicts.push_back(v.verdict);
  EXPECT_EQ(verdicts, (std::vector{Verdict::kForward, Verdict::kForward, Verdict::kNoNatSession,
                                   Verdict::kNoNatSession, Verdict::kForward}));
  ASSERT_NE(r.told[1].backend, nullptr);
  EXPECT_EQ(r.told[1].number, 1);
  EXPECT_EQ(r.told[1].service, r.told[0].service);
  ASSERT_EQ(r.packets.size(), 3U);
  EXPECT_EQ(test::hex(r.packets[1]), test::hex(Bytes(Packet()
                                                         .eth(test::kClientMac, test::kOwnMac)
                                                         .ipv4(kService, "198.51.100.2")
                                                         .ttl(63)
                                                         .tcp(443, 40000, 0x14))));
}

}  // namespace
}  // namespace sluice::dataplane
