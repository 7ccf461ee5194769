// SPDX-License-Identifier: Apache-2.0
// What a kernel's next hop is to a node; the kernel itself is asked in next_hops_test.cpp.
#include "control/reach_finder.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

std::vector<EgressPort> two_ports() {
  return {{.name = "virtual", .interface = "", .mac = {}, .mtu = 1500},
          {.name = "front",
           .interface = "lb0",
           .mac = MacAddress::parse("02:00:00:00:00:01").value(),
           .mtu = 9000}};
}

netlink::NextHop ready_by(const std::string& interface) {
  netlink::NextHop hop;
  hop.state = netlink::HopState::kReady;
  hop.mac = MacAddress::parse("02:00:00:00:00:77").value();
  hop.interface = interface;
  hop.on_link = true;
  return hop;
}

TEST(ReachOf, AReadyHopByAPortsInterfaceIsAHopByThatPort) {
  const auto reach = reach_of(ready_by("lb0"), two_ports());
  ASSERT_TRUE(reach.hop);
  EXPECT_EQ(reach.hop->port, 1);
  EXPECT_EQ(reach.hop->destination.text(), "02:00:00:00:00:77");
  EXPECT_EQ(reach.hop->source.text(), "02:00:00:00:00:01");
  EXPECT_EQ(reach.hop->mtu, 9000);
  EXPECT_TRUE(reach.on_link);
  EXPECT_EQ(reach.problem, "");
}

TEST(ReachOf, TheNarrowestOfPortInterfaceAndRouteIsTheMtu) {
  auto hop = ready_by("lb0");
  hop.mtu = 1400;
  EXPECT_EQ(reach_of(hop, two_ports()).hop->mtu, 1400);
  hop.mtu = 65536;
  EXPECT_EQ(reach_of(hop, two_ports()).hop->mtu, 9000);
}

TEST(ReachOf, ARouteByAnotherInterfaceIsNoHopAndSaysWhy) {
  const auto reach = reach_of(ready_by("eth7"), two_ports());
  EXPECT_FALSE(reach.hop);
  EXPECT_NE(reach.problem.find("eth7"), std::string::npos);
}

TEST(ReachOf, AnUnreadyHopKeepsTheKernelsReason) {
  netlink::NextHop hop;
  hop.state = netlink::HopState::kNoRoute;
  hop.problem = "no route leads there";
  const auto reach = reach_of(hop, two_ports());
  EXPECT_FALSE(reach.hop);
  EXPECT_EQ(reach.problem, "no route leads there");
}

}  // namespace
}  // namespace sluice::control
