// SPDX-License-Identifier: Apache-2.0
// lib/xdp/observe.bpf.h and lib/xdp/backends.cpp: what the driver sees of backends.
#include "xdp/attached.hpp"

#include <poll.h>
#include <time.h>

#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using std::chrono::nanoseconds;
using test::kClient;
using test::kHostAddress;
using test::kHostAddress6;
using test::kNat;
using test::kVip;
using test::kVip6;
using EventKind = BackendEvent::Kind;

constexpr const char* kBackend = "10.0.1.11";
constexpr const char* kBackend6 = "2001:db8:a::11";
constexpr const char* kDsr = "10.0.1.13";
constexpr const char* kDsrMac = "02:00:00:00:01:13";
constexpr std::uint32_t kOne = 7, kTwo = 70000, kThree = 9;  // numbers of the backends

nanoseconds now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::chrono::seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
}

BackendEntry backend(std::uint32_t number, const char* address, const char* mac = nullptr) {
  BackendEntry entry{number, IpAddress::parse(address).value()};
  if (mac != nullptr) entry.mac = MacAddress::parse(mac);
  return entry;
}

Packet ip(Packet link, const std::string& from, const std::string& to) {
  return from.find(':') == from.npos ? link.ipv4(from, to) : link.ipv6(from, to);
}
Packet between(const std::string& from, const std::string& to) {
  return ip(Packet().eth(), from, to);
}

constexpr std::uint8_t kSynAck = wire::kTcpSyn | wire::kTcpAck;
constexpr std::uint8_t kRstAck = wire::kTcpRst | wire::kTcpAck;

Bytes syn_ack(const std::string& from, const std::string& to) {
  return between(from, to).tcp(443, 40000, kSynAck).sequence(5).acknowledgement(6);
}
Bytes reset(const std::string& from, const std::string& to) {
  return between(from, to).tcp(443, 40000, wire::kTcpRst).sequence(77);
}
Bytes refusal(const std::string& from, const std::string& to) {
  return between(from, to).tcp(443, 40000, kRstAck).sequence(0).acknowledgement(6);
}
Bytes unreachable(const std::string& from, const std::string& to, const Packet& quote,
                  std::size_t bytes = 48, std::uint8_t code = 1) {
  Bytes quoted = quote;
  quoted.resize(std::min(quoted.size(), bytes));
  const bool v6 = from.find(':') != from.npos;
  Packet packet = between(from, to).icmp(v6 ? 1 : 3, code, 0).payload(quoted);
  return v6 ? packet.protocol(wire::kIpProtoIcmp6) : packet;
}
Packet tunnelled(const char* to = kBackend) {
  return Packet().ipip(kHostAddress, to).ipv4(kClient, kVip).tcp(1, 443);
}
Packet tunnelled6() { return Packet().ipv6(kHostAddress6, kBackend6).udp(1, 6080).payload(60); }

class Observation : public AttachedTest {
 protected:
  void SetUp() override {
    AttachedTest::SetUp();
    if (!IsSkipped()) watch({});
  }
  void watch(const WatchSettings& settings) {
    const std::array backends = {backend(kOne, kBackend), backend(kTwo, kBackend6),
                                 backend(kThree, kDsr, kDsrMac)};
    const auto done = filter_->set_backends(backends, settings);
    ASSERT_TRUE(done) << done.error().text();
  }
  [[nodiscard]] BackendStatistics of(std::uint32_t number) const {
    return filter_->backend_statistics(number).value();
  }
  /// syn_acks, resets, refusals, unreachables, answers of all backends together
  [[nodiscard]] std::array<std::uint64_t, 5> sums() const {
    std::array<std::uint64_t, 5> sum{};
    const auto all = filter_->backend_statistics().value();
    for (const auto& b : all) {
      sum[0] += b.syn_acks;
      sum[1] += b.resets;
      sum[2] += b.refusals;
      sum[3] += b.unreachables;
      sum[4] += b.answers;
    }
    return sum;
  }
  using Counts = std::array<std::uint64_t, 5>;
  /// How the counters of one backend move with a frame; no other backend's may.
  Counts moved(std::uint32_t number, const Bytes& frame) {
    const auto one = [&] {
      const auto b = of(number);
      return Counts{b.syn_acks, b.resets, b.refusals, b.unreachables, b.answers};
    };
    const auto before = one();
    const auto all = sums();
    EXPECT_EQ(run(frame).frame, frame);
    auto after = one();
    auto rest = sums();
    for (std::size_t i = 0; i < after.size(); ++i) {
      after[i] -= before[i];
      EXPECT_EQ(rest[i] - all[i], after[i]) << "of another backend";
    }
    return after;
  }
  std::vector<EventKind> kinds() {
    std::vector<EventKind> found;
    for (const auto& event : filter_->poll_events()) found.push_back(event.kind);
    return found;
  }
};

constexpr std::array<std::uint64_t, 5> kNothing{};

TEST_F(Observation, SegmentsCountForTheBackendTheyComeFrom) {
  EXPECT_EQ(moved(kOne, syn_ack(kBackend, kNat)), (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(moved(kOne, reset(kBackend, kNat)), (Counts{0, 1, 0, 0, 0}));
  EXPECT_EQ(moved(kOne, refusal(kBackend, kNat)), (Counts{0, 1, 1, 0, 0}));
  EXPECT_EQ(moved(kTwo, between(kBackend6, kVip6).tcp(40000, 443, kSynAck)),
            (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(moved(kTwo, refusal(kBackend6, kHostAddress6)), (Counts{0, 1, 1, 0, 0}));
  EXPECT_EQ(moved(kOne, ip(Packet().eth().vlan(5), kBackend, kNat).tcp(443, 1, kSynAck)),
            (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(
      moved(kTwo,
            ip(Packet().eth().qinq(7).vlan(5), kBackend6, kVip6).tcp(443, 1, kRstAck).sequence(1)),
      (Counts{0, 1, 0, 0, 0}));
  EXPECT_EQ(of(kOne).answers, 0U) << "what goes to a service or to NAT answers no probe";
}

TEST_F(Observation, OrdinaryPacketsCountForNobody) {
  for (const Bytes& frame :
       {between(kBackend, kNat).tcp(443, 40000).payload(100).bytes(),
        between(kBackend, kHostAddress).tcp(443, 40000, wire::kTcpFin | wire::kTcpAck).bytes(),
        between(kBackend, kHostAddress).tcp(443, 40000, wire::kTcpSyn).bytes(),
        between(kBackend, kVip).udp(53, 53).bytes(),
        between(kBackend, kHostAddress).icmp_echo(1, 1).bytes(),
        between(kBackend, kHostAddress).fragment(0, true).tcp(443, 1, kSynAck).bytes(),
        syn_ack("10.0.1.12", kHostAddress), reset("10.0.1.12", kNat),
        between("10.0.1.12", kHostAddress).icmp_echo(1, 1, true).bytes(),
        Packet().eth().arp_request("02:00:00:00:00:02", kBackend, kVip).bytes()})
    EXPECT_EQ(moved(kOne, frame), kNothing);
  EXPECT_TRUE(filter_->poll_events().empty());
}

TEST_F(Observation, AnswersToTheNodesOwnProbesAreStampedInTheDriver) {
  const auto stamped = [&](std::uint32_t number, const Bytes& frame, std::uint64_t syn_acks) {
    const auto before = now();
    EXPECT_EQ(moved(number, frame), (Counts{syn_acks, 0, 0, 0, 1}));
    const auto after = now();
    EXPECT_GE(of(number).answered, before);
    EXPECT_LE(of(number).answered, after);
    EXPECT_EQ(of(number).heard, of(number).answered);
  };
  stamped(kOne, between(kBackend, kHostAddress).icmp_echo(1, 1, true).payload(8), 0);
  stamped(kTwo, between(kBackend6, kHostAddress6).icmp_echo(1, 1, true).payload(8), 0);
  stamped(kOne, between(kBackend, kHostAddress).udp(7, 40000).payload(8), 0);
  stamped(kTwo, between(kBackend6, kHostAddress6).udp(7, 40000).payload(8), 0);
  stamped(kOne, syn_ack(kBackend, kHostAddress), 1);
  stamped(kTwo, syn_ack(kBackend6, kHostAddress6), 1);
  const auto last = of(kOne).answered;
  (void)run(syn_ack(kBackend, kNat));
  EXPECT_EQ(of(kOne).answered, last);
  EXPECT_GT(of(kOne).heard, last);
}

TEST_F(Observation, ABackendThatSpeaksAsTheVipIsToldByItsMacAddress) {
  const auto as = [](const char* mac, const char* from, std::uint8_t flags) {
    return ip(Packet().eth(sluice::test::kOwnMac, mac), from, kClient)
        .tcp(443, 40000, flags)
        .sequence(9)
        .bytes();
  };
  EXPECT_EQ(moved(kThree, as(kDsrMac, kVip, kSynAck))[0], 1U);
  EXPECT_EQ(moved(kThree, as(kDsrMac, kVip, wire::kTcpRst)), (Counts{0, 1, 0, 0, 0}));
  const Bytes v6 =
      ip(Packet().eth(sluice::test::kOwnMac, kDsrMac), kVip6, test::kClient6).tcp(443, 1, kSynAck);
  EXPECT_EQ(moved(kThree, v6)[0], 1U);
  EXPECT_EQ(moved(kThree, as("02:00:00:00:01:14", kVip, kSynAck)), kNothing);
  EXPECT_EQ(moved(kThree, as(kDsrMac, "10.9.9.9", kSynAck)), kNothing) << "a router's, too";
  EXPECT_EQ(moved(kThree, as("02:00:00:00:01:99", kDsr, kSynAck))[0], 1U) << "by address, too";

  const std::array shared = {backend(kThree, kDsr, kDsrMac), backend(10, "10.0.1.14", kDsrMac)};
  ASSERT_TRUE(filter_->set_backends(shared));
  EXPECT_EQ(moved(kThree, as(kDsrMac, kVip, kSynAck)), kNothing) << "either could have been it";
}

TEST_F(Observation, UnreachableCountsForTheBackendItIsAboutOrFrom) {
  const Counts once{0, 0, 0, 1, 0};
  const char* router = "10.0.0.254";
  EXPECT_EQ(moved(kOne, unreachable(router, kHostAddress, tunnelled())), once);
  EXPECT_EQ(moved(kTwo, unreachable("2001:db8:a::fe", kHostAddress6, tunnelled6())), once);
  EXPECT_EQ(moved(kOne, unreachable(kBackend, kHostAddress, tunnelled(), 48, 2)), once);
  EXPECT_EQ(moved(kOne, unreachable(kBackend, kClient, Packet().ipv4(kClient, kVip).udp(1, 2))),
            once);
  EXPECT_EQ(moved(kOne, unreachable(router, kHostAddress, tunnelled("10.9.9.9"))), kNothing);
  EXPECT_EQ(moved(kOne, unreachable(router, kHostAddress, tunnelled(), 48, 4)), kNothing)
      << "too large is not unreachable";
  EXPECT_EQ(moved(kOne, unreachable(router, kVip, tunnelled())), kNothing)
      << "who got it did not send what it quotes";
  EXPECT_EQ(moved(kOne, between(router, kHostAddress).icmp(11, 0).quote(tunnelled(), 48)),
            kNothing);
  EXPECT_EQ(moved(kTwo, between("2001:db8:a::fe", kHostAddress6)
                            .icmp(2, 0, 1400)
                            .protocol(wire::kIpProtoIcmp6)
                            .quote(tunnelled6(), 96)),
            kNothing);
  for (std::size_t bytes = 0; bytes < 48; ++bytes) {
    EXPECT_EQ(moved(kOne, unreachable(router, kHostAddress, tunnelled(), bytes)),
              bytes < 20 ? kNothing : once)
        << bytes;
    EXPECT_EQ(moved(kTwo, unreachable("2001:db8:a::fe", kHostAddress6, tunnelled6(), bytes)),
              bytes < 40 ? kNothing : once)
        << bytes;
  }
}

TEST_F(Observation, AFrameThatIsCutCountsForNobody) {
  for (const Bytes& whole :
       {syn_ack(kBackend, kNat), refusal(kBackend6, kHostAddress6),
        between(kBackend, kHostAddress).udp(7, 40000).payload(8).bytes(),
        between(kBackend6, kHostAddress6).icmp_echo(1, 1, true).bytes(),
        unreachable("10.0.0.254", kHostAddress, tunnelled()),
        unreachable(kBackend6, kHostAddress6, tunnelled6()),
        ip(Packet().eth().qinq(7).vlan(5), kBackend6, kVip6).tcp(443, 1, kSynAck).bytes()}) {
    const auto before = sums();
    for (std::size_t length = 14; length < whole.size(); ++length) (void)run(cut(whole, length));
    EXPECT_EQ(sums(), before);
    (void)run(whole);
    EXPECT_NE(sums(), before);
  }
}

TEST_F(Observation, ChangesNoPacketsFate) {
  const std::array everybody = {backend(1, kClient), backend(2, test::kClient6),
                                backend(3, kVip, std::string(sluice::test::kClientMac).c_str()),
                                backend(4, kVip6)};
  Random random(std::mt19937(3));
  const auto all = test::frame_kinds();
  std::vector<Bytes> frames;
  for (const auto& kind : all) frames.push_back(kind.frame);
  for (int i = 0; i < 5000; ++i)
    frames.push_back(damaged(all[random() % all.size()].frame, random));
  std::vector<test::Run> unwatched;
  ASSERT_TRUE(filter_->set_backends({}));
  for (const auto& frame : frames) unwatched.push_back(run(frame));
  ASSERT_TRUE(filter_->set_backends(everybody));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto watched = run(frames[i]);
    ASSERT_EQ(watched.action, unwatched[i].action);
    ASSERT_EQ(watched.frame, unwatched[i].frame);
  }
  EXPECT_GT(sums()[3], 10U) << "some of them are signs";
}

TEST_F(Observation, EachChangeIsAnEvent) {
  const auto before = now();
  (void)run(syn_ack(kBackend, kNat));
  (void)run(syn_ack(kBackend, kNat));
  const auto events = filter_->poll_events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].backend, kOne);
  EXPECT_EQ(events[0].kind, EventKind::kAnswers);
  EXPECT_GE(events[0].at, before);
  EXPECT_LE(events[0].at, now());

  watch({.silence = {}, .event_gap = {}});
  const std::pair<Bytes, EventKind> changes[] = {
      {reset(kBackend, kNat), EventKind::kResets},
      {refusal(kBackend, kNat), EventKind::kRefuses},
      {unreachable("10.0.0.254", kHostAddress, tunnelled()), EventKind::kUnreachable},
      {between(kBackend, kHostAddress).udp(7, 1).bytes(), EventKind::kAnswers},
      {refusal(kBackend, kNat), EventKind::kRefuses},
      {syn_ack(kBackend, kHostAddress), EventKind::kAnswers}};
  for (const auto& [frame, kind] : changes) {
    for (int i = 0; i < 3; ++i) (void)run(frame);
    EXPECT_EQ(kinds(), std::vector{kind}) << name(kind);
  }
  (void)run(refusal(kBackend, kNat));
  (void)kinds();
  (void)run(reset(kBackend, kNat));
  EXPECT_TRUE(kinds().empty()) << "less than what is known already";
  (void)run(syn_ack(kBackend6, kVip6));
  const auto other = filter_->poll_events();
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].backend, kTwo);
}

TEST_F(Observation, TheFirstAnswerAfterSilenceIsAnEvent) {
  watch({.silence = nanoseconds(1), .event_gap = {}});
  for (int i = 0; i < 3; ++i) (void)run(syn_ack(kBackend, kNat));
  EXPECT_EQ(kinds().size(), 3U);
  watch({.silence = std::chrono::hours(1), .event_gap = {}});
  for (int i = 0; i < 3; ++i) (void)run(syn_ack(kBackend, kNat));
  EXPECT_TRUE(kinds().empty());
}

TEST_F(Observation, AFloodRaisesOneEventOfEachKindInAGapAndTheLastStateIsToldAfterwards) {
  watch({.silence = nanoseconds(1), .event_gap = std::chrono::hours(1)});
  for (int i = 0; i < 2000; ++i) {
    (void)run(syn_ack(kBackend, kNat));
    (void)run(reset(kBackend, kNat));
    (void)run(refusal(kBackend, kNat));
  }
  EXPECT_EQ(kinds(), (std::vector{EventKind::kAnswers, EventKind::kResets, EventKind::kRefuses}));
  EXPECT_EQ(of(kOne).syn_acks, 2000U);
  EXPECT_EQ(of(kOne).resets, 4000U);
  EXPECT_EQ(filter_->events_lost().value(), 0U);
  // It refuses, as was told. It answers: held back. Once the gap is over, the next answer tells it.
  (void)run(syn_ack(kBackend, kNat));
  EXPECT_TRUE(kinds().empty());
  watch({.silence = {}, .event_gap = {}});
  (void)run(syn_ack(kBackend, kNat));
  EXPECT_EQ(kinds(), std::vector{EventKind::kAnswers});
}

TEST_F(Observation, EventsThatFindNoRoomAreCounted) {
  watch({.silence = {}, .event_gap = {}});
  constexpr std::uint64_t kChanges = 20000;
  for (std::uint64_t i = 0; i < kChanges; ++i)
    (void)run(i % 2 == 0 ? syn_ack(kBackend, kNat) : refusal(kBackend, kNat));
  const auto got = filter_->poll_events().size();
  const auto lost = filter_->events_lost().value();
  EXPECT_GT(lost, 0U);
  EXPECT_GT(got, 5000U);
  // A change that is lost leaves the state as it was: the way back is no change then.
  EXPECT_LE(got + lost, kChanges);
  (void)run(refusal(kBackend, kNat));
  (void)run(syn_ack(kBackend, kNat));
  EXPECT_FALSE(filter_->poll_events().empty()) << "with room again, events are told again";
}

TEST_F(Observation, EventsAreTakenAFewAtATimeAndNoneIsPassedOver) {
  watch({.silence = nanoseconds(1), .event_gap = {}});
  for (int i = 0; i < 10; ++i) (void)run(syn_ack(kBackend, kNat));
  pollfd ready{filter_->events_fd(), POLLIN, 0};
  for (const std::size_t expected : {4U, 4U, 2U}) {
    EXPECT_EQ(::poll(&ready, 1, 0), 1) << "readable while some wait";
    EXPECT_EQ(filter_->poll_events(4).size(), expected);
  }
  EXPECT_TRUE(filter_->poll_events(4).empty());
}

TEST_F(Observation, TheDescriptorIsReadableWhileEventsWait) {
  pollfd ready{filter_->events_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0);
  (void)run(syn_ack(kBackend, kNat));
  EXPECT_EQ(::poll(&ready, 1, 10000), 1);
  EXPECT_EQ(filter_->poll_events().size(), 1U);
  EXPECT_EQ(::poll(&ready, 1, 0), 0);
}

TEST_F(Observation, WhoStaysKeepsItsCountersAndWhoLeavesIsForgotten) {
  (void)run(syn_ack(kBackend, kNat));
  (void)run(syn_ack(kBackend6, kVip6));
  const std::array rest = {backend(kOne, kBackend), backend(12, "10.0.1.12")};
  ASSERT_TRUE(filter_->set_backends(rest));
  EXPECT_EQ(of(kOne).syn_acks, 1U);
  EXPECT_EQ(filter_->backend_statistics().value().size(), 2U);
  const auto gone = filter_->backend_statistics(kTwo);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::kNotFound);
  const auto before = sums();
  (void)run(syn_ack(kBackend6, kVip6));
  EXPECT_EQ(sums(), before);

  filter_.reset();  // as if killed
  (void)run(syn_ack(kBackend, kNat));
  filter_.emplace(open());
  EXPECT_EQ(of(kOne).syn_acks, 2U) << "the program goes on without the daemon";
}

TEST_F(Observation, OneAddressOrNumberTwiceIsRefused) {
  for (const auto& twice : {std::array{backend(1, kBackend), backend(2, kBackend)},
                            std::array{backend(1, kBackend), backend(1, kBackend6)}}) {
    const auto refused = filter_->set_backends(twice);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kInvalid);
  }
  EXPECT_EQ(filter_->backend_statistics().value().size(), 3U);
}

/// On the wire, in the mode of the parameter.
class ObservationOnAnInterface : public FilterTest, public testing::WithParamInterface<Mode> {};

TEST_P(ObservationOnAnInterface, ABackendIsHeardOnItsWayToLinux) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  const std::array backends = {backend(kOne, kBackend)};
  ASSERT_TRUE(filter.set_backends(backends));
  ASSERT_TRUE(filter.attach("lb0", GetParam()));
  ASSERT_TRUE(filter.promote("lb0"));
  const test::RawSocket wire("lb1");
  ASSERT_TRUE(wire.send(syn_ack(kBackend, kHostAddress)));
  EXPECT_TRUE(
      test::wait_until([&] { return filter.backend_statistics(kOne).value().answers == 1; }));
  EXPECT_EQ(filter.poll_events().size(), 1U);
  EXPECT_EQ(filter.statistics("lb0").value()[SLUICE_XDP_PASS].packets, 1U);
}

INSTANTIATE_TEST_SUITE_P(Modes, ObservationOnAnInterface,
                         testing::Values(Mode::kNative, Mode::kGeneric),
                         [](const auto& mode) { return std::string(name(mode.param)); });

}  // namespace
}  // namespace sluice::xdp
