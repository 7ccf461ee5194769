// SPDX-License-Identifier: Apache-2.0
// What a tap hands over of the packets that go through the stages, and what it counts as lost.
#include "dataplane/capture_tap.hpp"

#include "dataplane/rig.hpp"
#include "dataplane/stages.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <map>

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::Packet;

constexpr const char* kAddress = "203.0.113.10";

struct Kept {
  Verdict verdict;
  std::uint16_t port;
  std::uint64_t cycles;
  std::optional<std::uint16_t> service, backend;
  Bytes before, after;
  std::uint32_t before_length, after_length;
};

Bytes syn_of(unsigned flow, std::size_t payload = 0) {
  return Packet()
      .eth()
      .ipv4("198.51.100.1", kAddress)
      .tcp(static_cast<std::uint16_t>(1024 + flow), 443, wire::kTcpSyn)
      .payload(payload);
}
Bytes stray() { return Packet().eth().ipv4("198.51.100.1", "203.0.113.99").tcp(1, 443); }

/// A worker's stages around a tap, with a device that takes what it is told to take.
class CaptureTapTest : public testing::Test {
 protected:
  void SetUp() override {
    in_use_before_ = test::buffers_in_use();
    auto in =
        test::input({test::pool("p", test::backends(2))}, {test::service("s", kAddress, 443)});
    now_ = test::built(std::move(in));
  }
  void TearDown() override { EXPECT_EQ(test::buffers_in_use(), in_use_before_); }

  /// One burst; packets that are sent become tx_full when the device takes none.
  void burst(CaptureTap& tap, const std::vector<Bytes>& packets, bool device_takes = true) {
    Burst b;
    b.size = static_cast<std::uint16_t>(packets.size());
    b.port = 7;
    b.taken = false;
    for (std::uint16_t i = 0; i < b.size; ++i)
      b.packet[i] = test::buffer_of(packets[i], 128, split);
    tap.before(b, 4711);
    process(b, *now_, state_);
    if (forget_first) {  // as when it was handed to another worker
      rte_pktmbuf_free(b.packet[0]);
      for (std::uint16_t i = 1; i < b.size; ++i) {
        b.packet[i - 1] = b.packet[i];
        b.service[i - 1] = b.service[i];
        b.backend[i - 1] = b.backend[i];
        b.verdict[i - 1] = b.verdict[i];
      }
      --b.size;
    }
    tap.after(b);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      if (is_sent(b.verdict[i]) && !device_takes) b.verdict[i] = Verdict::kTxFull;
      rte_pktmbuf_free(b.packet[i]);
    }
    tap.settle(b);
  }

  static std::vector<Kept> drain(CaptureTap& tap, std::size_t most = SIZE_MAX) {
    std::vector<Kept> all;
    tap.drain([&](const Captured& c) {
      if (all.size() == most) return false;
      all.push_back({c.verdict, c.port, c.cycles, c.service, c.backend,
                     Bytes(c.before.begin(), c.before.end()), Bytes(c.after.begin(), c.after.end()),
                     c.before_length, c.after_length});
      return true;
    });
    return all;
  }

  std::unique_ptr<const snapshot::Snapshot> now_;
  HeapMemory memory_{4096};
  WorkerState state_{memory_.spans(), 1'000'000'000, 1};
  std::size_t split = SIZE_MAX;
  bool forget_first = false;
  unsigned in_use_before_ = 0;
};

TEST_F(CaptureTapTest, AForwardedPacketIsAPairOfWhatCameAndWhatLeft) {
  CaptureTap tap(CaptureFilter{});
  burst(tap, {syn_of(1)});
  const auto kept = drain(tap);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].verdict, Verdict::kForward);
  EXPECT_EQ(kept[0].port, 7);
  EXPECT_EQ(kept[0].cycles, 4711U);
  EXPECT_EQ(kept[0].service, 0);
  ASSERT_TRUE(kept[0].backend);
  EXPECT_EQ(kept[0].before, syn_of(1));
  EXPECT_EQ(kept[0].after.size(), syn_of(1).size() + 20) << "an outer IPv4 header";
  const auto inner = Bytes(kept[0].after.end() - 20, kept[0].after.end());
  EXPECT_EQ(inner, Bytes(kept[0].before.end() - 20, kept[0].before.end())) << "the TCP header";
  EXPECT_TRUE(drain(tap).empty()) << "each packet is handed over once";
}

TEST_F(CaptureTapTest, WhatIsNotSentHasNoAfter) {
  CaptureTap tap(CaptureFilter{});
  burst(tap, {stray(), Bytes(9)});
  burst(tap, {syn_of(1)}, /*device_takes=*/false);
  const auto kept = drain(tap);
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[0].verdict, Verdict::kHost);
  EXPECT_EQ(kept[0].service, std::nullopt);
  EXPECT_EQ(kept[1].verdict, Verdict::kTruncated);
  EXPECT_EQ(kept[1].before, Bytes(9));
  EXPECT_EQ(kept[2].verdict, Verdict::kTxFull);
  EXPECT_TRUE(kept[2].backend) << "it was to go there";
  for (const auto& k : kept) EXPECT_TRUE(k.after.empty());
}

TEST_F(CaptureTapTest, OnlyWantedVerdictsServicesAndBackendsAreHandedOver) {
  CaptureFilter hosts;
  hosts.verdicts.reset().set(static_cast<std::size_t>(Verdict::kHost));
  CaptureFilter of_service;
  of_service.service = std::uint16_t{0};
  CaptureFilter of_another;
  of_another.service = std::uint16_t{1};
  CaptureFilter to_second;
  to_second.backend = std::uint16_t{1};
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < 30; ++i) packets.push_back(i % 3 == 0 ? stray() : syn_of(i));
  for (const auto& [filter, wanted] :
       {std::pair(hosts, 10U), {of_service, 20U}, {of_another, 0U}}) {
    CaptureTap tap(filter);
    burst(tap, packets);
    EXPECT_EQ(drain(tap).size(), wanted);
    EXPECT_EQ(tap.lost(), 0U);
  }
  CaptureTap tap(to_second);
  burst(tap, packets);
  const auto kept = drain(tap);
  EXPECT_GT(kept.size(), 0U);
  EXPECT_LT(kept.size(), 20U);
  for (const auto& k : kept) {
    EXPECT_EQ(k.backend, 1);
    EXPECT_NE(k.before, stray()) << "slots of others are not mixed up with it";
    EXPECT_FALSE(k.after.empty());
  }
}

TEST_F(CaptureTapTest, EveryNthPacketIsPickedAcrossBursts) {
  CaptureFilter filter;
  filter.sample = 7;
  CaptureTap tap(filter);
  unsigned flow = 0;
  for (const unsigned size : {3U, 32U, 1U, 2U, 32U, 30U}) {
    std::vector<Bytes> packets;
    for (unsigned i = 0; i < size; ++i) packets.push_back(syn_of(flow++));
    burst(tap, packets);
  }
  const auto kept = drain(tap);
  ASSERT_EQ(kept.size(), 15U) << "of 100";
  for (unsigned k = 0; k < kept.size(); ++k) EXPECT_EQ(kept[k].before, syn_of(7 * k)) << k;
}

TEST_F(CaptureTapTest, ACopyIsCutAtTheSnapAndKnowsTheLength) {
  CaptureFilter filter;
  filter.snap = 60;
  CaptureTap tap(filter);
  split = 58;  // the copy goes over two segments
  burst(tap, {syn_of(1, 500)});
  const auto kept = drain(tap);
  ASSERT_EQ(kept.size(), 1U);
  const auto whole = syn_of(1, 500);
  EXPECT_EQ(kept[0].before, Bytes(whole.begin(), whole.begin() + 60));
  EXPECT_EQ(kept[0].before_length, whole.size());
  EXPECT_EQ(kept[0].after.size(), 60U);
  EXPECT_EQ(kept[0].after_length, whole.size() + 20);
}

TEST_F(CaptureTapTest, AFullRingLosesWantedPacketsOnlyAndCountsThem) {
  CaptureFilter filter;
  filter.service = std::uint16_t{0};
  CaptureTap tap(filter);
  const std::vector<Bytes> pair{syn_of(1), stray()};
  for (std::size_t i = 0; i < tap.slots() + 10; ++i) burst(tap, pair);
  EXPECT_EQ(tap.lost(), 10U) << "strays are not wanted, and none of them is lost";
  EXPECT_EQ(drain(tap, 5).size(), 5U);
  for (unsigned i = 0; i < 6; ++i) burst(tap, pair);
  EXPECT_EQ(tap.lost(), 11U) << "five slots were given back";
  EXPECT_EQ(drain(tap).size(), tap.slots());
}

TEST_F(CaptureTapTest, APacketThatAnotherWorkerGetsIsForgotten) {
  CaptureTap tap(CaptureFilter{});
  forget_first = true;
  burst(tap, {syn_of(1), syn_of(2), stray()});
  const auto kept = drain(tap);
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].before, syn_of(2));
  EXPECT_EQ(kept[1].before, stray());
  EXPECT_EQ(kept[1].verdict, Verdict::kHost);
}

TEST_F(CaptureTapTest, MemoryIsBoundedWhateverTheSnap) {
  for (const std::uint16_t snap : {std::uint16_t{1}, std::uint16_t{256}, kLongestSnap}) {
    CaptureFilter filter;
    filter.snap = snap;
    const CaptureTap tap(filter);
    EXPECT_GE(tap.slots(), kBurst) << snap;
    EXPECT_LE(tap.slots() * snap * 2, 4U << 20U) << snap;
  }
}

}  // namespace
}  // namespace sluice::dataplane
