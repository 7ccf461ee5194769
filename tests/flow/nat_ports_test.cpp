// SPDX-License-Identifier: Apache-2.0
#include "flow/nat_ports.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace sluice::flow {
namespace {

struct alignas(64) Line {
  std::byte bytes[64];
};

struct Memory {
  std::vector<Line> lines;
};

/// NatPorts with memory of its own.
class Ports : private Memory, public NatPorts {
 public:
  Ports(std::size_t sets, const NatShare& share)
      : Memory{std::vector<Line>((bytes_for(sets, share) + 63) / 64)},
        NatPorts(std::as_writable_bytes(std::span(lines)), sets, share) {}
};

NatEndpoint endpoint(unsigned n) {
  return {.backend = {n, 0, 0, 0},
          .local = {1, 0, 0, 0},
          .backend_port = 80,
          .protocol = 6,
          .family = 4};
}

class Share : public testing::TestWithParam<unsigned> {};

TEST_P(Share, EveryPortHasOneOwnerAndNumbersGoThereAndBack) {
  const unsigned workers = GetParam();
  std::vector<unsigned> owned(workers);
  for (unsigned port = 0; port < 65536; ++port) {
    const auto number = static_cast<std::uint16_t>(port);
    const unsigned owner = NatShare(workers, 0).owner(number);
    ASSERT_LT(owner, workers);
    ASSERT_EQ(owner, port / 64 % workers);
    ++owned[owner];
    const NatShare share(workers, owner);
    ASSERT_EQ(share.port(share.slot_from(port)), port);
  }
  for (unsigned w = 0; w < workers; ++w) EXPECT_EQ(owned[w], NatShare(workers, w).groups() * 64);
}

TEST_P(Share, TheFirstSlotNotBelowAPortIsThat) {
  const unsigned workers = GetParam();
  for (const unsigned worker : {0U, workers / 2, workers - 1}) {
    const NatShare share(workers, worker);
    unsigned wanted = share.groups() * 64;
    for (unsigned port = 65536; port-- > 0;) {
      if (share.owner(static_cast<std::uint16_t>(port)) == worker) --wanted;
      ASSERT_EQ(share.slot_from(port), wanted) << port;
    }
    EXPECT_EQ(share.slot_from(65536), share.groups() * 64);
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, Share, testing::Values(1, 2, 3, 7, 16, 63, 1024));

TEST(NatPorts, AllPortsOfAShareAreGivenOnceAndThenNone) {
  const NatShare share(3, 1);
  Ports ports(1, share);
  const auto set = ports.need(endpoint(1), 0);
  ASSERT_NE(set, NatPorts::kNoSet);
  std::set<unsigned> given;
  while (const auto port = ports.take(set, 1024, 65535)) {
    EXPECT_EQ(share.owner(*port), 1U);
    EXPECT_GE(*port, 1024U);
    ASSERT_TRUE(given.insert(*port).second) << *port << " was given twice";
  }
  std::size_t wanted = 0;
  for (unsigned port = 1024; port < 65536; ++port)
    wanted += share.owner(static_cast<std::uint16_t>(port)) == 1 ? 1 : 0;
  EXPECT_EQ(given.size(), wanted);
  EXPECT_EQ(ports.used(set), wanted);
}

TEST(NatPorts, APortThatCameBackRestsUntilAllOthersHadTheirTurn) {
  Ports ports(1, NatShare(1, 0));
  const auto set = ports.need(endpoint(1), 0);
  const auto keep = ports.take(set, 2000, 2999);  // else the set would end
  const auto port = ports.take(set, 2000, 2999);
  ASSERT_TRUE(keep && port);
  ports.give_back(set, *port);
  for (int turn = 0; turn < 998; ++turn) {
    const auto other = ports.take(set, 2000, 2999);
    ASSERT_TRUE(other);
    ASSERT_NE(*other, *port) << turn;
    ports.give_back(set, *other);
  }
  EXPECT_EQ(ports.take(set, 2000, 2999), port);
}

TEST(NatPorts, EndpointsHaveSetsOfTheirOwnWhileTheyUseThem) {
  Ports ports(2, NatShare(2, 0));
  const auto a = ports.need(endpoint(1), 7);
  const auto b = ports.need(endpoint(2), 7);  // the same bucket
  ASSERT_NE(a, b);
  const auto from_a = ports.take(a, 4000, 5000);
  const auto from_b = ports.take(b, 4000, 5000);
  EXPECT_EQ(ports.need(endpoint(1), 7), a);
  EXPECT_EQ(ports.need(endpoint(3), 7), NatPorts::kNoSet);
  ports.give_back(a, *from_a);
  EXPECT_EQ(ports.sets_in_use(), 1U);
  const auto c = ports.need(endpoint(3), 7);
  EXPECT_EQ(c, a);
  ports.leave(c);
  EXPECT_EQ(ports.need(endpoint(2), 7), b) << "a set with ports in use does not go";
  ports.give_back(b, *from_b);
  EXPECT_EQ(ports.sets_in_use(), 0U);
}

TEST(NatPorts, ARangeWithoutAPortOfTheShareHasNone) {
  Ports ports(1, NatShare(2, 1));
  const auto set = ports.need(endpoint(1), 0);
  EXPECT_EQ(ports.take(set, 128, 191), std::nullopt);
  const auto port = ports.take(set, 128, 192);
  ASSERT_TRUE(port);
  EXPECT_EQ(*port, 192);
  EXPECT_EQ(ports.take(set, 128, 192), std::nullopt);
  EXPECT_TRUE(ports.take(set, 65535, 65535));
}

// Random use against the obvious: a set of used ports for each endpoint.
TEST(NatPorts, AgreeWithASetOfUsedPorts) {
  for (const auto& [workers, worker] : {std::tuple{1U, 0U}, {2U, 1U}, {5U, 4U}}) {
    const NatShare share(workers, worker);
    Ports ports(4, share);
    std::map<unsigned, std::set<unsigned>> model;
    std::mt19937 random(workers);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose
    const auto below = [&](std::size_t n) { return static_cast<unsigned>(random() % n); };
    const auto owned = [&](unsigned first, unsigned last) {
      std::set<unsigned> all;
      for (unsigned p = first; p <= last; ++p)
        if (share.owner(static_cast<std::uint16_t>(p)) == share.worker()) all.insert(p);
      return all;
    };
    const std::vector<std::pair<unsigned, unsigned>> ranges{{1, 700}, {650, 1300}, {64000, 65535}};
    for (int step = 0; step < 40000; ++step) {
      const unsigned who = below(6);
      auto& used = model[who];
      std::size_t in_use = 0;
      for (const auto& [n, some] : model) in_use += some.empty() ? 0 : 1;
      const auto set = ports.need(endpoint(who), who % 2);
      if (used.empty() && in_use == 4) {
        ASSERT_EQ(set, NatPorts::kNoSet);
        continue;
      }
      ASSERT_NE(set, NatPorts::kNoSet);
      ASSERT_EQ(ports.used(set), used.size());
      // Long runs of taking and of giving back, so that sets become full and empty.
      const bool taking = (step / 3000 + static_cast<int>(who)) % 2 == 0 || below(8) == 0;
      if (taking || used.empty()) {
        const auto [first, last] = ranges[below(ranges.size())];
        const auto port =
            ports.take(set, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last));
        if (port) {
          ASSERT_TRUE(owned(*port, *port).contains(*port));
          ASSERT_TRUE(*port >= first && *port <= last);
          ASSERT_TRUE(used.insert(*port).second) << "given twice";
        } else {
          for (const unsigned p : owned(first, last)) ASSERT_TRUE(used.contains(p)) << p;
          ports.leave(set);
        }
      } else {
        auto one = used.lower_bound(below(65536));
        if (one == used.end()) one = used.begin();
        ports.give_back(set, static_cast<std::uint16_t>(*one));
        used.erase(one);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::flow
