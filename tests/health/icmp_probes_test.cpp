// SPDX-License-Identifier: Apache-2.0
#include "health/icmp_probes.hpp"

#include "../netlink/network_namespace.hpp"
#include "packet/headers.hpp"
#include "rig.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;

Target ping(const char* address) {
  return target_of(CheckType::kIcmp, IpAddress::parse(address).value(), 0);
}

TEST(IcmpProbes, HostsAnswerInBothFamiliesAndThoseThatAreNotThereDoNot) {
  const std::string skipped = netlink::in_namespaces([](const netlink::Lab& lab) {
    lab.ours("ip route add 10.9.0.6 via 10.0.0.2 && ip route add 10.9.0.5 via 10.0.0.2");
    lab.theirs(
        "sysctl -q net.ipv4.ip_forward=1 && ip route add unreachable 10.9.0.6 && "
        "ip route add blackhole 10.9.0.5");
    Rig rig;
    for (const char* const there : {"127.0.0.1", "::1", "10.0.0.2", "2001:db8::2"}) {
      Outcome outcome;
      // IPv6 interfaces may need some time to find neighbours.
      for (int i = 0; i < 100; ++i)
        if (outcome = rig.ask(ping(there)); outcome.ok()) break;
      EXPECT_TRUE(outcome.ok()) << there << ' ' << outcome.detail;
    }
    for (const char* const nowhere : {"10.9.0.4", "10.9.0.6", "10.0.0.77", "2001:db8::77"}) {
      const Outcome outcome = rig.ask(ping(nowhere));
      EXPECT_EQ(outcome.fault, Fault::kUnreachable) << nowhere << ' ' << outcome.detail;
    }
    Target silent = ping("10.9.0.5");
    silent.check.timeout = 50ms;
    EXPECT_EQ(rig.ask(silent).fault, Fault::kTimeout);
  });
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

TEST(IcmpProbes, ManyQuestionsAtOnceGetTheirOwnAnswers) {
  const std::string skipped = netlink::in_namespaces([](const netlink::Lab& lab) {
    lab.ours("ip route add blackhole 10.9.0.0/24");
    Rig rig;
    std::vector<Target> targets;
    for (int i = 0; i < 200; ++i) {
      const bool there = i % 2 == 0;
      targets.push_back(ping(there ? "127.0.0.1" : "10.9.0.1"));
      targets.back().backend = std::to_string(i);
    }
    std::map<std::string, bool> well;
    rig.prober->on_outcome(
        [&](const Target& target, const Outcome& o) { well[target.backend] = o.ok(); });
    rig.prober->set_targets(targets);
    ASSERT_TRUE(rig.wait([&] { return well.size() == targets.size(); }));
    for (const auto& [name, ok] : well) EXPECT_EQ(ok, std::stoi(name) % 2 == 0) << name;
  });
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

// What raw sockets may hand us: a reply, and an error that quotes a request.
std::vector<std::byte> reply(bool v4) {
  std::vector<std::byte> packet(v4 ? 20 : 0);
  if (v4) packet[0] = std::byte{0x45};
  for (const int b : {v4 ? 0 : 129, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 1, 2, 3})
    packet.push_back(std::byte(b));
  return packet;
}

std::vector<std::byte> unreachable(bool v4) {
  std::vector<std::byte> packet(v4 ? 20 : 0);
  if (v4) packet[0] = std::byte{0x45};
  for (const int b : {v4 ? 3 : 1, 1, 0, 0, 0, 0, 0, 0}) packet.push_back(std::byte(b));
  std::vector<std::byte> quoted(v4 ? 20 : 40);
  quoted[0] = v4 ? std::byte{0x45} : std::byte{0x60};
  quoted[v4 ? 9 : 6] = v4 ? std::byte{1} : std::byte{58};
  quoted[v4 ? 16 : 24] = std::byte{9};
  packet.insert(packet.end(), quoted.begin(), quoted.end());
  for (const int b : {v4 ? 8 : 128, 0, 0, 0, 0x12, 0x34, 0x56, 0x78})
    packet.push_back(std::byte(b));
  return packet;
}

TEST(ReadIcmp, ReplyAndErrorAreReadAndNothingShorterIs) {
  for (const bool v4 : {true, false}) {
    const auto echoed = reply(v4);
    const auto echo = read_icmp(echoed, v4);
    ASSERT_TRUE(echo);
    EXPECT_TRUE(echo->echo);
    EXPECT_EQ(echo->id, 0x1234);
    EXPECT_EQ(echo->sequence, 0x5678);
    EXPECT_EQ(echo->payload.size(), 3U);
    const auto failed = unreachable(v4);
    const auto error = read_icmp(failed, v4);
    ASSERT_TRUE(error);
    EXPECT_FALSE(error->echo);
    EXPECT_EQ(error->sequence, 0x5678);
    EXPECT_EQ(error->asked, IpAddress::parse(v4 ? "9.0.0.0" : "900::").value());
    for (std::size_t n = 0; n < failed.size(); ++n) {
      // A copy of just that length, so that a sanitizer sees a read beyond it.
      const std::vector<std::byte> cut(failed.begin(),
                                       failed.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_FALSE(read_icmp(cut, v4)) << n;
    }
    for (std::size_t n = 0; n + 3 < echoed.size(); ++n) {
      const std::vector<std::byte> cut(echoed.begin(),
                                       echoed.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_FALSE(read_icmp(cut, v4)) << n;
    }
  }
}

TEST(ReadIcmp, HeaderLengthsThatLieAreRefused) {
  for (int words = 0; words < 16; ++words) {
    auto outer = reply(true);
    outer[0] = std::byte(0x40 | words);
    EXPECT_EQ(read_icmp(outer, true).has_value(), words == 5) << words;
    auto inner = unreachable(true);
    inner[28] = std::byte(0x40 | words);
    EXPECT_EQ(read_icmp(inner, true).has_value(), words == 5) << words;
  }
}

TEST(ReadIcmp, ErrorsAboutOtherProtocolsAndOtherMessagesAreNotOurs) {
  auto about_tcp = unreachable(true);
  about_tcp[28 + 9] = std::byte{6};
  EXPECT_FALSE(read_icmp(about_tcp, true));
  auto about_reply = unreachable(true);
  about_reply[48] = std::byte{0};
  EXPECT_FALSE(read_icmp(about_reply, true));
  auto request = reply(true);
  request[20] = std::byte{8};
  EXPECT_FALSE(read_icmp(request, true));
}

}  // namespace
}  // namespace sluice::health
