// SPDX-License-Identifier: Apache-2.0
// build(): what it refuses, what it takes over from the snapshot before, and what workers see.
#include "snapshot/input.hpp"
#include "snapshot/snapshot.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>

namespace sluice::snapshot {
namespace {

using test::backend;
using test::backends;
using test::built;
using test::pool;
using test::service;

Input sound() {
  return test::input({pool("p", backends(3)), pool("q", backends(2, 11))},
                     {service("s", "203.0.113.10", 443, 0), service("t", "203.0.113.10", 80, 1)});
}

// Refusals.

struct Fault {
  const char* name;
  std::function<void(Input&)> commit;
  Errc code;
  const char* says;  ///< Part of the text of the error.

  friend std::ostream& operator<<(std::ostream& to, const Fault& f) { return to << f.name; }
};

class BuildRefuses : public testing::TestWithParam<Fault> {};

TEST_P(BuildRefuses, InputWith) {
  Input input = sound();
  ASSERT_TRUE(build(input, nullptr)) << "the input is right without the fault";
  GetParam().commit(input);
  const auto made = build(std::move(input), nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, GetParam().code);
  EXPECT_NE(made.error().text().find(GetParam().says), std::string::npos) << made.error().text();
}

INSTANTIATE_TEST_SUITE_P(
    Each, BuildRefuses,
    testing::Values(
        Fault{"ServiceWithoutPool", [](Input& i) { i.services[1].pool = 2; }, Errc::kInvalid,
              "service t"},
        Fault{"TwoServicesAtOneAddress", [](Input& i) { i.services[1].port = 443; }, Errc::kInvalid,
              "another service has 203.0.113.10 port 443"},
        Fault{"ServiceNumberBeyondTheCounters", [](Input& i) { i.services[1].number = 0xffff; },
              Errc::kInvalid, "service t"},
        Fault{"ServiceOfAnotherProtocol", [](Input& i) { i.services[1].protocol = 0; },
              Errc::kInvalid, "service t"},
        Fault{"TwoBackendsWithOneNumber", [](Input& i) { i.pools[1].backends[0].number = 1; },
              Errc::kInvalid, "backend b1"},
        Fault{"BackendNumberOutOfRange", [](Input& i) { i.pools[1].backends[0].number = 0xffff; },
              Errc::kInvalid, "65535"},
        Fault{"BackendOfAnotherFamily",
              [](Input& i) { i.pools[1].backends[0].address = test::ip("2001:db8::1"); },
              Errc::kInvalid, "no tunnel source of the family of 2001:db8::1"},
        Fault{"OuterSourceOfAnotherFamily",
              [](Input& i) { i.pools[1].outer_source = test::ip("2001:db8::1"); }, Errc::kInvalid,
              "no tunnel source of the family of 10.0.1."},
        Fault{"SecondOuterSourceIsNoIpv6",
              [](Input& i) {
                i.pools[1].backends[0].address = test::ip("2001:db8::1");
                i.pools[1].outer_source6 = test::ip("10.0.0.1");
              },
              Errc::kInvalid, "no tunnel source"},
        Fault{"TwoBackendsOfOneName", [](Input& i) { i.pools[1].backends[0].name = "b2"; },
              Errc::kInvalid, "pool q"},
        Fault{"SizeNotPrime", [](Input& i) { i.pools[1].table_size = 65536; }, Errc::kInvalid,
              "pool q: 65536 is not a prime number"},
        Fault{"SizeNotPrimeInAPoolThatIsEmpty",
              [](Input& i) {
                i.pools[1].table_size = 65536;
                i.pools[1].backends.clear();
              },
              Errc::kInvalid, "pool q: 65536 is not a prime number"},
        Fault{"TooManyServices",
              [](Input& i) { i.services.resize(kMostServices + 1, i.services[0]); },
              Errc::kExhausted, "65536 services"},
        Fault{"TooManyPools", [](Input& i) { i.pools.resize(kMostPools + 1, i.pools[0]); },
              Errc::kExhausted, "65536 pools"}),
    [](const auto& about) { return about.param.name; });

TEST(Build, NothingAtAllIsAFineSnapshot) {
  const auto made = built(test::input({}));
  EXPECT_TRUE(made->services.empty());
  EXPECT_FALSE(made->backends.empty()) << "workers index number 0 without asking";
  EXPECT_EQ(made->backends[0].state, State::kAbsent);
}

// Taking over.

TEST(Build, OnlyThePoolThatChangedIsBuiltAnew) {
  const auto before = built(sound());
  Input next = sound();
  next.pools[1].backends[0].weight = 7;
  const auto after = built(std::move(next), before.get());
  EXPECT_EQ(after->tables[0], before->tables[0]) << "the very table";
  EXPECT_EQ(after->pools[0].slots.data(), before->pools[0].slots.data());
  EXPECT_NE(after->tables[1], before->tables[1]);
}

TEST(Build, OfAThousandPoolsAllButTheOneThatChangedKeepTheirVeryTables) {
  constexpr unsigned kPools = 1000;
  constexpr std::size_t kChanged = 617;
  std::vector<PoolInput> pools;
  for (unsigned i = 0; i < kPools; ++i)
    pools.push_back(pool("pool" + std::to_string(i), backends(3, 1 + 3 * i)));
  Input next = test::input(std::move(pools));
  const auto before = built(next);
  next.pools[kChanged].backends[1].down = true;
  const auto after = built(std::move(next), before.get());
  for (std::size_t i = 0; i < kPools; ++i) {
    EXPECT_EQ(after->tables[i] == before->tables[i], i != kChanged) << i;
    EXPECT_EQ(after->pools[i].slots.data() == before->pools[i].slots.data(), i != kChanged) << i;
  }
}

TEST(Build, UnchangedTableOutlivesTheSnapshotThatBuiltIt) {
  auto before = built(sound());
  const std::vector<maglev::Slot> slots(before->pools[0].slots.begin(),
                                        before->pools[0].slots.end());
  const auto after = built(sound(), before.get());
  before.reset();
  EXPECT_TRUE(std::ranges::equal(after->pools[0].slots, slots));
}

TEST(Build, HopsAddressesAndOrderNeedNoNewTable) {
  const auto before = built(sound());
  Input next = sound();
  next.pools[0].backends[0].hop.reset();
  next.pools[0].backends[1].address = test::ip("10.9.9.9");
  std::ranges::reverse(next.pools[0].backends);
  std::ranges::reverse(next.pools);
  for (auto& s : next.services) s.pool = 1 - s.pool;
  const auto after = built(std::move(next), before.get());
  EXPECT_EQ(after->tables[1], before->tables[0]);
  EXPECT_EQ(after->tables[0], before->tables[1]);
}

TEST(Build, NewNumberOrSizeNeedsANewTable) {
  const auto before = built(sound());
  Input renumbered = sound();
  renumbered.pools[0].backends[0].number = 99;
  EXPECT_NE(built(std::move(renumbered), before.get())->tables[0], before->tables[0]);
  Input resized = sound();
  resized.pools[0].table_size = 251;
  const auto after = built(std::move(resized), before.get());
  EXPECT_EQ(after->pools[0].slots.size(), 251U);
}

TEST(Build, TableDoesNotDependOnTheSnapshotBefore) {
  const auto before = built(test::input({pool("p", backends(5))}));
  const auto fresh = built(sound());
  const auto later = built(sound(), before.get());
  EXPECT_TRUE(std::ranges::equal(later->pools[0].slots, fresh->pools[0].slots));
}

// What workers see.

TEST(Build, OrderOfPoolsAndBackendsDoesNotChangeTheSlots) {
  Input turned = sound();
  for (auto& p : turned.pools) std::ranges::reverse(p.backends);
  std::ranges::reverse(turned.pools);
  const auto a = built(sound());
  const auto b = built(std::move(turned));
  EXPECT_TRUE(std::ranges::equal(a->pools[0].slots, b->pools[1].slots));
  EXPECT_TRUE(std::ranges::equal(a->pools[1].slots, b->pools[0].slots));
}

TEST(Build, EverySlotHoldsANumberOfItsOwnPool) {
  const auto made = built(sound());
  for (std::size_t p = 0; p < made->pools.size(); ++p) {
    ASSERT_EQ(made->pools[p].slots.size(), test::kSmallTable);
    for (const auto number : made->pools[p].slots) {
      ASSERT_LT(number, made->backends.size());
      ASSERT_EQ(made->backends[number].pool, p);
      ASSERT_EQ(made->backends[number].state, State::kUp);
    }
  }
}

TEST(Build, BackendWithoutNewFlowsKeepsItsNumberAndLeavesTheTable) {
  Input in = sound();
  in.pools[0].backends[0].draining = true;
  in.pools[0].backends[1].weight = 0;
  const auto made = built(std::move(in));
  EXPECT_EQ(made->backends[1].state, State::kDraining);
  EXPECT_EQ(made->backends[2].state, State::kDraining);
  EXPECT_EQ(made->backends[3].state, State::kUp);
  EXPECT_TRUE(std::ranges::all_of(made->pools[0].slots, [](auto number) { return number == 3; }));
  EXPECT_TRUE(made->backends[1].reachable) << "it keeps the flows it has";
}

TEST(Build, PoolWhoseBackendsAllDrainHasNoSlots) {
  Input in = sound();
  for (auto& b : in.pools[0].backends) b.draining = true;
  const auto made = built(std::move(in));
  EXPECT_TRUE(made->pools[0].slots.empty());
  EXPECT_EQ(made->backends[1].state, State::kDraining);
}

TEST(Build, BackendThatIsDownLeavesTheTableWhateverElseIsSaidOfIt) {
  Input in = sound();
  for (auto& b : in.pools[0].backends) b.down = b.number != 3;
  in.pools[0].backends[0].draining = true;
  const auto made = built(std::move(in));
  EXPECT_EQ(made->backends[1].state, State::kDown);
  EXPECT_EQ(made->backends[2].state, State::kDown);
  EXPECT_TRUE(std::ranges::all_of(made->pools[0].slots, [](auto number) { return number == 3; }));
}

TEST(Build, FlowsMayStayAtBackendsThatAreUpOrDrain) {
  EXPECT_TRUE(keeps_flows(State::kUp));
  EXPECT_TRUE(keeps_flows(State::kDraining));
  EXPECT_FALSE(keeps_flows(State::kDown));
  EXPECT_FALSE(keeps_flows(State::kAbsent));
}

TEST(Build, NumberThatNobodyHasIsAbsent) {
  const auto made = built(test::input({pool("p", {backend("a", 2), backend("b", 5)})}));
  ASSERT_EQ(made->backends.size(), 6U);
  for (const std::size_t number : {0U, 1U, 3U, 4U})
    EXPECT_EQ(made->backends[number].state, State::kAbsent) << number;
}

TEST(Build, BackendWithoutAHopIsNotReachableButKeepsItsShare) {
  Input in = sound();
  in.pools[0].backends[0].hop.reset();
  const auto made = built(std::move(in));
  EXPECT_FALSE(made->backends[1].reachable);
  EXPECT_EQ(made->backends[1].state, State::kUp);
  EXPECT_GT(std::ranges::count(made->pools[0].slots, 1), 0);
}

TEST(Build, ServiceFindsItsPoolAndNumber) {
  Input in = sound();
  in.services[0].number = 9;
  const auto made = built(std::move(in));
  FlowKey key{};
  key.destination[0] = test::ip("203.0.113.10").words()[0];
  key.destination_port = Be16::from_host(443).wire();
  key.protocol = wire::kIpProtoTcp;
  key.family = 4;
  const Service* found = made->find(key);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->pool, 0U);
  EXPECT_EQ(found->number, 9U);
  key.destination_port = Be16::from_host(8443).wire();
  EXPECT_EQ(made->find(key), nullptr);
}

TEST(Build, SettingsOfTheInputReachTheSnapshot) {
  Input in = sound();
  in.generation = 42;
  in.hash_key.word[3] = 0x1234;
  in.tcp_timeout = 77;
  in.udp_timeout = 5;
  const auto made = built(std::move(in));
  EXPECT_EQ(made->generation, 42U);
  EXPECT_EQ(made->hash_key.word[3], 0x1234U);
  EXPECT_EQ(made->tcp_timeout, 77U);
  EXPECT_EQ(made->udp_timeout, 5U);
}

}  // namespace
}  // namespace sluice::snapshot
