// SPDX-License-Identifier: Apache-2.0
// The fast path on a device that needs no privileges; AF_XDP is in tests/system.
#include "control/fast_path.hpp"

#include "control/node.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::control {
namespace {

TEST(FastPath, OpensPortsWithTheConfiguredMacAndNoFilterOfOurs) {
  std::string why;
  const auto* fast_path = Node::fast_path(why);
  if (fast_path == nullptr) GTEST_SKIP() << why;
  ASSERT_EQ(fast_path->ports().size(), 1U);
  EXPECT_EQ(fast_path->macs()[0].text(), "02:00:00:00:00:01");
  EXPECT_FALSE(fast_path->filters()[0]);
  EXPECT_EQ(fast_path->books().in_flight(), 0U);
}

TEST(FastPath, AMissingInterfaceIsNamedBeforeAnythingStarts) {
  auto c = sample(1);
  c.ports[0].device = "net_af_packet0,iface=nosuch0";
  const auto opened = FastPath::open(c);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().where, "/ports/0/device");
  EXPECT_NE(opened.error().message.find("'nosuch0'"), std::string::npos);
}

TEST(FastPath, ACpuThatIsNotThereIsNamedBeforeAnythingStarts) {
  auto c = sample(1);
  c.dpdk.lcores = "0,127";
  if (::sysconf(_SC_NPROCESSORS_CONF) > 127) GTEST_SKIP() << "this machine has CPU 127";
  const auto opened = FastPath::open(c);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().where, "/dpdk/lcores");
  EXPECT_NE(opened.error().message.find("CPU 127"), std::string::npos);
}

TEST(FastPath, HugePagesThatAreNotThereAreToldWithTheRemedy) {
  auto c = sample(1);
  c.dpdk.huge_pages = true;
  c.dpdk.memory_mb = 1U << 20;
  const auto opened = FastPath::open(c);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kExhausted);
  EXPECT_NE(opened.error().message.find("vm.nr_hugepages="), std::string::npos);
}

}  // namespace
}  // namespace sluice::control
