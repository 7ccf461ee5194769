// SPDX-License-Identifier: Apache-2.0
// Flows through the stages: who stays, who moves, and when, while the tables change under them.
#include "dataplane/rig.hpp"
#include "dataplane/site.hpp"
#include "dataplane/stages.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::kVip;
using test::Packet;
using test::Rig;

using Snapshot = test::Tables;

snapshot::Input input(std::vector<snapshot::BackendInput> members) {
  return test::site({test::pool("p", std::move(members))});
}

Bytes tcp(unsigned flow, std::uint8_t flags) {
  return test::tcp("198.51.100.1", 1024 + flow, flags);
}

Bytes udp(unsigned flow) { return test::udp("198.51.100.1", 1024 + flow); }

/// Where the table alone sends a TCP flow.
unsigned by_table(const Snapshot& now, unsigned flow) {
  Rig fresh(8);
  return fresh.one(*now, tcp(flow, kAck)).backend;
}

/// A flow that the table of `after` sends elsewhere than that of `before`, and not to `avoid`.
unsigned flow_that_differs(const Snapshot& before, const Snapshot& after) {
  for (unsigned flow = 0; flow < 4000; ++flow)
    if (by_table(before, flow) != by_table(after, flow)) return flow;
  throw std::runtime_error("the two tables are alike");
}

/// Tables on 4 and on 8 backends; every flow of interest goes elsewhere by the second.
struct Grown {
  Snapshot before = test::built(input(test::backends(4)));
  Snapshot after = test::built(input(test::backends(8)));
  unsigned flow = flow_that_differs(before, after);
  unsigned old_home = by_table(before, flow);
  unsigned new_home = by_table(after, flow);
};

TEST(Affinity, EstablishedFlowsStayWhileTheTableChangesAndNewOnesFollowIt) {
  const Grown g;
  Rig rig;
  constexpr unsigned kFlows = 500;
  std::vector<Bytes> syns;
  std::vector<Bytes> data;
  std::vector<Bytes> strangers;
  for (unsigned f = 0; f < kFlows; ++f) {
    syns.push_back(tcp(f, kSyn));
    data.push_back(tcp(f, kAck));
    strangers.push_back(tcp(kFlows + f, kSyn));
  }
  const auto opened = rig.run(*g.before, syns);
  const auto later = rig.run(*g.after, data);
  for (unsigned f = 0; f < kFlows; ++f) ASSERT_EQ(later[f].backend, opened[f].backend) << f;
  unsigned on_new_backends = 0;
  for (const auto& got : rig.run(*g.after, strangers)) on_new_backends += got.backend > 4;
  EXPECT_GT(on_new_backends, kFlows / 4);
}

TEST(Affinity, FlowThatTheCacheDoesNotKnowFollowsTheTable) {
  const Grown g;
  Rig rig;
  EXPECT_EQ(rig.one(*g.before, tcp(g.flow, kAck)).backend, g.old_home);
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kAck)).backend, g.old_home) << "and stays from then on";
}

TEST(Affinity, SynOfAKnownFlowStaysOnABackendThatTakesFlows) {
  const Grown g;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kSyn)).backend, g.old_home) << "sent a second time";
}

TEST(Affinity, DrainingBackendKeepsItsFlowsAndGetsNoNewOnes) {
  const auto before = test::built(input(test::backends(4)));
  auto in = input(test::backends(4));
  in.pools[0].backends[0].draining = true;  // number 1
  const auto draining = test::built(in);
  Rig rig;
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < 400; ++f) home[f] = rig.one(*before, tcp(f, kSyn)).backend;
  for (unsigned f = 0; f < 400; ++f)
    ASSERT_EQ(rig.one(*draining, tcp(f, kAck)).backend, home[f]) << f;
  for (unsigned f = 400; f < 800; ++f) ASSERT_NE(rig.one(*draining, tcp(f, kSyn)).backend, 1U) << f;
}

TEST(Affinity, WeightZeroKeepsFlowsLikeDraining) {
  const auto before = test::built(input(test::backends(2)));
  auto in = input(test::backends(2));
  in.pools[0].backends[0].weight = 0;
  const auto after = test::built(in);
  Rig rig;
  unsigned flow = 0;
  while (by_table(before, flow) != 1) ++flow;
  rig.one(*before, tcp(flow, kSyn));
  EXPECT_EQ(rig.one(*after, tcp(flow, kAck)).backend, 1U);
}

TEST(Affinity, NewConnectionOnOldPortsLeavesADrainingBackend) {
  const auto before = test::built(input(test::backends(2)));
  auto in = input(test::backends(2));
  in.pools[0].backends[0].draining = true;
  const auto draining = test::built(in);
  unsigned flow = 0;
  while (by_table(before, flow) != 1) ++flow;
  Rig rig;
  rig.one(*before, tcp(flow, kSyn));
  const auto again = rig.one(*draining, tcp(flow, kSyn));
  EXPECT_EQ(again.backend, 2U);
  EXPECT_TRUE(again.new_flow);
  EXPECT_EQ(rig.one(*draining, tcp(flow, kAck)).backend, 2U) << "its data follows it";
}

TEST(Affinity, LastDrainingBackendKeepsItsFlowsAndRefusesNewOnes) {
  const auto before = test::built(input(test::backends(1)));
  auto in = input(test::backends(1));
  in.pools[0].backends[0].draining = true;
  const auto draining = test::built(in);
  Rig rig;
  rig.one(*before, tcp(0, kSyn));
  EXPECT_EQ(rig.one(*draining, tcp(0, kAck)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*draining, tcp(1, kSyn)).verdict, Verdict::kNoBackend);
  EXPECT_EQ(rig.one(*draining, tcp(0, kAck)).verdict, Verdict::kForward) << "still";
}

/// Four backends of which the first, number 1, is down.
snapshot::Input one_down() {
  auto in = input(test::backends(4));
  in.pools[0].backends[0].down = true;
  return in;
}

TEST(Affinity, FlowsOfABackendThatIsDownMoveAndThoseOfOthersDoNot) {
  const auto before = test::built(input(test::backends(4)));
  const auto after = test::built(one_down());
  Rig rig;
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < 400; ++f) home[f] = rig.one(*before, tcp(f, kSyn)).backend;
  unsigned moved = 0;
  for (unsigned f = 0; f < 400; ++f) {
    const auto now = rig.one(*after, tcp(f, f % 2 == 0 ? kAck : kSyn)).backend;
    if (home[f] != 1) {
      ASSERT_EQ(now, home[f]) << "no flow moves without need";
      continue;
    }
    ++moved;
    ASSERT_NE(now, 1U);
    ASSERT_EQ(rig.one(*before, tcp(f, kAck)).backend, now) << "up again: it has its new home";
  }
  EXPECT_GT(moved, 50U);
  for (unsigned f = 400; f < 800; ++f) ASSERT_NE(rig.one(*after, tcp(f, kSyn)).backend, 1U) << f;
}

TEST(Affinity, FlowThatIsSilentWhileItsBackendIsDownFindsItAgain) {
  const auto before = test::built(input(test::backends(4)));
  const auto during = test::built(one_down());
  unsigned flow = 0;
  while (by_table(before, flow) != 1) ++flow;
  Rig rig;
  rig.one(*before, tcp(flow, kSyn));
  rig.one(*during, tcp(flow + 1, kAck));
  EXPECT_EQ(rig.one(*before, tcp(flow, kAck)).backend, 1U);
}

TEST(Affinity, FlowOfTheLastBackendIsDroppedWhileThatIsDown) {
  auto in = input(test::backends(1));
  const auto before = test::built(in);
  in.pools[0].backends[0].down = true;
  const auto during = test::built(in);
  Rig rig;
  rig.one(*before, tcp(0, kSyn));
  EXPECT_EQ(rig.one(*during, tcp(0, kAck)).verdict, Verdict::kNoBackend);
  EXPECT_EQ(rig.one(*before, tcp(0, kAck)).verdict, Verdict::kForward);
}

TEST(Affinity, FlowsOfARemovedBackendMoveAndStayThere) {
  const auto before = test::built(input(test::backends(4)));
  auto fewer = test::backends(4);
  fewer.erase(fewer.begin());
  const auto after = test::built(input(std::move(fewer)));
  Rig rig;
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < 400; ++f) home[f] = rig.one(*before, tcp(f, kSyn)).backend;
  std::map<unsigned, unsigned> moved;
  for (unsigned f = 0; f < 400; ++f) {
    const auto now = rig.one(*after, tcp(f, kAck)).backend;
    if (home[f] != 1) {
      ASSERT_EQ(now, home[f]) << "no flow moves without need";
    } else {
      ASSERT_NE(now, 1U);
      moved[f] = now;
    }
  }
  ASSERT_FALSE(moved.empty());
  for (const auto& [f, now] : moved)
    ASSERT_EQ(rig.one(*before, tcp(f, kAck)).backend, now) << "known at its new home";
}

TEST(Affinity, FlowDoesNotFollowItsBackendIntoAnotherServicesPool) {
  const auto two_pools = [](unsigned service_pool) {
    return test::built(
        test::input({test::pool("p", test::backends(2, 1)), test::pool("q", test::backends(2, 11))},
                    {test::service("s", kVip, 443, service_pool)}));
  };
  const auto before = two_pools(0);
  const auto after = two_pools(1);
  Rig rig;
  EXPECT_LT(rig.one(*before, tcp(0, kSyn)).backend, 10U);
  EXPECT_GT(rig.one(*after, tcp(0, kAck)).backend, 10U);
}

TEST(Affinity, NumberBeyondTheSnapshotsBackendsIsNotUsed) {
  const auto many = test::built(input(test::backends(2, 900)));
  const auto few = test::built(input(test::backends(2, 1)));
  Rig rig;
  EXPECT_GE(rig.one(*many, tcp(0, kSyn)).backend, 900U);
  EXPECT_LE(rig.one(*few, tcp(0, kAck)).backend, 2U);
}

TEST(Affinity, UdpFlowStaysWhileTheTableChanges) {
  const auto before = test::built(input(test::backends(4)));
  const auto after = test::built(input(test::backends(8)));
  Rig rig;
  for (unsigned f = 0; f < 200; ++f) {
    const auto home = rig.one(*before, udp(f)).backend;
    ASSERT_EQ(rig.one(*after, udp(f)).backend, home) << f;
  }
}

TEST(Affinity, SilentFlowIsForgottenAfterItsTimeoutAndNotBefore) {
  const Grown g;
  const flow::Tick timeout = g.before->tcp_timeout;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  rig.tick = timeout;
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kAck)).backend, g.old_home);
  rig.tick = static_cast<flow::Tick>(2 * timeout + 1);
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kAck)).backend, g.new_home);
}

TEST(Affinity, UdpAndTcpHaveTimeoutsOfTheirOwn) {
  const Grown g;
  ASSERT_LT(g.before->udp_timeout, g.before->tcp_timeout);
  Rig rig;
  unsigned flow = 0;
  const auto table_of = [](const Snapshot& now, unsigned f) {
    Rig fresh(8);
    return fresh.one(*now, udp(f)).backend;
  };
  while (table_of(g.before, flow) == table_of(g.after, flow)) ++flow;
  const auto home = rig.one(*g.before, udp(flow)).backend;
  rig.tick = static_cast<flow::Tick>(g.before->udp_timeout + 1);
  EXPECT_NE(rig.one(*g.after, udp(flow)).backend, home);
}

// The end of a connection, and the next one on its ports.

class AfterTheEnd : public testing::TestWithParam<std::uint8_t> {};
INSTANTIATE_TEST_SUITE_P(Flags, AfterTheEnd, testing::Values(kFin, kRst),
                         [](const auto& p) { return p.param == kFin ? "Fin" : "Rst"; });

TEST_P(AfterTheEnd, LastPacketsStillGoToTheOldBackend) {
  const Grown g;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, GetParam())).backend, g.old_home);
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kAck)).backend, g.old_home);
}

TEST_P(AfterTheEnd, SynFollowsTheTable) {
  const Grown g;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  rig.one(*g.after, tcp(g.flow, GetParam()));
  const auto again = rig.one(*g.after, tcp(g.flow, kSyn));
  EXPECT_EQ(again.backend, g.new_home);
  EXPECT_TRUE(again.new_flow);
}

TEST_P(AfterTheEnd, SynInTheSameBurstFollowsTheTableToo) {
  const Grown g;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  const std::vector<Bytes> packets = {tcp(g.flow, kAck), tcp(g.flow, GetParam()), tcp(g.flow, kAck),
                                      tcp(g.flow, kSyn), tcp(g.flow, kAck)};
  const auto got = rig.burst(*g.after, packets);
  EXPECT_EQ(got[1].backend, g.old_home);
  EXPECT_EQ(got[2].backend, g.old_home);
  EXPECT_EQ(got[3].backend, g.new_home);
  EXPECT_EQ(got[4].backend, g.new_home);
}

TEST_P(AfterTheEnd, PacketBehindItInTheSameBurstDoesNotReviveTheConnection) {
  const Grown g;
  Rig rig;
  rig.one(*g.before, tcp(g.flow, kSyn));
  const std::vector<Bytes> packets = {tcp(g.flow, GetParam()), tcp(g.flow, kAck)};
  rig.burst(*g.after, packets);
  EXPECT_EQ(rig.one(*g.after, tcp(g.flow, kSyn)).backend, g.new_home);
}

TEST_P(AfterTheEnd, EndOfAnUnknownFlowTakesNoEntry) {
  const auto now = test::built(input(test::backends(4)));
  Rig rig;
  const auto got = rig.one(*now, tcp(0, GetParam()));
  EXPECT_EQ(got.verdict, Verdict::kForward);
  EXPECT_FALSE(got.new_flow);
  EXPECT_EQ(rig.cache_stats().inserts.value(), 0U);
}

// What counts as a new flow, and what one burst does to the cache.

TEST(NewFlow, IsASynOrAnUnknownDatagramButNotAConnectionMetInItsMiddle) {
  const auto now = test::built(input(test::backends(4)));
  Rig rig;
  EXPECT_TRUE(rig.one(*now, tcp(0, kSyn)).new_flow);
  EXPECT_FALSE(rig.one(*now, tcp(0, kAck)).new_flow);
  EXPECT_FALSE(rig.one(*now, tcp(1, kAck)).new_flow);
  EXPECT_TRUE(rig.one(*now, udp(2)).new_flow);
  EXPECT_FALSE(rig.one(*now, udp(2)).new_flow);
}

TEST(NewFlow, ManyPacketsOfItInOneBurstMakeOneEntryAndOneNewFlow) {
  const auto now = test::built(input(test::backends(4)));
  for (const auto& packet : {tcp(5, kSyn), tcp(5, kAck), udp(5)}) {
    Rig rig;
    const auto got = rig.burst(*now, std::vector<Bytes>(kBurst, packet));
    EXPECT_EQ(rig.cache_stats().inserts.value(), 1U);
    EXPECT_LE(std::ranges::count(got, true, &test::Handled::new_flow), 1);
    for (const auto& one : got) EXPECT_EQ(one.backend, got[0].backend);
  }
}

TEST(Flood, FullCacheStillSendsEveryPacketWhereTheTableSays) {
  const auto now = test::built(input(test::backends(4)));
  Rig rig(8);  // one line
  std::vector<Bytes> flood;
  std::vector<unsigned> wanted;
  for (unsigned f = 0; f < 1000; ++f) {
    flood.push_back(tcp(f, f % 2 == 0 ? kSyn : kAck));
    wanted.push_back(by_table(now, f));
  }
  const auto got = rig.run(*now, flood);
  for (unsigned f = 0; f < 1000; ++f) ASSERT_EQ(got[f].backend, wanted[f]) << f;
}

class FloodOf : public testing::TestWithParam<std::uint8_t> {};
INSTANTIATE_TEST_SUITE_P(Flags, FloodOf, testing::Values(kSyn, kAck),
                         [](const auto& p) { return p.param == kSyn ? "Syns" : "BareAcks"; });

TEST_P(FloodOf, PacketsDoesNotPushOutEstablishedFlows) {
  const Grown g;
  Rig rig(8);  // one line: flood and flows compete for its eight ways
  std::map<unsigned, unsigned> home;
  for (unsigned f = 0; f < 4; ++f) {
    home[f] = rig.one(*g.before, tcp(f, kSyn)).backend;
    rig.one(*g.before, tcp(f, kAck));
  }
  rig.tick = 1;  // all of the flood is younger than the flows
  for (unsigned f = 1000; f < 3000; ++f) rig.one(*g.after, tcp(f, GetParam()));
  EXPECT_EQ(rig.cache_stats().evictions_established.value(), 0U);
  for (unsigned f = 0; f < 4; ++f) EXPECT_EQ(rig.one(*g.after, tcp(f, kAck)).backend, home[f]) << f;
}

}  // namespace
}  // namespace sluice::dataplane
