// SPDX-License-Identifier: Apache-2.0
#include "health/tcp_probe.hpp"

#include "../netlink/network_namespace.hpp"
#include "rig.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;

TEST(TcpProbe, ListenerIsFineInBothFamilies) {
  Rig rig;
  for (const auto& address : {kLoopback, kLoopback6}) {
    const Server server(stay_silent(), address);
    const Outcome outcome = rig.ask(target_of(CheckType::kTcp, address, server.port()));
    EXPECT_TRUE(outcome.ok()) << outcome.detail;
  }
}

TEST(TcpProbe, PortWhereNobodyListensIsRefused) {
  Rig rig;
  const NobodyThere there;
  const Outcome outcome = rig.ask(target_of(CheckType::kTcp, kLoopback, there.port()));
  EXPECT_EQ(outcome.fault, Fault::kRefused);
  EXPECT_EQ(outcome.detail, "connect: Connection refused");
}

TEST(TcpProbe, ServerNeverHasToAcceptAProbe) {
  const SocketAddress at(kLoopback, 0);
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), at.get(), at.length), 0);
  ASSERT_EQ(::listen(listener.get(), 16), 0);
  sockaddr_in about{};
  socklen_t length = sizeof about;
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&about), &length), 0);
  Rig rig;
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(rig.ask(target_of(CheckType::kTcp, kLoopback, ntohs(about.sin_port))).ok());
  pollfd waiting{listener.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 0);
}

TEST(TcpProbe, WithoutADescriptorLeftItIsOurOwnFault) {
  Rig rig;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Outcome tcp = rig.ask(target_of(CheckType::kTcp, kLoopback, 1));
  const Outcome http = rig.ask(target_of(CheckType::kHttp, kLoopback, 1));
  const Outcome udp = rig.ask(target_of(CheckType::kUdp, kLoopback, 1));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  for (const Outcome& outcome : {tcp, http, udp}) {
    EXPECT_EQ(outcome.fault, Fault::kLocal);
    EXPECT_EQ(outcome.detail, "make a socket: Too many open files");
  }
}

TEST(TcpProbe, NetworksThatLeadNowhereAreToldApart) {
  const std::string skipped = netlink::in_namespaces([](const netlink::Lab& lab) {
    lab.ours(
        "ip route add unreachable 10.9.0.1 && ip route add blackhole 10.9.0.2 && "
        "ip route add prohibit 10.9.0.3");
    // Nobody has 10.0.0.77: the kernel's own search for it ends in nothing. 10.9.0.5 is dropped on
    // the other side: silence.
    lab.ours("ip route add 10.9.0.5 via 10.0.0.2");
    lab.theirs("ip route add blackhole 10.9.0.5 && sysctl -q net.ipv4.ip_forward=1");
    lab.theirs("ip route add unreachable 10.9.0.6");
    lab.ours("ip route add 10.9.0.6 via 10.0.0.2");
    Rig rig;
    const auto fault = [&](const char* address) {
      return rig.ask(target_of(CheckType::kTcp, IpAddress::parse(address).value(), 80));
    };
    for (const char* const nowhere :
         {"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4", "10.0.0.77", "10.9.0.6"}) {
      const Outcome outcome = fault(nowhere);
      EXPECT_EQ(outcome.fault, Fault::kUnreachable) << nowhere << ' ' << outcome.detail;
    }
    auto silent = target_of(CheckType::kTcp, IpAddress::parse("10.9.0.5").value(), 80);
    silent.check.timeout = 50ms;
    const Outcome outcome = rig.ask(silent);
    EXPECT_EQ(outcome.fault, Fault::kTimeout);
    EXPECT_EQ(outcome.detail, "no answer in 50 ms");
    EXPECT_GE(outcome.took, 50ms);
    EXPECT_EQ(fault("10.0.0.2").fault, Fault::kRefused);
    // The first may come before the interfaces are ready to look for neighbours by IPv6.
    Outcome refused;
    for (int i = 0; i < 100 && refused.fault != Fault::kRefused; ++i)
      refused = fault("2001:db8::2");
    EXPECT_EQ(refused.fault, Fault::kRefused) << refused.detail;
  });
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

}  // namespace
}  // namespace sluice::health
