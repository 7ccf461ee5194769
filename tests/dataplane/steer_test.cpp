// SPDX-License-Identifier: Apache-2.0
// Packets that do not name their flow by themselves: fragments, and ICMP errors that quote it.
// Whole packets of a flow are affinity_test.cpp's subject.
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;
using test::Rig;

class Steer : public testing::TestWithParam<int> {
 protected:
  /// TCP 443 and UDP 443 on the VIP, to `backends` backends.
  static snapshot::Input input(unsigned backends) {
    auto made = test::input(
        {test::pool("p", test::backends(backends)), test::pool("other", test::backends(3, 100))},
        {test::service("web", vip(), 443), test::service("quic", vip(), 443, 0, wire::kIpProtoUdp),
         test::service("dns", vip(), 53, 1, wire::kIpProtoUdp)});
    return made;
  }
  [[nodiscard]] static bool v4() { return GetParam() == 4; }
  static const char* vip() { return v4() ? "203.0.113.10" : "2001:db8:a::10"; }
  static std::string client(unsigned n) {
    return v4() ? fmt::format("198.51.{}.{}", n / 256, n % 256)
                : fmt::format("2001:db8:c::{:x}", n);
  }
  static Packet between(const std::string& from, const std::string& to) {
    Packet p;
    p.eth();
    return v4() ? p.ipv4(from, to) : p.ipv6(from, to);
  }
  static Packet from_client(unsigned n) { return between(client(n), vip()); }
  static Packet fragment(unsigned n, unsigned id, std::uint16_t offset, bool more,
                         std::uint8_t protocol = wire::kIpProtoUdp) {
    Packet p = from_client(n);
    if (v4())
      p.id(static_cast<std::uint16_t>(id)).fragment(offset, more);
    else
      p.fragment_header(offset, more, id);
    return offset == 0 ? p : p.protocol(protocol);
  }
  static Bytes first(unsigned n, unsigned id, std::uint16_t port = 40000) {
    return fragment(n, id, 0, true).udp(port, 443).payload(800);
  }
  static Bytes later(unsigned n, unsigned id, std::uint16_t offset = 101, bool more = true) {
    return fragment(n, id, offset, more).payload(800);
  }
  unsigned backend_of(const snapshot::Snapshot& now, const Bytes& packet) {
    const auto got = rig.one(now, packet);
    EXPECT_EQ(got.verdict, Verdict::kForward);
    return got.backend;
  }
  Rig rig;
};

TEST_P(Steer, FragmentsInOrderGoWhereTheirFlowGoes) {
  const auto now = test::built(input(7));
  for (unsigned n = 0; n < 200; ++n) {
    const auto flow = backend_of(*now, from_client(n).udp(40000, 443).payload(9));
    EXPECT_EQ(backend_of(*now, first(n, 1000 + n)), flow);
    EXPECT_EQ(backend_of(*now, later(n, 1000 + n)), flow);
    EXPECT_EQ(backend_of(*now, later(n, 1000 + n, 201, false)), flow);
  }
}

TEST_P(Steer, FragmentsOfADatagramStayTogetherWhateverTheirOrder) {
  const auto now = test::built(input(7));
  std::mt19937 random(1);
  for (unsigned n = 0; n < 200; ++n) {
    std::vector<Bytes> parts = {first(n, n), later(n, n), later(n, n, 201),
                                later(n, n, 301, false)};
    std::ranges::shuffle(parts, random);
    std::set<unsigned> backends;
    for (const auto& part : parts) backends.insert(backend_of(*now, part));
    EXPECT_EQ(backends.size(), 1U) << n;
  }
}

TEST_P(Steer, FragmentsOfOneBurstStayTogether) {
  const auto now = test::built(input(7));
  std::vector<Bytes> parts;
  for (unsigned n = 0; n < 8; ++n)
    for (const auto& part : {later(n, n), first(n, n), later(n, n, 201), later(n, n, 301, false)})
      parts.push_back(part);
  const auto got = rig.burst(*now, parts);
  for (std::size_t i = 0; i < parts.size(); ++i)
    EXPECT_EQ(got[i].backend, got[i / 4 * 4].backend) << i;
}

TEST_P(Steer, DatagramsOfOneFlowEachFollowTheirFlowAgain) {
  const auto now = test::built(input(7));
  const auto flow = backend_of(*now, from_client(1).udp(40000, 443));
  for (unsigned id = 1; id < 100; ++id) {
    EXPECT_EQ(backend_of(*now, first(1, id)), flow);
    EXPECT_EQ(backend_of(*now, later(1, id)), flow);
  }
}

TEST_P(Steer, AFragmentedDatagramStaysTogetherWhileTheTableChanges) {
  const auto before = test::built(input(7));
  const auto after = test::built(input(14));
  for (unsigned n = 0; n < 200; ++n) {
    const auto at = backend_of(*before, later(n, n));
    EXPECT_EQ(backend_of(*after, first(n, n)), at);
    EXPECT_EQ(backend_of(*after, later(n, n, 201, false)), at);
  }
}

TEST_P(Steer, FragmentsOfABackendThatIsDownGoToAnother) {
  auto in = input(7);
  const auto before = test::built(in);
  const auto at = backend_of(*before, first(3, 3));
  in.pools[0].backends[at - 1].down = true;
  const auto after = test::built(std::move(in));
  const auto next = backend_of(*after, first(3, 3));
  EXPECT_NE(next, at);
  EXPECT_EQ(backend_of(*after, later(3, 3)), next);
}

TEST_P(Steer, FragmentsAreForgottenAfterThirtySeconds) {
  const auto before = test::built(input(7));
  const auto after = test::built(input(1));
  const auto at = backend_of(*before, later(3, 3));
  ASSERT_NE(at, 1U) << "choose another client";
  rig.tick = kFragmentTicks + 1;
  EXPECT_EQ(backend_of(*after, later(3, 3)), 1U);
}

TEST_P(Steer, LaterFragmentsOfAnotherProtocolAreLinuxs) {
  const auto now = test::built(input(7));
  const Bytes packet = fragment(1, 1, 101, true, 132).payload(80);
  EXPECT_EQ(rig.one(*now, packet).verdict, Verdict::kHost);
}

TEST_P(Steer, FirstFragmentForNoServiceIsLinuxs) {
  const auto now = test::built(input(7));
  EXPECT_EQ(rig.one(*now, fragment(1, 1, 0, true).udp(40000, 9999).payload(80)).verdict,
            Verdict::kHost);
}

TEST_P(Steer, AnAtomicFragmentIsAWholePacket) {
  if (v4()) {  // an id without more fragments: nothing about it is a fragment
    const auto now = test::built(input(7));
    EXPECT_EQ(backend_of(*now, from_client(1).id(9).udp(40000, 443)),
              backend_of(*now, from_client(1).udp(40000, 443)));
    return;
  }
  const auto now = test::built(input(7));
  for (unsigned n = 0; n < 50; ++n)
    EXPECT_EQ(backend_of(*now, from_client(n).fragment_header(0, false, 7).udp(40000, 443)),
              backend_of(*now, from_client(n).udp(40000, 443)));
}

// ICMP errors.

TEST_P(Steer, ErrorsFollowTheFlowTheyQuote) {
  const auto before = test::built(input(7));
  const auto after = test::built(input(14));
  for (unsigned n = 0; n < 200; ++n) {
    const auto flow = backend_of(*before, from_client(n).tcp(40000, 443, wire::kTcpSyn));
    const Packet answer = between(vip(), client(n)).tcp(443, 40000).payload(100);
    Packet error = between(v4() ? "192.0.2.1" : "2001:db8:f::1", vip());
    error = v4() ? error.icmp(3, 4, 1400) : error.icmp(2, 0, 1400);
    EXPECT_EQ(backend_of(*after, error.quote(answer, v4() ? 28 : 48)), flow) << "8 bytes quoted";
    EXPECT_EQ(backend_of(*after, from_client(n).tcp(40000, 443)), flow);
  }
}

TEST_P(Steer, ErrorsOfEveryKindFollowAndCarryTheQuoteWhole) {
  const auto now = test::built(input(7));
  const auto flow = backend_of(*now, from_client(1).udp(40000, 443));
  const Packet answer = between(vip(), client(1)).udp(443, 40000).payload(500);
  for (const std::uint8_t type :
       v4() ? std::vector<std::uint8_t>{3, 4, 11, 12} : std::vector<std::uint8_t>{1, 2, 3, 4}) {
    const Bytes error =
        between(v4() ? "192.0.2.1" : "2001:db8:f::1", vip()).icmp(type, 0).quote(answer);
    const auto got = rig.one(*now, error);
    ASSERT_EQ(got.verdict, Verdict::kForward) << unsigned{type};
    EXPECT_EQ(got.backend, flow);
    const auto outer = test::strip_ethernet(got.bytes);
    const auto inner = outer.subspan(20);
    EXPECT_EQ(inner.size(), test::strip_ethernet(error).size());
    EXPECT_TRUE(test::l4_checksum_ok(inner));
  }
}

TEST_P(Steer, AnErrorMakesNoFlowAndKeepsNoneAlive) {
  const auto now = test::built(input(7));
  const Packet answer = between(vip(), client(1)).udp(443, 40000);
  const Bytes error = v4() ? between("192.0.2.1", vip()).icmp(3, 1).quote(answer)
                           : between("2001:db8:f::1", vip()).icmp(1, 1).quote(answer);
  EXPECT_FALSE(rig.one(*now, error).new_flow);
  EXPECT_EQ(rig.cache_stats().inserts.value(), 0U);
  rig.one(*now, from_client(1).udp(40000, 443));
  rig.one(*now, error);
  EXPECT_EQ(rig.cache_stats().hits.value(), 0U) << "a hit is what renews an entry";
}

TEST_P(Steer, ErrorAboutWhatTheServiceDidNotSendIsMalformed) {
  const auto now = test::built(input(7));
  const Packet foreign =
      between(v4() ? "203.0.113.99" : "2001:db8:a::99", client(1)).udp(443, 40000);
  const Bytes error = v4() ? between("192.0.2.1", vip()).icmp(3, 1).quote(foreign)
                           : between("2001:db8:f::1", vip()).icmp(1, 1).quote(foreign);
  EXPECT_EQ(rig.one(*now, error).verdict, Verdict::kMalformed);
}

TEST_P(Steer, ErrorAboutAPortWithoutAServiceIsLinuxs) {
  const auto now = test::built(input(7));
  const Packet ssh = between(vip(), client(1)).tcp(22, 40000);
  const Bytes error = v4() ? between("192.0.2.1", vip()).icmp(3, 4, 1400).quote(ssh)
                           : between("2001:db8:f::1", vip()).icmp(2, 0, 1400).quote(ssh);
  EXPECT_EQ(rig.one(*now, error).verdict, Verdict::kHost);
}

INSTANTIATE_TEST_SUITE_P(Families, Steer, testing::Values(4, 6),
                         [](const auto& about) { return fmt::format("V{}", about.param); });

}  // namespace
}  // namespace sluice::dataplane
