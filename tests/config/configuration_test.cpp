// SPDX-License-Identifier: Apache-2.0
#include "config/configuration.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

Port port(std::string device) { return {.name = "p", .device = std::move(device), .mac = {}}; }

TEST(Port, InterfaceIsTheOneInTheDeviceArguments) {
  EXPECT_EQ(port("net_af_xdp0,iface=lb0").interface(), "lb0");
  EXPECT_EQ(port("net_af_packet0,qpairs=1,iface=eth1.7,blocksz=4096").interface(), "eth1.7");
  EXPECT_EQ(port("net_af_xdp0,iface=").interface(), "");
  EXPECT_EQ(port("0000:3b:00.0").interface(), "");
  EXPECT_EQ(port("net_x,myiface=lb0").interface(), "");
}

TEST(Port, AfXdpIsKnownByItsDriver) {
  EXPECT_TRUE(port("net_af_xdp_front,iface=lb0").is_af_xdp());
  EXPECT_FALSE(port("net_af_packet0,iface=lb0").is_af_xdp());
}

}  // namespace
}  // namespace sluice::config
