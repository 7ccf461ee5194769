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

TEST(NextHopsOfIpv6, NeighbourOnTheLinkIsResolvedByNeighbourDiscovery) {
  in_scene([](Scene& s) {
    s.want({"2001:db8::2"});
    EXPECT_EQ(s.of("2001:db8::2").state, HopState::kResolving) << s.of("2001:db8::2").problem;
    const auto hop = s.await_ready("2001:db8::2");
    EXPECT_EQ(hop.mac, kFar);
    EXPECT_EQ(hop.interface, "near");
    EXPECT_TRUE(hop.on_link);
    EXPECT_EQ(hop.problem, "");
  });
}

TEST(NextHopsOfIpv6, BothFamiliesAreFollowedSideBySide) {
  in_scene([](Scene& s) {
    s.want({"2001:db8::2", "10.0.0.2"});
    EXPECT_EQ(s.await_ready("2001:db8::2").gateway, ip("2001:db8::2"));
    EXPECT_EQ(s.await_ready("10.0.0.2").gateway, ip("10.0.0.2"));
  });
}

TEST(NextHopsOfIpv6, RouterMayHaveALinkLocalAddress) {
  in_scene([](Scene& s) {
    s.lab.theirs("ip addr add fe80::2/64 dev far");
    s.lab.ours("ip -6 route add 2001:db8:1::/48 via fe80::2 dev near");
    s.want({"2001:db8:1::7", "2001:db8:1::8"});
    for (const auto* const address : {"2001:db8:1::7", "2001:db8:1::8"}) {
      const auto hop = s.await_ready(address);
      EXPECT_FALSE(hop.on_link);
      EXPECT_EQ(hop.gateway, ip("fe80::2"));
    }
    EXPECT_EQ(s.hops->counts().probes, 1U) << "one router is asked for once";
  });
}

TEST(NextHopsOfIpv6, NeighbourThatDoesNotAnswerIsSaidToAndAskedAgain) {
  in_scene([](Scene& s) {
    s.want({"2001:db8::99"});
    EXPECT_EQ(s.await("2001:db8::99", HopState::kNoAnswer).problem,
              "2001:db8::99 does not answer neighbour discovery on near");
    s.lab.theirs("ip addr add 2001:db8::99/64 dev far");
    s.await_ready("2001:db8::99");
  });
}

TEST(NextHopsOfIpv6, RouteThatIsAddedDeletedAndRuledOutIsFollowed) {
  in_scene([](Scene& s) {
    s.want({"2001:db8:1::7"});
    EXPECT_EQ(s.of("2001:db8:1::7").state, HopState::kNoRoute) << s.of("2001:db8:1::7").problem;
    s.lab.ours("ip -6 route add 2001:db8:1::/48 via 2001:db8::2");
    s.await_ready("2001:db8:1::7");
    s.lab.ours("ip -6 rule add to 2001:db8:1::/48 prohibit");
    s.await("2001:db8:1::7", HopState::kRefused);
    s.lab.ours("ip -6 rule del to 2001:db8:1::/48 prohibit");
    s.await_ready("2001:db8:1::7");
    s.lab.ours("ip -6 route del 2001:db8:1::/48");
    s.await("2001:db8:1::7", HopState::kNoRoute);
  });
}

TEST(NextHopsOfIpv6, RoutesThatRefuseAreToldApart) {
  in_scene([](Scene& s) {
    s.lab.ours(
        "ip -6 route add blackhole 2001:db8:1::1 && ip -6 route add unreachable 2001:db8:1::2 && "
        "ip -6 route add prohibit 2001:db8:1::3");
    s.want({"2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8::1", "ff0e::1"});
    EXPECT_EQ(s.of("2001:db8:1::1").state, HopState::kBlackhole) << s.of("2001:db8:1::1").problem;
    EXPECT_EQ(s.of("2001:db8:1::2").state, HopState::kRefused) << s.of("2001:db8:1::2").problem;
    EXPECT_EQ(s.of("2001:db8:1::3").state, HopState::kRefused) << s.of("2001:db8:1::3").problem;
    EXPECT_EQ(s.of("2001:db8::1").state, HopState::kLocal) << s.of("2001:db8::1").problem;
    EXPECT_FALSE(s.of("ff0e::1").ready());
    EXPECT_EQ(s.hops->counts().probes, 0U);
  });
}

TEST(NextHopsOfIpv6, LinkThatLosesItsCarrierIsDownAndComesBackByItself) {
  in_scene([](Scene& s) {
    s.want({"2001:db8::2"});
    s.await_ready("2001:db8::2");
    s.lab.theirs("sysctl -q net.ipv6.conf.far.keep_addr_on_down=1 && ip link set far down");
    s.await("2001:db8::2", HopState::kLinkDown);
    s.lab.theirs("ip link set far up");
    s.await_ready("2001:db8::2");
  });
}

TEST(NextHops, MtuIsTheNarrowestOfInterfaceAndRoute) {
  in_scene([](Scene& s) {
    s.lab.ours(
        "ip route add 192.0.2.0/24 via 10.0.0.2 mtu 1400 && "
        "ip -6 route add 2001:db8:1::/48 via 2001:db8::2 mtu 1300 && ip link set near mtu 1450");
    s.want({"10.0.0.2", "192.0.2.7", "2001:db8:1::7"});
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (s.of("10.0.0.2").mtu != 1450 && std::chrono::steady_clock::now() < give_up)
      s.loop->turn(20ms);
    EXPECT_EQ(s.await_ready("10.0.0.2").mtu, 1450U);
    EXPECT_EQ(s.await_ready("192.0.2.7").mtu, 1400U);
    EXPECT_EQ(s.await_ready("2001:db8:1::7").mtu, 1300U);
    const int before = s.notices;
    s.lab.ours("ip link set near mtu 1280");
    while (s.of("192.0.2.7").mtu != 1280 && std::chrono::steady_clock::now() < give_up)
      s.loop->turn(20ms);
    EXPECT_EQ(s.of("10.0.0.2").mtu, 1280U);
    EXPECT_EQ(s.of("192.0.2.7").mtu, 1280U);
    EXPECT_GT(s.notices, before);
  });
}

}  // namespace
}  // namespace sluice::netlink
