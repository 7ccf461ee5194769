// SPDX-License-Identifier: Apache-2.0
#include "netlink/next_hops.hpp"

#include "next_hops_scene.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace sluice::netlink {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(NextHops, NeighbourOnTheLinkIsResolvedByTheKernelsArp) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    EXPECT_EQ(s.of("10.0.0.2").state, HopState::kResolving) << s.of("10.0.0.2").problem;
    EXPECT_EQ(s.notices, 0) << "what want() brings is no change";
    const auto hop = s.await_ready("10.0.0.2");
    EXPECT_EQ(hop.mac, kFar);
    EXPECT_EQ(hop.interface, "near");
    EXPECT_GT(hop.interface_index, 0);
    EXPECT_TRUE(hop.on_link);
    EXPECT_EQ(hop.gateway, ip("10.0.0.2"));
    EXPECT_EQ(hop.problem, "");
    EXPECT_GE(s.notices, 1);
  });
}

TEST(NextHops, SettlingWaitsForTheAnswerOfALiveNeighbour) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    const std::array live{ip("10.0.0.2")};
    s.hops->settle(live, 10s);  // returns with the answer, long before
    EXPECT_TRUE(s.of("10.0.0.2").ready()) << s.of("10.0.0.2").problem;
  });
}

TEST(NextHops, SettlingGivesUpOnADeadNeighbourAndWaitsForNoOther) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.66", "10.0.0.2"});
    const std::array dead{ip("10.0.0.66")};
    s.hops->settle(dead, 1ms);
    EXPECT_FALSE(s.of("10.0.0.66").ready());
    s.hops->settle({}, 1h);
    s.await_ready("10.0.0.2");
  });
}

TEST(NextHops, AddressBehindARouterHasTheRoutersMac) {
  in_scene([](Scene& s) {
    s.lab.ours("ip route add 192.0.2.0/24 via 10.0.0.2");
    s.want({"192.0.2.7", "192.0.2.8"});
    for (const auto* const address : {"192.0.2.7", "192.0.2.8"}) {
      const auto hop = s.await_ready(address);
      EXPECT_FALSE(hop.on_link);
      EXPECT_EQ(hop.gateway, ip("10.0.0.2"));
    }
    EXPECT_EQ(s.hops->counts().probes, 1U) << "one router is asked for once";
  });
}

TEST(NextHops, WhatTheKernelKnowsAlreadyIsReadyAtOnce) {
  in_scene([](Scene& s) {
    s.lab.ours("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev near nud permanent");
    s.catch_up();
    s.want({"10.0.0.9"});
    EXPECT_TRUE(s.of("10.0.0.9").ready());
    EXPECT_EQ(s.of("10.0.0.9").mac, mac("02:00:00:00:00:09"));
    s.ahead += 1h;
    s.catch_up();
    EXPECT_EQ(s.hops->counts().probes, 0U);
    EXPECT_THAT(s.lab.output("ip neigh show 10.0.0.9"), HasSubstr("PERMANENT"));
  });
}

TEST(NextHops, NeighbourThatChangesItsMacIsFollowed) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    const int before = s.notices;
    // It says so itself, by a gratuitous ARP.
    s.lab.theirs(
        "sysctl -q net.ipv4.conf.far.arp_notify=1 && "
        "ip link set far address 02:00:00:00:00:77");
    EXPECT_TRUE(s.await_ready("10.0.0.2", mac("02:00:00:00:00:77")).ready());
    EXPECT_GT(s.notices, before);
  });
}

TEST(NextHops, LinkThatLosesItsCarrierIsDownAndComesBackByItself) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    s.lab.theirs("ip link set far down");
    EXPECT_EQ(s.await("10.0.0.2", HopState::kLinkDown).problem, "interface near has no carrier");
    s.lab.theirs("ip link set far up");
    s.await_ready("10.0.0.2");
  });
}

TEST(NextHops, InterfaceThatIsSetDownTakesItsRouteAlongAndBringsItBack) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    s.lab.ours("ip link set near down");
    s.await("10.0.0.2", HopState::kNoRoute);
    s.lab.ours("ip link set near up");
    s.await_ready("10.0.0.2");
  });
}

TEST(NextHops, RouteThatIsDeletedAndAddedAgainIsFollowed) {
  in_scene([](Scene& s) {
    s.want({"192.0.2.7"});
    EXPECT_EQ(s.of("192.0.2.7").state, HopState::kNoRoute);
    EXPECT_EQ(s.of("192.0.2.7").problem, "192.0.2.7: no route leads there");
    s.lab.ours("ip route add 192.0.2.0/24 via 10.0.0.2");
    s.await_ready("192.0.2.7");
    s.lab.ours("ip route del 192.0.2.0/24");
    const auto gone = s.await("192.0.2.7", HopState::kNoRoute);
    EXPECT_EQ(gone.interface_index, 0);
    EXPECT_TRUE(gone.mac.is_zero());
  });
}

TEST(NextHops, RoutesThatRefuseAreToldApart) {
  in_scene([](Scene& s) {
    s.lab.ours(
        "ip route add blackhole 192.0.2.1/32 && ip route add unreachable 192.0.2.2/32 && "
        "ip route add prohibit 192.0.2.3/32");
    s.want({"192.0.2.1", "192.0.2.2", "192.0.2.3", "10.0.0.1", "10.0.0.255", "224.0.0.1"});
    EXPECT_EQ(s.of("192.0.2.1").state, HopState::kBlackhole) << s.of("192.0.2.1").problem;
    EXPECT_EQ(s.of("192.0.2.2").state, HopState::kRefused);
    EXPECT_EQ(s.of("192.0.2.3").state, HopState::kRefused);
    EXPECT_EQ(s.of("10.0.0.1").state, HopState::kLocal);
    EXPECT_EQ(s.of("10.0.0.255").state, HopState::kNotUnicast);
    EXPECT_FALSE(s.of("224.0.0.1").ready());
    EXPECT_EQ(s.of("10.0.0.77").state, HopState::kUnknown) << "nobody wants it";
    for (const auto* const a : {"192.0.2.1", "192.0.2.2", "10.0.0.1", "10.0.0.255"})
      EXPECT_THAT(s.of(a).problem, HasSubstr(a));
    EXPECT_EQ(s.hops->counts().probes, 0U);
  });
}

TEST(NextHops, NeighbourThatDoesNotAnswerIsSaidToAndAskedAgain) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.99"});
    EXPECT_EQ(s.await("10.0.0.99", HopState::kNoAnswer).problem,
              "10.0.0.99 does not answer ARP on near");
    const int before = s.notices;
    for (int i = 0; i < 5; ++i) {  // each new attempt fails and changes nothing
      s.ahead += 6s;
      s.catch_up();
    }
    EXPECT_GE(s.hops->counts().probes, 3U);
    EXPECT_EQ(s.notices, before);
    s.lab.theirs("ip addr add 10.0.0.99/24 dev far");
    s.await_ready("10.0.0.99");
  });
}

TEST(NextHops, NeighbourThatDiesIsFoundOutThoughNoPacketPassesTheKernel) {
  in_scene([](Scene& s) {
    s.lab.ours("sysctl -q net.ipv4.neigh.near.base_reachable_time_ms=100");
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    s.lab.theirs("ip addr flush dev far");
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (s.of("10.0.0.2").ready() && std::chrono::steady_clock::now() < give_up) {
      s.ahead += 6s;  // past the pause between two probes
      s.loop->turn(50ms);
    }
    s.await("10.0.0.2", HopState::kNoAnswer);
  });
}

TEST(NextHops, EntryThatIsTakenAwayIsResolvedAnew) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    s.lab.ours("ip neigh del 10.0.0.2 dev near");
    s.catch_up();
    EXPECT_FALSE(s.of("10.0.0.2").ready());
    s.await_ready("10.0.0.2");
  });
}

TEST(NextHops, InterfaceWithoutArpNeedsAnEntryOfTheOperators) {
  in_scene([](Scene& s) {
    s.lab.ours("ip link set near arp off");
    s.catch_up();
    s.want({"10.0.0.2"});
    EXPECT_EQ(s.of("10.0.0.2").problem, "interface near does not use ARP");
    EXPECT_EQ(s.of("10.0.0.2").state, HopState::kNoLinkAddress);
    s.lab.ours("ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev near nud permanent");
    s.await_ready("10.0.0.2");
  });
}

TEST(NextHops, PolicyRoutingIsTheKernelsAndItsChangesAreFollowed) {
  in_scene([](Scene& s) {
    s.lab.ours("ip route add default via 10.0.0.2 table 100");
    s.want({"198.51.100.1"});
    EXPECT_EQ(s.of("198.51.100.1").state, HopState::kNoRoute);
    s.lab.ours("ip rule add to 198.51.100.0/24 table 100");
    s.await_ready("198.51.100.1");
    s.lab.ours("ip rule del to 198.51.100.0/24 table 100");
    s.await("198.51.100.1", HopState::kNoRoute);
  });
}

TEST(NextHops, GatewayMayBeAnIPv6Address) {
  in_scene([](Scene& s) {
    s.lab.ours(
        "ip -6 neigh add fe80::2 lladdr 02:00:00:00:00:02 dev near nud permanent && "
        "ip route add 198.51.100.0/24 via inet6 fe80::2 dev near");
    s.want({"198.51.100.1"});
    const auto hop = s.await_ready("198.51.100.1");
    EXPECT_EQ(hop.gateway, ip("fe80::2"));
    EXPECT_FALSE(hop.on_link);
  });
}

TEST(NextHops, RenamedInterfaceGoesByItsNewName) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    s.lab.ours("ip link set near name front");
    s.catch_up();
    EXPECT_EQ(s.await_ready("10.0.0.2").interface, "front");
  });
}

TEST(NextHops, BurstOfChangesIsOneNotice) {
  in_scene([](Scene& s) {
    const std::string set = "ip neigh replace 10.0.0.9 dev near nud permanent lladdr ";
    s.lab.ours(set + "02:00:00:00:01:00");
    s.catch_up();
    s.want({"10.0.0.9"});
    ASSERT_TRUE(s.of("10.0.0.9").ready());
    for (int i = 1; i <= 20; ++i) s.lab.ours(set + fmt::format("02:00:00:00:01:{:02x}", i));
    s.catch_up();
    EXPECT_EQ(s.of("10.0.0.9").mac, mac("02:00:00:00:01:14"));
    EXPECT_EQ(s.notices, 1);
  });
}

TEST(NextHops, ChangeThatWantTakesInBetweenIsNoticedAllTheSame) {
  in_scene([](Scene& s) {
    s.lab.ours("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev near nud permanent");
    s.catch_up();
    s.want({"10.0.0.9"});
    s.lab.ours("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:aa dev near nud permanent");
    s.loop->defer([&] { s.want({"10.0.0.9", "10.0.0.1"}); });  // runs between hearing and telling
    s.catch_up();
    EXPECT_EQ(s.of("10.0.0.9").mac, mac("02:00:00:00:00:aa"));
    EXPECT_EQ(s.notices, 1);
  });
}

TEST(NextHops, ChangesOfWhatNobodyWantsAreNoNotice) {
  in_scene([](Scene& s) {
    s.lab.ours("ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev near nud permanent");
    s.lab.ours("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev near nud permanent");
    s.catch_up();
    s.want({"10.0.0.8", "10.0.0.9"});
    s.want({"10.0.0.8"});
    EXPECT_EQ(s.of("10.0.0.9").state, HopState::kUnknown);
    s.lab.ours("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:aa dev near nud permanent");
    s.lab.ours("ip route add 203.0.113.0/24 via 10.0.0.8");
    s.catch_up();
    EXPECT_EQ(s.notices, 0);
    s.want({});
    EXPECT_EQ(s.of("10.0.0.8").state, HopState::kUnknown);
  });
}

TEST(NextHops, LostNewsIsMadeGoodByAskingForEverything) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.await_ready("10.0.0.2");
    const auto before = s.hops->counts().resyncs;
    // More news than the socket holds, and what matters comes last.
    s.lab.ours(
        "for i in $(seq 6000); do echo link set near alias $i; done | ip -batch - && "
        "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:44 dev near nud permanent");
    s.await_ready("10.0.0.2", mac("02:00:00:00:00:44"));
    s.catch_up();
    EXPECT_GT(s.hops->counts().resyncs, before);
    EXPECT_LT(s.hops->counts().resyncs, before + 20);
  });
}

TEST(NextHops, FollowerMayGoWhileNewsIsWaiting) {
  in_scene([](Scene& s) {
    s.want({"10.0.0.2"});
    s.lab.ours("ip route add 192.0.2.0/24 via 10.0.0.2");
    s.loop->defer([&] { s.hops.reset(); });
    s.loop->turn(100ms);
    s.catch_up();
    EXPECT_EQ(s.hops, nullptr);
  });
}

}  // namespace
}  // namespace sluice::netlink
