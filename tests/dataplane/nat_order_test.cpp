// SPDX-License-Identifier: Apache-2.0
// NAT's short way keeps the order of packets where it matters: each burst here ends otherwise if
// its second packet has its turn before the first, which is the stages'.
#include "dataplane/both_ways.hpp"
#include "dataplane/nat_family.hpp"
#include "dataplane/nat_plain.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::NatFamily;
using test::Packet;
using test::Rig;

constexpr std::size_t kFewFlows = 1024;  // of the cache, and sessions

/// The same packets by the short way and by the stages.
class NatOrder : public testing::Test {
 protected:
  NatOrder() { stages.by_stages = true; }
  ~NatOrder() override { test::expect_same_counts(short_way, stages); }

  std::vector<test::Handled> burst(std::span<const Bytes> packets) {
    for (Rig* rig : {&short_way, &stages}) rig->cycles += 1000;
    auto out = short_way.burst(*now, packets);
    test::expect_same_outcomes(out, stages.burst(*now, packets));
    test::expect_same_sessions(short_way.nat(), stages.nat());
    test::expect_same_flows(short_way.cache(), stages.cache());
    return out;
  }
  std::vector<test::Handled> burst(const Packet& first, const Packet& second) {
    return burst(std::vector<Bytes>{first, second});
  }
  Bytes one(const Bytes& packet) { return burst({&packet, 1}).at(0).bytes; }

  [[nodiscard]] Packet client(std::uint16_t port, std::uint8_t flags,
                              std::uint32_t number = 11) const {
    return f.from_client().tcp(port, 443, flags).sequence(number).acknowledgement(1);
  }
  [[nodiscard]] Packet backend(std::uint16_t local, std::uint8_t flags,
                               std::uint32_t number = 11) const {
    return f.from_backend().tcp(test::kListens, local, flags).sequence(0).acknowledgement(number);
  }
  /// @return the local port.
  std::uint16_t open(std::uint16_t port) {
    return test::source_port(one(client(port, wire::kTcpSyn, 10)));
  }
  std::uint16_t establish(std::uint16_t port) {
    const std::uint16_t local = open(port);
    one(backend(local, test::kSynAck));
    one(client(port, wire::kTcpAck));
    return local;
  }
  /// Ports of the client whose flow hashes are alike in these bits.
  [[nodiscard]] std::vector<std::uint16_t> ports(std::uint64_t mask, std::size_t count) const {
    std::vector<std::uint16_t> found;
    for (unsigned port = 1024; found.size() < count && port < 65536; ++port) {
      const auto number = static_cast<std::uint16_t>(port);
      const Bytes frame = client(number, wire::kTcpAck);
      if ((flow_hash(plain_key<true>(frame.data()), now->hash_key) & mask) == (10 & mask))
        found.push_back(number);
    }
    return found;
  }

  NatFamily f{4};
  std::unique_ptr<const snapshot::Snapshot> now = test::built(f.input());
  Rig short_way{kFewFlows};
  Rig stages{kFewFlows};
};

TEST_F(NatOrder, AFlowMayBePushedOutOfTheCacheByTheOneBeforeIt) {
  const auto alike = ports(0x7e, 18);  // of one pair of lines
  ASSERT_EQ(alike.size(), 18U);
  for (const bool tagged : {false, true}) {
    if (!tagged) establish(alike[0]);
    for (std::size_t n = 1; n < 16; ++n) {  // both lines are full
      open(alike[n]);
      one(client(alike[n], wire::kTcpAck));
    }
    // The first to go is the flow whose client has finished, and goes on to acknowledge.
    one(client(alike[0], wire::kTcpFin | wire::kTcpAck));
    Packet opens = f.from_client(tagged ? Packet().eth().vlan(5) : Packet().eth());
    burst(opens.tcp(alike[tagged ? 17 : 16], 443, wire::kTcpSyn),
          client(alike[0], wire::kTcpAck, 12));
  }
}

TEST_F(NatOrder, ASessionThatIsNotEstablishedMayGiveWay) {
  enum Second { kDatagram, kAnswer, kHandshake };
  for (const Second second : {kDatagram, kAnswer, kHandshake}) {
    Rig fresh_short_way{kFewFlows};
    Rig fresh_stages{kFewFlows};
    fresh_stages.by_stages = true;
    const auto both = [&](const std::vector<Bytes>& packets) {
      auto out = fresh_short_way.burst(*now, packets);
      test::expect_same_outcomes(out, fresh_stages.burst(*now, packets));
      test::expect_same_sessions(fresh_short_way.nat(), fresh_stages.nat());
      return out;
    };
    const auto datagram = [&](unsigned port) {
      return f.from_client().udp(static_cast<std::uint16_t>(port), 443).payload(20);
    };
    const Packet first = second == kHandshake ? client(1024, wire::kTcpSyn, 10) : datagram(1024);
    const auto local = test::source_port(both({first}).at(0).bytes);
    if (second == kHandshake) both({backend(local, test::kSynAck)});
    for (unsigned port = 1025; port < 1024 + kFewFlows; ++port) both({datagram(port)});
    const Packet answer = f.from_backend().udp(test::kListens, local).payload(20);
    both({datagram(50'000), second == kDatagram ? datagram(1024)
                            : second == kAnswer ? answer
                                                : client(1024, wire::kTcpAck)});
    test::expect_same_counts(fresh_short_way, fresh_stages);
  }
}

TEST_F(NatOrder, WhatIsNotedOfAFlowMayWaitForThePlaceOfAnother) {
  const auto alike = ports(0x7ff, 8);  // of one line of what is noted, which has five places
  ASSERT_EQ(alike.size(), 8U);
  const std::uint16_t known = establish(alike[0]);
  std::uint16_t other = 0;
  for (std::size_t n = 1; n <= 5; ++n) other = open(alike[n]);
  // The connection of the fifth comes about, and makes room for the first data of the known one.
  burst(backend(other, test::kSynAck), client(alike[0], wire::kTcpAck).payload(8));
  // Its answer makes room, but for the SYN before it there is none.
  burst(client(alike[6], wire::kTcpSyn, 10), backend(known, wire::kTcpAck).payload(8));
  one(backend(static_cast<std::uint16_t>(other + 1), test::kSynAck));
  EXPECT_EQ(stages.signals(7).responses.value(), 1U);
  EXPECT_EQ(stages.signals(7).handshakes.value(), 2U);
}

TEST_F(NatOrder, AnErrorMayBeOfNumbersBeforeAProxyHeader) {
  now = test::built(f.input(snapshot::ClientAddress::kProxyV2));
  const std::uint16_t local = establish(40000);
  // It quotes the SYN, whose number moves once the header has arrived.
  Packet syn = f.ip(f.hosts.local, f.hosts.backend, Packet());
  syn.tcp(local, test::kListens, wire::kTcpSyn).sequence(10);
  burst(f.from_backend().icmp(3, 3).quote(syn), backend(local, wire::kTcpAck, 11 + 28));
}

}  // namespace
}  // namespace sluice::dataplane
