// SPDX-License-Identifier: Apache-2.0
// What packets say of backends that only the client's side shows: who is counted, and how long a
// handshake took. What NAT shows besides: nat_signals_test.cpp.
#include "dataplane/signals.hpp"

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;
using test::Rig;
using wire::kTcpAck;
using wire::kTcpRst;
using wire::kTcpSyn;

constexpr std::uint64_t kMicro = Rig::kCyclesPerSecond / 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000;  // microseconds
constexpr std::uint32_t kIsn = 1000;

class Direct : public testing::Test {
 protected:
  static Packet client(unsigned n) {
    return Packet().eth().ipv4(n < 1000 ? "198.51.100.1" : "198.51.100.2", "203.0.113.10");
  }
  static Packet tcp(unsigned n, std::uint8_t flags, std::uint32_t number = kIsn) {
    return client(n).tcp(static_cast<std::uint16_t>(40000 + n), 443, flags).sequence(number);
  }
  static Packet udp(unsigned n) {
    return client(n).udp(static_cast<std::uint16_t>(40000 + n), 443).payload(8);
  }
  test::Handled after(std::uint64_t micros, const Bytes& packet) {
    rig.cycles += micros * kMicro;
    return rig.one(*now, packet);
  }
  [[nodiscard]] const BackendSignals& seen(unsigned backend = 1) const {
    return rig.signals(backend);
  }
  /// The clock's factor is a fraction of 2^32: times are right to a few millionths.
  static void expect_about(std::uint64_t actual, std::uint64_t wanted) {
    EXPECT_NEAR(static_cast<double>(actual), static_cast<double>(wanted),
                2 + static_cast<double>(wanted) * 1e-6);
  }

  Rig rig;
  snapshot::Input in =
      test::input({test::pool("p", test::backends(1))},
                  {test::service("web", "203.0.113.10", 443),
                   test::service("quic", "203.0.113.10", 443, 0, wire::kIpProtoUdp)});
  std::unique_ptr<const snapshot::Snapshot> now = test::built(in);
};

TEST_F(Direct, HandshakeIsFromTheSynToTheClientsFirstAcknowledgement) {
  after(0, tcp(0, kTcpSyn));
  after(30'000, tcp(0, kTcpAck, kIsn + 1));
  EXPECT_EQ(seen().new_flows.value(), 1U);
  EXPECT_EQ(seen().handshakes.value(), 1U);
  expect_about(seen().handshake_us.value(), 30'000);
  for (int n = 0; n < 9; ++n) after(1000, tcp(0, kTcpAck, kIsn + 1));
  EXPECT_EQ(seen().handshakes.value(), 1U);
  EXPECT_EQ(seen().syn_repeats.value(), 0U);
}

TEST_F(Direct, HandshakeMayComeAboutWithinOneBurst) {
  const std::array<Bytes, 4> burst{tcp(0, kTcpSyn), tcp(0, kTcpAck, kIsn + 1),
                                   tcp(0, kTcpAck, kIsn + 1), tcp(1, kTcpSyn)};
  rig.burst(*now, burst);
  EXPECT_EQ(seen().handshakes.value(), 1U);
  EXPECT_EQ(seen().new_flows.value(), 2U);
}

TEST_F(Direct, FirstAcknowledgementMayCarryData) {
  after(0, tcp(0, kTcpSyn));
  after(500, tcp(0, kTcpAck, kIsn + 1).payload(100));
  EXPECT_EQ(seen().handshakes.value(), 1U);
}

TEST_F(Direct, WhatIsNoHandshakeIsNotCountedAsOne) {
  after(0, tcp(0, kTcpAck));
  after(0, tcp(0, kTcpAck));
  after(0, tcp(1, kTcpSyn));
  after(0, tcp(1, kTcpRst, kIsn + 1));
  after(0, tcp(1, kTcpAck, kIsn + 1));
  after(0, tcp(2, kTcpSyn));
  after(0, tcp(2, kTcpAck, kIsn + 7));
  after(0, udp(3));
  after(0, udp(3));
  EXPECT_EQ(seen().handshakes.value(), 0U);
  EXPECT_EQ(seen().handshake_us.value(), 0U);
  EXPECT_EQ(seen().new_flows.value(), 3U) << "two SYNs and a datagram";
}

TEST_F(Direct, SynThatComesAgainCountsItsFlowOnceAndEachTime) {
  after(0, tcp(0, kTcpSyn));
  EXPECT_EQ(seen().syn_repeats.value(), 0U);
  after(kSecond, tcp(0, kTcpSyn));
  EXPECT_EQ(seen().syn_repeats.value(), 1U) << "known after a second";
  after(2 * kSecond, tcp(0, kTcpSyn));
  after(4 * kSecond, tcp(0, kTcpSyn));
  EXPECT_EQ(seen().syn_repeats.value(), 1U);
  EXPECT_EQ(seen().repeated_syns.value(), 3U);
  EXPECT_EQ(seen().new_flows.value(), 1U);
}

TEST_F(Direct, HandshakeOfASynThatWasLostIsSeenFromTheFirst) {
  after(0, tcp(0, kTcpSyn));
  after(kSecond, tcp(0, kTcpSyn));
  after(20'000, tcp(0, kTcpAck, kIsn + 1));
  EXPECT_EQ(seen().handshakes.value(), 1U);
  expect_about(seen().handshake_us.value(), kSecond + 20'000);
}

TEST_F(Direct, SynsThatOnlyRepeatDoNotMakeAFlowEstablished) {
  Rig full(flow::kNoWay);
  for (unsigned n = 0; n < 100; ++n) {
    full.one(*now, tcp(n, kTcpSyn));
    full.one(*now, tcp(n, kTcpSyn));
  }
  EXPECT_EQ(full.cache_stats().evictions_established.value(), 0U);
  EXPECT_EQ(full.cache_stats().evictions_new.value(), 100U - flow::kNoWay);
}

TEST_F(Direct, DoubledSynsAndSynsOfAnEstablishedFlowAreNoRepeats) {
  const std::array<Bytes, 3> doubled{tcp(0, kTcpSyn), tcp(0, kTcpSyn), tcp(0, kTcpSyn)};
  rig.burst(*now, doubled);
  after(1000, tcp(0, kTcpAck, kIsn + 1));
  after(kSecond, tcp(0, kTcpSyn));
  after(kSecond, tcp(0, kTcpSyn));
  EXPECT_EQ(seen().syn_repeats.value(), 0U);
  EXPECT_EQ(seen().repeated_syns.value(), 0U);
  EXPECT_EQ(seen().handshakes.value(), 1U);
}

TEST_F(Direct, ASynThatMovesIsANewFlowOfItsNewBackend) {
  in.pools[0].backends = test::backends(2);
  in.pools[0].backends[1].down = true;
  now = test::built(in);
  after(0, tcp(0, kTcpSyn));
  in.pools[0].backends[0].down = true;
  in.pools[0].backends[1].down = false;
  now = test::built(in);
  after(kSecond, tcp(0, kTcpSyn));
  after(10'000, tcp(0, kTcpAck, kIsn + 1));
  EXPECT_EQ(seen(1).syn_repeats.value(), 0U);
  EXPECT_EQ(seen(1).handshakes.value(), 0U);
  EXPECT_EQ(seen(2).new_flows.value(), 1U);
  EXPECT_EQ(seen(2).syn_repeats.value(), 0U);
  expect_about(seen(2).handshake_us.value(), 10'000);
}

// A trace of three backends of which the second answers nobody: clients come within a second, are
// answered after 20 ms, or try again after one second and after three.
TEST_F(Direct, ATraceOfManyClientsShowsWhichBackendIsSilent) {
  in.pools[0].backends = test::backends(3);
  now = test::built(in);
  std::multimap<std::uint64_t, Bytes> trace;  // by microsecond
  std::map<unsigned, std::uint64_t> flows;
  Rig table(8);
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose
  for (unsigned n = 0; n < 600; ++n) {
    const std::uint64_t at = random() % kSecond;
    const Bytes syn = tcp(n, kTcpSyn);
    const unsigned backend = table.one(*now, syn).backend;
    ++flows[backend];
    trace.emplace(at, syn);
    if (backend == 2) {
      trace.emplace(at + kSecond, syn);
      trace.emplace(at + 3 * kSecond, syn);
      continue;
    }
    for (const unsigned later : {20'000U, 21'000U, 50'000U})
      trace.emplace(at + later, tcp(n, kTcpAck, kIsn + 1));
  }
  for (const auto& [at, packet] : trace) {
    rig.cycles = at * kMicro;
    rig.one(*now, packet);
  }
  for (const unsigned backend : {1U, 2U, 3U}) {
    const std::uint64_t all = flows[backend];
    const bool silent = backend == 2;
    ASSERT_GT(all, 100U);
    EXPECT_EQ(seen(backend).new_flows.value(), all);
    EXPECT_EQ(seen(backend).syn_repeats.value(), silent ? all : 0);
    EXPECT_EQ(seen(backend).repeated_syns.value(), silent ? 2 * all : 0);
    EXPECT_EQ(seen(backend).handshakes.value(), silent ? 0 : all);
    EXPECT_NEAR(static_cast<double>(seen(backend).handshake_us.value()),
                silent ? 0.0 : 20'000.0 * static_cast<double>(all), 2.0 * static_cast<double>(all));
  }
}

}  // namespace
}  // namespace sluice::dataplane
