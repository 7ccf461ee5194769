// SPDX-License-Identifier: Apache-2.0
// A worker on real DPDK devices that need no hardware: what goes into the ring of port 0 is what
// the worker receives, what it sends by port 1 is found in the ring of that port.
#pragma once

#include "dataplane/port.hpp"
#include "dataplane/rig.hpp"
#include "dataplane/site.hpp"
#include "dataplane/worker.hpp"
#include "snapshot/input.hpp"

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <memory>
#include <utility>
#include <vector>

namespace sluice::dataplane {

using test::kVip;
inline constexpr std::uint16_t kIn = 0;  // index in the configuration, not DPDK's number
inline constexpr std::uint16_t kOut = 1;
inline constexpr std::uint16_t kHostSide = 2;  // no port of the node: stands for a TAP device

inline test::Bytes syn(unsigned flow) {
  return test::Packet()
      .eth()
      .ipv4("198.51.100.1", kVip)
      .tcp(static_cast<std::uint16_t>(1024 + flow), 443, wire::kTcpSyn);
}
inline test::Bytes stray() {
  return test::Packet().eth().ipv4("198.51.100.1", "203.0.113.99").tcp(1, 443);
}
inline test::Bytes runt() { return test::Bytes(9); }

/// `backends` in one ipip pool, reached by the ports of `egress` in turn.
inline std::unique_ptr<const snapshot::Snapshot> tables(unsigned backends,
                                                        std::vector<std::uint16_t> egress = {kOut},
                                                        std::uint64_t generation = 1) {
  auto in =
      test::input({test::pool("p", test::backends(backends))}, {test::service("s", kVip, 443)});
  for (auto& b : in.pools[0].backends) b.hop->port = egress[b.number % egress.size()];
  in.generation = generation;
  return test::built(std::move(in));
}

class WorkerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const char* device : {"net_ring0", "net_ring1", "net_ring2"}) {
      PortSettings settings;
      settings.name = settings.device = device;
      auto port = Port::open(settings);
      ASSERT_TRUE(port) << port.error().text();
      ports_.push_back(std::move(*port));
    }
  }
  static void TearDownTestSuite() { ports_.clear(); }

  void SetUp() override {
    ASSERT_EQ(ports_.size(), 3U);
    drain();
    in_use_before_ = test::buffers_in_use();
    settings_.queues = {{kIn, 0}};
    settings_.ports = {{ports_[kIn].id(), false, true}, {ports_[kOut].id(), false, true}};
    settings_.flows = 1024;
    settings_.nat_sessions = 1024;
  }

  void TearDown() override {
    drain();
    EXPECT_EQ(test::buffers_in_use(), in_use_before_) << "packet buffers were lost";
    if (!worker_) return;
    Books books;
    books.add(worker_->counters());
    EXPECT_EQ(books.in_flight(), 0U) << "the books do not balance";
  }

  void start(std::unique_ptr<const snapshot::Snapshot> first) {
    auto publisher = snapshot::Publisher::create(std::move(first), 1);
    ASSERT_TRUE(publisher);
    publisher_ = std::move(*publisher);
    auto worker = Worker::create(settings_, *publisher_);
    ASSERT_TRUE(worker) << worker.error().text();
    worker_ = std::move(*worker);
  }

  /// Puts packets into the ring that port 0 receives from.
  static void arrive(const std::vector<test::Bytes>& packets, std::uint16_t port = kIn) {
    for (const auto& packet : packets) {
      rte_mbuf* m = test::buffer_of(packet);
      ASSERT_EQ(rte_eth_tx_burst(ports_[port].id(), 0, &m, 1), 1);
    }
  }
  static std::vector<test::Bytes> take(std::uint16_t port) {
    std::vector<test::Bytes> packets;
    rte_mbuf* m = nullptr;
    while (rte_eth_rx_burst(ports_[port].id(), 0, &m, 1) == 1) {
      packets.push_back(test::bytes_of(m));
      rte_pktmbuf_free(m);
    }
    return packets;
  }
  static void drain() {
    for (const std::uint16_t port : {kIn, kOut, kHostSide}) take(port);
  }

  std::uint32_t poll() {
    snapshot::Reader reader(*publisher_, 0);
    return worker_->poll(reader);
  }
  [[nodiscard]] std::uint64_t count(Verdict v) const {
    return worker_->counters().verdicts[static_cast<std::size_t>(v)].value();
  }

  static inline std::vector<Port> ports_;
  WorkerSettings settings_;
  std::unique_ptr<snapshot::Publisher> publisher_;
  std::unique_ptr<Worker> worker_;
  unsigned in_use_before_ = 0;
};

}  // namespace sluice::dataplane
