// SPDX-License-Identifier: Apache-2.0
// Parsing and hashing as a worker does them: bursts of 32 packets that lie in buffers like a
// device's, more than the L1 cache holds, prefetched a few ahead. Unit: packets.
#include "packet/parse.hpp"

#include "support/packet.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace sluice {
namespace {

constexpr std::size_t kBurst = 32;
constexpr std::size_t kAhead = 4;
constexpr std::size_t kPackets = 4096;
constexpr std::size_t kStride = 2304;  // a DPDK packet buffer with its headroom and descriptor
constexpr std::size_t kHeadroom = 256;

enum class Kind { kTcp, kUdp, kVlanTcp, kTcpOptions, kMixed };

test::Bytes packet(Kind kind, std::mt19937& random) {
  if (kind == Kind::kMixed) {
    constexpr std::array kMix{Kind::kTcp, Kind::kTcp, Kind::kUdp, Kind::kVlanTcp};
    kind = kMix[random() % kMix.size()];
  }
  const auto port = static_cast<std::uint16_t>(random());
  const auto client = "198.51.100." + std::to_string(random() % 256);
  test::Packet p;
  p.eth();
  if (kind == Kind::kVlanTcp) p.vlan(5);
  p.ipv4(client, "203.0.113.10");
  if (kind == Kind::kUdp) return p.udp(port, 443).payload(22);
  p.tcp(port, 443);
  if (kind == Kind::kTcpOptions) p.tcp_options(3);
  return p.payload(10);
}

/// Frames in buffers a stride apart, visited in an order that no hardware prefetcher guesses.
class Frames {
 public:
  explicit Frames(Kind kind) : memory_(kPackets * kStride), frames_(kPackets) {
    std::mt19937 random(1);
    std::vector<std::size_t> order(kPackets);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::shuffle(order, random);
    for (std::size_t i = 0; i < kPackets; ++i) {
      const auto bytes = packet(kind, random);
      auto* at = memory_.data() + order[i] * kStride + kHeadroom;
      std::ranges::copy(bytes, at);
      frames_[i] = {at, bytes.size()};
    }
  }
  /// The next burst; begins again after the last.
  std::span<const std::span<const std::byte>> next() noexcept {
    const auto burst = std::span(frames_).subspan(at_, kBurst);
    at_ = (at_ + kBurst) % kPackets;
    return burst;
  }

 private:
  std::vector<std::byte> memory_;
  std::vector<std::span<const std::byte>> frames_;
  std::size_t at_ = 0;
};

/// Calls f(i, frame) for each frame of a burst, prefetching as the parse stage does.
template <class F>
void each(std::span<const std::span<const std::byte>> burst, F&& f) {
  for (std::size_t i = 0; i < kAhead; ++i) __builtin_prefetch(burst[i].data());
  for (std::size_t i = 0; i < burst.size(); ++i) {
    if (i + kAhead < burst.size()) __builtin_prefetch(burst[i + kAhead].data());
    f(i, burst[i]);
  }
}

// What nothing can beat: the burst's frames are visited and one byte of each is read.
void BM_Floor(benchmark::State& state) {
  Frames frames(Kind::kTcp);
  std::array<std::byte, kBurst> seen{};
  for (auto _ : state) {
    each(frames.next(), [&](std::size_t i, auto frame) { seen[i] = frame[12]; });
    benchmark::DoNotOptimize(seen);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK(BM_Floor);

void BM_Parse(benchmark::State& state, Kind kind) {
  Frames frames(kind);
  std::array<Parsed, kBurst> parsed;
  std::array<Verdict, kBurst> verdict{};
  for (auto _ : state) {
    each(frames.next(), [&](std::size_t i, auto frame) {
      verdict[i] = parse_frame(frame, frame.size(), parsed[i]);
    });
    benchmark::DoNotOptimize(parsed);
    benchmark::DoNotOptimize(verdict);
    benchmark::ClobberMemory();
  }
  if (std::ranges::any_of(verdict, [](Verdict v) { return v != Verdict::kForward; }))
    state.SkipWithError("a packet was not parsed");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK_CAPTURE(BM_Parse, tcp, Kind::kTcp);
BENCHMARK_CAPTURE(BM_Parse, udp, Kind::kUdp);
BENCHMARK_CAPTURE(BM_Parse, vlan_tcp, Kind::kVlanTcp);
BENCHMARK_CAPTURE(BM_Parse, tcp_options, Kind::kTcpOptions);
BENCHMARK_CAPTURE(BM_Parse, mixed, Kind::kMixed);

// Keys are in the L1 cache: the parse stage has just written them.
void BM_FlowHash(benchmark::State& state, std::uint8_t family) {
  std::mt19937 random(1);
  std::array<FlowKey, kBurst> keys{};
  for (auto& key : keys) {
    for (std::size_t word = 0; word < (family == 4 ? 1U : 4U); ++word) {
      key.source[word] = static_cast<std::uint32_t>(random());
      key.destination[word] = static_cast<std::uint32_t>(random());
    }
    key.source_port = static_cast<std::uint16_t>(random());
    key.destination_port = static_cast<std::uint16_t>(random());
    key.protocol = wire::kIpProtoTcp;
    key.family = family;
  }
  const auto secret = default_hash_key();
  std::array<std::uint64_t, kBurst> hash{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(keys);
    for (std::size_t i = 0; i < kBurst; ++i) hash[i] = flow_hash(keys[i], secret);
    benchmark::DoNotOptimize(hash);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}
BENCHMARK_CAPTURE(BM_FlowHash, v4, std::uint8_t{4});
BENCHMARK_CAPTURE(BM_FlowHash, v6, std::uint8_t{6});

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
