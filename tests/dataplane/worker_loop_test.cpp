// SPDX-License-Identifier: Apache-2.0
// What a worker does over several turns of its loop: fragments that wait, and its heartbeat.
#include "dataplane/worker.hpp"

#include "dataplane/worker_fixture.hpp"
#include "support/dissect.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;

// Fragments: the first of a datagram has the ports, the others wait for it.

Bytes fragment(unsigned id, bool first) {
  const Packet ip = Packet()
                        .eth()
                        .ipv4("198.51.100.1", kVip)
                        .id(static_cast<std::uint16_t>(id))
                        .fragment(first ? 0 : 10, first);
  return first ? Packet(ip).tcp(40000, 443, wire::kTcpSyn).payload(60)
               : Packet(ip).protocol(wire::kIpProtoTcp).payload(40);
}

TEST_F(WorkerTest, AFragmentThatWaitsIsTakenUpByThePollThatBringsTheFirst) {
  start(tables(5));
  arrive({fragment(7, false)});
  EXPECT_EQ(poll(), 1U);
  EXPECT_EQ(worker_->counters().rx_packets.value(), 0U) << "what waits is in no book yet";
  EXPECT_EQ(poll(), 0U) << "it waits on";
  EXPECT_TRUE(take(kOut).empty());
  arrive({fragment(7, true)});
  EXPECT_EQ(poll(), 2U) << "the first one, and the one that waited";
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_FALSE(test::ip_of(test::strip_ipv4(test::strip_ethernet(sent[0]))).later);
  EXPECT_TRUE(test::ip_of(test::strip_ipv4(test::strip_ethernet(sent[1]))).later);
  EXPECT_EQ(test::text(test::ip_of(test::strip_ethernet(sent[0])).destination),
            test::text(test::ip_of(test::strip_ethernet(sent[1])).destination));
  EXPECT_EQ(worker_->counters().rx_packets.value(), 2U);
  EXPECT_EQ(count(Verdict::kForward), 2U);
  EXPECT_EQ(poll(), 0U);
}

TEST_F(WorkerTest, AFragmentThatHasWaitedLongEnoughGoesOnWithoutTheFirst) {
  start(tables(5));
  const auto began = std::chrono::steady_clock::now();
  arrive({fragment(7, false)});
  EXPECT_EQ(poll(), 1U);
  EXPECT_EQ(count(Verdict::kForward), 0U);
  while (count(Verdict::kForward) == 0 &&
         std::chrono::steady_clock::now() - began < std::chrono::seconds(30))
    poll();
  EXPECT_EQ(take(kOut).size(), 1U);
}

TEST_F(WorkerTest, MoreFragmentsThanABurstThatWaitForOneFirstAllGoOn) {
  start(tables(5));
  arrive(std::vector<Bytes>(kBurst + 9, fragment(7, false)));
  while (poll() != 0) {
  }
  arrive({fragment(7, true)});
  EXPECT_EQ(poll(), kBurst + 10U);
  EXPECT_EQ(take(kOut).size(), kBurst + 10U);
}

TEST_F(WorkerTest, FragmentsThatStillWaitAreFreedWithTheWorker) {
  start(tables(5));
  arrive({fragment(7, false), fragment(8, false)});
  EXPECT_EQ(poll(), 2U);
  EXPECT_GT(test::buffers_in_use(), in_use_before_);
  worker_.reset();
}

std::uint64_t monotonic_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

TEST_F(WorkerTest, HeartbeatIsTheMonotonicClockOfTheLastTurnsBusyOrIdle) {
  std::uint64_t word = 0;
  settings_.heartbeat = &word;
  const std::uint64_t before = monotonic_ns();
  start(tables(1));
  EXPECT_EQ(worker_->heartbeat(), 0U) << "it has not come round yet";
  snapshot::Reader reader(*publisher_, 0);
  worker_->turn(reader);
  const std::uint64_t first = worker_->heartbeat();
  EXPECT_EQ(first, word) << "where the settings say";
  EXPECT_GE(first, before);
  EXPECT_LE(first, monotonic_ns());
  // Idle until the clock has been read anew, then busy.
  const std::uint64_t later = first + 2 * flow::kTickSeconds * 1'000'000'000U;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::uint64_t last = first;
  while (worker_->heartbeat() < later && std::chrono::steady_clock::now() < end) {
    worker_->turn(reader);
    const std::uint64_t beat = worker_->heartbeat();
    // By how much the TSC and the clock may differ within a tick: 100 ppm of it and more.
    ASSERT_GE(beat + 1'000'000, last);
    ASSERT_LE(beat, monotonic_ns() + 1'000'000);
    last = beat;
  }
  EXPECT_GE(worker_->heartbeat(), later);
  while (worker_->heartbeat() == last && std::chrono::steady_clock::now() < end) {
    arrive({syn(0)});
    worker_->turn(reader);
    take(kOut);
  }
  EXPECT_NE(worker_->heartbeat(), last);
}

TEST_F(WorkerTest, HeartbeatHasAPlaceOfItsOwnWhereNoneIsNamed) {
  start(tables(1));
  snapshot::Reader reader(*publisher_, 0);
  worker_->turn(reader);
  EXPECT_NE(worker_->heartbeat(), 0U);
}

}  // namespace
}  // namespace sluice::dataplane
