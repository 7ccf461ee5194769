// SPDX-License-Identifier: Apache-2.0
// What the two directions of NAT say of a backend.
#include "dataplane/nat_signals.hpp"

#include "dataplane/nat_family.hpp"
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kListens;
using test::kSynAck;
using test::Packet;
using test::Rig;
using wire::kTcpAck;
using wire::kTcpRst;
using wire::kTcpSyn;

constexpr std::uint64_t kCyclesOfMicro = Rig::kCyclesPerSecond / 1'000'000;
constexpr std::uint64_t kOneSecond = 1'000'000;  // microseconds
constexpr std::uint32_t kClientIsn = 1000;

class Translated : public testing::TestWithParam<int> {
 protected:
  test::Handled after(std::uint64_t micros, const Bytes& packet) {
    rig.cycles += micros * kCyclesOfMicro;
    return rig.one(*now, packet);
  }
  [[nodiscard]] Packet client(std::uint8_t flags, std::uint32_t number = kClientIsn) const {
    return f.from_client().tcp(40000, 443, flags).sequence(number).acknowledgement(5001);
  }
  [[nodiscard]] Packet backend(std::uint8_t flags) const {
    return f.from_backend()
        .tcp(kListens, port, flags)
        .sequence(5000)
        .acknowledgement(kClientIsn + 1);
  }
  void open() { port = test::connect(rig, *now, f, 40000, kClientIsn); }
  void accept(std::uint64_t micros = 0) {
    open();
    after(micros, backend(kSynAck));
    after(0, client(kTcpAck, kClientIsn + 1));
  }
  [[nodiscard]] const BackendSignals& seen() const { return rig.signals(7); }
  /// The clock's factor is a fraction of 2^32: times are right to a few millionths.
  static void expect_about(std::uint64_t actual, std::uint64_t wanted) {
    EXPECT_NEAR(static_cast<double>(actual), static_cast<double>(wanted),
                2 + static_cast<double>(wanted) * 1e-6);
  }

  test::NatFamily f{GetParam()};
  Rig rig;
  std::unique_ptr<const snapshot::Snapshot> now = test::built(f.input());
  std::uint16_t port = 0;
};
INSTANTIATE_TEST_SUITE_P(Families, Translated, testing::Values(4, 6));

TEST_P(Translated, HandshakeIsFromTheSynToTheBackendsSynAck) {
  open();
  after(300, backend(kSynAck));
  EXPECT_EQ(seen().handshakes.value(), 1U);
  expect_about(seen().handshake_us.value(), 300);
  after(90'000, client(kTcpAck, kClientIsn + 1));
  after(0, backend(kTcpAck));
  EXPECT_EQ(seen().handshakes.value(), 1U);
  EXPECT_EQ(seen().new_flows.value(), 1U);
}

TEST_P(Translated, ARepeatedSynAckIsTheSameHandshake) {
  open();
  after(300, backend(kSynAck));
  after(kOneSecond, backend(kSynAck));
  EXPECT_EQ(seen().handshakes.value(), 1U);
}

TEST_P(Translated, SynWithoutAnAnswerIsCountedWhenItComesAgain) {
  open();
  EXPECT_EQ(seen().syn_unanswered.value(), 0U);
  after(kOneSecond, client(kTcpSyn));
  after(2 * kOneSecond, client(kTcpSyn));
  EXPECT_EQ(seen().syn_unanswered.value(), 1U);
  EXPECT_EQ(seen().syn_repeats.value(), 1U);
  after(100, backend(kSynAck));
  EXPECT_EQ(seen().handshakes.value(), 1U);
  expect_about(seen().handshake_us.value(), 3 * kOneSecond + 100);
}

TEST_P(Translated, SynThatIsRepeatedThoughTheBackendHasAnsweredIsNotItsFault) {
  open();
  after(300, backend(kSynAck));
  after(kOneSecond, client(kTcpSyn));
  EXPECT_EQ(seen().syn_unanswered.value(), 0U);
  EXPECT_EQ(seen().syn_repeats.value(), 0U);
}

TEST_P(Translated, RstInsteadOfAConnectionIsARefusal) {
  open();
  after(100, backend(kTcpRst | kTcpAck));
  EXPECT_EQ(seen().resets.value(), 1U);
  EXPECT_EQ(seen().aborts.value(), 0U);
}

TEST_P(Translated, RstOnAConnectionIsAnAbortWheneverItComesAndOnlyOnce) {
  accept();
  after(0, client(kTcpAck, kClientIsn + 1).payload(1));
  after(0, backend(kTcpAck).payload(1));
  after(0, backend(kTcpRst));
  after(0, backend(kTcpRst));
  EXPECT_EQ(seen().resets.value(), 0U);
  EXPECT_EQ(seen().aborts.value(), 1U);
}

TEST_P(Translated, RstOfTheClientSaysNothing) {
  accept();
  after(0, client(kTcpRst, kClientIsn + 1));
  EXPECT_EQ(seen().resets.value(), 0U);
  EXPECT_EQ(seen().aborts.value(), 0U);
}

TEST_P(Translated, ResponseIsFromTheFirstDataToTheFirstAnswerWithData) {
  accept(250);
  after(7000, client(kTcpAck, kClientIsn + 1).payload(100));
  after(100, client(kTcpAck, kClientIsn + 101).payload(100));
  after(100, backend(kTcpAck));
  EXPECT_EQ(seen().responses.value(), 0U) << "an acknowledgement is no answer";
  after(4000, backend(kTcpAck).payload(10));
  EXPECT_EQ(seen().responses.value(), 1U);
  expect_about(seen().response_us.value(), 4200);
  after(50, client(kTcpAck, kClientIsn + 201).payload(100));
  after(50, backend(kTcpAck).payload(10));
  EXPECT_EQ(seen().responses.value(), 1U) << "of each connection the first";
}

TEST_P(Translated, WhatABackendSaysUnaskedIsNoResponse) {
  accept();
  after(0, backend(kTcpAck).payload(20));
  EXPECT_EQ(seen().responses.value(), 0U);
}

TEST_P(Translated, TheAddressOfTheClientBeforeItsDataIsNoData) {
  now = test::built(f.input(snapshot::ClientAddress::kProxyV2));
  accept();
  after(50'000, client(kTcpAck, kClientIsn + 1).payload(100));
  after(2000, backend(kTcpAck).payload(10));
  EXPECT_EQ(seen().responses.value(), 1U);
  expect_about(seen().response_us.value(), 2000);
}

TEST_P(Translated, DatagramsHaveResponsesToo) {
  const auto out = after(0, f.from_client().udp(40000, 443).payload(7));
  const std::uint16_t local = test::source_port(out.bytes);
  after(0, f.from_client().udp(40000, 443).payload(7));
  after(700, f.from_backend().udp(kListens, local).payload(9));
  after(700, f.from_backend().udp(kListens, local).payload(9));
  EXPECT_EQ(seen().responses.value(), 1U);
  expect_about(seen().response_us.value(), 700);
  EXPECT_EQ(seen().new_flows.value(), 1U);
}

TEST_P(Translated, UnreachableIsWhatTheBackendOrARouterSaysSoAndNoOtherError) {
  open();
  const Packet quoted = f.ip(f.hosts.local, f.hosts.backend, Packet())
                            .tcp(port, kListens, kTcpSyn)
                            .sequence(kClientIsn);
  const auto error = [&](const char* from, unsigned type, unsigned code) {
    return f.ip(from, f.hosts.local)
        .icmp(static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code), 1400)
        .quote(quoted, 60);
  };
  EXPECT_EQ(after(0, error(f.hosts.backend, f.v4() ? 3 : 1, f.v4() ? 3 : 4)).verdict,
            Verdict::kForward);
  EXPECT_EQ(seen().unreachables.value(), 1U);
  after(0, error(f.hosts.router, f.v4() ? 3 : 1, f.v4() ? 1 : 3));
  EXPECT_EQ(seen().unreachables.value(), 2U);
  after(0, f.v4() ? error(f.hosts.router, 3, 4) : error(f.hosts.router, 2, 0));
  after(0, error(f.hosts.router, f.v4() ? 11 : 3, 0));
  EXPECT_EQ(seen().unreachables.value(), 2U) << "too big, and time exceeded";
}

}  // namespace
}  // namespace sluice::dataplane
