// SPDX-License-Identifier: Apache-2.0
#include "dataplane/hand_over.hpp"

#include "dataplane/rig.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <array>
#include <memory>
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

}  // namespace
}  // namespace sluice::dataplane
