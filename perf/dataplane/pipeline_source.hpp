// SPDX-License-Identifier: Apache-2.0
// Where the packets of the pipeline's benchmark come from: many flows in memory, fixed seeds.
//
// Threads: one owner.
#pragma once

#include "packet/headers.hpp"
#include "pipeline_case.hpp"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::dataplane {

inline constexpr std::size_t kBuffers = 2048;  // in use by one queue: what a device cycles through
/// Packets of a zipf row before they come again: 16 bytes each, read in order.
inline constexpr std::size_t kZipfPackets = 1U << 21;

/// Buffers that are written anew for each burst, as a device does, and a list of flows. Frames of
/// 60 bytes, with IPv6 of 80: TCP segments without data, and what a longer frame has behind them.
class Source {
 public:
  using Frame = std::array<std::byte, 96>;  ///< The beginning of one.

  /// @param with_buffers  false: packets are always somebody else's, fill_into() writes them.
  explicit Source(const Case& of, bool with_buffers = true)
      : v4_(of.family == 4), mix_(of.mix), flows_(list(of)) {
    make_frame(of.family);
    // On the wire a frame has 4 bytes more.
    length_ = static_cast<std::uint16_t>(std::max<std::size_t>(v4_ ? 60 : 80, of.size - 4));
    set_lengths();
    if (!with_buffers) return;
    static unsigned made = 0;  // several may be there at once, and each has its name
    const auto name = "bench" + std::to_string(made++);
    pool_ = rte_pktmbuf_pool_create(name.c_str(), kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                    SOCKET_ID_ANY);
    buffers_.resize(kBuffers);
    if (pool_ == nullptr || rte_pktmbuf_alloc_bulk(pool_, buffers_.data(), kBuffers) != 0)
      throw std::runtime_error("not enough memory for packet buffers");
  }
  ~Source() { rte_mempool_free(pool_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// The next burst, in the source's own buffers. The same work for the floor and the pipeline.
  template <class Burst>
  void fill(Burst& b) noexcept {
    b.size = static_cast<std::uint16_t>(b.packet.size());
    std::copy_n(&buffers_[buffer_], b.size, b.packet.data());
    buffer_ = (buffer_ + b.size) % kBuffers;
    fill_into(b.packet.data(), b.size);
  }

  /// Makes the next packets of buffers that somebody else has received.
  void fill_into(rte_mbuf* const* packets, std::uint16_t count) noexcept {
    v4_ ? fill<60, kIp + offsetof(wire::Ipv4, source), kIp + sizeof(wire::Ipv4)>(packets, count)
        : fill<80, kIp + kLastWord6, kIp + sizeof(wire::Ipv6)>(packets, count);
  }

  /// From now on sends what would answer these packets, which were translated: ends swapped.
  void answer(std::span<const Frame> frames) {
    if (asking_.empty()) asking_ = flows_;
    flows_.clear();
    flow_ = 0;
    const std::size_t source = kIp + (v4_ ? offsetof(wire::Ipv4, source) : kLastWord6);
    const std::size_t destination = source + (v4_ ? 4 : 16);
    const std::size_t tcp = kIp + (v4_ ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6));
    for (const Frame& frame : frames)
      flows_.push_back(
          {wire::load<Be32>(frame.data() + destination), wire::load<Be32>(frame.data() + source),
           wire::load<Be16>(frame.data() + tcp + offsetof(wire::Tcp, destination_port)),
           wire::load<Be16>(frame.data() + tcp + offsetof(wire::Tcp, source_port))});
    if (!v4_) swap_addresses(frames.front());
  }
  /// From now on sends clients' packets again.
  void ask() {
    flows_ = asking_;
    flow_ = 0;
    if (!v4_) set_addresses6();
  }

  /// TCP flags of the packets of known flows to come; new flows have SYN, and kNewAck ACK.
  void set_flags(std::uint8_t flags) noexcept { known_[flags_at()] = std::byte{flags}; }
  void set_mix(Mix mix) noexcept { mix_ = mix; }

 private:
  static constexpr std::size_t kIp = sizeof(wire::Ethernet);
  static constexpr std::size_t kLastWord6 = offsetof(wire::Ipv6, source) + 12;
  struct Flow {
    Be32 source;
    Be32 destination;  // of IPv6 addresses the last word
    Be16 source_port;
    Be16 port;
    std::uint32_t unused = 0;
  };

  // Distinct by construction: an odd multiplier permutes the addresses of 16/4, none of which is a
  // martian.
  static Be32 source_of(std::uint32_t number) noexcept {
    return Be32::from_host(1U << 28 | (number * 2654435761U & 0xfffffffU));
  }
  static Flow flow_of(const Case& of, std::size_t number) noexcept {
    const unsigned service = static_cast<unsigned>(number % of.services);
    return {source_of(static_cast<std::uint32_t>(number)),
            Be32::from_wire(vip_of(4, service).words()[0]),
            Be16::from_host(static_cast<std::uint16_t>(1024 + number % 50'000)),
            Be16::from_host(port_of(service))};
  }

  static std::vector<Flow> list(const Case& of) {
    std::vector<Flow> flows(of.flows);
    for (std::size_t i = 0; i < of.flows; ++i) flows[i] = flow_of(of, i);
    std::mt19937_64 random(1);
    std::ranges::shuffle(flows, random);
    if (!of.zipf) return flows;
    // The k-th flow comes in proportion to k^-1.1.
    std::vector<double> up_to(of.flows);
    double sum = 0;
    for (std::size_t k = 0; k < of.flows; ++k)
      up_to[k] = sum += std::pow(static_cast<double>(k + 1), -1.1);
    std::uniform_real_distribution<double> draw(0, sum);
    std::vector<Flow> drawn(kZipfPackets);
    for (Flow& flow : drawn) {
      const auto found = std::ranges::lower_bound(up_to, draw(random));
      flow = flows[std::min(static_cast<std::size_t>(found - up_to.begin()), of.flows - 1)];
    }
    return drawn;
  }

  template <std::size_t kFrame, std::size_t kSource, std::size_t kTcp>
  void fill(rte_mbuf* const* packets, std::uint16_t count) noexcept {
    switch (mix_) {
      case Mix::kKnown:
        return write<kFrame, kSource, kTcp, Mix::kKnown>(packets, count);
      case Mix::kNew:
        return write<kFrame, kSource, kTcp, Mix::kNew>(packets, count);
      case Mix::kNewAck:
        return write<kFrame, kSource, kTcp, Mix::kNewAck>(packets, count);
      case Mix::kFlood:
        return write<kFrame, kSource, kTcp, Mix::kFlood>(packets, count);
    }
  }

  template <std::size_t kFrame, std::size_t kSource, std::size_t kTcp, Mix kMix>
  void write(rte_mbuf* const* packets, std::uint16_t count) noexcept {
    constexpr std::size_t kCopied = (kFrame + 15) / 16 * 16;  // a constant, even size
    constexpr std::size_t kDestination = kSource + (kFrame == 60 ? 4 : 16);
    for (std::uint16_t i = 0; i < count; ++i) {
      rte_mbuf* m = packets[i];
      m->data_off = RTE_PKTMBUF_HEADROOM;
      m->data_len = length_;
      m->pkt_len = length_;
      auto* frame = rte_pktmbuf_mtod(m, std::byte*);
      const bool fresh =
          kMix == Mix::kNew || kMix == Mix::kNewAck || (kMix == Mix::kFlood && i % 2 != 0);
      std::memcpy(frame, (fresh && kMix != Mix::kNewAck ? syn_ : known_).data(), kCopied);
      const Flow& flow = flows_[flow_];
      if (!fresh && ++flow_ == flows_.size()) flow_ = 0;
      wire::store(frame + kSource, fresh ? source_of(next_++) : flow.source);
      wire::store(frame + kDestination, flow.destination);
      wire::store(frame + kTcp, flow.source_port);
      wire::store(frame + kTcp + 2, flow.port);
    }
  }

  [[nodiscard]] std::size_t flags_at() const noexcept {
    return kIp + (v4_ ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6)) + offsetof(wire::Tcp, flags);
  }

  void make_frame(unsigned family) {
    wire::store(known_.data(),
                wire::Ethernet{{2, 0, 0, 0, 0, 1},
                               {2, 0, 0, 0, 0, 2},
                               Be16::from_host(family == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6)});
    std::size_t tcp_at = kIp;
    if (family == 4) {
      wire::Ipv4 ip{};
      ip.version_length = 0x45;
      ip.ttl = 64;
      ip.protocol = wire::kIpProtoTcp;
      wire::store(known_.data() + kIp, ip);
      tcp_at += sizeof ip;
    } else {
      wire::Ipv6 ip{};
      ip.version_class_label = Be32::from_host(6U << 28);
      ip.next_header = wire::kIpProtoTcp;
      ip.hop_limit = 64;
      wire::store(known_.data() + kIp, ip);
      set_addresses6();
      tcp_at += sizeof ip;
    }
    wire::Tcp tcp{};
    tcp.data_offset = 5 << 4;
    tcp.flags = wire::kTcpAck;
    tcp.acknowledgement = Be32::from_host(1);  // of a SYN-ACK that is as all else here: its is 0
    wire::store(known_.data() + tcp_at, tcp);
  }

  /// Clients' addresses but for the last word, and those of the services.
  void set_addresses6() noexcept {
    std::array<std::byte, 16> source{std::byte{0x20}};
    const auto vip = vip_of(6, 0);
    for (Frame* frame : {&known_, &syn_}) {
      wire::store(frame->data() + kIp + offsetof(wire::Ipv6, source), source);
      std::ranges::copy(std::as_bytes(std::span(vip.bytes())),
                        frame->data() + kIp + offsetof(wire::Ipv6, destination));
    }
  }
  /// Likewise those of answers to a frame.
  void swap_addresses(const Frame& of) noexcept {
    using Address = std::array<std::byte, 16>;
    constexpr std::size_t kSource = kIp + offsetof(wire::Ipv6, source);
    constexpr std::size_t kDestination = kIp + offsetof(wire::Ipv6, destination);
    for (Frame* frame : {&known_, &syn_}) {
      wire::store(frame->data() + kSource, wire::load<Address>(of.data() + kDestination));
      wire::store(frame->data() + kDestination, wire::load<Address>(of.data() + kSource));
    }
  }

  void set_lengths() noexcept {
    const auto bytes = static_cast<std::uint16_t>(length_ - kIp);
    if (v4_)
      wire::store(known_.data() + kIp + offsetof(wire::Ipv4, total_length), Be16::from_host(bytes));
    else
      wire::store(known_.data() + kIp + offsetof(wire::Ipv6, payload_length),
                  Be16::from_host(static_cast<std::uint16_t>(bytes - sizeof(wire::Ipv6))));
    syn_ = known_;
    syn_[flags_at()] = std::byte{wire::kTcpSyn};
  }

  bool v4_;
  Mix mix_;
  std::uint16_t length_ = 0;
  std::vector<Flow> flows_;
  std::vector<Flow> asking_;  ///< The clients', once answer() was called.
  Frame known_{};
  Frame syn_{};
  rte_mempool* pool_ = nullptr;
  std::vector<rte_mbuf*> buffers_;
  std::size_t buffer_ = 0;
  std::size_t flow_ = 0;
  std::uint32_t next_ = 1U << 27;  ///< Number of the next new flow: none of the list has it.
};

}  // namespace sluice::dataplane
