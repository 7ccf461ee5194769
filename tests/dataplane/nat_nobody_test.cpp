// SPDX-License-Identifier: Apache-2.0
// NAT sessions of a pool whose table is empty: nobody takes new flows, and what goes on is known to
// the session alone, perhaps another worker's.
#include "dataplane/nat.hpp"

#include "dataplane/nat_family.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kListens;
using test::kSynAck;
using test::Packet;
using test::Rig;
using Family = test::NatFamily;
using wire::kTcpRst;
using wire::kTcpSyn;

/// Three workers; the first has an established connection of the pool's one backend.
class NatWithoutATable : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    port = test::connect(owner(), *before, f);
    answer();
    const auto sent = owner().one(*before, from_client());
    ASSERT_EQ(sent.verdict, Verdict::kForward);
    auto in = f.input();
    in.generation = 2;
    in.pools[0].backends[0].down = true;
    down = test::built(in);
    in = f.input();
    in.generation = 2;
    in.pools[0].backends[0].draining = true;
    draining = test::built(in);
  }
  void answer() {
    const auto got = owner().one(
        *before,
        f.from_backend().tcp(kListens, port, kSynAck).sequence(5000).acknowledgement(1001));
    ASSERT_EQ(got.verdict, Verdict::kForward);
  }
  [[nodiscard]] Rig& owner() { return workers[0]; }
  [[nodiscard]] Packet from_client() const {
    return f.from_client().tcp(40000, 443).sequence(1001).acknowledgement(5001).payload(9);
  }
  [[nodiscard]] std::string to_backend() const {
    return test::hex(
        Bytes(f.to_backend().tcp(port, kListens).sequence(1001).acknowledgement(5001).payload(9)));
  }
  [[nodiscard]] std::string reset_to_client() const {
    Packet p = f.ip(f.hosts.vip, f.hosts.client, Packet().eth(test::kClientMac, test::kOwnMac));
    if (f.v4()) p.df();
    return test::hex(Bytes(p.tcp(443, 40000, kTcpRst).sequence(5001).window(0)));
  }
  /// One packet that the second worker receives, handed on to where it is judged.
  [[nodiscard]] test::Handled from_the_second(const snapshot::Snapshot& now, const Packet& packet) {
    workers[1].port = 3;
    const std::vector<Bytes> sent{packet};
    EXPECT_TRUE(workers[1].burst(now, sent).empty()) << "it does not know";
    EXPECT_TRUE(workers[2].taken(now, 1).empty()) << "nor does the third";
    const auto judged = owner().taken(now, 2);
    EXPECT_EQ(judged.size(), 1U);
    return judged.empty() ? test::Handled{} : judged.front();
  }

  Family f{GetParam()};
  std::unique_ptr<HandOver> rings = HandOver::create(3).value();
  std::array<Rig, 3> workers{Rig(1024, {3, 0}, rings.get()), Rig(1024, {3, 1}, rings.get()),
                             Rig(1024, {3, 2}, rings.get())};
  std::unique_ptr<const snapshot::Snapshot> before = test::built(f.input());
  std::unique_ptr<const snapshot::Snapshot> down;
  std::unique_ptr<const snapshot::Snapshot> draining;
  std::uint16_t port = 0;
};
INSTANTIATE_TEST_SUITE_P(Families, NatWithoutATable, testing::Values(4, 6));

TEST_P(NatWithoutATable, AClientWhoseBackendIsDownIsResetByTheWorkerThatHasItsSession) {
  for (int n = 0; n < 3; ++n) {
    const auto told = from_the_second(*down, from_client());
    EXPECT_EQ(told.verdict, Verdict::kAnsweredReset);
    EXPECT_EQ(test::hex(told.bytes), reset_to_client());
    EXPECT_EQ(told.port, 3U) << "back where it came from, not where its owner receives";
  }
}

TEST_P(NatWithoutATable, WhatNobodyKnowsGoesRoundOnceAndIsRefusedAtItsEnd) {
  const auto stray = from_the_second(*down, f.from_client().tcp(40001, 443).payload(1));
  EXPECT_EQ(stray.verdict, Verdict::kNoBackend);
  for (unsigned to = 0; to < workers.size(); ++to)
    for (unsigned from = 0; from < workers.size(); ++from)
      if (from != to) {
        EXPECT_TRUE(workers[to].taken(*down, from).empty()) << "it goes no further";
      }
}

TEST_P(NatWithoutATable, WhatBeginsOrEndsIsRefusedWhereItComes) {
  for (const auto* now : {down.get(), draining.get()})
    for (const auto flags : {kTcpSyn, kTcpRst}) {
      const std::vector<Bytes> sent{f.from_client().tcp(40002, 443, flags)};
      const auto judged = workers[1].burst(*now, sent);
      ASSERT_EQ(judged.size(), 1U) << "nobody is asked";
      EXPECT_EQ(judged[0].verdict, Verdict::kNoBackend);
    }
}

TEST_P(NatWithoutATable, TheSessionOfABackendThatDrainsGoesOnAtItsWorkerAndByWayOfAnother) {
  const auto direct = owner().one(*draining, from_client());
  EXPECT_EQ(direct.verdict, Verdict::kForward);
  EXPECT_EQ(test::hex(direct.bytes), to_backend());
  const auto round = from_the_second(*draining, from_client());
  EXPECT_EQ(round.verdict, Verdict::kForward);
  EXPECT_EQ(test::hex(round.bytes), to_backend());
  const auto back = owner().one(
      *draining, f.from_backend().tcp(kListens, port).sequence(5001).acknowledgement(1010));
  EXPECT_EQ(back.verdict, Verdict::kForward);
}

TEST_P(NatWithoutATable, ItsAnswerAtAnotherWorkerFindsItsSessionToo) {
  const std::vector<Bytes> answered{f.from_backend().tcp(kListens, port).payload(4)};
  EXPECT_TRUE(workers[2].burst(*draining, answered).empty());
  const auto got = owner().taken(*draining, 2);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].verdict, Verdict::kForward);
  EXPECT_BYTES(got[0].bytes, f.to_client().tcp(443, 40000).payload(4));
}

TEST_P(NatWithoutATable, ABackendThatDrainedAndWentDownHasItsClientReset) {
  EXPECT_EQ(owner().one(*draining, from_client()).verdict, Verdict::kForward);
  EXPECT_EQ(from_the_second(*down, from_client()).verdict, Verdict::kAnsweredReset);
  EXPECT_EQ(owner().one(*down, from_client()).verdict, Verdict::kAnsweredReset);
}

}  // namespace
}  // namespace sluice::dataplane
