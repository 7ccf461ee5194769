// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker.hpp"

#include "dataplane/encapsulate.hpp"
#include "dataplane/worker_fixture.hpp"
#include "support/dissect.hpp"

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <span>
#include <thread>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;

TEST_F(WorkerTest, PacketIsReceivedRewrittenAndSentByItsBackendsPort) {
  start(tables(1));
  const std::vector<Bytes> in = {syn(0)};
  arrive(in);
  EXPECT_EQ(poll(), 1U);
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), 1U);
  test::Rig rig;
  const auto wanted = rig.one(publisher_->current(), in[0]).bytes;
  EXPECT_EQ(test::hex(sent[0]), test::hex(wanted));
  const Counters& c = worker_->counters();
  EXPECT_EQ(c.rx_packets.value(), 1U);
  EXPECT_EQ(c.rx_bytes.value(), in[0].size());
  EXPECT_EQ(c.tx_bytes.value(), wanted.size());
  EXPECT_EQ(c.bursts.value(), 1U);
  EXPECT_EQ(c.by_service[0].packets.value(), 1U);
  EXPECT_EQ(c.by_backend[1].new_flows.value(), 1U);
}

TEST_F(WorkerTest, PacketsAreCopiedWhileThereIsATapAndSentAllTheSame) {
  start(tables(1));
  const auto tap = std::make_shared<CaptureTap>(CaptureFilter{});
  std::vector<Bytes> before;
  std::vector<Bytes> after;
  const auto drain_tap = [&] {
    tap->drain([&](const Captured& c) {
      before.emplace_back(c.before.begin(), c.before.end());
      after.emplace_back(c.after.begin(), c.after.end());
      return true;
    });
  };
  worker_->capture_to(tap.get());
  arrive({syn(0), stray()});
  EXPECT_EQ(poll(), 2U);
  worker_->capture_to(nullptr);
  publisher_->retire(tap);
  EXPECT_EQ(publisher_->reclaim(), 0U) << "no worker is at work";
  arrive({syn(2)});
  EXPECT_EQ(poll(), 1U);
  drain_tap();
  EXPECT_EQ(before, (std::vector<Bytes>{syn(0), stray()}));
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(after, (std::vector<Bytes>{sent[0], {}}));
}

TEST_F(WorkerTest, PollOfEmptyQueuesIsCountedAsSuch) {
  start(tables(1));
  EXPECT_EQ(poll(), 0U);
  arrive({syn(0)});
  EXPECT_EQ(poll(), 1U);
  EXPECT_EQ(worker_->counters().polls.value(), 2U);
  EXPECT_EQ(worker_->counters().empty_polls.value(), 1U);
}

TEST_F(WorkerTest, OnePollTakesSomeBurstsWhileTheyAreFullAndLeavesTheRestForTheNext) {
  start(tables(1));
  arrive(std::vector<Bytes>(kBurstsOfPoll * kBurst + 5, syn(0)));
  EXPECT_EQ(poll(), kBurstsOfPoll * kBurst);
  EXPECT_EQ(poll(), 5U);
  EXPECT_EQ(poll(), 0U);
  EXPECT_EQ(take(kOut).size(), kBurstsOfPoll * kBurst + 5U);
  EXPECT_EQ(worker_->counters().bursts.value(), kBurstsOfPoll + 1U);
}

TEST_F(WorkerTest, PacketsOfSeveralBurstsOfAPollLeaveInTheirOrder) {
  start(tables(1));
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < 3 * kBurst + 7; ++i) packets.push_back(syn(i % 5 == 0 ? 0 : i));
  arrive(packets);
  EXPECT_EQ(poll(), packets.size()) << "the last burst is not full, and ends the poll";
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), packets.size());
  for (std::size_t i = 0; i < sent.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(std::span(sent[i]).last(20), std::span(packets[i]).last(20)))
        << i;
}

TEST_F(WorkerTest, EveryQueueIsPolled) {
  settings_.queues = {{kIn, 0}, {kOut, 0}};
  start(tables(1, {kIn}));  // what it sends by port 0 would come back: read it first
  arrive({syn(0)}, kIn);
  arrive({syn(1), syn(2)}, kOut);
  EXPECT_EQ(poll(), 3U);
  EXPECT_EQ(take(kIn).size(), 3U);
}

TEST_F(WorkerTest, WhatIsNotSentIsFreed) {
  start(tables(1));
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < 300; ++i) packets.push_back(i % 2 == 0 ? stray() : runt());
  arrive(packets);
  while (poll() != 0) {
  }
  EXPECT_EQ(test::buffers_in_use(), in_use_before_);
  EXPECT_EQ(count(Verdict::kTruncated), 150U);
}

TEST_F(WorkerTest, PacketForTheHostHasNoPathFromAPortThatLinuxDoesNotSee) {
  start(tables(1));
  arrive({stray(), stray()});
  poll();
  EXPECT_EQ(count(Verdict::kNoHostPath), 2U);
  EXPECT_EQ(count(Verdict::kHost), 0U);
}

TEST_F(WorkerTest, PacketForTheHostIsTheHostsWhereItHasACopy) {
  settings_.ports[kIn].kernel_has_copy = true;
  start(tables(1));
  arrive({stray(), stray(), syn(0)});
  poll();
  EXPECT_EQ(count(Verdict::kHost), 2U);
  EXPECT_EQ(count(Verdict::kNoHostPath), 0U);
  EXPECT_EQ(count(Verdict::kForward), 1U);
}

// A ring gives back what it is given: what goes to the host comes from it in the same poll.
TEST_F(WorkerTest, ExceptionPathTakesPacketsForTheHostAndBringsThoseOfTheHost) {
  settings_.ports[kIn].exception = ports_[kHostSide].id();
  start(tables(1));
  arrive({stray(), syn(0), stray()});
  EXPECT_EQ(poll(), 3U);
  EXPECT_EQ(count(Verdict::kHost), 2U);
  EXPECT_EQ(count(Verdict::kForward), 1U);
  EXPECT_EQ(worker_->counters().from_host.value(), 2U);
  EXPECT_EQ(worker_->counters().rx_packets.value(), 3U) << "the host's own are not received";
  EXPECT_EQ(take(kIn), (std::vector<Bytes>{stray(), stray()}));
}

TEST_F(WorkerTest, DropsDoNotTakeTheExceptionPath) {
  settings_.ports[kIn].exception = ports_[kHostSide].id();
  start(tables(1));
  arrive({runt()});
  poll();
  EXPECT_TRUE(take(kIn).empty());
  EXPECT_EQ(count(Verdict::kTruncated), 1U);
}

TEST_F(WorkerTest, DeviceThatSendsNoSegmentsGetsPacketsInOneOrNotAtAll) {
  settings_.ports[kOut].sends_segments = false;
  start(tables(1));
  const Bytes fits = Packet().eth().ipv4("198.51.100.1", kVip).tcp(1, 443).payload(900);
  rte_mbuf* short_one = test::buffer_of(fits, 128, 500);
  rte_mbuf* full = test::buffer_of(fits, 128, 500);
  full->buf_len = static_cast<std::uint16_t>(full->data_off + full->data_len);  // no room behind
  const std::uint16_t whole = short_one->buf_len;
  ASSERT_EQ(rte_eth_tx_burst(ports_[kIn].id(), 0, &short_one, 1), 1);
  ASSERT_EQ(rte_eth_tx_burst(ports_[kIn].id(), 0, &full, 1), 1);
  rte_mbuf* again = full;
  EXPECT_EQ(poll(), 2U);
  again->buf_len = whole;  // as the pool knows it
  EXPECT_EQ(count(Verdict::kForward), 1U);
  EXPECT_EQ(count(Verdict::kNoRoom), 1U);
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].size(), fits.size() + 20);
}

/// A driver that takes every other packet as it is.
std::uint16_t take_every_other(void*, rte_mbuf** packets, std::uint16_t count) {
  static unsigned seen = 0;
  for (std::uint16_t i = 0; i < count; ++i)
    if ((packets[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0 && ++seen % 2 == 0) return i;
  return count;
}

TEST_F(WorkerTest, ChecksumsAreLeftToADeviceThatMakesThemAsFarAsItsDriverTakesThem) {
  settings_.ports[kOut].sums_udp = true;
  auto in = test::input({test::pool("p", test::backends(1), snapshot::Forwarding::kGue)},
                        {test::service("s", kVip, 443)});
  for (auto& b : in.pools[0].backends) b.hop->port = kOut;
  const auto same = test::built(in);
  start(test::built(std::move(in)));
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < 8; ++i) packets.push_back(syn(i));
  test::Rig rig;  // makes all of them in software
  const auto wanted = rig.run(*same, packets);
  arrive(packets);
  auto& prepare = rte_eth_fp_ops[ports_[kOut].id()].tx_pkt_prepare;
  prepare = take_every_other;
  EXPECT_EQ(poll(), 8U);
  prepare = nullptr;
  for (unsigned i = 0; i < 8; ++i) {
    rte_mbuf* m = nullptr;
    ASSERT_EQ(rte_eth_rx_burst(ports_[kOut].id(), 0, &m, 1), 1);
    EXPECT_EQ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0, i % 2 == 0);
    finish_checksum(*m);  // as the device would
    EXPECT_EQ(test::hex(test::bytes_of(m)), test::hex(wanted[i].bytes));
    rte_pktmbuf_free(m);
  }
}

TEST_F(WorkerTest, CapturedPacketsHaveTheirChecksums) {
  settings_.ports[kOut].sums_udp = true;
  auto in = test::input({test::pool("p", test::backends(1), snapshot::Forwarding::kGue)},
                        {test::service("s", kVip, 443)});
  for (auto& b : in.pools[0].backends) b.hop->port = kOut;
  const auto same = test::built(in);
  start(test::built(std::move(in)));
  const auto tap = std::make_shared<CaptureTap>(CaptureFilter{});
  worker_->capture_to(tap.get());
  arrive({syn(0)});
  EXPECT_EQ(poll(), 1U);
  worker_->capture_to(nullptr);
  Bytes after;
  tap->drain([&](const Captured& c) {
    after.assign(c.after.begin(), c.after.end());
    return true;
  });
  publisher_->retire(tap);
  EXPECT_EQ(take(kOut), std::vector<Bytes>{after});
  test::Rig rig;
  EXPECT_EQ(test::hex(after), test::hex(rig.one(*same, syn(0)).bytes));
}

TEST_F(WorkerTest, PortOfArrivalDecidesWhetherTheHostHasACopy) {
  settings_.queues = {{kIn, 0}, {kOut, 0}};
  settings_.ports[kIn].kernel_has_copy = true;
  start(tables(1));
  arrive({stray()}, kIn);
  arrive({stray(), stray()}, kOut);
  poll();
  EXPECT_EQ(count(Verdict::kHost), 1U);
  EXPECT_EQ(count(Verdict::kNoHostPath), 2U);
}

TEST_F(WorkerTest, PacketsOfOneBurstLeaveBySeveralPortsEachInOrder) {
  start(tables(8, {kIn, kOut}));
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < kBurst; ++i) packets.push_back(syn(i));
  arrive(packets);
  EXPECT_EQ(poll(), kBurst);
  std::size_t sent = 0;
  for (const std::uint16_t port : {kIn, kOut}) {
    unsigned last = 0;
    for (const auto& packet : take(port)) {
      ++sent;
      const auto outer = test::strip_ethernet(packet);
      const unsigned backend = test::ethernet_of(packet).destination[5];
      EXPECT_EQ(backend % 2, port);
      const unsigned source = test::tcp_of(test::strip_ipv4(outer)).source_port.to_host();
      EXPECT_GT(source, last);
      last = source;
    }
    EXPECT_GT(last, 0U) << "nothing left by port " << port;
  }
  EXPECT_EQ(sent, kBurst);
}

TEST_F(WorkerTest, WhatAFullDeviceDoesNotTakeIsCountedAndFreed) {
  start(tables(1));
  std::size_t queued = 0;
  for (;; ++queued) {  // until one place is left
    rte_mbuf* m = test::buffer_of(runt());
    if (rte_eth_tx_burst(ports_[kOut].id(), 0, &m, 1) == 0) {
      rte_pktmbuf_free(m);
      break;
    }
  }
  rte_mbuf* freed = nullptr;
  ASSERT_EQ(rte_eth_rx_burst(ports_[kOut].id(), 0, &freed, 1), 1);
  rte_pktmbuf_free(freed);

  arrive({syn(0), stray(), syn(1), syn(2)});
  EXPECT_EQ(poll(), 4U);
  EXPECT_EQ(count(Verdict::kForward), 1U);
  EXPECT_EQ(count(Verdict::kTxFull), 2U);
  EXPECT_EQ(count(Verdict::kNoHostPath), 1U);
  EXPECT_EQ(worker_->counters().by_backend[1].packets.value(), 1U) << "only what was sent";
  const auto sent = take(kOut);
  ASSERT_EQ(sent.size(), queued);
  EXPECT_EQ(worker_->counters().tx_bytes.value(), sent.back().size());
  EXPECT_EQ(test::tcp_of(test::strip_ipv4(test::strip_ethernet(sent.back()))).source_port.to_host(),
            1024U)
      << "the first of the burst";
}

TEST_F(WorkerTest, SnapshotIsNotHeldBetweenPolls) {
  start(tables(1));
  snapshot::Reader reader(*publisher_, 0);
  arrive({syn(0)});
  worker_->poll(reader);
  publisher_->publish(tables(2));
  EXPECT_EQ(publisher_->reclaim(), 1U);
  worker_->poll(reader);
  EXPECT_EQ(publisher_->reclaim(), 0U);
}

TEST_F(WorkerTest, FlowsOfPublishedTablesStayOverPolls) {
  start(tables(2));
  for (unsigned f = 0; f < 20; ++f) {
    arrive({syn(f)});
    poll();
  }
  std::vector<unsigned> home;
  for (const auto& packet : take(kOut)) home.push_back(test::ethernet_of(packet).destination[5]);
  publisher_->publish(tables(8));
  for (unsigned f = 0; f < 20; ++f) {
    arrive({syn(f)});
    poll();
  }
  std::vector<unsigned> later;
  for (const auto& packet : take(kOut)) later.push_back(test::ethernet_of(packet).destination[5]);
  EXPECT_EQ(later, home);
}

TEST_F(WorkerTest, SignalsOfABackendCountItsNewFlows) {
  start(tables(1));
  arrive({syn(0), syn(1)});
  poll();
  EXPECT_EQ(worker_->signals(1).new_flows.value(), 2U);
  EXPECT_EQ(worker_->signals(snapshot::kMostBackends - 1).new_flows.value(), 0U);
}

TEST_F(WorkerTest, TablesChangeUnderAPollingWorkerAndEveryPacketIsAccountedFor) {
  constexpr unsigned kPackets = 20'000;
  constexpr std::uint64_t kGenerations = 200;
  start(tables(1));
  std::atomic<bool> stop{false};
  std::thread polling([&] {
    snapshot::Reader reader(*publisher_, 0);
    while (!stop.load(std::memory_order_relaxed)) worker_->poll(reader);
  });

  std::uint64_t generation = 1;
  unsigned arrived = 0;
  std::size_t sent = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while ((sent < kPackets || generation < kGenerations || publisher_->reclaim() != 0) &&
         std::chrono::steady_clock::now() < end) {
    // Never more under way than a ring holds: whoever waits for its core must not lose packets.
    for (int i = 0; i < 64 && arrived < kPackets && arrived - sent < 512; ++i) {
      rte_mbuf* m = test::buffer_of(syn(arrived));
      if (rte_eth_tx_burst(ports_[kIn].id(), 0, &m, 1) == 0) {
        rte_pktmbuf_free(m);
        break;
      }
      ++arrived;
    }
    rte_mbuf* m = nullptr;
    while (rte_eth_rx_burst(ports_[kOut].id(), 0, &m, 1) == 1) {
      const unsigned backend = test::ethernet_of(test::bytes_of(m)).destination[5];
      EXPECT_LE(backend, 4U);
      rte_pktmbuf_free(m);
      ++sent;
    }
    Books books;
    books.add(worker_->counters());
    EXPECT_LE(books.in_flight(), kPackets) << "negative, read while the worker works";
    if (generation < kGenerations) {
      ++generation;
      publisher_->publish(tables(static_cast<unsigned>(1 + generation % 4), {kOut}, generation));
    }
  }
  stop.store(true, std::memory_order_relaxed);
  polling.join();
  EXPECT_EQ(arrived, kPackets);
  EXPECT_EQ(sent, kPackets);
  EXPECT_EQ(count(Verdict::kForward), kPackets);
  EXPECT_EQ(publisher_->reclaim(), 0U);
}

TEST_F(WorkerTest, CacheThatDoesNotFitItsMemoryIsRefusedWithARemedy) {
  auto publisher = snapshot::Publisher::create(tables(1), 1);
  ASSERT_TRUE(publisher);
  settings_.flows = 1U << 30;
  const auto worker = Worker::create(settings_, **publisher);
  ASSERT_FALSE(worker);
  EXPECT_EQ(worker.error().code, Errc::kExhausted);
  EXPECT_NE(worker.error().message.find("/flow_cache/flows"), std::string::npos)
      << worker.error().message;
}

}  // namespace
}  // namespace sluice::dataplane
