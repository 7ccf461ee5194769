// SPDX-License-Identifier: Apache-2.0
#include "flow/nat_table.hpp"

#include "flow/nat_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>
#include <tuple>

namespace sluice::flow {
namespace {

using test::local_port;
using test::nat_client;
using test::nat_request;
using test::NatRig;
using wire::kTcpAck;
using wire::kTcpFin;
using wire::kTcpRst;
using wire::kTcpSyn;

constexpr NatTimeouts kTimeouts{.tcp = 450, .udp = 60};
constexpr std::uint32_t kClientIsn = 0xfffffff0;
constexpr std::uint32_t kBackendIsn = 0xffffffff;
constexpr std::uint8_t kSynAck = kTcpSyn | kTcpAck;
constexpr std::uint8_t kFinAck = kTcpFin | kTcpAck;

NatSession& opened(NatTable& table, const NatRequest& request, Tick now = 0) {
  const NatOpened o = table.open(request, now);
  EXPECT_EQ(o.outcome, NatOutcome::kOpened);
  if (o.session == nullptr) throw std::runtime_error("no session");
  if (request.key.protocol == wire::kIpProtoTcp)
    table.track(*o.session, NatSide::kClient, kTcpSyn, kClientIsn, 0, now);
  return *o.session;
}

void establish(NatTable& table, NatSession& s, Tick now = 0) {
  table.track(s, NatSide::kBackend, kSynAck, kBackendIsn, kClientIsn + 1, now);
  EXPECT_EQ(s.state, NatState::kAnswered);
  table.track(s, NatSide::kClient, kTcpAck, kClientIsn + 1, kBackendIsn + 1, now);
  EXPECT_EQ(s.state, NatState::kEstablished);
}

void sweep(NatTable& table, Tick now) { table.sweep(table.capacity(), now, kTimeouts); }

class BothFamilies : public testing::TestWithParam<std::tuple<std::uint8_t, std::uint8_t>> {
 protected:
  [[nodiscard]] static FlowKey client(unsigned n) {
    return nat_client(n, std::get<1>(GetParam()), std::get<0>(GetParam()));
  }
};

TEST_P(BothFamilies, ASessionIsFoundFromEitherSideByItsWholeKeyAlone) {
  NatRig table;
  const FlowKey key = client(1);
  NatSession& s = opened(table, nat_request(table, key, 3));
  const FlowKey back = nat_key(s, NatSide::kBackend);
  EXPECT_EQ(back.destination_port, s.port[kNatLocal]);
  EXPECT_EQ(back.source_port, __builtin_bswap16(8000));
  EXPECT_EQ(table.from(NatSide::kClient, key), &s);
  EXPECT_EQ(table.from(NatSide::kBackend, back), &s);
  EXPECT_EQ(table.from(NatSide::kBackend, key), nullptr);
  EXPECT_EQ(table.from(NatSide::kClient, back), nullptr);
  const unsigned words = key.family == 4 ? 1 : 4;
  for (const NatSide side : {NatSide::kClient, NatSide::kBackend}) {
    const FlowKey right = side == NatSide::kClient ? key : back;
    const auto is_unknown = [&](const std::function<void(FlowKey&)>& change) {
      FlowKey wrong = right;
      change(wrong);
      // With the right one's hash as well: as if they had collided.
      return table.from(side, wrong) == nullptr &&
             table.find(side, wrong, table.hash(right)) == nullptr;
    };
    for (unsigned w = 0; w < words; ++w) {
      EXPECT_TRUE(is_unknown([&](FlowKey& k) { k.source[w] ^= 1; }));
      EXPECT_TRUE(is_unknown([&](FlowKey& k) { k.destination[w] ^= 1; }));
    }
    EXPECT_TRUE(is_unknown([](FlowKey& k) { k.source_port ^= 1; }));
    EXPECT_TRUE(is_unknown([](FlowKey& k) { k.destination_port ^= 1; }));
    EXPECT_TRUE(
        is_unknown([](FlowKey& k) { k.protocol ^= wire::kIpProtoTcp ^ wire::kIpProtoUdp; }));
    EXPECT_TRUE(is_unknown([](FlowKey& k) { k.family ^= 2; }));
  }
}

// The figure that operators ask for: 64512 ports serve more connections than there are ports.
TEST_P(BothFamilies, AnotherThreadKnowsASessionByTheKeyOfItsClient) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, client(1), 3), 7);
  const auto known = table.known(client(1));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->sample.state, NatState::kNew);
  EXPECT_EQ(known->sample.tick, 7);
  EXPECT_EQ(known->sample.backend, 3);
  EXPECT_EQ(known->local, s.address(kNatLocal));
  EXPECT_EQ(known->local_port, s.port[kNatLocal]);
  EXPECT_FALSE(table.known(client(2)));
  EXPECT_FALSE(table.known(nat_key(s, NatSide::kBackend))) << "the backend's is not the client's";
  table.retire(s, 8);
  EXPECT_FALSE(table.known(client(1))) << "as its packets no longer find it";
}

// For the thread sanitizer: the owner opens and ends sessions while the other looks.
TEST_P(BothFamilies, AnotherThreadMayLookWhileSessionsComeAndGo) {
  constexpr unsigned kClients = 64;
  NatRig table;
  std::atomic<std::uint64_t> seen{0};
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over.load(std::memory_order_relaxed))
      for (unsigned n = 0; n < kClients; ++n)
        if (table.known(client(n))) seen.fetch_add(1, std::memory_order_relaxed);
  });
  Tick now = 0;
  unsigned rounds = 0;
  for (; rounds < 100 || (seen.load(std::memory_order_relaxed) == 0 && rounds < 100'000);
       ++rounds) {
    for (unsigned n = 0; n < kClients; ++n)
      opened(table, nat_request(table, client(n), n % 4), now);
    now = (now + 1000) & kTickMask;
    sweep(table, now);
    ASSERT_EQ(table.sessions(), 0U);
  }
  over.store(true, std::memory_order_relaxed);
  other.join();
  EXPECT_GT(seen.load(), 0U) << "in " << rounds << " rounds";
}

TEST_P(BothFamilies, SixtyThousandConnectionsToFourBackendsFitOneSourceAddressAndTwoWorkers) {
  const NatSize size{.sessions = 1U << 16, .port_sets = 16};
  NatRig first(size, {2, 0});
  NatRig second(size, {2, 1});
  std::set<std::tuple<unsigned, unsigned>> taken;
  for (unsigned n = 0; n < 60000; ++n) {
    NatRig& table = n % 5 < 3 ? first : second;  // 36000 and 24000: workers are not served alike
    NatRequest request = nat_request(table, client(n), n % 4);
    request.first_port = 1024;
    request.last_port = 65535;
    const NatOpened o = table.open(request, 0);
    ASSERT_EQ(o.outcome, NatOutcome::kOpened) << n;
    ASSERT_EQ(table.share().owner(local_port(*o.session)), table.share().worker());
    ASSERT_TRUE(taken.emplace(n % 4, local_port(*o.session)).second) << n;
  }
  for (unsigned n = 0; n < 60000; ++n) {
    NatRig& table = n % 5 < 3 ? first : second;
    NatSession* s = table.from(NatSide::kClient, client(n));
    ASSERT_NE(s, nullptr);
    ASSERT_EQ(s->backend, n % 4);
    ASSERT_EQ(table.from(NatSide::kBackend, nat_key(*s, NatSide::kBackend)), s);
  }
}

TEST_P(BothFamilies, WithoutAPortTheNextAddressServesAndThenNone) {
  NatRig table;
  std::set<std::pair<std::uint32_t, std::uint16_t>> taken;
  for (unsigned n = 0; n < 12; ++n) {
    NatSession& s = opened(table, nat_request(table, client(n), 1, 3, 4));
    if (s.protocol == wire::kIpProtoTcp)
      establish(table, s);
    else
      table.track(s, NatSide::kBackend, 0, 0, 0, 0);
    EXPECT_EQ(s.state, NatState::kEstablished);
    EXPECT_TRUE(taken.emplace(s.word0[kNatLocal], local_port(s)).second);
  }
  EXPECT_EQ(table.open(nat_request(table, client(12), 1, 3, 4), 0).outcome, NatOutcome::kNoPort);
  EXPECT_EQ(table.stats().no_port.value(), 1U);
  EXPECT_EQ(table.open(nat_request(table, client(12), 2, 3, 4), 0).outcome, NatOutcome::kOpened)
      << "the same ports serve another backend";
}

INSTANTIATE_TEST_SUITE_P(Families, BothFamilies,
                         testing::Combine(testing::Values(4, 6),
                                          testing::Values(wire::kIpProtoTcp, wire::kIpProtoUdp)));

TEST(NatTable, AFullTableIsNotAnExhaustedRange) {
  NatRig table({.sessions = 8, .port_sets = 4});
  for (unsigned n = 0; n < 8; ++n)
    establish(table, opened(table, nat_request(table, nat_client(n), 1)));
  EXPECT_EQ(table.open(nat_request(table, nat_client(8), 1), 0).outcome, NatOutcome::kTableFull);
  EXPECT_EQ(table.stats().table_full.value(), 1U);
  EXPECT_EQ(table.stats().no_port.value(), 0U);
  EXPECT_EQ(table.stats().evicted.value(), 0U);
}

TEST(NatTable, MoreEndpointsThanSetsOfPortsAreAFullTable) {
  NatRig table({.sessions = 8, .port_sets = 2});
  opened(table, nat_request(table, nat_client(1), 1));
  opened(table, nat_request(table, nat_client(2), 2));
  EXPECT_EQ(table.open(nat_request(table, nat_client(3), 3), 0).outcome, NatOutcome::kTableFull);
  sweep(table, kNatNewTicks + 1);
  EXPECT_EQ(table.open(nat_request(table, nat_client(3), 3), 0).outcome, NatOutcome::kOpened);
}

// Floods.

TEST(NatTable, AFloodOfSynsDisplacesNothingButItself) {
  NatRig table({.sessions = 64, .port_sets = 4});
  for (unsigned n = 0; n < 40; ++n) {
    NatSession& s = opened(table, nat_request(table, nat_client(n), 1));
    establish(table, s);
    if (n % 4 == 1) table.track(s, NatSide::kBackend, kFinAck, 1, 1, 0);
    if (n % 4 == 2) table.track(s, NatSide::kClient, kTcpRst, 1, 1, 0);
  }
  for (unsigned n = 1000; n < 3000; ++n) {
    NatSession& s = opened(table, nat_request(table, nat_client(n), 1));
    // An attacker who does not see the answers cannot acknowledge them.
    table.track(s, NatSide::kBackend, kSynAck, 77 + (n << 17), kClientIsn + 1, 0);
    table.track(s, NatSide::kClient, kTcpAck, kClientIsn + 1, 5, 0);
  }
  for (unsigned n = 0; n < 40; ++n)
    EXPECT_NE(table.from(NatSide::kClient, nat_client(n)), nullptr) << n;
  EXPECT_EQ(table.stats().evicted.value(), 2000U - 24);
  EXPECT_EQ(table.sessions(), 64U);
  NatSession& honest = opened(table, nat_request(table, nat_client(50), 1));
  establish(table, honest);
}

TEST(NatTable, AFloodThatHoldsAllPortsGivesTheOldestToTheNextClient) {
  NatRig table;
  NatSession& kept = opened(table, nat_request(table, nat_client(0), 1, 1, 4));
  establish(table, kept);
  for (unsigned n = 1; n < 100; ++n) opened(table, nat_request(table, nat_client(n), 1, 1, 4));
  EXPECT_EQ(table.stats().evicted.value(), 96U);
  EXPECT_EQ(table.sessions(), 4U);
  for (unsigned n = 97; n < 100; ++n)
    EXPECT_NE(table.from(NatSide::kClient, nat_client(n)), nullptr);
  EXPECT_EQ(table.from(NatSide::kClient, nat_client(0)), &kept);
}

// Ends of connections.

TEST(NatTable, ALocalPortRestsForSixtySecondsTowardsTheSameEndpoint) {
  for (const bool reset : {false, true}) {
    NatRig table;
    NatSession& s = opened(table, nat_request(table, nat_client(1), 1, 1, 1));
    establish(table, s);
    if (reset) {
      table.track(s, NatSide::kBackend, kTcpRst, 1, 1, 100);
    } else {
      table.track(s, NatSide::kBackend, kFinAck, 1, 1, 99);
      EXPECT_EQ(s.state, NatState::kBackendFinished);
      table.track(s, NatSide::kClient, kFinAck, 1, 1, 100);
    }
    EXPECT_EQ(s.state, NatState::kClosing);
    const NatRequest next = nat_request(table, nat_client(2), 1, 1, 1);
    // A tick is two seconds, and the first of them may be all but over.
    for (const Tick now : {Tick{100}, Tick{115}, Tick{130}}) {
      sweep(table, now);
      EXPECT_EQ(table.open(next, now).outcome, NatOutcome::kNoPort) << now;
    }
    sweep(table, 131);
    EXPECT_EQ(table.open(next, 131).outcome, NatOutcome::kOpened);
  }
}

// A client acknowledges the SYN of the session that it accepts, perhaps with data behind it.
TEST(NatTable, AnAcknowledgementIsAcceptedOnlyOfTheSessionsOwnSynAndOnlyOnceThatHasCome) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1));
  EXPECT_FALSE(NatTable::accepts(s, kBackendIsn + 1)) << "nothing was answered yet";
  for (const std::uint32_t isn : {0U, 1U, 0x7fffffffU, 0xfffffffeU, 0xffffffffU}) {
    table.track(s, NatSide::kBackend, kSynAck, isn, kClientIsn + 1, 0);
    EXPECT_FALSE(NatTable::accepts(s, isn - 1)) << isn;
    EXPECT_FALSE(NatTable::accepts(s, isn)) << isn;
    EXPECT_TRUE(NatTable::accepts(s, isn + 1)) << isn;
    EXPECT_TRUE(NatTable::accepts(s, isn + 1 + 65535)) << isn << ": data came at once";
    EXPECT_FALSE(NatTable::accepts(s, isn + 0x80000000U)) << isn;
  }
  table.track(s, NatSide::kClient, kTcpAck, kClientIsn + 1, 0, 0);
  ASSERT_EQ(s.state, NatState::kEstablished);
  EXPECT_FALSE(NatTable::accepts(s, 0)) << "it is open: there is nothing to accept";
}

TEST(NatTable, PacketsAfterAResetKeepTheConnection) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1));
  establish(table, s);
  table.track(s, NatSide::kClient, kTcpRst, 1, 1, 0);
  for (Tick now = 20; now < 400; now = static_cast<Tick>(now + 20)) {
    table.track(s, NatSide::kBackend, kTcpAck, 1, 1, now);
    sweep(table, now);
    ASSERT_EQ(table.from(NatSide::kClient, nat_client(1)), &s) << now;
  }
}

TEST(NatTable, AClientThatHasFinishedMayReadOnForAsLongAsAnyConnection) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1));
  establish(table, s);
  table.track(s, NatSide::kClient, kFinAck, 1, 1, 0);
  table.track(s, NatSide::kClient, kFinAck, 1, 1, 0);  // sent again
  EXPECT_EQ(s.state, NatState::kClientFinished);
  sweep(table, kTimeouts.tcp);
  EXPECT_EQ(table.sessions(), 1U);
  sweep(table, kTimeouts.tcp + 1);
  EXPECT_EQ(table.sessions(), 0U);
  EXPECT_EQ(table.stats().expired.value(), 1U);
}

TEST(NatTable, ARefusedConnectionEndsSoon) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1, 1, 1));
  table.track(s, NatSide::kBackend, kTcpRst | kTcpAck, 0, kClientIsn + 1, 0);
  EXPECT_EQ(s.state, NatState::kNew);
  EXPECT_EQ(table.open(nat_request(table, nat_client(2), 1, 1, 1), 0).outcome, NatOutcome::kOpened)
      << "nobody needs the port any more";
}

TEST(NatTable, UnansweredDatagramsLiveShorterThanAConversation) {
  NatRig table;
  opened(table, nat_request(table, nat_client(1, wire::kIpProtoUdp), 1));
  NatSession& talk = opened(table, nat_request(table, nat_client(2, wire::kIpProtoUdp), 1));
  table.track(talk, NatSide::kBackend, 0, 0, 0, 0);
  sweep(table, kNatUnansweredUdpTicks);
  EXPECT_EQ(table.sessions(), 2U);
  sweep(table, kNatUnansweredUdpTicks + 1);
  EXPECT_EQ(table.sessions(), 1U);
  sweep(table, kTimeouts.udp);
  EXPECT_EQ(table.sessions(), 1U);
  sweep(table, kTimeouts.udp + 1);
  EXPECT_EQ(table.sessions(), 0U);
}

TEST(NatTable, ARetiredSessionLeavesItsClientAndKeepsItsPort) {
  NatRig table;
  NatSession& old = opened(table, nat_request(table, nat_client(1), 1, 1, 2));
  establish(table, old);
  const FlowKey back = nat_key(old, NatSide::kBackend);
  table.retire(old, 50);
  table.retire(old, 50);  // twice is once
  EXPECT_EQ(table.from(NatSide::kClient, nat_client(1)), nullptr);
  EXPECT_EQ(table.from(NatSide::kBackend, back), &old);
  NatSession& next = opened(table, nat_request(table, nat_client(1), 1, 1, 2), 50);
  EXPECT_NE(local_port(next), local_port(old));
  EXPECT_EQ(table.from(NatSide::kClient, nat_client(1)), &next);
  sweep(table, 81);
  EXPECT_EQ(table.sessions(), 0U);
  EXPECT_EQ(table.from(NatSide::kBackend, back), nullptr);
}

TEST(NatTable, AClosingSessionBegunAgainIsANewConnectionOnItsPort) {
  NatRig table;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1, 1, 1));
  establish(table, s);
  table.track(s, NatSide::kClient, kTcpRst, 1, 1, 0);
  const auto serial = s.serial;
  table.reopen(s, 5);
  EXPECT_EQ(s.state, NatState::kNew);
  EXPECT_NE(s.serial, serial);
  EXPECT_EQ(table.from(NatSide::kClient, nat_client(1)), &s);
  table.track(s, NatSide::kClient, kTcpSyn, kClientIsn, 0, 5);
  establish(table, s, 5);
}

TEST(NatTable, TheClockMayWrapBetweenPacketAndSweep) {
  NatRig table;
  const Tick start = kTickMask - 3;
  NatSession& s = opened(table, nat_request(table, nat_client(1), 1), start);
  establish(table, s, start);
  sweep(table, (start + kTimeouts.tcp) & kTickMask);
  EXPECT_EQ(table.sessions(), 1U);
  sweep(table, (start + kTimeouts.tcp + 1) & kTickMask);
  EXPECT_EQ(table.sessions(), 0U);
}

TEST(NatTable, AHundredThousandConnectionsInTurnFitAHundredSessions) {
  NatRig table({.sessions = 100, .port_sets = 2});
  Tick now = 0;
  for (unsigned n = 0; n < 100000; ++n) {
    establish(table, opened(table, nat_request(table, nat_client(n), n % 2), now), now);
    table.track(*table.from(NatSide::kClient, nat_client(n)), NatSide::kClient, kTcpRst, 1, 1, now);
    if (n % 100 != 99) continue;
    now = (now + kNatClosingTicks + 1) & kTickMask;
    sweep(table, now);
    ASSERT_EQ(table.sessions(), 0U) << n;
  }
  EXPECT_EQ(table.stats().evicted.value(), 0U);
}

}  // namespace
}  // namespace sluice::flow
