// SPDX-License-Identifier: Apache-2.0
// Packets that do not name their flow by themselves: fragments, and ICMP errors that quote it.
// Whole packets of a flow are affinity_test.cpp's subject.
#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

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
  /// What became of them, in whatever order they were judged.
  std::vector<test::Handled> pass(const snapshot::Snapshot& now, const std::vector<Bytes>& parts) {
    std::vector<test::Handled> all;
    for (const auto& part : parts)
      std::ranges::move(rig.burst(now, {&part, 1}), std::back_inserter(all));
    return all;
  }
  static std::set<unsigned> backends_of(const std::vector<test::Handled>& handled) {
    std::set<unsigned> numbers;
    for (const auto& one : handled) {
      EXPECT_EQ(one.verdict, Verdict::kForward);
      numbers.insert(one.backend);
    }
    return numbers;
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

TEST_P(Steer, FragmentsGoWhereTheirFlowGoesWhateverTheirOrder) {
  const auto now = test::built(input(7));
  std::mt19937 random(1);
  for (unsigned n = 0; n < 200; ++n) {
    const auto flow = backend_of(*now, from_client(n).udp(40000, 443).payload(9));
    std::vector<Bytes> parts = {first(n, n), later(n, n), later(n, n, 201),
                                later(n, n, 301, false)};
    std::ranges::shuffle(parts, random);
    const auto got = pass(*now, parts);
    EXPECT_EQ(got.size(), parts.size()) << n;
    EXPECT_EQ(backends_of(got), std::set{flow}) << n;
  }
}

// An address has a service on UDP 443, whose pool the guess would be, and one on UDP 53.
TEST_P(Steer, FragmentsGoToTheServiceOfTheFirstOneWhateverTheirOrder) {
  const auto now = test::built(input(7));
  const auto head = [](unsigned n) { return fragment(n, n, 0, true).udp(40000, 53).payload(800); };
  for (unsigned n = 0; n < 50; ++n) {
    std::array<unsigned, 3> order{0, 1, 2};
    do {
      Rig fresh;
      const std::array<Bytes, 3> parts{head(n), later(n, n), later(n, n, 201, false)};
      std::vector<test::Handled> got;
      for (const unsigned part : order)
        std::ranges::move(fresh.burst(*now, {&parts[part], 1}), std::back_inserter(got));
      ASSERT_EQ(got.size(), 3U);
      EXPECT_EQ(backends_of(got).size(), 1U);
      EXPECT_GE(got[0].backend, 100U) << "a backend of the pool of UDP 53";
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_P(Steer, FragmentsOfOneBurstStayTogether) {
  const auto now = test::built(input(7));
  std::vector<Bytes> parts;
  std::map<std::string, unsigned> flow;
  for (unsigned n = 1; n < 9; ++n) {
    flow[client(n)] = backend_of(*now, from_client(n).udp(40000, 443).payload(9));
    for (const auto& part : {later(n, n), first(n, n), later(n, n, 201), later(n, n, 301, false)})
      parts.push_back(part);
  }
  const auto got = rig.burst(*now, parts);
  EXPECT_EQ(got.size(), parts.size());
  for (const auto& one : got) {
    ASSERT_EQ(one.verdict, Verdict::kForward);
    const auto inner = test::ip_of(test::strip_ipv4(test::strip_ethernet(one.bytes)));
    EXPECT_EQ(one.backend, flow[test::text(inner.source)]);
  }
}

TEST_P(Steer, EarlyFragmentsWaitForASecondAndGoByTheirAddressesThen) {
  const auto now = test::built(input(7));
  const std::vector<Bytes> parts = {later(1, 1), later(1, 1, 201)};
  EXPECT_TRUE(rig.burst(*now, parts).empty());
  EXPECT_EQ(rig.books().rx, 0U) << "what waits is in no book yet";
  EXPECT_TRUE(rig.wait(*now, 1).empty());
  const auto late = rig.wait(*now, 1);
  EXPECT_EQ(late.size(), 2U);
  const auto guessed = backends_of(late);
  EXPECT_EQ(guessed.size(), 1U);
  EXPECT_EQ(std::set{backend_of(*now, first(1, 1))}, guessed) << "the first one follows";
  EXPECT_EQ(std::set{backend_of(*now, later(1, 1, 301, false))}, guessed);
}

TEST_P(Steer, OfManyEarlyFragmentsTheLatestAreKeptAndNoneIsDropped) {
  const auto now = test::built(input(7));
  std::vector<Bytes> early;
  for (unsigned id = 0; id < 100; ++id) early.push_back(later(1, id));
  const auto gone_on = rig.run(*now, early);
  EXPECT_EQ(gone_on.size(), 100U - HeldFragments::kMost);
  EXPECT_EQ(backends_of(gone_on).size(), 1U) << "by addresses alone";
  for (unsigned id = 99; id >= 100 - HeldFragments::kMost; --id)
    EXPECT_EQ(pass(*now, {first(1, id)}).size(), 2U) << id;
}

TEST_P(Steer, AFirstFragmentThatIsRefusedLetsNobodyGoOn) {
  auto limited = input(7);
  limited.services[1].limits.new_flows_per_second = 1;
  const auto now = test::built(std::move(limited));
  EXPECT_EQ(rig.one(*now, first(1, 1)).verdict, Verdict::kForward);
  EXPECT_TRUE(pass(*now, {later(2, 2)}).empty());
  const auto refused = pass(*now, {first(2, 2)});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].verdict, Verdict::kNewFlowRate);
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
    const auto at = backend_of(*before, first(n, n));
    EXPECT_EQ(backend_of(*after, later(n, n)), at);
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
  unsigned n = 1;
  while (backend_of(*before, first(n, n)) == 1U) ++n;
  rig.tick = kFragmentTicks + 1;
  EXPECT_TRUE(pass(*after, {later(n, n)}).empty()) << "not known any more";
  EXPECT_EQ(backends_of(rig.wait(*after, 2)), std::set{1U});
}

TEST_P(Steer, LaterFragmentsOfAnotherProtocolAreLinuxs) {
  const auto now = test::built(input(7));
  const Bytes packet = fragment(1, 1, 101, true, 132).payload(80);
  EXPECT_EQ(rig.one(*now, packet).verdict, Verdict::kHost);
}

// IPv4 has its options in each fragment's own header.
class SteerOfIpv6 : public Steer {};
INSTANTIATE_TEST_SUITE_P(Family, SteerOfIpv6, testing::Values(6));

TEST_P(SteerOfIpv6, FragmentsBehindOptionsFollowTheFirstWhichHasThem) {
  const auto now = test::built(input(7));
  const auto head = [](unsigned n) {
    return fragment(n, n, 0, true).destination_options().udp(40000, 53).payload(800);
  };
  const auto rest = [](unsigned n, std::uint16_t at) {
    return fragment(n, n, at, true, wire::kIpDestinationOptions).payload(800);
  };
  for (unsigned n = 0; n < 50; ++n) {
    const auto flow = backend_of(*now, from_client(n).udp(40000, 53).payload(9));
    EXPECT_GE(flow, 100U);
    const auto got = pass(*now, {rest(n, 102), head(n), rest(n, 202)});
    EXPECT_EQ(got.size(), 3U);
    EXPECT_EQ(backends_of(got), std::set{flow});
  }
  EXPECT_TRUE(pass(*now, {rest(99, 102)}).empty());
  EXPECT_EQ(backends_of(rig.wait(*now, 2)).size(), 1U) << "never a drop";
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
