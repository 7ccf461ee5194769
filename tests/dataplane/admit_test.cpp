// SPDX-License-Identifier: Apache-2.0
// What is refused before steering, each for its own reason, and what is not.
#include "dataplane/admit.hpp"

#include "dataplane/rig.hpp"
#include "dataplane/site.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kAck;
using test::kSyn;
using test::kVip;
using test::Packet;
using test::Rig;

constexpr const char* kVip6 = "2001:db8:1::10";
constexpr const char* kSource = "198.51.100.1";

snapshot::Input site() {
  return test::input(
      {test::pool("p", test::backends(2), snapshot::Forwarding::kL2dsr)},
      {test::service("tcp", kVip, 443), test::service("udp", kVip, 443, 0, wire::kIpProtoUdp),
       test::service("tcp6", kVip6, 443), test::service("udp6", kVip6, 443, 0, wire::kIpProtoUdp)});
}

std::unique_ptr<const snapshot::Snapshot> with(auto&& change) {
  auto in = site();
  change(in);
  return test::built(std::move(in));
}

Bytes tcp_from(const std::string& source, std::uint8_t flags = kAck, unsigned port = 40000) {
  const bool v6 = source.find(':') != std::string::npos;
  Packet packet;
  packet.eth();
  if (v6)
    packet.ipv6(source, kVip6);
  else
    packet.ipv4(source, kVip);
  return packet.tcp(static_cast<std::uint16_t>(port), 443, flags).payload(20);
}

Verdict verdict_of(const snapshot::Snapshot& now, const Bytes& packet) {
  Rig rig;
  return rig.one(now, packet).verdict;
}

TEST(Martians, AreSourcesThatNoSenderHas) {
  const auto now = test::built(site());
  for (const char* source :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255",
        "255.255.255.255", "::", "::1", "ff02::1", kVip, kVip6})
    EXPECT_EQ(verdict_of(*now, tcp_from(source)), Verdict::kMartian) << source;
  for (const char* source : {"1.0.0.0", "126.255.255.255", "128.0.0.1", "223.255.255.255",
                             "240.0.0.1", "10.0.0.1", "::2", "fe80::1", "2001:db8::1"})
    EXPECT_EQ(verdict_of(*now, tcp_from(source)), Verdict::kForward) << source;
}

TEST(Martians, GetNoEchoReply) {
  const auto now = test::built(site());
  const auto echo = [](const char* source) {
    return Packet().eth().ipv4(source, kVip).icmp_echo(1, 1).payload(8).bytes();
  };
  EXPECT_EQ(verdict_of(*now, echo(kSource)), Verdict::kAnsweredEcho);
  EXPECT_EQ(verdict_of(*now, echo("224.0.0.1")), Verdict::kMartian);
  EXPECT_EQ(verdict_of(*now, echo(kVip)), Verdict::kMartian);
}

TEST(Martians, OfAnIcmpErrorAreThoseThatSendItNotThoseItQuotes) {
  const auto now = test::built(site());
  const Bytes quoted = Packet().ipv4(kVip, kSource).tcp(443, 40000).bytes();
  const auto error = [&](const char* router) {
    return Packet().eth().ipv4(router, kVip).icmp(3, 1).payload(quoted).bytes();
  };
  EXPECT_EQ(verdict_of(*now, error("192.0.2.7")), Verdict::kForward);
  EXPECT_EQ(verdict_of(*now, error("127.0.0.1")), Verdict::kMartian);
}

TEST(Martians, ForAnAddressThatIsNoServiceAreLeftToLinux) {
  const auto now = test::built(site());
  const Bytes packet = Packet().eth().ipv4("0.0.0.0", "192.0.2.99").udp(68, 67).payload(8);
  EXPECT_EQ(verdict_of(*now, packet), Verdict::kHost);
}

TEST(TcpFlags, ThatNoTcpSendsAreRefusedForAllOfThem) {
  const auto now = test::built(site());
  for (unsigned flags = 0; flags < 256; ++flags) {
    const bool syn = (flags & 2) != 0;
    const bool ending = (flags & 5) != 0;
    const bool any = (flags & 0x17) != 0;
    const bool bad = !any || (syn && ending);
    EXPECT_EQ(is_bad_tcp_flags(static_cast<std::uint8_t>(flags)), bad) << flags;
    EXPECT_EQ(verdict_of(*now, tcp_from(kSource, static_cast<std::uint8_t>(flags))),
              bad ? Verdict::kBadTcpFlags : Verdict::kForward)
        << flags;
  }
}

class Checksums : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Verified, Checksums, testing::Bool(),
                         [](const auto& test) { return test.param ? "Yes" : "No"; });

TEST_P(Checksums, ThatAreWrongAreRefusedIfTheNodeLooks) {
  const auto now = with([](auto& in) { in.verify_checksums = GetParam(); });
  const auto wrong = GetParam() ? Verdict::kBadChecksum : Verdict::kForward;
  const auto v4 = [] { return Packet().eth().ipv4(kSource, kVip); };
  const auto v6 = [] { return Packet().eth().ipv6("2001:db8::1", kVip6); };
  EXPECT_EQ(verdict_of(*now, v4().ip_checksum(1).tcp(40000, 443)), wrong);
  EXPECT_EQ(verdict_of(*now, v4().tcp(40000, 443).l4_checksum(1).payload(33)), wrong);
  EXPECT_EQ(verdict_of(*now, v4().udp(40000, 443).l4_checksum(1).payload(33)), wrong);
  EXPECT_EQ(verdict_of(*now, v6().tcp(40000, 443).l4_checksum(1).payload(33)), wrong);
  EXPECT_EQ(verdict_of(*now, v6().udp(40000, 443).l4_checksum(0).payload(33)), wrong);
}

TEST_P(Checksums, ThatAreRightPassInAnyShape) {
  const auto now = with([](auto& in) { in.verify_checksums = GetParam(); });
  for (std::size_t size = 0; size < 70; size += 7) {
    for (const std::size_t first_segment : {SIZE_MAX, std::size_t{60}, std::size_t{61}}) {
      const auto passes = [&](const Bytes& packet) {
        Rig rig;
        rig.first_segment = first_segment;
        return rig.one(*now, packet).verdict == Verdict::kForward;
      };
      const auto v4 = [] { return Packet().eth().ipv4(kSource, kVip); };
      EXPECT_TRUE(passes(v4().tcp(40000, 443).payload(size))) << size;
      EXPECT_TRUE(passes(v4().udp(40000, 443).payload(size).pad())) << size;
      EXPECT_TRUE(passes(Packet().eth().vlan(7).ipv4(kSource, kVip).udp(1, 443).payload(size)));
      EXPECT_TRUE(passes(v4().udp(40000, 443).l4_checksum(0).payload(size))) << "none at all";
    }
    const auto v6 = [] { return Packet().eth().ipv6("2001:db8::1", kVip6); };
    EXPECT_EQ(verdict_of(*now, v6().tcp(40000, 443).payload(size)), Verdict::kForward);
    EXPECT_EQ(verdict_of(*now, v6().udp(40000, 443).payload(size)), Verdict::kForward);
  }
}

TEST(Checksums, OfAFragmentAreThoseOfItsIpHeader) {
  const auto now = with([](auto& in) { in.verify_checksums = true; });
  const auto first = [] {
    return Packet().eth().ipv4(kSource, kVip).fragment(0, true).udp(40000, 443).payload(32);
  };
  EXPECT_EQ(verdict_of(*now, first().l4_checksum(1)), Verdict::kForward);
  EXPECT_EQ(verdict_of(*now, first().ip_checksum(1)), Verdict::kBadChecksum);
}

TEST(Deny, DropsThePrefixesOfItsServiceAlone) {
  const auto now = with([](auto& in) {
    in.services[0].deny = {IpPrefix::parse("198.51.100.0/24").value()};
    in.services[2].deny = {IpPrefix::parse("2001:db8:bad::/48").value()};
  });
  EXPECT_EQ(verdict_of(*now, tcp_from(kSource, kSyn)), Verdict::kDenied);
  EXPECT_EQ(verdict_of(*now, tcp_from(kSource, kAck)), Verdict::kDenied);
  EXPECT_EQ(verdict_of(*now, tcp_from("198.51.101.1")), Verdict::kForward);
  EXPECT_EQ(verdict_of(*now, Packet().eth().ipv4(kSource, kVip).udp(1, 443)), Verdict::kForward);
  EXPECT_EQ(verdict_of(*now, tcp_from("2001:db8:bad::1")), Verdict::kDenied);
  EXPECT_EQ(verdict_of(*now, tcp_from("2001:db8:bae::1")), Verdict::kForward);
}

/// Sends one packet every `gap` cycles for a second; counts those that passed.
unsigned passed(Rig& rig, const snapshot::Snapshot& now, std::uint64_t gap, auto&& packet,
                Verdict refusal) {
  unsigned count = 0;
  unsigned i = 0;
  const std::uint64_t end = rig.cycles + Rig::kCyclesPerSecond;
  for (; rig.cycles < end; rig.cycles += gap) {
    const auto got = rig.one(now, packet(i++)).verdict;
    EXPECT_TRUE(got == Verdict::kForward || got == refusal) << text(got).name;
    count += got == Verdict::kForward ? 1 : 0;
  }
  return count;
}

constexpr std::uint64_t kMillisecond = Rig::kCyclesPerSecond / 1000;

TEST(PacketRate, LetsThroughTheRateAndATenthOfASecondAtOnce) {
  const auto now = with([](auto& in) { in.services[0].limits.packets_per_second = 500; });
  Rig rig;
  rig.cycles = kMillisecond;
  const auto flow = [](unsigned) { return tcp_from(kSource); };
  EXPECT_NEAR(passed(rig, *now, kMillisecond / 2, flow, Verdict::kPacketRate), 550, 2);
  EXPECT_NEAR(passed(rig, *now, kMillisecond / 2, flow, Verdict::kPacketRate), 500, 2);
  EXPECT_EQ(rig.one(*now, Packet().eth().ipv4(kSource, kVip).udp(1, 443)).verdict,
            Verdict::kForward)
      << "another service";
}

TEST(BitRate, CountsWholeFrames) {
  const auto now = with([](auto& in) { in.services[0].limits.bits_per_second = 8'000'000; });
  Rig rig;
  rig.cycles = kMillisecond;
  const Bytes packet =
      Packet().eth().ipv4(kSource, kVip).tcp(40000, 443).payload(1000 - 14 - 20 - 20);
  ASSERT_EQ(packet.size(), 1000U);
  const auto flow = [&](unsigned) { return packet; };
  EXPECT_NEAR(passed(rig, *now, kMillisecond / 2, flow, Verdict::kBitRate), 1100, 2);
  EXPECT_NEAR(passed(rig, *now, kMillisecond / 2, flow, Verdict::kBitRate), 1000, 2);
}

TEST(NewFlowRate, HoldsForFlowsThatOpenAndNotForThoseThatAre) {
  const auto now = with([](auto& in) { in.services[0].limits.new_flows_per_second = 100; });
  Rig rig;
  rig.cycles = kMillisecond;
  rig.one(*now, tcp_from("198.51.100.200", kSyn));
  const auto opening = [](unsigned i) {
    return tcp_from("10." + std::to_string(i / 250) + ".0." + std::to_string(1 + i % 250), kSyn);
  };
  EXPECT_NEAR(passed(rig, *now, kMillisecond, opening, Verdict::kNewFlowRate), 199, 2);
  EXPECT_EQ(rig.one(*now, tcp_from("10.200.0.1", kSyn)).verdict, Verdict::kForward) << "the last";
  EXPECT_EQ(rig.one(*now, tcp_from("10.200.0.2", kSyn)).verdict, Verdict::kNewFlowRate);
  EXPECT_EQ(rig.one(*now, tcp_from("198.51.100.200", kAck)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*now, tcp_from("198.51.100.200", kSyn)).verdict, Verdict::kForward) << "again";
  EXPECT_EQ(rig.one(*now, tcp_from("10.201.0.1", kAck)).verdict, Verdict::kForward)
      << "in its middle";
}

TEST(NewFlowRate, ARefusedFlowTakesNoPlaceInTheCache) {
  const auto now = with([](auto& in) { in.services[0].limits.new_flows_per_second = 1; });
  Rig rig;
  rig.cycles = kMillisecond;
  for (unsigned port = 1; port <= 50; ++port) rig.one(*now, tcp_from(kSource, kSyn, port));
  EXPECT_EQ(rig.cache_stats().inserts.value(), 1U);
}

TEST(SourceRate, LimitsASourceAndNoOther) {
  const auto now = with([](auto& in) {
    in.services[0].limits = {.new_flows_per_second = 1000, .source_new_flows_per_second = 10};
  });
  Rig rig;
  rig.cycles = kMillisecond;
  const auto opening = [](unsigned i) { return tcp_from(kSource, kSyn, 1 + i); };
  EXPECT_NEAR(passed(rig, *now, kMillisecond, opening, Verdict::kSourceRate), 20, 1);
  EXPECT_EQ(rig.one(*now, tcp_from("198.51.100.2", kSyn)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*now, tcp_from(kSource, kAck, 1)).verdict, Verdict::kForward);
}

TEST(SourceRate, WhatASourceIsRefusedCostsTheServiceNothing) {
  const auto now = with([](auto& in) {
    in.services[0].limits = {.new_flows_per_second = 20, .source_new_flows_per_second = 5};
  });
  Rig rig;
  rig.cycles = kMillisecond;
  for (unsigned port = 1; port <= 500; ++port) rig.one(*now, tcp_from(kSource, kSyn, port));
  unsigned others = 0;
  for (unsigned i = 1; i <= 15; ++i)
    others +=
        rig.one(*now, tcp_from("10.0.0." + std::to_string(i), kSyn)).verdict == Verdict::kForward
            ? 1
            : 0;
  EXPECT_EQ(others, 15U);
}

TEST(Limits, ThatChangeHoldFromTheNextGenerationOn) {
  auto in = site();
  in.services[0].limits.packets_per_second = 10;
  const auto slow = test::built(in);
  in.generation = 2;
  in.services[0].limits.packets_per_second = 1000;
  const auto fast = test::built(in, slow.get());
  Rig rig;
  rig.cycles = kMillisecond;
  const auto flow = [](unsigned) { return tcp_from(kSource); };
  EXPECT_NEAR(passed(rig, *slow, kMillisecond / 2, flow, Verdict::kPacketRate), 11, 1);
  EXPECT_GE(passed(rig, *fast, kMillisecond / 2, flow, Verdict::kPacketRate), 990U);
}

}  // namespace
}  // namespace sluice::dataplane
