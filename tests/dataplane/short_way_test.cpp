// SPDX-License-Identifier: Apache-2.0
// The short way does what the stages do: the same random bursts through both, compared in all that
// comes out and in all that is remembered.
#include "dataplane/short_way.hpp"

#include "dataplane/both_ways.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::Packet;
using test::Rig;

struct Site {
  const char* v4;
  const char* v6;
  Forwarding forwarding;
};

constexpr Site kSites[] = {{"203.0.113.10", "2001:db8::10", Forwarding::kIpip},
                           {"203.0.113.11", "2001:db8::11", Forwarding::kL2dsr},
                           {"203.0.113.12", "2001:db8::12", Forwarding::kGue},
                           {"203.0.113.13", "2001:db8::13", Forwarding::kIpip},  // a policy
                           {"203.0.113.14", "2001:db8::14", Forwarding::kIpip},  // rules
                           {"203.0.113.15", "2001:db8::15", Forwarding::kNat},   // never short
                           {"203.0.113.16", "2001:db8::16", Forwarding::kGue}};  // nobody there
constexpr unsigned kSiteCount = std::size(kSites);

/// A pool for each site, its backends of both families where there is a tunnel; the services are
/// TCP 443 and UDP 443 of both addresses.
snapshot::Input sites(std::mt19937& random) {
  const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  std::vector<snapshot::PoolInput> pools;
  std::vector<snapshot::ServiceInput> services;
  for (unsigned s = 0; s < kSiteCount; ++s) {
    const Site& site = kSites[s];
    std::vector<snapshot::BackendInput> members;
    for (unsigned i = 0; i < 6 && s != 6; ++i) {
      auto member = test::backend("b" + std::to_string(i), s * 10 + i + 1);
      if (pick(3) == 0 && site.forwarding != Forwarding::kNat)
        member.address = *IpAddress::parse("2001:db8:1::" + std::to_string(i + 1));
      const unsigned fate = pick(12);
      if (fate == 0) member.draining = true;
      if (fate == 1) member.down = true;
      if (fate == 2) member.hop.reset();
      if (fate == 3) member.hop->mtu = 100;
      members.push_back(std::move(member));
    }
    auto pool = test::pool("p" + std::to_string(s), std::move(members), site.forwarding);
    pool.decrement_ttl = pick(3) != 0;
    pool.gue_variant = static_cast<std::uint8_t>(pick(2));
    pool.outer_source6 = *IpAddress::parse("2001:db8:ffff::1");
    if (site.forwarding == Forwarding::kNat)
      pool.nat = snapshot::NatInput{.sources = {test::ip("192.0.2.1")}};
    // Not by connections: the short way of a burst may end some before its stages choose.
    if (s == 3) pool.policy = snapshot::Policy::kRoundRobin;
    pools.push_back(std::move(pool));
    for (const char* address : {site.v4, site.v6})
      for (const std::uint8_t protocol : {wire::kIpProtoTcp, wire::kIpProtoUdp}) {
        if (site.forwarding == Forwarding::kNat && address == site.v6) continue;
        services.push_back(
            test::service("s" + std::to_string(services.size()), address, 443, s, protocol));
        if (s == 4) services.back().deny.push_back(*IpPrefix::parse("198.51.100.0/30"));
      }
  }
  return test::input(std::move(pools), std::move(services));
}

class Arrivals {
 public:
  /// @param strangers  whether some are for sites that never take the short way.
  Arrivals(unsigned seed, unsigned clients, bool strangers)
      : random_(seed), clients_(clients), strangers_(strangers) {}

  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  Bytes next() {
    const Site& site = kSites[strangers_ && pick(4) == 0 ? pick(kSiteCount) : pick(3)];
    const auto client = std::to_string(1 + pick(clients_));
    const bool v6 = mixed_ ? pick(2) == 0 : family_v6_;
    const auto port = static_cast<std::uint16_t>(1024 + pick(8));
    Packet p;
    p.eth();
    if (pick(40) == 0) p.vlan(5);
    if (v6) {
      p.ipv6("2001:db8:2::" + client, site.v6);
      if (pick(40) == 0) p.hop_by_hop();
      if (pick(40) == 0)
        p.fragment_header(pick(2) == 0 ? 0 : 9, true, static_cast<std::uint32_t>(pick(4)));
    } else {
      p.ipv4("198.51.100." + client, site.v4);
      if (pick(2) == 0) p.df();
      if (pick(40) == 0) p.options(1);
      if (pick(40) == 0)
        p.id(static_cast<std::uint16_t>(pick(4))).fragment(pick(2) == 0 ? 0 : 9, true);
    }
    p.tos(static_cast<std::uint8_t>(pick(256)));
    p.ttl(static_cast<std::uint8_t>(pick(30) == 0 ? pick(3) : 2 + pick(254)));
    if (pick(60) == 0) return p.icmp_echo(1, 1);
    const auto to = static_cast<std::uint16_t>(pick(40) == 0 ? 80 : 443);
    if (pick(3) == 0) {
      p.udp(port, to).payload(pick(60));
      if (pick(40) == 0) p.udp_length(static_cast<std::uint16_t>(pick(100)));
    } else {
      constexpr std::uint8_t kFlags[] = {wire::kTcpSyn, wire::kTcpFin | wire::kTcpAck,
                                         wire::kTcpRst, wire::kTcpSyn | wire::kTcpAck};
      p.tcp(port, to, pick(4) == 0 ? kFlags[pick(4)] : wire::kTcpAck)
          .sequence(static_cast<std::uint32_t>(pick(50)))
          .payload(pick(4) == 0 ? pick(1400) : pick(60));
    }
    Bytes made = p;
    if (pick(3) == 0 && made.size() < 60) made.resize(60);
    if (pick(50) == 0) made.resize(pick(made.size()));
    return made;
  }

  /// What the next bursts are made of.
  void turn() {
    mixed_ = pick(3) == 0;
    family_v6_ = pick(2) == 0;
  }

 private:
  std::mt19937 random_;
  unsigned clients_;
  bool strangers_;
  bool mixed_ = false;
  bool family_v6_ = false;
};

struct Load {
  std::size_t flows;  ///< Of the cache.
  unsigned clients;
  /// Packets that never take the short way do not wait for those that do, so who is pushed out of a
  /// line that is full is another one.
  bool full;
};

class BothWays : public testing::TestWithParam<Load> {};

TEST_P(BothWays, DoTheSame) {
  constexpr unsigned kWorlds = 8;
  constexpr unsigned kBursts = 400;
  std::size_t settled = 0;
  for (unsigned seed = 1; seed <= kWorlds; ++seed) {
    std::mt19937 worlds(seed);
    auto now = test::built(sites(worlds));
    Rig short_way(GetParam().flows);
    Rig stages(GetParam().flows);
    stages.by_stages = true;
    Arrivals traffic(seed, GetParam().clients, !GetParam().full);
    for (unsigned burst = 0; burst < kBursts; ++burst) {
      if (burst % 40 == 0) now = test::built(sites(worlds));  // backends come, go and drain
      if (burst % 10 == 0) traffic.turn();
      std::vector<Bytes> packets(1 + traffic.pick(kBurst));
      std::vector<Bytes> behind(traffic.pick(3) == 0 ? 1 + traffic.pick(kBurst) : 0);
      for (Bytes& packet : packets) packet = traffic.next();
      for (Bytes& packet : behind) packet = traffic.next();
      const flow::Tick ticks =
          traffic.pick(8) == 0 ? static_cast<flow::Tick>(traffic.pick(9)) : flow::Tick{0};
      const std::size_t headroom = traffic.pick(20) == 0 ? traffic.pick(60) : 128;
      const std::size_t first = traffic.pick(20) == 0 ? 60 + traffic.pick(60) : SIZE_MAX;
      for (Rig* rig : {&short_way, &stages}) {
        rig->tick = static_cast<flow::Tick>((rig->tick + ticks) & flow::kTickMask);
        rig->cycles += 200'000;
        rig->headroom = headroom;
        rig->first_segment = first;
      }
      if (behind.empty())
        test::expect_same_outcomes(short_way.burst(*now, packets), stages.burst(*now, packets));
      else
        test::expect_same_outcomes(short_way.two_bursts(*now, packets, behind),
                                   stages.two_bursts(*now, packets, behind));
      if (burst % 32 == 0) test::expect_same_flows(short_way.cache(), stages.cache());
      if (HasFailure()) FAIL() << "world " << seed << ", burst " << burst;
    }
    // Fragments that were kept.
    test::expect_same_outcomes(short_way.wait(*now, 100), stages.wait(*now, 100));
    test::expect_same_counts(short_way, stages);
    if (HasFailure()) FAIL() << "world " << seed;
    settled += short_way.cache_stats().hits.value();
  }
  EXPECT_GT(settled, kWorlds * 200U);
}

INSTANTIATE_TEST_SUITE_P(Caches, BothWays,
                         testing::Values(Load{1U << 14, 4, false}, Load{1U << 14, 100, false},
                                         Load{64, 10, true}, Load{1024, 10, true},
                                         Load{2048, 100, true}));

/// Packets that took the short way of a burst.
std::uint32_t taken(const snapshot::Snapshot& now, std::span<const Bytes> packets) {
  HeapMemory memory(4096);
  WorkerState state(memory.spans(), Rig::kCyclesPerSecond, 1);
  Burst b;
  b.size = static_cast<std::uint16_t>(packets.size());
  b.port = 0;
  b.taken = false;
  for (std::size_t i = 0; i < packets.size(); ++i) b.packet[i] = test::buffer_of(packets[i]);
  const std::uint32_t all = (1U << packets.size()) - 1;
  const std::uint32_t left = take_short_way(b, now, state);
  for (std::size_t i = 0; i < packets.size(); ++i) rte_pktmbuf_free(b.packet[i]);
  return all & ~left;
}

TEST(TheShortWay, IsTakenByPlainPackets) {
  std::mt19937 random(1);
  const auto now = test::built(sites(random));
  const auto syn = [](const char* to) {
    return Packet().eth().ipv4("198.51.100.9", to).tcp(1024, 443, wire::kTcpSyn);
  };
  const std::vector<Bytes> packets = {
      syn(kSites[0].v4), syn(kSites[1].v4),
      syn(kSites[2].v4), Packet().eth().ipv6("2001:db8::1", kSites[0].v6).tcp(1024, 443).payload(1),
      syn(kSites[3].v4), syn(kSites[4].v4),
      syn(kSites[5].v4), syn(kSites[6].v4)};
  EXPECT_EQ(taken(*now, packets) & 0xf0U, 0U);  // a policy, rules, NAT, nobody there
  EXPECT_EQ(taken(*test::built(test::input({test::pool("p", test::backends(3, 1))},
                                           {test::service("s", kSites[0].v4, 443)})),
                  std::vector<Bytes>(20, syn(kSites[0].v4))),
            1U)
      << "SYNs of one flow: the second one may be a new connection";
}

TEST(TheShortWay, IsClosedWhileChecksumsAreVerified) {
  auto input =
      test::input({test::pool("p", test::backends(3, 1))}, {test::service("s", kSites[0].v4, 443)});
  const std::vector<Bytes> packets = {
      Packet().eth().ipv4("198.51.100.9", kSites[0].v4).tcp(1024, 443)};
  EXPECT_EQ(taken(*test::built(input), packets), 1U);
  input.verify_checksums = true;
  EXPECT_EQ(taken(*test::built(input), packets), 0U);
}

}  // namespace
}  // namespace sluice::dataplane
