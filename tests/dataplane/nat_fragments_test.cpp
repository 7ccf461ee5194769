// SPDX-License-Identifier: Apache-2.0
// Fragments through NAT: in any order, both ways, at any worker, and how long they are waited for.
#include "dataplane/nat.hpp"

#include "dataplane/capture.hpp"
#include "dataplane/nat_family.hpp"
#include "dataplane/packet_file.hpp"
#include "dataplane/replay.hpp"
#include "dataplane/rig.hpp"
#include "dataplane/temporary.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Handled;
using test::kListens;
using test::Packet;
using test::Rig;
using test::source_port;

class Fragments : public testing::TestWithParam<int> {
 protected:
  test::NatFamily f{GetParam()};
  std::unique_ptr<const snapshot::Snapshot> now = test::built(f.input());

  /// Fragments of datagrams of 616 bytes: 208 with the header, 208, and 200.
  [[nodiscard]] Packet part(Packet ip, unsigned number, std::uint32_t id) const {
    const auto units = static_cast<std::uint16_t>(26 * number);
    if (f.v4()) return ip.fragment(units, number != 2).id(static_cast<std::uint16_t>(id));
    return ip.fragment_header(units, number != 2, id);
  }
  [[nodiscard]] Packet first(Packet ip, std::uint32_t id, std::uint16_t from,
                             std::uint16_t to) const {
    return part(std::move(ip), 0, id).udp(from, to).udp_length(616).payload(200);
  }
  [[nodiscard]] Packet later(Packet ip, unsigned number, std::uint32_t id) const {
    return part(std::move(ip), number, id)
        .protocol(wire::kIpProtoUdp)
        .payload(number == 1 ? 208 : 200);
  }
  /// All of a client's datagram, in order.
  [[nodiscard]] std::array<Bytes, 3> asked(std::uint32_t id, std::uint16_t client = 40000) const {
    return {first(f.from_client(), id, client, 443), later(f.from_client(), 1, id),
            later(f.from_client(), 2, id)};
  }
  /// Of the backend's answer to a local port.
  [[nodiscard]] std::array<Bytes, 3> answered(std::uint32_t id, std::uint16_t port) const {
    return {first(f.from_backend(), id, kListens, port), later(f.from_backend(), 1, id),
            later(f.from_backend(), 2, id)};
  }
  static std::uint32_t id_of(const Bytes& frame) {
    return test::ip_of(test::strip_ethernet(frame)).id;
  }
  /// What three packets, handled in the order of `order`, came out as: whole, in their own order.
  void expect_asked(const std::vector<Handled>& got) const {
    ASSERT_EQ(got.size(), 3U);
    const auto head = std::ranges::find_if(
        got, [](const Handled& h) { return !test::ip_of(test::strip_ethernet(h.bytes)).later; });
    ASSERT_NE(head, got.end());
    const std::uint32_t id = id_of(head->bytes);
    EXPECT_BYTES(head->bytes, first(f.to_backend(), id, source_port(head->bytes), kListens));
    std::vector<Bytes> rest;
    for (const auto& h : got) {
      EXPECT_EQ(h.verdict, Verdict::kForward);
      EXPECT_EQ(h.service, 1U);
      if (&h != &*head) rest.push_back(h.bytes);
    }
    std::vector<Bytes> wanted{later(f.to_backend(), 1, id), later(f.to_backend(), 2, id)};
    std::ranges::sort(rest);
    std::ranges::sort(wanted);
    EXPECT_EQ(rest, wanted);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Fragments, testing::Values(4, 6));

void append(std::vector<Handled>& all, std::vector<Handled> more) {
  std::ranges::move(more, std::back_inserter(all));
}

TEST_P(Fragments, FollowTheFirstWithAnIdOfTheirOwn) {
  Rig rig;
  const auto there = asked(99);
  std::vector<Handled> got;
  for (const auto& p : there) got.push_back(rig.one(*now, p));
  expect_asked(got);
  EXPECT_NE(id_of(got[0].bytes), 99U);
  const auto back = answered(5, source_port(got[0].bytes));
  const auto head = rig.one(*now, back[0]);
  const std::uint32_t id = id_of(head.bytes);
  EXPECT_BYTES(head.bytes, first(f.to_client(), id, 443, 40000));
  const auto rest = rig.one(*now, back[1]);
  EXPECT_BYTES(rest.bytes, later(f.to_client(), 1, id));
  EXPECT_EQ(rest.service, 1U);
}

TEST_P(Fragments, OfANewFlowAndOfItsAnswerPassInAnyOrderPacketByPacketAndInOneBurst) {
  for (const bool one_burst : {false, true}) {
    std::array<unsigned, 3> order{0, 1, 2};
    do {
      Rig rig;
      const auto pass = [&](const std::array<Bytes, 3>& datagram) {
        const std::vector<Bytes> packets{datagram[order[0]], datagram[order[1]],
                                         datagram[order[2]]};
        if (one_burst) return rig.burst(*now, packets);
        std::vector<Handled> got;
        for (const auto& p : packets) append(got, rig.burst(*now, {&p, 1}));
        return got;
      };
      const auto there = pass(asked(99));
      expect_asked(there);
      const auto head = std::ranges::find_if(there, [&](const Handled& h) {
        return !test::ip_of(test::strip_ethernet(h.bytes)).later;
      });
      const auto back = pass(answered(5, source_port(head->bytes)));
      ASSERT_EQ(back.size(), 3U);
      const std::uint32_t id = id_of(back[0].bytes);
      unsigned whole = 0;
      for (const auto& h : back) {
        EXPECT_EQ(h.verdict, Verdict::kForward);
        for (const Bytes& wanted :
             {Bytes(first(f.to_client(), id, 443, 40000)), Bytes(later(f.to_client(), 1, id)),
              Bytes(later(f.to_client(), 2, id))})
          whole += h.bytes == wanted ? 1 : 0;
      }
      EXPECT_EQ(whole, 3U);
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_P(Fragments, WaitForASecondAndAreThenDropped) {
  Rig rig;
  const auto datagram = asked(99);
  EXPECT_TRUE(rig.burst(*now, {&datagram[1], 1}).empty());
  EXPECT_EQ(rig.books().rx, 0U) << "what waits is in no book yet";
  EXPECT_TRUE(rig.wait(*now, 1).empty());
  const auto late = rig.wait(*now, 1);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].verdict, Verdict::kNoNatSession);
  EXPECT_BYTES(late[0].bytes, datagram[1]);
  EXPECT_EQ(rig.books().rx, 1U);
  // And those of a backend.
  const auto stray = answered(5, 2000);
  EXPECT_TRUE(rig.burst(*now, {&stray[2], 1}).empty());
  const auto dropped = rig.wait(*now, 2);
  ASSERT_EQ(dropped.size(), 1U);
  EXPECT_EQ(dropped[0].verdict, Verdict::kNoNatSession);
}

TEST_P(Fragments, AnotherDatagramsFirstOneIsNotTheirs) {
  Rig rig;
  const auto datagram = asked(99);
  const auto other = asked(98);
  EXPECT_TRUE(rig.burst(*now, {&datagram[1], 1}).empty());
  EXPECT_EQ(rig.burst(*now, {other.data(), 1}).size(), 1U);
  auto got = rig.burst(*now, {datagram.data(), 1});
  append(got, rig.burst(*now, {&datagram[2], 1}));
  expect_asked(got);
}

TEST_P(Fragments, OfManyDatagramsTheLatest64AreKept) {
  Rig rig;
  std::vector<Bytes> early;
  for (unsigned id = 0; id < 100; ++id) early.push_back(asked(id)[1]);
  const auto dropped = rig.run(*now, early);
  ASSERT_EQ(dropped.size(), 100U - HeldFragments::kMost);
  for (std::size_t n = 0; n < dropped.size(); ++n) {
    EXPECT_EQ(dropped[n].verdict, Verdict::kNoNatSession);
    EXPECT_BYTES(dropped[n].bytes, early[n]);
  }
  for (unsigned id = 99; id >= 100 - HeldFragments::kMost; --id) {
    const Bytes head = asked(id)[0];
    EXPECT_EQ(rig.burst(*now, {&head, 1}).size(), 2U) << id;
  }
}

// IPv4 has its options in each fragment's own header.
class FragmentsOfIpv6 : public Fragments {};
INSTANTIATE_TEST_SUITE_P(Family, FragmentsOfIpv6, testing::Values(6));

TEST_P(FragmentsOfIpv6, BehindOptionsPassInAnyOrderToo) {
  const auto head = [&](Packet ip, std::uint32_t id, std::uint16_t from, std::uint16_t to) {
    return part(std::move(ip), 0, id)
        .destination_options()
        .udp(from, to)
        .udp_length(608)
        .payload(192);
  };
  const auto rest = [&](Packet ip, unsigned number, std::uint32_t id) {
    return part(std::move(ip), number, id)
        .protocol(wire::kIpDestinationOptions)
        .payload(number == 1 ? 208 : 200);
  };
  for (const bool in_order : {true, false}) {
    Rig rig;
    const auto pass = [&](const Packet& first_of, const Packet& second) {
      std::vector<Handled> got;
      for (const Bytes& p : in_order ? std::array<Bytes, 2>{first_of, second}
                                     : std::array<Bytes, 2>{second, first_of})
        append(got, rig.burst(*now, {&p, 1}));
      return got;
    };
    const auto there = pass(head(f.from_client(), 99, 40000, 443), rest(f.from_client(), 1, 99));
    ASSERT_EQ(there.size(), 2U);
    for (const auto& h : there) EXPECT_EQ(h.verdict, Verdict::kForward);
    EXPECT_EQ(id_of(there[0].bytes), id_of(there[1].bytes));
    const auto port = source_port(there[0].bytes);
    const auto back = pass(head(f.from_backend(), 5, kListens, port), rest(f.from_backend(), 1, 5));
    ASSERT_EQ(back.size(), 2U);
    for (const auto& h : back) EXPECT_EQ(h.verdict, Verdict::kForward);
    EXPECT_EQ(id_of(back[0].bytes), id_of(back[1].bytes));
  }
}

TEST_P(Fragments, OfAServiceWithoutNatOnTheSameAddressFindItInAnyOrder) {
  auto both = f.input();
  auto backend = test::backend("t", 8);
  backend.address = test::ip(f.v4() ? "10.0.1.8" : "2001:db8:1::8");
  both.pools.push_back(test::pool("tunnelled", {backend}));
  both.pools[1].outer_source6 = test::ip("2001:db8::1");
  both.services.push_back(test::service("more", f.hosts.vip, 53, 1, wire::kIpProtoUdp));
  both.services.back().number = 2;
  const auto mixed = test::built(std::move(both));
  std::array<unsigned, 3> order{0, 1, 2};
  do {
    Rig rig;
    const std::array<Bytes, 3> datagram{first(f.from_client(), 9, 40000, 53),
                                        later(f.from_client(), 1, 9), later(f.from_client(), 2, 9)};
    std::vector<Handled> got;
    for (const unsigned n : order) append(got, rig.burst(*mixed, {&datagram[n], 1}));
    ASSERT_EQ(got.size(), 3U);
    for (const auto& h : got) {
      EXPECT_EQ(h.verdict, Verdict::kForward);
      EXPECT_EQ(h.backend, 8U);
    }
  } while (std::ranges::next_permutation(order).found);
}

TEST_P(Fragments, ThatAreKeptAtTheEndAreFreedWithTheWorker) {
  Rig rig;  // which says if a buffer is missing, or the books do not balance
  const auto datagram = asked(99);
  EXPECT_TRUE(rig.burst(*now, std::span(datagram).subspan(1)).empty());
}

TEST_P(Fragments, AReplayShowsThemInAnyOrder) {
  const test::Temporary folder;
  test::CaptureBytes capture;
  capture.pcap_header();
  const auto datagram = asked(99);
  const auto stray = asked(98);
  capture.pcap_packet(1, 0, stray[1]);
  capture.pcap_packet(2, 0, datagram[2]);
  capture.pcap_packet(2, 5000, datagram[0]);
  capture.pcap_packet(2, 9000, datagram[1]);
  capture.pcap_packet(3, 0, asked(97)[1]);
  ReplaySettings settings;
  settings.in = folder.file("in", capture);
  settings.out = folder.path("out");
  settings.flows = 1024;
  std::vector<std::pair<std::uint64_t, Verdict>> told;
  const auto books = replay(settings, *now,
                            [&](const ReplayVerdict& v) { told.emplace_back(v.index, v.verdict); });
  ASSERT_TRUE(books) << books.error().text();
  const std::vector<std::pair<std::uint64_t, Verdict>> wanted{{0, Verdict::kNoNatSession},
                                                              {1, Verdict::kForward},
                                                              {2, Verdict::kForward},
                                                              {3, Verdict::kForward},
                                                              {4, Verdict::kNoNatSession}};
  EXPECT_EQ(told, wanted);
  EXPECT_EQ(books->rx, 5U);
  EXPECT_EQ(books->in_flight(), 0U);
  auto reader = CaptureReader::open(settings.out);
  ASSERT_TRUE(reader);
  std::vector<Bytes> out;
  auto latest = std::chrono::nanoseconds{0};
  for (auto packet = reader->next(); packet && *packet; packet = reader->next()) {
    out.emplace_back((*packet)->bytes.begin(), (*packet)->bytes.end());
    EXPECT_GE((*packet)->time, latest) << "each has its place and its time";
    latest = (*packet)->time;
  }
  ASSERT_EQ(out.size(), 3U);
  const std::uint32_t id = id_of(out[1]);
  EXPECT_BYTES(out[0], later(f.to_backend(), 2, id));
  EXPECT_BYTES(out[1], first(f.to_backend(), id, source_port(out[1]), kListens));
  EXPECT_BYTES(out[2], later(f.to_backend(), 1, id));
}

// Several workers: packets go from one to the next until nobody has any left.

class FragmentsAtTwo : public Fragments {
 protected:
  std::unique_ptr<HandOver> rings = HandOver::create(2).value();
  Rig one{1024, {2, 0}, rings.get()};
  Rig other{1024, {2, 1}, rings.get()};

  std::vector<Handled> settle() {
    std::vector<Handled> all;
    for (unsigned round = 0; round < 6; ++round) {
      append(all, one.taken(*now, 1));
      append(all, other.taken(*now, 0));
    }
    return all;
  }
  std::vector<Handled> pass(Rig& rig, const Bytes& packet) {
    auto all = rig.burst(*now, {&packet, 1});
    append(all, settle());
    return all;
  }
  std::vector<Handled> wait(std::uint64_t seconds) {
    auto all = one.wait(*now, seconds);
    append(all, other.wait(*now, seconds));
    append(all, settle());
    return all;
  }
  /// A flow that worker `one` has. @return its local port.
  std::uint16_t open() {
    const auto got = one.one(*now, f.from_client().udp(40000, 443).payload(7));
    EXPECT_EQ(got.verdict, Verdict::kForward);
    return source_port(got.bytes);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, FragmentsAtTwo, testing::Values(4, 6));

TEST_P(FragmentsAtTwo, OfAFlowThatTheOtherHasFindItInAnyOrder) {
  std::array<unsigned, 3> order{0, 1, 2};
  const std::uint16_t port = open();
  std::uint32_t id = 100;
  do {
    const auto datagram = asked(++id);
    std::vector<Handled> got;
    for (const unsigned n : order) append(got, pass(other, datagram[n]));
    expect_asked(got);
    for (const auto& h : got) {
      if (test::ip_of(test::strip_ethernet(h.bytes)).later) continue;
      EXPECT_EQ(source_port(h.bytes), port) << "not a second session";
    }
    const auto answer = answered(id, port);
    std::vector<Handled> back;
    for (const unsigned n : order) append(back, pass(other, answer[n]));
    ASSERT_EQ(back.size(), 3U);
    for (const auto& h : back) EXPECT_EQ(h.verdict, Verdict::kForward);
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(other.nat().stats().opened.value(), 0U);
}

TEST_P(FragmentsAtTwo, OfANewFlowOpenOneSessionInAnyOrder) {
  std::array<unsigned, 3> order{0, 1, 2};
  std::uint16_t client = 40000;
  do {
    const auto datagram = asked(client, client);
    ++client;
    std::vector<Handled> got;
    for (const unsigned n : order) append(got, pass(other, datagram[n]));
    expect_asked(got);
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(one.nat().stats().opened.value() + other.nat().stats().opened.value(), 6U);
}

TEST_P(FragmentsAtTwo, ThatWaitWhereTheFirstDoesNotComeAskOnceMoreAtTheEnd) {
  const std::uint16_t port = open();
  for (const auto& datagram : {asked(99), answered(5, port)}) {
    EXPECT_TRUE(pass(other, datagram[1]).empty());
    EXPECT_EQ(pass(one, datagram[0]).size(), 1U);
    const auto got = wait(2);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].verdict, Verdict::kForward);
  }
}

TEST_P(FragmentsAtTwo, ThatNobodyKnowsAreDroppedOnceAndForAll) {
  for (const auto& datagram : {asked(99), answered(5, 2000), answered(6, 2000 + 64)}) {
    EXPECT_TRUE(pass(other, datagram[1]).empty());
    const auto got = wait(2);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].verdict, Verdict::kNoNatSession);
    EXPECT_TRUE(wait(2).empty());
  }
}

}  // namespace
}  // namespace sluice::dataplane
