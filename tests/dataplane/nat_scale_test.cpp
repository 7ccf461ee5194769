// SPDX-License-Identifier: Apache-2.0
// Sixty thousand connections at once through NAT on two workers, answered at whichever of them.
#include "dataplane/hand_over.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;
using test::Rig;

constexpr unsigned kConnections = 60000;
constexpr std::size_t kIp = 14;
constexpr std::size_t kTcp = kIp + 20;

std::uint32_t word(const Bytes& frame, std::size_t at) {
  return wire::load<Be32>(frame.data() + at).to_host();
}
std::uint16_t half(const Bytes& frame, std::size_t at) {
  return wire::load<Be16>(frame.data() + at).to_host();
}
void put(Bytes& frame, std::size_t at, std::uint32_t n) {
  wire::store(frame.data() + at, Be32::from_host(n));
}
void put(Bytes& frame, std::size_t at, std::uint16_t n) {
  wire::store(frame.data() + at, Be16::from_host(n));
}

/// Client n: an address of 198.18.0.0/15 and a port.
std::uint32_t client_address(unsigned n) { return 0xc6120000 + n % 251; }
std::uint16_t client_port(unsigned n) { return static_cast<std::uint16_t>(1024 + n / 251 * 7); }

// The books balance at the end, or the rigs say so.
TEST(NatScale, SixtyThousandConnectionsOverTwoWorkersAreDeliveredWithoutAnError) {
  auto pool = test::pool("p", test::backends(4), snapshot::Forwarding::kNat);
  pool.nat = snapshot::NatInput{.sources = {test::ip("10.0.0.9")}};
  const auto now = test::built(test::input({pool}, {test::service("s", "203.0.113.10", 443)}));
  auto rings = HandOver::create(2);
  ASSERT_TRUE(rings) << rings.error().text();
  std::array<Rig, 2> worker{Rig(1U << 16, {2, 0}, rings->get()),
                            Rig(1U << 16, {2, 1}, rings->get())};
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose

  // Checksums are right in neither direction here: only who gets what is asked.
  const Bytes syn = Packet().eth().ipv4("198.18.0.1", "203.0.113.10").tcp(1, 443, wire::kTcpSyn);
  std::vector<Bytes> answers;
  std::set<std::tuple<std::uint32_t, std::uint16_t>> in_use;
  for (unsigned n = 0; n < kConnections; n += 32) {
    std::vector<Bytes> burst(32, syn);
    for (unsigned i = 0; i < 32; ++i) {
      put(burst[i], kIp + 12, client_address(n + i));
      put(burst[i], kTcp, client_port(n + i));
      put(burst[i], kTcp + 4, n + i);  // the sequence number says who it is
    }
    for (auto& sent : worker[n / 32 % 2].burst(*now, burst)) {
      ASSERT_EQ(sent.verdict, Verdict::kForward);
      const std::uint32_t backend = word(sent.bytes, kIp + 16);
      const std::uint16_t port = half(sent.bytes, kTcp);
      ASSERT_TRUE(in_use.emplace(backend, port).second) << "two connections have one local port";
      Bytes answer = std::move(sent.bytes);
      put(answer, kIp + 12, backend);
      put(answer, kIp + 16, std::uint32_t{0x0a000009});
      put(answer, kTcp, std::uint16_t{443});
      put(answer, kTcp + 2, port);
      answer[kTcp + 13] = std::byte{wire::kTcpSyn | wire::kTcpAck};
      answers.push_back(std::move(answer));
    }
  }
  ASSERT_EQ(answers.size(), kConnections);

  std::ranges::shuffle(answers, random);
  std::vector<bool> seen(kConnections);
  const auto deliver = [&](const std::vector<test::Handled>& out) {
    for (const auto& h : out) {
      ASSERT_EQ(h.verdict, Verdict::kForward);
      const std::uint32_t who = word(h.bytes, kTcp + 4);
      ASSERT_LT(who, kConnections);
      EXPECT_EQ(word(h.bytes, kIp + 16), client_address(who));
      EXPECT_EQ(half(h.bytes, kTcp + 2), client_port(who));
      EXPECT_FALSE(seen[who]);
      seen[who] = true;
    }
  };
  std::size_t handed = 0;
  for (std::size_t n = 0; n < answers.size(); n += 32) {
    const unsigned at = n / 32 % 2;
    const auto own = worker[at].burst(*now, {&answers[n], 32});
    const auto other = worker[1 - at].taken(*now, at);
    handed += other.size();
    ASSERT_EQ(own.size() + other.size(), 32U);
    deliver(own);
    deliver(other);
  }
  EXPECT_EQ(std::ranges::count(seen, true), kConnections);
  EXPECT_GT(handed, kConnections / 3) << "half of the answers come to the wrong worker";
  EXPECT_EQ(worker[0].books().rx + worker[1].books().rx, 2 * kConnections);
}

}  // namespace
}  // namespace sluice::dataplane
