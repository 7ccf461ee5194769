// SPDX-License-Identifier: Apache-2.0
#include "dataplane/hand_over.hpp"

#include "dataplane/rig.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::dataplane {
namespace {

using test::Bytes;

std::unique_ptr<HandOver> between(unsigned workers) {
  auto made = HandOver::create(workers);
  EXPECT_TRUE(made) << made.error().text();
  return made ? std::move(*made) : nullptr;
}

rte_mbuf* packet(std::size_t bytes = 60) { return test::buffer_of(Bytes(bytes)); }

TEST(HandOver, PacketsArriveInOrderAndAtTheWorkerTheyAreFor) {
  const auto rings = between(3);
  std::array<rte_mbuf*, 4> given{packet(), packet(), packet(), packet()};
  ASSERT_TRUE(rings->give(0, 2, given[0]));
  ASSERT_TRUE(rings->give(1, 2, given[1]));
  ASSERT_TRUE(rings->give(0, 2, given[2]));
  ASSERT_TRUE(rings->give(2, 0, given[3]));
  std::array<rte_mbuf*, 32> taken{};
  EXPECT_EQ(rings->take(0, 1, taken), 0U);
  ASSERT_EQ(rings->take(0, 2, taken), 2U);
  EXPECT_EQ(taken[0], given[0]);
  EXPECT_EQ(taken[1], given[2]);
  ASSERT_EQ(rings->take(1, 2, taken), 1U);
  EXPECT_EQ(taken[0], given[1]);
  ASSERT_EQ(rings->take(2, 0, taken), 1U);
  EXPECT_EQ(taken[0], given[3]);
  for (rte_mbuf* m : given) rte_pktmbuf_free(m);
}

TEST(HandOver, AFullRingTakesNoMoreUntilSomeAreTaken) {
  const auto rings = between(2);
  unsigned count = 0;
  rte_mbuf* next = packet();
  for (; rings->give(0, 1, next); next = packet()) ++count;
  EXPECT_EQ(count, HandOver::kDepth);
  EXPECT_EQ(next->pkt_len, 60U) << "the packet is still ours";
  std::array<rte_mbuf*, 1> one{};
  ASSERT_EQ(rings->take(0, 1, one), 1U);
  rte_pktmbuf_free(one[0]);
  EXPECT_TRUE(rings->give(0, 1, next));
}

TEST(HandOver, WhatNobodyTookIsFreed) {
  const unsigned before = test::buffers_in_use();
  {
    const auto rings = between(2);
    for (int n = 0; n < 5; ++n) ASSERT_TRUE(rings->give(1, 0, packet()));
    EXPECT_EQ(test::buffers_in_use(), before + 5);
  }
  EXPECT_EQ(test::buffers_in_use(), before);
}

TEST(HandOver, TheBellOfTheOneItIsForRingsOnceForWhatWasGivenSinceItWasAsked) {
  const auto rings = between(3);
  std::array<rte_mbuf*, 32> taken{};
  for (unsigned to = 0; to < 3; ++to) EXPECT_FALSE(rings->rung(to)) << "nothing yet";
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(rings->give(0, 2, packet()));
    ASSERT_TRUE(rings->give(1, 2, packet()));
    EXPECT_FALSE(rings->rung(0));
    EXPECT_FALSE(rings->rung(1));
    EXPECT_TRUE(rings->rung(2));
    EXPECT_FALSE(rings->rung(2)) << "asked before";
    rings->ring_on(2);
    EXPECT_TRUE(rings->rung(2)) << "something was left";
    for (unsigned from = 0; from < 2; ++from) {
      ASSERT_EQ(rings->take(from, 2, taken), 1U);
      rte_pktmbuf_free(taken[0]);
    }
    EXPECT_FALSE(rings->rung(2));
  }
}

TEST(HandOver, WhatARingHasNoRoomForDoesNotRing) {
  const auto rings = between(2);
  rte_mbuf* next = packet();
  for (; rings->give(0, 1, next); next = packet()) {
  }
  EXPECT_TRUE(rings->rung(1));
  EXPECT_FALSE(rings->give(0, 1, next));
  EXPECT_FALSE(rings->rung(1));
  rte_pktmbuf_free(next);
}

// Workers that give at once, and one that looks only when its bell rings: nothing stays behind.
TEST(HandOver, NothingIsLeftInARingWhoseReceiverGoesByItsBell) {
  constexpr unsigned kGivers = 3;
  constexpr unsigned kPackets = 20'000;
  const auto rings = between(kGivers + 1);
  std::vector<std::thread> givers;
  static std::array<rte_mbuf, kGivers> packets;  // never looked into
  for (unsigned from = 0; from < kGivers; ++from)
    givers.emplace_back([&, from] {
      for (unsigned n = 0; n < kPackets;)
        if (rings->give(from, kGivers, &packets[from]))
          ++n;
        else
          std::this_thread::yield();
    });
  std::array<unsigned, kGivers> got{};
  const auto sum = [&] { return got[0] + got[1] + got[2]; };
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (sum() < kGivers * kPackets && std::chrono::steady_clock::now() < give_up) {
    if (!rings->rung(kGivers)) {
      std::this_thread::yield();
      continue;
    }
    std::array<rte_mbuf*, 8> taken{};
    for (unsigned from = 0; from < kGivers; ++from) {
      const auto n = rings->take(from, kGivers, taken);
      for (unsigned i = 0; i < n; ++i) EXPECT_EQ(taken[i], &packets[from]);
      got[from] += n;
      if (n == taken.size()) rings->ring_on(kGivers);
    }
  }
  for (auto& giver : givers) giver.join();
  EXPECT_EQ(sum(), kGivers * kPackets);
}

}  // namespace
}  // namespace sluice::dataplane
