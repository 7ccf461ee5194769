// SPDX-License-Identifier: Apache-2.0
#include "health/syn_probes.hpp"

#include "../netlink/network_namespace.hpp"
#include "rig.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

// After <netinet/in.h>: both define the interface request.
#include <net/if.h>

#include <array>
#include <cstring>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;
using config::Forwarding;

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

/// The end of a tunnel in the other namespace: what a socket receives goes, from an offset on, to
/// that namespace's kernel by a TUN device, as if the tunnel's own driver had unpacked it.
class TunnelEnd {
 public:
  TunnelEnd(int family, int type, int protocol, std::uint16_t port, std::size_t skip) {
    socket_ = UniqueFd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    EXPECT_TRUE(socket_);
    const SocketAddress any(family == AF_INET ? ip("0.0.0.0") : ip("::"), port);
    if (port != 0) {
      EXPECT_EQ(::bind(socket_.get(), any.get(), any.length), 0);
    }
    device_ = UniqueFd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq about{};
    std::strcpy(about.ifr_name, "unpacked");
    about.ifr_flags = IFF_TUN | IFF_NO_PI;
    EXPECT_EQ(::ioctl(device_.get(), TUNSETIFF, &about), 0) << std::strerror(errno);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    stop_read_ = UniqueFd(ends[0]);
    stop_ = UniqueFd(ends[1]);
    thread_ = std::thread([this, skip] {
      std::array<pollfd, 2> waits{
          {{socket_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN | POLLHUP, 0}}};
      std::array<char, 2048> packet;
      while (::poll(waits.data(), waits.size(), -1) > 0 && waits[1].revents == 0) {
        const ssize_t n = ::recv(socket_.get(), packet.data(), packet.size(), 0);
        if (n > static_cast<ssize_t>(skip))
          (void)!::write(device_.get(), packet.data() + skip, static_cast<std::size_t>(n) - skip);
      }
    });
  }
  ~TunnelEnd() {
    stop_.reset();
    thread_.join();
  }

 private:
  UniqueFd socket_;
  UniqueFd device_;
  UniqueFd stop_read_;
  UniqueFd stop_;
  std::thread thread_;
};

struct Road {
  const char* name;
  Forwarding forwarding;
  bool outer_v4;
  bool inner_v4;
  unsigned variant;
};

class SynProbe : public testing::TestWithParam<Road> {};

TEST_P(SynProbe, BackendWithTheServicesAddressAnswersAndOneThatForgotItDoesNot) {
  const Road road = GetParam();
  const std::string skipped = netlink::in_namespaces([&](const netlink::Lab& lab) {
    const IpAddress service = ip(road.inner_v4 ? "203.0.113.10" : "2001:db8:5::10");
    const std::string prefix = fmt::format("{}/{}", service.text(), service.bits());
    const std::string assign = fmt::format("ip addr add {} dev lo", prefix);
    const std::string withdraw = fmt::format("ip addr del {} dev lo", prefix);
    // The node has the service's address, too: it announces it. And a backend must not ask for our
    // MAC address in the name of the service.
    lab.ours(assign);
    lab.theirs(assign +
               " && sysctl -q net.ipv4.conf.all.arp_announce=2 "
               "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
    std::unique_ptr<TunnelEnd> end;
    UniqueFd listener;
    const bool gue = road.forwarding == Forwarding::kGue;
    const int family = road.outer_v4 ? AF_INET : AF_INET6;
    lab.in_theirs([&] {
      if (gue)
        end = std::make_unique<TunnelEnd>(family, SOCK_DGRAM, 0, 6080, road.variant == 0 ? 4 : 0);
      else if (road.forwarding == Forwarding::kIpip)
        end = std::make_unique<TunnelEnd>(family, SOCK_RAW, road.inner_v4 ? 4 : 41, 0,
                                          road.outer_v4 ? 20 : 0);
      const SocketAddress any(service, 443);
      listener = UniqueFd(::socket(any.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      EXPECT_EQ(::bind(listener.get(), any.get(), any.length), 0) << std::strerror(errno);
      EXPECT_EQ(::listen(listener.get(), 16), 0);
    });
    if (end != nullptr) lab.theirs("ip link set unpacked up");
    Target target{"p", "b", ip(road.outer_v4 ? "10.0.0.2" : "2001:db8::2"), 443,
                  check_of(CheckType::kTcp)};
    target.check.via = config::Via::kService;
    target.check.timeout = 200ms;
    Tunnel tunnel;
    tunnel.forwarding = road.forwarding;
    tunnel.service = service;
    tunnel.source = ip(road.outer_v4 ? "10.0.0.1" : "2001:db8::1");
    tunnel.variant = road.variant;
    tunnel.interface = "near";
    tunnel.mac = MacAddress::parse("02:00:00:00:00:02").value();
    target.tunnel = tunnel;
    // Whose address the answer comes to when the families differ.
    if (road.inner_v4 != road.outer_v4) {
      lab.ours(road.inner_v4 ? "ip route add 203.0.113.0/24 dev near src 10.0.0.1"
                             : "ip -6 route add 2001:db8:5::/64 dev near src 2001:db8::1");
      lab.ours(withdraw);
    }
    Rig rig;
    Outcome up;
    for (int i = 0; i < 50 && !(up = rig.ask(target)).ok(); ++i) {
    }
    EXPECT_TRUE(up.ok()) << up.detail;
    EXPECT_EQ(up.detail, "connected at the service's address");
    pollfd waiting{listener.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 0), 0) << "the server had to accept a probe";
    EXPECT_EQ(lab.output("ss -tnH state syn-sent state established"), "");

    Target refused = target;
    refused.port = 444;
    EXPECT_EQ(rig.ask(refused).fault, Fault::kRefused);
    lab.theirs(withdraw);
    EXPECT_EQ(rig.ask(target).fault, Fault::kTimeout);
  });
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

INSTANTIATE_TEST_SUITE_P(Roads, SynProbe,
                         testing::Values(Road{"l2dsr4", Forwarding::kL2dsr, true, true, 1},
                                         Road{"l2dsr6", Forwarding::kL2dsr, false, false, 1},
                                         Road{"ipip4in4", Forwarding::kIpip, true, true, 1},
                                         Road{"ipip6in6", Forwarding::kIpip, false, false, 1},
                                         Road{"ipip6in4", Forwarding::kIpip, true, false, 1},
                                         Road{"gue4in4", Forwarding::kGue, true, true, 1},
                                         Road{"gue4in4variant0", Forwarding::kGue, true, true, 0},
                                         Road{"gue6in6", Forwarding::kGue, false, false, 1},
                                         Road{"gue4in6variant0", Forwarding::kGue, false, true, 0}),
                         [](const auto& about) { return std::string(about.param.name); });

TEST(SynProbes, WithNatTheBackendItselfIsAsked) {
  Rig rig;
  const Server server(stay_silent());
  Target target = target_of(CheckType::kTcp, kLoopback, server.port());
  target.check.via = config::Via::kService;
  EXPECT_EQ(rig.ask(target).fault, Fault::kLocal);  // nobody said by which road
  target.tunnel = Tunnel{};
  target.tunnel->forwarding = Forwarding::kNat;
  EXPECT_EQ(rig.ask(target).detail, "connected");
}

TEST(SynProbes, WhatTheNodeLacksForAQuestionIsItsOwnFault) {
  const std::string skipped = netlink::in_namespaces([](const netlink::Lab&) {
    Rig rig;
    Target target = target_of(CheckType::kTcp, ip("10.0.0.2"), 443);
    target.check.via = config::Via::kService;
    target.tunnel = Tunnel{};
    target.tunnel->service = ip("203.0.113.10");
    target.tunnel->source = ip("2001:db8::1");
    EXPECT_EQ(rig.ask(target).detail, "the tunnel has no source of that family");
    target.tunnel->service = ip("2001:db8:77::1");  // no route, so no address to speak from
    EXPECT_EQ(rig.ask(target).detail, "no address of this node for the answer to come to");
    target.tunnel->service = ip("203.0.113.10");
    target.tunnel->forwarding = Forwarding::kL2dsr;
    EXPECT_EQ(rig.ask(target).fault, Fault::kUnreachable);
  });
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

}  // namespace
}  // namespace sluice::health
