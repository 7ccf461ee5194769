// SPDX-License-Identifier: Apache-2.0
// What the pipeline's benchmark is fed: packets of many flows in memory, and the tables for them.
//
// Threads: one owner.
#pragma once

#include "packet/headers.hpp"
#include "snapshot/snapshot.hpp"

#include <fmt/format.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::dataplane {

inline constexpr std::size_t kBuffers = 2048;  // in use by one queue: what a device cycles through
inline constexpr unsigned kBackends = 100;

/// What is measured.
struct Case {
  snapshot::Forwarding forwarding = snapshot::Forwarding::kIpip;
  unsigned family = 4;  ///< Of clients, service and backends.
  std::size_t flows = 1;
  snapshot::Policy policy = snapshot::Policy::kMaglev;
  bool new_flows = false;  ///< Every packet opens a flow: the cache holds far fewer than there are.

  friend bool operator==(const Case&, const Case&) = default;
};

/// Memory from DPDK's heap, as a worker's: in huge pages where there are any.
template <class T>
class Heap {
 public:
  explicit Heap(std::size_t count) : count_(count) {
    memory_ = static_cast<T*>(rte_zmalloc("bench", count * sizeof(T), alignof(T)));
    if (memory_ == nullptr) throw std::runtime_error("not enough memory in the EAL");
    for (std::size_t i = 0; i < count; ++i) new (memory_ + i) T();
  }
  ~Heap() { rte_free(memory_); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  [[nodiscard]] std::span<T> span() const noexcept { return {memory_, count_}; }

 private:
  T* memory_;
  std::size_t count_;
};

inline IpAddress address_of(unsigned family, std::array<std::uint8_t, 4> v4) {
  if (family == 4) return IpAddress::v4(v4);
  return IpAddress::v6(
      {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, v4[0], v4[1], v4[2], v4[3]});
}

inline std::unique_ptr<const snapshot::Snapshot> tables(const Case& of) {
  snapshot::Input input;
  input.hash_key = default_hash_key();
  input.tcp_timeout = input.udp_timeout = 1800;
  snapshot::PoolInput pool;
  pool.name = "p";
  pool.forwarding = of.forwarding;
  pool.policy = of.policy;
  pool.outer_source = address_of(4, {10, 0, 0, 1});
  pool.outer_source6 = address_of(6, {10, 0, 0, 1});
  if (of.forwarding == snapshot::Forwarding::kNat)
    pool.nat = snapshot::NatInput{.sources = {address_of(of.family, {10, 0, 0, 2})}};
  for (unsigned i = 0; i < kBackends; ++i) {
    const auto last = static_cast<std::uint8_t>(i);
    snapshot::BackendInput backend;
    backend.name = fmt::format("b{}", i);
    backend.address = address_of(of.family, {10, 0, 1, last});
    backend.weight = 100;
    backend.number = static_cast<snapshot::BackendNumber>(i);
    backend.hop = snapshot::Hop{0, {{2, 0, 0, 0, 1, last}}, {{2, 0, 0, 0, 0, 1}}, 1500};
    pool.backends.push_back(std::move(backend));
  }
  input.pools.push_back(std::move(pool));
  snapshot::ServiceInput service;
  service.name = "s";
  service.address = address_of(of.family, {203, 0, 113, 10});
  service.port = 443;
  service.protocol = wire::kIpProtoTcp;
  input.services.push_back(std::move(service));
  auto built = snapshot::build(std::move(input), nullptr);
  if (!built) throw std::runtime_error(built.error().text());
  return std::move(*built);
}

/// Where the packets come from: buffers that are written anew for each burst, as a device does, and
/// a list of distinct flows in random order. Frames of 60 bytes, with IPv6 of 80: TCP segments
/// without data.
class Source {
 public:
  explicit Source(const Case& of) : v4_(of.family == 4), flows_(of.flows) {
    std::mt19937 random(1);
    // Distinct by construction: an odd multiplier permutes the addresses of 16/4, none of which is
    // a martian; then shuffled.
    for (std::size_t i = 0; i < of.flows; ++i)
      flows_[i] = {
          Be32::from_host(1U << 28 | (static_cast<std::uint32_t>(i) * 2654435761U & 0xfffffffU)),
          Be16::from_host(static_cast<std::uint16_t>(1024 + i % 50'000))};
    std::ranges::shuffle(flows_, random);
    make_frame(of.family);
    pool_ =
        rte_pktmbuf_pool_create("bench", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    buffers_.resize(kBuffers);
    if (pool_ == nullptr || rte_pktmbuf_alloc_bulk(pool_, buffers_.data(), kBuffers) != 0)
      throw std::runtime_error("not enough memory for packet buffers");
  }
  ~Source() { rte_mempool_free(pool_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// The next burst. The same work for the floor and the pipeline.
  template <class Burst>
  void fill(Burst& b) noexcept {
    v4_ ? fill<60, kIp + offsetof(wire::Ipv4, source), kIp + sizeof(wire::Ipv4)>(b)
        : fill<80, kIp + offsetof(wire::Ipv6, source) + 12, kIp + sizeof(wire::Ipv6)>(b);
  }

  /// TCP flags of the packets to come.
  void set_flags(std::uint8_t flags) noexcept {
    frame_[kIp + (v4_ ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6)) + offsetof(wire::Tcp, flags)] =
        std::byte{flags};
  }

 private:
  static constexpr std::size_t kIp = sizeof(wire::Ethernet);
  struct Flow {
    Be32 address;
    Be16 port;
  };

  template <std::size_t kFrame, std::size_t kSource, std::size_t kTcp, class Burst>
  void fill(Burst& b) noexcept {
    constexpr std::size_t kCopied = (kFrame + 15) / 16 * 16;  // a constant, even size
    b.size = static_cast<std::uint16_t>(b.packet.size());
    for (std::uint16_t i = 0; i < b.size; ++i) {
      rte_mbuf* m = buffers_[buffer_ + i];
      m->data_off = RTE_PKTMBUF_HEADROOM;
      m->data_len = kFrame;
      m->pkt_len = kFrame;
      auto* frame = rte_pktmbuf_mtod(m, std::byte*);
      std::memcpy(frame, frame_.data(), kCopied);
      wire::store(frame + kSource, flows_[flow_].address);
      wire::store(frame + kTcp + offsetof(wire::Tcp, source_port), flows_[flow_].port);
      if (++flow_ == flows_.size()) flow_ = 0;
      b.packet[i] = m;
    }
    buffer_ = (buffer_ + b.size) % kBuffers;
  }

  void make_frame(unsigned family) {
    wire::store(frame_.data(),
                wire::Ethernet{{2, 0, 0, 0, 0, 1},
                               {2, 0, 0, 0, 0, 2},
                               Be16::from_host(family == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6)});
    const auto vip = address_of(family, {203, 0, 113, 10});
    std::size_t tcp_at = kIp;
    if (family == 4) {
      wire::Ipv4 ip{};
      ip.version_length = 0x45;
      ip.total_length = Be16::from_host(60 - kIp);
      ip.ttl = 64;
      ip.protocol = wire::kIpProtoTcp;
      ip.destination = Be32::from_wire(vip.words()[0]);
      wire::store(frame_.data() + kIp, ip);
      tcp_at += sizeof ip;
    } else {
      wire::Ipv6 ip{};
      ip.version_class_label = Be32::from_host(6U << 28);
      ip.payload_length = Be16::from_host(80 - kIp - sizeof ip);
      ip.next_header = wire::kIpProtoTcp;
      ip.hop_limit = 64;
      ip.source[0] = std::byte{0x20};
      std::ranges::copy(std::as_bytes(std::span(vip.bytes())), ip.destination.begin());
      wire::store(frame_.data() + kIp, ip);
      tcp_at += sizeof ip;
    }
    wire::Tcp tcp{};
    tcp.destination_port = Be16::from_host(443);
    tcp.data_offset = 5 << 4;
    tcp.flags = wire::kTcpAck;
    wire::store(frame_.data() + tcp_at, tcp);
  }

  bool v4_;
  std::vector<Flow> flows_;
  std::array<std::byte, 96> frame_{};
  rte_mempool* pool_ = nullptr;
  std::vector<rte_mbuf*> buffers_;
  std::size_t buffer_ = 0;
  std::size_t flow_ = 0;
};

}  // namespace sluice::dataplane
