// SPDX-License-Identifier: Apache-2.0
// A property over random mixes of packets, in bursts of random sizes: every packet gets the verdict
// it was built for, forwarded ones carry the original, all others are untouched, no flow changes
// its backend, and the books balance.
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;

constexpr std::size_t kTemplates = 4000;
constexpr std::size_t kPackets = 120'000;

/// A packet and what must become of it.
struct Expected {
  Bytes packet;
  Verdict verdict;
  unsigned flow = 0;  ///< Distinct for every flow; 0 where none is steered.
  Bytes before = {};  ///< Of a later fragment, the first one of its datagram.
};

constexpr const char* kWeb = "203.0.113.10";    // ipip pool
constexpr const char* kChat = "203.0.113.11";   // l2dsr pool
constexpr const char* kEmpty = "203.0.113.12";  // no backend
constexpr const char* kFar = "203.0.113.13";    // backend without a next hop

snapshot::Input services() {
  auto far = test::backend("far", 30);
  far.hop.reset();
  auto made = test::input(
      {test::pool("web", test::backends(5, 1)),
       test::pool("chat", test::backends(5, 11), Forwarding::kL2dsr), test::pool("empty", {}),
       test::pool("far", {far})},
      {test::service("web", kWeb, 443, 0), test::service("chat", kChat, 0, 1, wire::kIpProtoUdp),
       test::service("empty", kEmpty, 443, 2), test::service("far", kFar, 443, 3)});
  made.icmp_errors_per_second = 1'000'000;  // every sender is told
  return made;
}

class Mix {
 public:
  Expected next() {
    const auto client = "198.51.100." + std::to_string(1 + pick(200));
    const auto source = static_cast<std::uint16_t>(1024 + pick(100));
    const std::size_t payload = pick(4) == 0 ? pick(1400) : pick(40);
    Packet p;
    p.eth();
    if (pick(4) == 0) p.vlan(static_cast<std::uint16_t>(pick(4096)));
    const auto decorated = [&](Packet& ip) -> Packet& {
      if (pick(2) == 0) ip.df();
      if (pick(8) == 0) ip.options(1 + pick(3));
      return ip.tos(static_cast<std::uint8_t>(pick(256)))
          .ttl(static_cast<std::uint8_t>(2 + pick(254)));
    };
    switch (pick(16)) {
      case 0:
        return {p.arp_request(test::kClientMac, client, kWeb), Verdict::kHost};
      case 1:
        return {p.ipv6("2001:db8::1", "2001:db8::2").tcp(source, 443), Verdict::kHost};
      case 2:
        return {decorated(p.ipv4(client, kWeb)).icmp_echo(1, 1), Verdict::kAnsweredEcho};
      case 3:
        return {decorated(p.ipv4(client, kWeb)).tcp(source, 80), Verdict::kHost};
      case 4:
        return {decorated(p.ipv4(client, kEmpty)).tcp(source, 443), Verdict::kNoBackend};
      case 5:
        return {decorated(p.ipv4(client, kFar)).tcp(source, 443), Verdict::kNoNextHop};
      case 6:
        return {decorated(p.ipv4(client, kWeb)).ttl(1).tcp(source, 443),
                Verdict::kAnsweredTtlExpired};
      case 7:
        return {decorated(p.ipv4(client, kWeb)).tcp(source, 443).payload(1461),
                Verdict::kAnsweredTooBig};
      case 8:
        return fragment(client, source, decorated(p.ipv4(client, kChat)));
      case 9:
        return {decorated(p.ipv4(client, kWeb)).tcp(source, 443).data_offset(15),
                Verdict::kMalformed};
      case 10:
        return {Bytes(pick(14)), Verdict::kTruncated};
      case 11:
      case 12:
      case 13: {
        const std::uint8_t flags[] = {wire::kTcpSyn, wire::kTcpAck, wire::kTcpFin, wire::kTcpRst};
        decorated(p.ipv4(client, kWeb)).tcp(source, 443, flags[pick(4)]).payload(payload);
        return {padded(p), Verdict::kForward, flow(client, source, 1)};
      }
      default:
        decorated(p.ipv4(client, kChat)).udp(source, 9).payload(payload);
        return {padded(p), Verdict::kForward, flow(client, source, 2)};
    }
  }

  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

 private:
  /// One of a datagram of its own: the first of a flow, a later one, or one that no answer is
  /// about.
  Expected fragment(const std::string& client, std::uint16_t source, Packet& ip) {
    ip.id(++datagrams_);
    const Bytes first = Packet(ip).fragment(0, true).udp(source, 9).payload(8);
    switch (pick(4)) {
      case 0:
        return {ip.fragment(185, false).protocol(wire::kIpProtoUdp).payload(1600), Verdict::kTooBig,
                0, first};
      case 1:
        return {ip.fragment(185, false).protocol(wire::kIpProtoUdp).payload(40), Verdict::kForward,
                flow(client, source, 2), first};
      default:
        return {ip.fragment(0, true).udp(source, 9).payload(8), Verdict::kForward,
                flow(client, source, 2)};
    }
  }
  static Bytes padded(Packet& p) { return p.pad(60); }
  unsigned flow(const std::string& client, std::uint16_t source, unsigned service) {
    const auto next = static_cast<unsigned>(flows_.size()) + 1;
    return flows_.emplace(std::tuple(client, source, service), next).first->second;
  }

  std::mt19937_64 random_{20240601};
  std::uint16_t datagrams_ = 0;
  std::map<std::tuple<std::string, std::uint16_t, unsigned>, unsigned> flows_;
};

/// The IPv4 packet that arrived, with what a router does to its TTL, must be what leaves inside.
void expect_carried(const Bytes& arrived, const test::Handled& got) {
  const bool tunnelled = got.backend <= 5;
  const auto before = test::strip_ethernet(arrived);
  const auto outside = test::strip_ethernet(got.bytes);
  const auto ethernet = test::ethernet_of(got.bytes);
  ASSERT_EQ(ethernet.destination[5], got.backend);
  ASSERT_EQ(got.bytes.size() - outside.size(), arrived.size() - before.size()) << "tags";
  if (!tunnelled) {
    ASSERT_TRUE(std::ranges::equal(before, outside));
    return;
  }
  const auto outer = test::ipv4_of(outside);
  const auto inner_before = test::ipv4_of(before);
  ASSERT_TRUE(test::ipv4_checksum_ok(outside));
  ASSERT_EQ(test::text(outer.destination), "10.0.1." + std::to_string(got.backend));
  ASSERT_EQ(outer.total_length.to_host(), outside.size()) << "padding";
  ASSERT_EQ(outer.tos, inner_before.tos);
  ASSERT_EQ(outer.fragment, inner_before.fragment);
  Bytes inner(outside.begin() + 20, outside.end());
  ASSERT_EQ(inner.size(), inner_before.total_length.to_host());
  ASSERT_TRUE(test::ipv4_checksum_ok(inner));
  ASSERT_EQ(test::ipv4_of(inner).ttl, inner_before.ttl - 1);
  inner[8] = before[8];  // TTL and checksum were judged; all else is as it was
  inner[10] = before[10];
  inner[11] = before[11];
  ASSERT_TRUE(std::ranges::equal(inner, before.first(inner.size())));
}

TEST(Mix, EveryPacketGetsItsVerdictAndTheBooksBalance) {
  const auto now = test::built(services());
  Mix mix;
  std::vector<Expected> templates;
  for (std::size_t i = 0; i < kTemplates; ++i) templates.push_back(mix.next());

  test::Rig rig(1U << 15);
  std::map<unsigned, unsigned> home;
  std::size_t handled = 0;
  for (const auto& one : templates) {
    if (one.before.empty()) continue;
    ASSERT_EQ(rig.one(*now, one.before).verdict, Verdict::kForward);
    ++handled;
  }
  while (handled < kPackets) {
    std::vector<const Expected*> chosen;
    std::vector<Bytes> packets;
    const std::size_t size = 1 + mix.pick(32);
    for (std::size_t i = 0; i < size; ++i) {
      chosen.push_back(&templates[mix.pick(kTemplates)]);
      packets.push_back(chosen.back()->packet);
    }
    rig.cycles += test::Rig::kCyclesPerSecond / 1000;
    const auto got = rig.burst(*now, packets);
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(got[i].verdict, chosen[i]->verdict) << test::hex(packets[i]);
      if (outcome(got[i].verdict) == Outcome::kAnswer) {
        ASSERT_EQ(got[i].port, 0U) << "back where it came from";
        continue;
      }
      if (got[i].verdict != Verdict::kForward) {
        ASSERT_TRUE(got[i].bytes == packets[i]) << test::hex(packets[i]);
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(expect_carried(packets[i], got[i]));
      const auto [at, first] = home.emplace(chosen[i]->flow, got[i].backend);
      ASSERT_TRUE(first || at->second == got[i].backend) << "flow " << chosen[i]->flow << " moved";
    }
    handled += size;
  }
  const auto books = rig.books();
  EXPECT_EQ(books.rx, handled);
  for (const auto verdict :
       {Verdict::kForward, Verdict::kHost, Verdict::kAnsweredEcho, Verdict::kAnsweredTooBig,
        Verdict::kAnsweredTtlExpired, Verdict::kTruncated, Verdict::kMalformed, Verdict::kNoBackend,
        Verdict::kNoNextHop, Verdict::kTooBig})
    EXPECT_NE(books.verdicts[static_cast<std::size_t>(verdict)], 0U)
        << verdict << ": the mix misses it";
}

}  // namespace
}  // namespace sluice::dataplane
