// SPDX-License-Identifier: Apache-2.0
// NAT sessions whose backend is down: what becomes of their packets.
#include "dataplane/nat.hpp"

#include "dataplane/nat_family.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kBackendMac;
using test::kListens;
using test::kSynAck;
using test::Packet;
using test::Rig;
using test::source_port;
using Family = test::NatFamily;
using wire::kTcpAck;
using wire::kTcpRst;
using wire::kTcpSyn;

/// Two backends, of which those of `down` are, listening on kListens.
snapshot::Input two(const Family& f, std::initializer_list<unsigned> down = {}) {
  auto in = f.input();
  auto& backends = in.pools[0].backends;
  backends.push_back(backends[0]);
  backends[1].name = "c";
  backends[1].number = 8;
  backends[1].address = test::ip(f.v4() ? "10.0.1.8" : "2001:db8:1::8");
  for (const unsigned number : down) backends[number - 7].down = true;
  in.generation = 2 + down.size();
  return in;
}

class NatBackendDown : public testing::TestWithParam<int> {
 protected:
  /// An established connection, and tables by which its backend is down.
  void SetUp() override {
    const auto out = rig.one(*before, f.from_client().tcp(40000, 443, kTcpSyn).sequence(1000));
    home = out.backend;
    port = source_port(out.bytes);
    from_home = home == 7 ? f.hosts.backend : (f.v4() ? "10.0.1.8" : "2001:db8:1::8");
    rig.one(*before, backend_says(kSynAck).sequence(5000).acknowledgement(1001));
    rig.one(*before, from_client());
    during = test::built(two(f, {home}));
  }
  [[nodiscard]] Packet backend_says(std::uint8_t flags = kTcpAck) const {
    return f.ip(from_home.c_str(), f.hosts.local, Packet().eth(test::kOwnMac, kBackendMac))
        .tcp(kListens, port, flags);
  }
  [[nodiscard]] Packet from_client() const {
    return f.from_client().tcp(40000, 443).sequence(1001).acknowledgement(5001).payload(9);
  }
  [[nodiscard]] std::string reset_to_client() const {
    Packet p = f.ip(f.hosts.vip, f.hosts.client, Packet().eth(test::kClientMac, test::kOwnMac));
    if (f.v4()) p.df();
    return test::hex(Bytes(p.tcp(443, 40000, kTcpRst).sequence(5001).window(0)));
  }

  Family f{GetParam()};
  Rig rig;
  std::unique_ptr<const snapshot::Snapshot> before = test::built(two(f));
  std::unique_ptr<const snapshot::Snapshot> during;
  unsigned home = 0;
  std::uint16_t port = 0;
  std::string from_home;
};
INSTANTIATE_TEST_SUITE_P(Families, NatBackendDown, testing::Values(4, 6));

TEST_P(NatBackendDown, ItsClientIsResetByEachPacketThatItSends) {
  rig.port = 3;
  for (int n = 0; n < 3; ++n) {
    const auto told = rig.one(*during, from_client());
    EXPECT_EQ(told.verdict, Verdict::kAnsweredReset);
    EXPECT_EQ(told.port, 3U) << "back where it came from";
    EXPECT_EQ(test::hex(told.bytes), reset_to_client());
  }
  EXPECT_EQ(rig.one(*during, f.from_client().tcp(40000, 443, kTcpRst)).verdict,
            Verdict::kNoNatSession)
      << "an RST is not answered";
}

TEST_P(NatBackendDown, ItsClientIsResetAlsoWhenNobodyElseIsThere) {
  const auto nobody = test::built(two(f, {7, 8}));
  rig.port = 3;
  for (int n = 0; n < 3; ++n) {
    const auto told = rig.one(*nobody, from_client());
    EXPECT_EQ(told.verdict, Verdict::kAnsweredReset);
    EXPECT_EQ(told.port, 3U);
    EXPECT_EQ(test::hex(told.bytes), reset_to_client());
  }
  EXPECT_EQ(rig.one(*nobody, f.from_client().tcp(40000, 443, kTcpRst)).verdict,
            Verdict::kNoBackend);
  const auto syn = rig.one(*nobody, f.from_client().tcp(40001, 443, kTcpSyn));
  EXPECT_EQ(syn.verdict, Verdict::kNoBackend) << "whoever begins is not told anything";
  EXPECT_EQ(rig.one(*nobody, f.from_client().tcp(40002, 443)).verdict, Verdict::kNoBackend)
      << "no connection of ours";
}

TEST_P(NatBackendDown, ASynOnItsPortsOpensAConnectionToAnother) {
  const auto again = rig.one(*during, f.from_client().tcp(40000, 443, kTcpSyn).sequence(9000));
  EXPECT_EQ(again.verdict, Verdict::kForward);
  EXPECT_NE(again.backend, home);
  EXPECT_TRUE(again.new_flow);
  EXPECT_EQ(rig.one(*during, f.from_client().tcp(40000, 443)).backend, again.backend);
  EXPECT_EQ(rig.one(*during, backend_says()).verdict, Verdict::kNoNatSession)
      << "nobody waits for the old one";
}

TEST_P(NatBackendDown, WhatItStillSendsArrives) {
  EXPECT_EQ(rig.one(*during, backend_says().payload(5)).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*during, from_client()).verdict, Verdict::kAnsweredReset);
}

TEST_P(NatBackendDown, AConnectionThatIsSilentMeanwhileLivesOn) {
  EXPECT_EQ(rig.one(*before, from_client()).verdict, Verdict::kForward);
  EXPECT_EQ(rig.one(*before, from_client()).backend, home);
}

TEST_P(NatBackendDown, ItsDatagramsGoToAnother) {
  const auto out = rig.one(*before, f.from_client().udp(40000, 443).payload(7));
  const auto other =
      rig.one(*test::built(two(f, {out.backend})), f.from_client().udp(40000, 443).payload(7));
  EXPECT_EQ(other.verdict, Verdict::kForward);
  EXPECT_NE(other.backend, out.backend);
}

TEST_P(NatBackendDown, ASynThatItDidNotAnswerGoesToAnotherWhenSentAgain) {
  const Packet syn = f.from_client().tcp(40001, 443, kTcpSyn).sequence(1);
  const auto first = rig.one(*before, syn);
  const auto second = rig.one(*test::built(two(f, {first.backend})), syn);
  EXPECT_EQ(second.verdict, Verdict::kForward);
  EXPECT_NE(second.backend, first.backend);
}

}  // namespace
}  // namespace sluice::dataplane
