// SPDX-License-Identifier: Apache-2.0
// lib/xdp/decap.bpf.c: frame by frame by BPF_PROG_TEST_RUN, and on an interface as a script puts it
// there.
#include "support/packet.hpp"
#include "xdp/decap.skel.h"
#include "xdp/sandbox.hpp"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sluice::xdp {
namespace {

using sluice::test::Bytes;
using sluice::test::Packet;

enum Stat : std::uint32_t { kDone, kOther, kRefused, kStats };  // as in decap.bpf.c

constexpr const char* kBalancer = "10.0.0.1";
constexpr const char* kBackend = "10.0.1.11";
constexpr const char* kPeer = "198.51.100.7";
constexpr const char* kService = "203.0.113.10";
constexpr const char* kBalancer6 = "2001:db8:a::1";
constexpr const char* kBackend6 = "2001:db8:a::1:b";
constexpr const char* kPeer6 = "2001:db8:b::7";
constexpr const char* kService6 = "2001:db8:f::10";

class Decap : public test::Sandboxed {
 protected:
  void SetUp() override {
    Sandboxed::SetUp();
    if (IsSkipped()) return;
    object_.reset(decap_bpf__open_and_load());
    ASSERT_NE(object_, nullptr) << "the kernel refuses the program";
  }

  /// Runs a frame and checks that the counter that moved fits what became of it.
  std::pair<Stat, Bytes> run(const Bytes& frame) {
    std::array<std::uint64_t, kStats> before{};
    for (std::uint32_t i = 0; i < kStats; ++i) before[i] = count(i);
    const auto ran = test::run(bpf_program__fd(object_->progs.sluice_decap), frame);
    EXPECT_EQ(ran.error, 0) << std::strerror(-ran.error);
    EXPECT_EQ(ran.action, static_cast<std::uint32_t>(XDP_PASS));
    Stat moved = kStats;
    for (std::uint32_t i = 0; i < kStats; ++i)
      if (count(i) != before[i]) moved = static_cast<Stat>(i);
    EXPECT_TRUE(moved == kDone || ran.frame == frame) << "changed, but not counted as done";
    return {moved, ran.frame};
  }
  std::uint64_t count(std::uint32_t index) const {
    return test::sum_of(bpf_map__fd(object_->maps.decap_counts), index, sizeof(std::uint64_t));
  }

  struct Unload {
    void operator()(decap_bpf* object) const { decap_bpf__destroy(object); }
  };
  std::unique_ptr<decap_bpf, Unload> object_;
};

Packet outer() { return Packet().eth().ipip(kBalancer, kBackend); }

TEST_F(Decap, TheOuterHeaderGoesAndAllElseStays) {
  const Bytes bare = Packet().eth().ipv4(kPeer, kService).tcp(40000, 443).payload(100);
  EXPECT_EQ(run(outer().ipv4(kPeer, kService).tcp(40000, 443).payload(100)),
            (std::pair{kDone, bare}));
  EXPECT_EQ(run(outer().options(10).ipv4(kPeer, kService).tcp(40000, 443).payload(100)),
            (std::pair{kDone, bare}));
  EXPECT_EQ(run(outer().df().ipv4(kPeer, kService).tcp(40000, 443).payload(100)),
            (std::pair{kDone, bare}));
}

TEST_F(Decap, AnInnerPacketWithOptionsOrOfAnyProtocolIsTakenOut) {
  for (const auto& [inside, bare] :
       {std::pair<Bytes, Bytes>{
            outer().ipv4(kPeer, kService).options(3).udp(1, 53).payload(9),
            Packet().eth().ipv4(kPeer, kService).options(3).udp(1, 53).payload(9)},
        {outer().ipv4(kPeer, kService).icmp_echo(1, 1),
         Packet().eth().ipv4(kPeer, kService).icmp_echo(1, 1)},
        {outer().ipv4(kPeer, kService).fragment(5, true).udp(1, 53),
         Packet().eth().ipv4(kPeer, kService).fragment(5, true).udp(1, 53)}})
    EXPECT_EQ(run(inside), (std::pair{kDone, bare}));
}

Bytes inner4() { return Packet().eth().ipv4(kPeer, kService).udp(40000, 53).payload(33); }
Bytes inner6() { return Packet().eth().ipv6(kPeer6, kService6).tcp(40000, 443).payload(33); }

/// `outer`, then the IP packet of a frame.
Bytes around(Packet outer, const Bytes& frame) {
  return outer.payload(std::span(frame).subspan(14));
}

Packet outer6() { return Packet().eth().ipv6(kBalancer6, kBackend6); }

TEST_F(Decap, EachFamilyIsTakenOutOfEach) {
  EXPECT_EQ(run(around(outer().protocol(4), inner4())), (std::pair{kDone, inner4()}));
  EXPECT_EQ(run(around(outer().protocol(41), inner6())), (std::pair{kDone, inner6()}));
  EXPECT_EQ(run(around(outer6().protocol(4), inner4())), (std::pair{kDone, inner4()}));
  EXPECT_EQ(run(around(outer6().protocol(41), inner6())), (std::pair{kDone, inner6()}));
}

TEST_F(Decap, GueOfBothVariantsIsTakenOff) {
  // Variant 0: no optional fields, then one word of them.
  const Bytes of4 = {std::byte{0}, std::byte{4}, std::byte{0}, std::byte{0}};
  const Bytes of6 = {std::byte{1},    std::byte{41},   std::byte{0},    std::byte{0},
                     std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  for (const auto& [inner, header] : {std::pair{inner4(), of4}, {inner6(), of6}})
    for (const auto port : {std::uint16_t{6080}, std::uint16_t{9886}})
      for (const Packet& ip : {outer(), outer6()}) {
        EXPECT_EQ(run(around(Packet(ip).udp(50000, port), inner)), (std::pair{kDone, inner}));
        EXPECT_EQ(run(around(Packet(ip).udp(50000, port).payload(header), inner)),
                  (std::pair{kDone, inner}));
      }
}

TEST_F(Decap, UdpThatIsNoGueIsLeftAloneAndGueThatLiesIsRefused) {
  EXPECT_EQ(run(around(outer().udp(50000, 6081), inner4())).first, kOther);
  EXPECT_EQ(run(around(outer6().udp(50000, 53), inner6())).first, kOther);
  for (const unsigned first : {0x20U, 0x30U, 0x80U, 0xc0U}) {  // control message, other versions
    const Bytes header = {static_cast<std::byte>(first), std::byte{4}, std::byte{0}, std::byte{0}};
    EXPECT_EQ(run(around(outer().udp(50000, 6080).payload(header), inner4())).first, kRefused);
  }
  const Bytes protocol = {std::byte{0}, std::byte{17}, std::byte{0}, std::byte{0}};
  EXPECT_EQ(run(around(outer().udp(50000, 6080).payload(protocol), inner4())).first, kRefused);
  EXPECT_EQ(run(outer().udp(50000, 6080)).first, kRefused) << "nothing inside";
}

TEST_F(Decap, WhatIsNoTunnelIsLeftAlone) {
  for (const Bytes& frame :
       {Packet().eth().ipv4(kPeer, kService).tcp(1, 443).bytes(),
        Packet().eth().ipv6("2001:db8::1", "2001:db8::2").tcp(1, 443).bytes(),
        Packet().eth().arp_request("02:00:00:00:00:02", kPeer, kService).bytes(),
        Packet().eth().vlan(5).ipip(kBalancer, kBackend).ipv4(kPeer, kService).udp(1, 2).bytes()})
    EXPECT_EQ(run(frame).first, kOther);
}

TEST_F(Decap, LiesAndFragmentsAreLeftToLinux) {
  for (const Bytes& frame :
       {outer().fragment(0, true).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().fragment(7, false).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().total_length(1400).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().total_length(39).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().header_length(4).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().header_length(15).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().ip_version(6).ipv4(kPeer, kService).udp(1, 2).bytes(),
        outer().ipv4(kPeer, kService).total_length(1400).udp(1, 2).bytes(),
        outer().ipv4(kPeer, kService).total_length(19).udp(1, 2).bytes(),
        outer().ipv4(kPeer, kService).ip_version(6).udp(1, 2).bytes(),
        outer().ipv4(kPeer, kService).header_length(4).udp(1, 2).bytes(),
        outer().protocol(4).ipv6("2001:db8::1", "2001:db8::2").udp(1, 2).bytes()})
    EXPECT_EQ(run(frame).first, kRefused);
}

TEST_F(Decap, AFrameCutAnywhereIsLeftAlone) {
  for (const Bytes& whole :
       {outer().options(2).ipv4(kPeer, kService).options(2).udp(1, 53).payload(20).bytes(),
        around(outer6().protocol(41), inner6()), around(outer6().udp(50000, 6080), inner4())}) {
    ASSERT_EQ(run(whole).first, kDone);
    for (std::size_t length = 14; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_NE(run(cut).first, kDone) << "cut at " << length;
    }
  }
}

TEST_F(Decap, PassPassesEverything) {
  const Bytes frame = outer().ipv4(kPeer, kService).udp(1, 2);
  const auto ran = test::run(bpf_program__fd(object_->progs.sluice_pass), frame);
  EXPECT_EQ(ran.action, static_cast<std::uint32_t>(XDP_PASS));
  EXPECT_EQ(ran.frame, frame);
}

/// Attached as a script does it, by `ip link`, in the mode of the parameter.
class DecapOnAnInterface : public test::Sandboxed,
                           public testing::WithParamInterface<const char*> {};

TEST_P(DecapOnAnInterface, AServerOnTheVipReceivesWhatCameInTheTunnel) {
  const test::Cable cable("be0", "be1");
  ASSERT_TRUE(
      test::shell("ip link set lo up && ip addr replace 203.0.113.10/32 dev lo && "
                  "ip addr add 10.0.1.11/24 dev be0 && ip route replace default dev be0 && "
                  "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.be0.rp_filter=0"));
  ASSERT_TRUE(test::shell(std::string("ip link set dev be0 ") + GetParam() +
                          " obj '" DECAP_OBJECT "' program sluice_decap"));

  const UniqueFd server(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(8000);
  ASSERT_EQ(::inet_pton(AF_INET, kService, &address.sin_addr), 1);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);

  const test::RawSocket balancer("be1");
  ASSERT_TRUE(balancer.send(Packet()
                                .eth("ff:ff:ff:ff:ff:ff")
                                .ipip(kBalancer, kBackend)
                                .ipv4(kPeer, kService)
                                .udp(40000, 8000)
                                .payload("through the tunnel")
                                .bytes()));
  std::array<char, 64> text{};
  EXPECT_TRUE(
      test::wait_until([&] { return ::recv(server.get(), text.data(), text.size(), 0) > 0; }));
  EXPECT_STREQ(text.data(), "through the tunnel");
}

INSTANTIATE_TEST_SUITE_P(Modes, DecapOnAnInterface, testing::Values("xdpdrv", "xdpgeneric"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace sluice::xdp
