// SPDX-License-Identifier: Apache-2.0
// Flows of services with rules: shards, affinity by source, affinity by QUIC connection id.
#include "dataplane/rig.hpp"
#include "dataplane/site.hpp"
#include "packet/make_cid.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using snapshot::Affinity;
using snapshot::Policy;
using test::Bytes;
using test::kAck;
using test::kFin;
using test::kSyn;
using test::kVip;
using test::Octets;
using test::Packet;
using test::Rig;
using test::tcp;

/// Three pools with the backends 1-4, 11-14 and 21-24; TCP and UDP services on the first.
snapshot::Input three_pools() {
  return test::site({test::pool("a", test::backends(4, 1)), test::pool("b", test::backends(4, 11)),
                     test::pool("c", test::backends(4, 21))});
}

std::unique_ptr<const snapshot::Snapshot> with_rules(auto&& change) {
  auto in = three_pools();
  change(in);
  return test::built(std::move(in));
}

snapshot::ShardInput shard(const char* prefix, std::size_t pool) {
  return {IpPrefix::parse(prefix).value(), 0, 0, pool};
}

TEST(Sharding, NewFlowsGoToThePoolOfTheirLongestPrefix) {
  const auto now = with_rules([](auto& in) {
    in.services[0].shards = {shard("10.0.0.0/8", 1), shard("10.1.0.0/16", 2)};
  });
  Rig rig;
  for (unsigned port = 1; port < 50; ++port) {
    EXPECT_EQ(rig.one(*now, tcp("10.2.0.1", port, kSyn)).backend / 10, 1U);
    EXPECT_EQ(rig.one(*now, tcp("10.1.0.1", port, kSyn)).backend / 10, 2U);
    EXPECT_EQ(rig.one(*now, tcp("11.0.0.1", port, kSyn)).backend / 10, 0U);
  }
}

TEST(Sharding, AFlowStaysWhenItsSourceGetsAnotherPoolThatTheServiceHas) {
  const auto before =
      with_rules([](auto& in) { in.services[0].shards = {shard("10.0.0.0/8", 1)}; });
  const auto after = with_rules([](auto& in) {
    in.services[0].shards = {shard("10.0.0.0/8", 2), shard("11.0.0.0/8", 1)};
  });
  const auto without =
      with_rules([](auto& in) { in.services[0].shards = {shard("10.0.0.0/8", 2)}; });
  Rig rig;
  const auto home = rig.one(*before, tcp("10.0.0.1", 1, kSyn)).backend;
  EXPECT_EQ(home / 10, 1U);
  EXPECT_EQ(rig.one(*after, tcp("10.0.0.1", 1, kAck)).backend, home);
  EXPECT_EQ(rig.one(*after, tcp("10.0.0.1", 2, kSyn)).backend / 10, 2U) << "a new one";
  EXPECT_EQ(rig.one(*without, tcp("10.0.0.1", 1, kAck)).backend / 10, 2U)
      << "the service has its pool no more";
}

TEST(Sharding, AShareOfTheHashTakesItsShareOfFlows) {
  const auto now = with_rules([](auto& in) {
    in.services[0].shards = {{std::nullopt, 0, 0.25, 1}, {std::nullopt, 0.25, 0.75, 2}};
  });
  Rig rig(1U << 14);
  std::map<unsigned, unsigned> count;
  for (unsigned port = 1; port <= 4000; ++port)
    ++count[rig.one(*now, tcp("10.0.0.1", port, kSyn)).backend / 10];
  EXPECT_NEAR(count[1], 1000, 120);
  EXPECT_NEAR(count[2], 2000, 140);
  EXPECT_NEAR(count[0], 1000, 120);
}

class SourceAffinity : public testing::TestWithParam<Policy> {};
INSTANTIATE_TEST_SUITE_P(Policies, SourceAffinity,
                         testing::Values(Policy::kMaglev, Policy::kRandom, Policy::kRoundRobin,
                                         Policy::kLeastConnections),
                         [](const auto& p) { return std::to_string(static_cast<int>(p.param)); });

snapshot::Input by_source(Policy policy) {
  auto in = three_pools();
  in.pools[0].affinity = Affinity::kSource;
  in.pools[0].policy = policy;
  return in;
}

TEST_P(SourceAffinity, AllFlowsOfASourceShareABackendAndSourcesAreSpread) {
  const auto now = test::built(by_source(GetParam()));
  Rig rig;
  std::map<unsigned, unsigned> sources_of;
  for (unsigned s = 1; s <= 60; ++s) {
    const std::string source = "10.0.0." + std::to_string(s);
    const auto home = rig.one(*now, tcp(source, 1, kSyn)).backend;
    ++sources_of[home];
    for (unsigned port = 2; port < 10; ++port)
      ASSERT_EQ(rig.one(*now, tcp(source, port, kSyn)).backend, home) << s;
  }
  EXPECT_EQ(sources_of.size(), 4U);
}

TEST_P(SourceAffinity, TheEndOfOneConnectionMovesNoOther) {
  const auto now = test::built(by_source(GetParam()));
  Rig rig;
  const auto home = rig.one(*now, tcp("10.0.0.1", 1, kSyn)).backend;
  rig.one(*now, tcp("10.0.0.1", 2, kSyn));
  rig.one(*now, tcp("10.0.0.1", 1, kFin));
  EXPECT_EQ(rig.one(*now, tcp("10.0.0.1", 1, kSyn)).backend, home);
  EXPECT_EQ(rig.one(*now, tcp("10.0.0.1", 2, kAck)).backend, home);
}

TEST_P(SourceAffinity, ADrainingBackendKeepsItsConnectionsAndLosesItsSources) {
  const auto before = test::built(by_source(GetParam()));
  Rig rig;
  const auto home = rig.one(*before, tcp("10.0.0.1", 1, kSyn)).backend;
  auto in = by_source(GetParam());
  in.pools[0].backends[home - 1].draining = true;
  const auto after = test::built(std::move(in));
  const auto next = rig.one(*after, tcp("10.0.0.1", 2, kSyn)).backend;
  EXPECT_NE(next, home);
  EXPECT_EQ(rig.one(*after, tcp("10.0.0.1", 1, kAck)).backend, home);
  EXPECT_EQ(rig.one(*after, tcp("10.0.0.1", 3, kSyn)).backend, next) << "its new home";
}

TEST_P(SourceAffinity, ABackendThatIsDownLosesItsConnectionsAndItsSources) {
  const auto before = test::built(by_source(GetParam()));
  Rig rig;
  const auto home = rig.one(*before, tcp("10.0.0.1", 1, kSyn)).backend;
  auto in = by_source(GetParam());
  in.pools[0].backends[home - 1].down = true;
  const auto after = test::built(std::move(in));
  EXPECT_NE(rig.one(*after, tcp("10.0.0.1", 1, kAck)).backend, home);
  EXPECT_NE(rig.one(*after, tcp("10.0.0.1", 2, kAck)).backend, home) << "met in its middle";
  const auto next = rig.one(*after, tcp("10.0.0.1", 3, kSyn)).backend;
  EXPECT_NE(next, home);
  EXPECT_EQ(rig.one(*before, tcp("10.0.0.1", 4, kSyn)).backend, next) << "its new home";
}

TEST_P(SourceAffinity, ASourceStaysWhileBackendsAreAdded) {
  const auto before = test::built(by_source(GetParam()));
  auto in = by_source(GetParam());
  in.pools[0].backends = test::backends(9, 1);
  const auto after = test::built(std::move(in));
  // 1 to 9 now; backends 11 and more are other pools'.
  Rig rig;
  for (unsigned s = 1; s <= 100; ++s) {
    const std::string source = "10.0.1." + std::to_string(s);
    const auto home = rig.one(*before, tcp(source, 1, kSyn)).backend;
    ASSERT_EQ(rig.one(*after, tcp(source, 2, kSyn)).backend, home) << s;
  }
}

TEST(SourceAffinityPools, TwoServicesOfOneAddressAndDifferentPoolsDoNotDisturbEachOther) {
  auto in = by_source(Policy::kRoundRobin);
  in.pools[1].affinity = Affinity::kSource;
  in.pools[1].policy = Policy::kRoundRobin;
  in.services.push_back(test::service("other", kVip, 80, 1));
  in.services.back().number = 2;
  const auto now = test::built(std::move(in));
  Rig rig;
  const auto web = [](unsigned port) {
    return Packet().eth().ipv4("10.0.0.1", kVip).tcp(static_cast<std::uint16_t>(port), 80, kSyn);
  };
  const auto one = rig.one(*now, tcp("10.0.0.1", 1, kSyn)).backend;
  const auto other = rig.one(*now, web(1)).backend;
  for (unsigned port = 2; port < 6; ++port) {
    EXPECT_EQ(rig.one(*now, tcp("10.0.0.1", port, kSyn)).backend, one);
    EXPECT_EQ(rig.one(*now, web(port)).backend, other);
  }
}

// QUIC.

constexpr const char* kKey = "8f95f09245765f80256934e50c66207f";

struct Quic : testing::Test {
  static QuicLbConfig config(unsigned rotation) {
    return {static_cast<std::uint8_t>(rotation), 3, 5, test::key_from_hex(kKey)};
  }
  static Octets server_id(unsigned backend) {
    return {0xaa, 0xbb, static_cast<std::uint8_t>(backend)};
  }
  static snapshot::Input input() {
    auto in = three_pools();
    in.quic_lb = {config(0), config(1)};
    for (auto& pool : in.pools) {
      pool.affinity = Affinity::kQuicCid;
      for (auto& backend : pool.backends)
        backend.server_id = ServerId::parse(test::to_hex(server_id(backend.number)));
    }
    return in;
  }
  static Bytes datagram(const std::string& source, unsigned port, const Octets& payload) {
    return Packet()
        .eth()
        .ipv4(source, kVip)
        .udp(static_cast<std::uint16_t>(port), 443)
        .payload(std::as_bytes(std::span(payload)));
  }
  /// What a client sends once it has a connection id of `backend`.
  static Octets short_header(const Octets& cid) {
    Octets payload{0x40};
    payload.insert(payload.end(), cid.begin(), cid.end());
    payload.resize(payload.size() + 30, 0x5a);
    return payload;
  }
  static Octets long_header(unsigned type, std::uint32_t version, const Octets& cid) {
    Octets payload{static_cast<std::uint8_t>(0xc0U | type << 4)};
    for (int shift = 24; shift >= 0; shift -= 8)
      payload.push_back(static_cast<std::uint8_t>(version >> shift));
    payload.push_back(static_cast<std::uint8_t>(cid.size()));
    payload.insert(payload.end(), cid.begin(), cid.end());
    payload.resize(payload.size() + 30, 0x5a);
    return payload;
  }
  static Octets cid_of(unsigned backend, unsigned rotation = 0) {
    return test::make_cid(config(rotation), server_id(backend), {1, 2, 3, 4, 5});
  }

  std::unique_ptr<const snapshot::Snapshot> now = test::built(input());
  Rig rig;
};

TEST_F(Quic, AClientThatChangesItsPortAndItsAddressKeepsItsBackend) {
  const auto home =
      rig.one(*now, datagram("10.0.0.1", 5000, long_header(0, 1, Octets(8, 0x33)))).backend;
  const Octets data = short_header(cid_of(home));
  for (unsigned port = 5000; port < 5040; ++port) {
    ASSERT_EQ(rig.one(*now, datagram("10.0.0.1", port, data)).backend, home) << port;
    ASSERT_EQ(rig.one(*now, datagram("192.0.2.77", port, data)).backend, home) << port;
  }
}

TEST_F(Quic, EveryRotationAndHeaderFormLeadsToTheServerThatTheIdNames) {
  for (const unsigned backend : {1U, 2U, 3U, 4U})
    for (const unsigned rotation : {0U, 1U})
      for (unsigned port = 1; port < 8; ++port) {
        const Octets cid = cid_of(backend, rotation);
        EXPECT_EQ(rig.one(*now, datagram("10.0.0.1", port, short_header(cid))).backend, backend);
        EXPECT_EQ(rig.one(*now, datagram("10.0.0.2", port, long_header(2, 1, cid))).backend,
                  backend);
      }
}

TEST_F(Quic, InitialPacketsGoByTheTupleWhateverTheirConnectionIdSays) {
  auto plain = three_pools();
  const auto by_tuple = test::built(std::move(plain));
  for (unsigned port = 1; port < 40; ++port) {
    Rig one;
    Rig other;
    const auto packet = datagram("10.0.0.1", port, long_header(0, 1, cid_of(3)));
    EXPECT_EQ(one.one(*now, packet).backend, other.one(*by_tuple, packet).backend) << port;
  }
}

TEST_F(Quic, IdsThatLeadNowhereGoByTheTupleAndStayThere) {
  std::vector<Octets> payloads{
      short_header(cid_of(99)), short_header(Octets(20, 0xff)), {0x40}, {0xc0, 0, 0},
      short_header({}),         long_header(2, 1, {})};
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const auto packet = datagram("10.0.0.1", static_cast<unsigned>(1000 + i), payloads[i]);
    const auto home = rig.one(*now, packet);
    EXPECT_EQ(home.verdict, Verdict::kForward);
    EXPECT_TRUE(home.new_flow);
    EXPECT_EQ(rig.one(*now, packet).backend, home.backend);
  }
}

TEST_F(Quic, AServerOfAnotherPoolIsNotReached) {
  EXPECT_LT(rig.one(*now, datagram("10.0.0.1", 1, short_header(cid_of(13)))).backend, 10U);
}

TEST_F(Quic, ADrainingServerKeepsItsConnectionsOnNewAddressesToo) {
  auto in = input();
  in.pools[0].backends[1].draining = true;
  const auto draining = test::built(std::move(in));
  EXPECT_EQ(rig.one(*draining, datagram("10.0.0.9", 1, short_header(cid_of(2)))).backend, 2U);
}

TEST_F(Quic, AServerThatIsDownIsNotReachedByItsIdEither) {
  auto in = input();
  in.pools[0].backends[1].down = true;
  const auto down = test::built(std::move(in));
  const auto packet = datagram("10.0.0.9", 1, short_header(cid_of(2)));
  EXPECT_EQ(rig.one(*now, packet).backend, 2U);
  const auto home = rig.one(*down, packet).backend;
  EXPECT_NE(home, 2U);
  EXPECT_EQ(rig.one(*down, packet).backend, home);
}

TEST_F(Quic, AnIcmpErrorFollowsTheAddressesThatWereSeenLast) {
  rig.one(*now, datagram("10.0.0.1", 5000, short_header(cid_of(3))));
  const Bytes quoted = Packet().ipv4(kVip, "10.0.0.1").udp(443, 5000).payload(8).bytes();
  const Bytes error = Packet().eth().ipv4("192.0.2.1", kVip).icmp(3, 4, 1400).payload(quoted);
  EXPECT_EQ(rig.one(*now, error).backend, 3U);
}

TEST_F(Quic, AConnectionThatMovesIsNoNewFlow) {
  EXPECT_FALSE(rig.one(*now, datagram("10.0.0.1", 1, short_header(cid_of(3)))).new_flow);
}

}  // namespace
}  // namespace sluice::dataplane
