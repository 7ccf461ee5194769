// SPDX-License-Identifier: Apache-2.0
// Recorded machines: what is wrong with each is found, and the command that mends it is named.
#include "doctor/checks.hpp"

#include "config/decode.hpp"
#include "doctor/tree.hpp"

#include <gmock/gmock.h>

#include <ostream>
#include <string>

namespace sluice::doctor {
namespace {

using testing::HasSubstr;

config::Configuration configuration(const std::string& device = "net_af_xdp0,iface=lb0",
                                    const std::string& more = "") {
  const auto decoded = config::decode(R"({
    "dpdk": {"lcores": "0-1", "huge_pages": true, "memory_mb": 256},
    "ports": [{"name": "front", "device": ")" +
                                      device + "\"" + more + R"(}],
    "services": [{"name": "chat", "address": "203.0.113.10", "port": 443, "pool": "llama"}],
    "pools": [{"name": "llama", "forwarding": "ipip", "encapsulation": {"source": "10.0.0.1"},
               "backends": [{"name": "gpu-1", "address": "10.0.1.11"}]}]})");
  EXPECT_TRUE(decoded.faults.empty()) << decoded.faults.front().text();
  return decoded.configuration;
}

class ChecksTest : public testing::Test {
 protected:
  // A machine on which nothing but the tunnel's overhead is to be found.
  ChecksTest() {
    tree_.put("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
    tree_.put("proc/mounts", "bpf /sys/fs/bpf bpf rw 0 0\nnodev /dev/hugepages hugetlbfs rw 0 0\n");
    tree_.put("sys/kernel/btf/vmlinux", "x");
    tree_.put("proc/net/protocols", "protocol  size\nXDP       1088\n");
    tree_.put("proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
    tree_.put("proc/self/limits", "Max locked memory         unlimited  unlimited  bytes\n");
    tree_.put("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    tree_.put("sys/devices/system/cpu/online", "0-3\n");
    tree_.put("sys/devices/system/cpu/isolated", "1\n");
    tree_.put("sys/devices/system/cpu/nohz_full", "1\n");
    tree_.put("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
    tree_.put("sys/devices/system/node/node0/cpulist", "0-1\n");
    tree_.put("sys/devices/system/node/node1/cpulist", "2-3\n");
    pages(0, 128);
    tree_.interface("lb0", {true, 1500, "i40e"});
  }
  void pages(int node, int free) {
    const auto folder =
        "sys/devices/system/node/node" + std::to_string(node) + "/hugepages/hugepages-2048kB/";
    tree_.put(folder + "free_hugepages", std::to_string(free));
    tree_.put(folder + "nr_hugepages", std::to_string(free));
  }
  Findings examined(const config::Configuration& c) {
    const auto machine = tree_.machine();
    Findings findings;
    examine({.machine = machine, .configuration = &c, .clock_is_synchronised = true}, findings);
    return findings;
  }
  Findings examined() { return examined(configuration()); }
  Tree tree_;
};

TEST_F(ChecksTest, ASoundMachineHasNoFaultsAndOnlyTheTunnelToWarnOf) {
  const auto findings = examined();
  for (const auto& finding : findings.list()) {
    if (finding.check == "mtu llama") continue;
    EXPECT_EQ(finding.level, Level::kOk) << finding.check << ": " << finding.what;
  }
}

TEST_F(ChecksTest, EveryRemedyIsThereExactlyWhereSomethingIsWrong) {
  Tree empty;
  const auto machine = empty.machine();
  const auto c = configuration();
  Findings findings;
  examine({.machine = machine, .configuration = &c}, findings);
  std::size_t wrong = 0;
  for (const auto& finding : findings.list()) {
    EXPECT_EQ(finding.remedy.empty(), finding.level == Level::kOk) << finding.check;
    wrong += finding.level == Level::kOk ? 0 : 1;
  }
  EXPECT_GE(wrong, 8U) << "a machine without any files has little that is right";
}

// One file of the sound machine is otherwise: what is found, its remedy, and, where there is one,
// the file that makes it good again.
struct OneFile {
  const char* fact;
  const char* path;
  const char* content;
  const char* check;
  Level level;
  const char* what;
  const char* remedy;
  const char* good_path;
  const char* good;
};

void PrintTo(const OneFile& one, std::ostream* out) { *out << one.path; }

class ChecksOfOneFile : public ChecksTest, public testing::WithParamInterface<OneFile> {};

TEST_P(ChecksOfOneFile, FindTheFaultItsRemedyAndItsEnd) {
  const auto& one = GetParam();
  ASSERT_EQ(found(examined(), one.check).level, Level::kOk) << "of the sound machine";
  tree_.put(one.path, one.content);
  const auto finding = found(examined(), one.check);
  EXPECT_EQ(finding.level, one.level);
  EXPECT_THAT(finding.what, HasSubstr(one.what));
  EXPECT_THAT(finding.remedy, HasSubstr(one.remedy));
  tree_.put(one.good_path, one.good);
  EXPECT_EQ(found(examined(), one.check).level, Level::kOk);
}

constexpr auto kIsolated = "sys/devices/system/cpu/isolated";
constexpr auto kGovernor = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";

INSTANTIATE_TEST_SUITE_P(
    Machines, ChecksOfOneFile,
    testing::Values(
        OneFile{"AnOldKernelFails", "proc/sys/kernel/osrelease", "5.7.19\n", "kernel", Level::kFail,
                "5.7.19", "", "proc/sys/kernel/osrelease", "5.8.0\n"},
        OneFile{"UsersThatMayLoadPrograms", "proc/sys/kernel/unprivileged_bpf_disabled", "0\n",
                "unprivileged bpf", Level::kWarn, "",
                "sysctl -w kernel.unprivileged_bpf_disabled=2",
                "proc/sys/kernel/unprivileged_bpf_disabled", "1\n"},
        OneFile{"AMemoryLimitThatNoCapabilityLifts", "proc/self/limits",
                "Max locked memory         8388608   8388608   bytes\n", "locked memory",
                Level::kWarn, "", "", "proc/self/status", "Name:\tx\nCapEff:\t0000000000004000\n"},
        OneFile{"NoMountOfHugePages", "proc/mounts", "bpf /sys/fs/bpf bpf rw 0 0\n", "huge pages",
                Level::kFail, "", "mount -t hugetlbfs", "proc/mounts",
                "nodev /dev/hugepages hugetlbfs rw 0 0\n"},
        OneFile{"LcoresThatThereAreNot", "sys/devices/system/cpu/online", "0\n", "lcores",
                Level::kFail, "CPU 1", "", "sys/devices/system/cpu/online", "0-1\n"},
        OneFile{"WorkersAmongOtherProcessesButNotTheMainLcore", kIsolated, "\n", "isolated cores",
                Level::kWarn, "", "isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1",
                kIsolated, "1\n"},
        OneFile{"ASlowGovernor", kGovernor, "powersave\n", "governor", Level::kWarn, "",
                "cpupower -c 1 frequency-set -g performance", kGovernor, "performance\n"},
        OneFile{"AStrictReversePathFilterWhereTheLargerOneCounts",
                "proc/sys/net/ipv4/conf/lb0/rp_filter", "1\n", "rp_filter", Level::kWarn, "",
                "sysctl -w net.ipv4.conf.lb0.rp_filter=2", "proc/sys/net/ipv4/conf/all/rp_filter",
                "2\n"}),
    [](const auto& of) { return std::string(of.param.fact); });

TEST_F(ChecksTest, AfXdpIsMissedOnlyByPortsThatNeedIt) {
  tree_.put("proc/net/protocols", "TCP 1\nXDPX 2\n");
  EXPECT_EQ(found(examined(), "af_xdp").level, Level::kFail);
  EXPECT_EQ(found(examined(configuration("net_af_packet0,iface=lb0")), "af_xdp").level, Level::kOk);
}

TEST_F(ChecksTest, HugePagesOfAnotherNodeDoNotHelp) {
  pages(0, 10);
  pages(1, 1000);
  const auto finding = found(examined(), "huge pages");
  EXPECT_EQ(finding.level, Level::kFail);
  EXPECT_EQ(finding.remedy,
            "echo 128 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
}

TEST_F(ChecksTest, AnInterfaceThatIsMissingDownOrTooNarrowFails) {
  EXPECT_EQ(found(examined(configuration("net_af_xdp0,iface=nope")), "port front").level,
            Level::kFail);
  tree_.interface("lb0", {false, 1500, "i40e"});
  EXPECT_EQ(found(examined(), "port front").remedy, "ip link set dev lb0 up");
  tree_.interface("lb0", {true, 1400, "i40e"});
  EXPECT_EQ(found(examined(), "port front").remedy, "ip link set dev lb0 mtu 1500");
}

TEST_F(ChecksTest, XdpByTheKernelInsteadOfTheDriverIsWarnedOfOrFailsAsThePortAsks) {
  tree_.interface("lb0", {true, 1500, "e1000e"});
  EXPECT_EQ(found(examined(), "xdp front").level, Level::kWarn);
  const auto native = configuration("net_af_xdp0,iface=lb0", R"(, "xdp": "native")");
  EXPECT_EQ(found(examined(native), "xdp front").level, Level::kFail);
}

TEST_F(ChecksTest, APciDeviceMustBelongToVfioBehindAnIommu) {
  const auto c = configuration("0000:3b:00.0");
  EXPECT_THAT(found(examined(c), "port front").what, HasSubstr("no PCI device"));
  tree_.put("sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
  tree_.link("sys/bus/pci/devices/0000:3b:00.0/driver", "../../../bus/pci/drivers/ixgbe");
  EXPECT_THAT(found(examined(c), "port front").remedy,
              HasSubstr("dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"));
  EXPECT_THAT(found(examined(c), "numa front").remedy, HasSubstr("some of 2-3"));
}

TEST_F(ChecksTest, VfioWithoutAnIommuDoesNotOpen) {
  const auto c = configuration("3b:00.0");
  tree_.put("sys/bus/pci/devices/0000:3b:00.0/numa_node", "-1\n");
  tree_.link("sys/bus/pci/devices/0000:3b:00.0/driver", "../../../bus/pci/drivers/vfio-pci");
  EXPECT_EQ(found(examined(c), "port front").level, Level::kFail);
  tree_.put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
  EXPECT_EQ(found(examined(c), "port front").level, Level::kWarn);
  tree_.put("sys/kernel/iommu_groups/0/type", "DMA\n");
  EXPECT_EQ(found(examined(c), "port front").level, Level::kOk);
}

TEST_F(ChecksTest, TheTunnelsOverheadIsHeldAgainstTheMtu) {
  const auto finding = found(examined(), "mtu llama");
  EXPECT_EQ(finding.level, Level::kWarn);
  EXPECT_THAT(finding.what, HasSubstr("adds 20 bytes: clients' packets over 1480 bytes"));
  EXPECT_THAT(finding.remedy, HasSubstr("advmss 1440"));
  tree_.interface("lb0", {true, 9000, "i40e"});
  const auto wide = configuration("net_af_xdp0,iface=lb0", R"(, "mtu": 1520)");
  EXPECT_EQ(found(examined(wide), "mtu llama").level, Level::kOk);
}

TEST_F(ChecksTest, FilesFullOfNonsenseAreNoCrash) {
  for (const auto* path :
       {"proc/sys/kernel/osrelease", "proc/mounts", "proc/self/limits", "proc/net/protocols",
        "sys/devices/system/cpu/online", "sys/devices/system/cpu/isolated"})
    tree_.put(path, std::string("\xff\x00 -7 999999999999999999999 ,,-\n", 32));
  EXPECT_FALSE(examined().list().empty());
}

TEST(TunnelOverhead, IsThatOfTheOuterHeaders) {
  config::Pool pool;
  const auto v4 = *IpAddress::parse("10.0.0.1");
  const auto v6 = *IpAddress::parse("2001:db8::1");
  EXPECT_EQ(tunnel_overhead(pool, v4), 20U);
  EXPECT_EQ(tunnel_overhead(pool, v6), 40U);
  pool.forwarding = config::Forwarding::kGue;
  EXPECT_EQ(tunnel_overhead(pool, v4), 28U);
  pool.encapsulation = config::Encapsulation{};
  pool.encapsulation->variant = 0;
  EXPECT_EQ(tunnel_overhead(pool, v6), 52U);
  pool.forwarding = config::Forwarding::kL2dsr;
  EXPECT_EQ(tunnel_overhead(pool, v4), 0U);
}

}  // namespace
}  // namespace sluice::doctor
