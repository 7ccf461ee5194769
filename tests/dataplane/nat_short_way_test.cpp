// SPDX-License-Identifier: Apache-2.0
// NAT's short way does what the stages do: the same random bursts through both, compared in all
// that comes out and in all that is remembered.
#include "dataplane/nat_short_way.hpp"

#include "dataplane/both_ways.hpp"
#include "dataplane/nat_family.hpp"
#include "dataplane/nat_traffic.hpp"
#include "dataplane/stages.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::NatFamily;
using test::NatTraffic;
using test::Packet;
using test::Rig;

struct NatLoad {
  std::size_t flows;  ///< Of the cache, and sessions.
  unsigned clients;
  bool strangers;  ///< Only where no line of the cache is full: who never takes the way comes last.
};

class NatBothWays : public testing::TestWithParam<NatLoad> {};

TEST_P(NatBothWays, DoTheSame) {
  constexpr unsigned kWorlds = 8;
  constexpr unsigned kBursts = 600;
  for (unsigned seed = 1; seed <= kWorlds; ++seed) {
    std::mt19937 worlds(seed);
    auto now = test::built(test::nat_sites(worlds));
    Rig short_way(GetParam().flows);
    Rig stages(GetParam().flows);
    stages.by_stages = true;
    NatTraffic traffic(seed, GetParam().clients, GetParam().strangers);
    for (unsigned burst = 0; burst < kBursts; ++burst) {
      if (burst % 100 == 99) now = test::built(test::nat_sites(worlds));
      if (burst % 8 == 0) traffic.turn();
      std::vector<Bytes> packets(1 + traffic.pick(kBurst));
      for (Bytes& packet : packets) packet = traffic.next(short_way);
      const auto ticks = static_cast<flow::Tick>(traffic.pick(20) == 0 ? traffic.pick(9) : 0);
      const bool sweep = traffic.pick(20) == 0;
      const auto port = static_cast<std::uint16_t>(traffic.pick(40) == 0 ? 1 : 0);
      const std::size_t first = traffic.pick(30) == 0 ? 60 + traffic.pick(60) : SIZE_MAX;
      for (Rig* rig : {&short_way, &stages}) {
        rig->tick = static_cast<flow::Tick>((rig->tick + ticks) & flow::kTickMask);
        rig->cycles += 200'000;
        rig->port = port;
        rig->first_segment = first;
        if (sweep) rig->sweep_nat();
      }
      test::expect_same_outcomes(short_way.burst(*now, packets), stages.burst(*now, packets));
      if (burst % 4 == 0) test::expect_same_sessions(short_way.nat(), stages.nat());
      if (burst % 32 == 0) test::expect_same_flows(short_way.cache(), stages.cache());
      if (HasFailure()) FAIL() << "world " << seed << ", burst " << burst;
    }
    // Fragments that were kept.
    test::expect_same_outcomes(short_way.wait(*now, 100), stages.wait(*now, 100));
    test::expect_same_sessions(short_way.nat(), stages.nat());
    test::expect_same_counts(short_way, stages);
    if (HasFailure()) FAIL() << "world " << seed;
    EXPECT_GT(short_way.books().verdicts[0], kBursts);
  }
}

INSTANTIATE_TEST_SUITE_P(Caches, NatBothWays,
                         testing::Values(NatLoad{1U << 14, 2, true}, NatLoad{1U << 14, 20, true},
                                         NatLoad{64, 8, false}, NatLoad{1024, 8, false},
                                         NatLoad{1024, 100, false}));

/// Two workers, between whom packets go round until each is where its session is.
struct TwoWorkers {
  explicit TwoWorkers(bool by_stages) {
    for (Rig& rig : worker) rig.by_stages = by_stages;
  }

  std::vector<test::Handled> burst(const snapshot::Snapshot& now, unsigned at,
                                   std::span<const Bytes> packets) {
    auto all = worker[at].burst(now, packets);
    for (unsigned turn = 0; turn < 4; ++turn)
      for (const unsigned to : {1 - at, at})
        std::ranges::move(worker[to].taken(now, 1 - to), std::back_inserter(all));
    return all;
  }

  std::unique_ptr<HandOver> rings = std::move(HandOver::create(2).value());
  std::array<Rig, 2> worker{Rig(1U << 14, {2, 0}, rings.get()), Rig(1U << 14, {2, 1}, rings.get())};
};

TEST(ShortWayOfNat, DoesTheSameWithWhatAnotherWorkerHandsOver) {
  constexpr unsigned kBursts = 1500;
  std::mt19937 worlds(3);
  auto now = test::built(test::nat_sites(worlds));
  TwoWorkers short_way(false);
  TwoWorkers stages(true);
  NatTraffic traffic(3, 8, true);
  for (unsigned burst = 0; burst < kBursts; ++burst) {
    if (burst % 150 == 149) now = test::built(test::nat_sites(worlds));
    if (burst % 8 == 0) traffic.turn();
    const auto at = static_cast<unsigned>(traffic.pick(2));
    std::vector<Bytes> packets(1 + traffic.pick(kBurst));
    for (Bytes& packet : packets) packet = traffic.next(short_way.worker[traffic.pick(2)]);
    const auto ticks = static_cast<flow::Tick>(traffic.pick(20) == 0 ? 1 : 0);
    for (TwoWorkers* both : {&short_way, &stages})
      for (Rig& rig : both->worker) {
        rig.tick = static_cast<flow::Tick>(rig.tick + ticks);
        rig.cycles += 200'000;
      }
    test::expect_same_outcomes(short_way.burst(*now, at, packets), stages.burst(*now, at, packets));
    for (unsigned n = 0; n < 2; ++n)
      test::expect_same_sessions(short_way.worker[n].nat(), stages.worker[n].nat());
    if (HasFailure()) FAIL() << "burst " << burst;
  }
  for (const unsigned at : {0U, 1U, 0U}) {  // fragments that were kept, and go round once more
    for (TwoWorkers* both : {&short_way, &stages})
      for (Rig& rig : both->worker) rig.cycles += 100 * Rig::kCyclesPerSecond;
    test::expect_same_outcomes(short_way.burst(*now, at, {}), stages.burst(*now, at, {}));
  }
  for (unsigned n = 0; n < 2; ++n) test::expect_same_counts(short_way.worker[n], stages.worker[n]);
}

/// A connection or UDP flow that has been established, and the packets that follow.
class NatEstablished : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  void establish(snapshot::ClientAddress how = snapshot::ClientAddress::kNone) {
    now = test::built(f.input(how));
    port = test::source_port(by_stages(asked(wire::kTcpSyn, 8)));
    by_stages(answered(wire::kTcpSyn | wire::kTcpAck, 8, kIsn + 1));
    by_stages(asked(wire::kTcpAck, 0));  // with a PROXY header, where one is due
    by_stages(asked(wire::kTcpAck, 8));
    by_stages(answered(wire::kTcpAck, 8, kIsn + 1 + 60));
    by_stages(asked(wire::kTcpAck, 8));
  }

  [[nodiscard]] Bytes asked(std::uint8_t flags, std::size_t bytes) const {
    Packet p = f.from_client();
    if (udp) return p.udp(40000, 443).payload(bytes);
    const bool opens = (flags & wire::kTcpSyn) != 0;
    return p.tcp(40000, 443, flags)
        .sequence(kIsn + (opens ? 0 : 1) + (bytes != 0 && !opens ? 9 : 0))
        .acknowledgement(opens ? 0 : 1 + (bytes != 0 ? 5 : 0))
        .payload(opens ? 0 : bytes);
  }
  [[nodiscard]] Bytes answered(std::uint8_t flags, std::size_t bytes, std::uint32_t number) const {
    Packet p = f.from_backend();
    if (udp) return p.udp(test::kListens, port).payload(bytes);
    const bool opens = (flags & wire::kTcpSyn) != 0;
    return p.tcp(test::kListens, port, flags)
        .sequence(opens ? 0 : 1)
        .acknowledgement(number)
        .payload(opens ? 0 : bytes);
  }

  Bytes by_stages(const Bytes& packet) {
    Burst b = burst_of({&packet, 1});
    process_by_stages(b, *now, state);
    EXPECT_EQ(b.verdict[0], Verdict::kForward);
    Bytes out = test::bytes_of(b.packet[0]);
    rte_pktmbuf_free(b.packet[0]);
    return out;
  }
  /// Packets that took the short way.
  std::uint32_t taken(std::span<const Bytes> packets) {
    Burst b = burst_of(packets);
    const std::uint32_t all = (1U << packets.size()) - 1;
    const std::uint32_t left = take_nat_short_way(b, *now, state);
    for (std::size_t i = 0; i < packets.size(); ++i) rte_pktmbuf_free(b.packet[i]);
    return all & ~left;
  }
  static Burst burst_of(std::span<const Bytes> packets) {
    Burst b;
    b.size = static_cast<std::uint16_t>(packets.size());
    b.port = 0;
    b.taken = false;
    b.overdue = false;
    for (std::size_t i = 0; i < packets.size(); ++i) b.packet[i] = test::buffer_of(packets[i]);
    return b;
  }

  static constexpr std::uint32_t kIsn = 1000;
  NatFamily f{std::get<0>(GetParam())};
  bool udp = std::get<1>(GetParam());
  HeapMemory memory{4096};
  WorkerState state{memory.spans(), Rig::kCyclesPerSecond, 1};
  std::unique_ptr<const snapshot::Snapshot> now;
  std::uint16_t port = 0;
};

TEST_P(NatEstablished, TakesTheShortWayBothWays) {
  establish();
  const std::vector<Bytes> packets = {asked(wire::kTcpAck, 8), answered(wire::kTcpAck, 8, kIsn + 9),
                                      asked(wire::kTcpAck, 30),
                                      answered(wire::kTcpAck, 200, kIsn + 9)};
  EXPECT_EQ(taken(packets), 0xfU);
  state.tick = 3;  // the flow is not settled: its entry gets a new tick
  EXPECT_EQ(taken(packets), 0xfU);
}

TEST_P(NatEstablished, HasTakenItSinceTheHandshake) {
  now = test::built(f.input());
  port = test::source_port(by_stages(asked(wire::kTcpSyn, 8)));
  if (udp) {
    EXPECT_EQ(taken(std::vector<Bytes>{answered(0, 8, 0), asked(0, 8)}), 3U);
    return;
  }
  by_stages(answered(wire::kTcpSyn | wire::kTcpAck, 0, kIsn + 1));
  EXPECT_EQ(taken(std::vector<Bytes>{asked(wire::kTcpAck, 0), asked(wire::kTcpAck, 8),
                                     answered(wire::kTcpAck, 8, kIsn + 9)}),
            7U);
}

TEST_P(NatEstablished, WaitsForTheStagesBehindWhatTheyDecide) {
  establish();
  if (udp) return;
  const Bytes finished = asked(wire::kTcpFin | wire::kTcpAck, 0);
  const std::vector<Bytes> packets = {asked(wire::kTcpAck, 8), finished, asked(wire::kTcpAck, 8),
                                      answered(wire::kTcpAck, 8, kIsn + 9)};
  EXPECT_EQ(taken(packets), 1U);
}

TEST_P(NatEstablished, TakesItBehindAProxyHeaderThatHasArrived) {
  if (udp) return;
  establish(snapshot::ClientAddress::kProxyV2);
  EXPECT_EQ(
      taken(std::vector<Bytes>{asked(wire::kTcpAck, 8), answered(wire::kTcpAck, 8, kIsn + 1 + 60)}),
      3U);
}

TEST_P(NatEstablished, LeavesAllToTheStagesWhileChecksumsAreVerified) {
  establish();
  auto input = f.input();
  input.verify_checksums = true;
  now = test::built(input);
  EXPECT_EQ(taken(std::vector<Bytes>{asked(wire::kTcpAck, 8)}), 0U);
}

TEST_P(NatEstablished, IsKnownByTheFirstPacketOfABurst) {
  establish();
  const auto begins = [&](const Bytes& packet) {
    Burst b = burst_of({&packet, 1});
    const bool does = begins_with_nat(b, *now);
    rte_pktmbuf_free(b.packet[0]);
    return does;
  };
  EXPECT_TRUE(begins(asked(wire::kTcpAck, 8)));
  EXPECT_TRUE(begins(answered(wire::kTcpAck, 8, kIsn + 9)));
  EXPECT_FALSE(begins(f.ip(f.hosts.client, f.hosts.router).tcp(40000, 443)));
  EXPECT_FALSE(begins(Bytes(20)));
}

INSTANTIATE_TEST_SUITE_P(Families, NatEstablished,
                         testing::Combine(testing::Values(4, 6), testing::Bool()));

}  // namespace
}  // namespace sluice::dataplane
