// SPDX-License-Identifier: Apache-2.0
#include "dataplane/admit.hpp"

#include "dataplane/verify.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace sluice::dataplane {
namespace {

constexpr double kBytePart = 256;        // a byte's cost is in 256ths
constexpr double kLargestCost = 0x1p46;  // a packet's is below 2^62
constexpr double kShortBurst = 0.1;      // seconds of packets or bits that may come at once
constexpr double kLongBurst = 1;         // seconds of new flows: clients open several at a time
constexpr double kLongestPacket = 65536;

/// One of `per_second`, shared by the workers: what it costs and how much is there at most.
Limiter::Part part_of(flow::Bucket bucket, std::uint64_t per_second, double seconds_of_burst,
                      double least_burst, double unit, const WorkerState& state) noexcept {
  if (per_second == 0) return {bucket, 0, 0};
  const double second = static_cast<double>(state.cycles_per_second * kFine);
  const double own = static_cast<double>(per_second) / state.workers;
  const double cost = std::min(std::ceil(second * unit / own), kLargestCost);
  const double burst = std::max(least_burst, own * seconds_of_burst);
  return {bucket, static_cast<std::uint64_t>(cost),
          static_cast<std::uint64_t>(std::min(cost / unit * burst, 0x1p61))};
}

/// Rates depend on the snapshot and the worker alone: worked out once a generation. Divides, but
/// not for each packet.
[[gnu::noinline]] void adopt(Limiter& limiter, const snapshot::Limits& limits,
                             const snapshot::Snapshot& now, const WorkerState& state) noexcept {
  limiter.generation = now.generation;
  limiter.packets =
      part_of(limiter.packets.bucket, limits.packets_per_second, kShortBurst, 1, 1, state);
  limiter.bytes = part_of(limiter.bytes.bucket, (limits.bits_per_second + 7) / 8, kShortBurst,
                          kLongestPacket, kBytePart, state);
  limiter.new_flows =
      part_of(limiter.new_flows.bucket, limits.new_flows_per_second, kLongBurst, 1, 1, state);
  limiter.by_source = limits.source_new_flows_per_second != 0;
  limiter.source_rate =
      flow::Rate::of(limits.source_new_flows_per_second, state.workers, state.cycles_per_second,
                     static_cast<std::uint32_t>(std::min<std::uint64_t>(
                         limits.source_new_flows_per_second / state.workers, 65536)));
}

Limiter& limiter_of(const snapshot::ServiceRules& rules, const snapshot::Snapshot& now,
                    WorkerState& state) noexcept {
  Limiter& limiter = state.steering.limiters[rules.limiter];
  // Generation 0 is adopted every time: a snapshot that was never published has it.
  if (limiter.generation != now.generation || now.generation == 0) [[unlikely]]
    adopt(limiter, rules.limits, now, state);
  return limiter;
}

/// A bit for each first octet of IPv4 that may begin a martian: 0, 127, 224 to 239, 255.
constexpr std::array<std::uint64_t, 4> kSuspects{1, 1ULL << 63, 0, 0xffffULL << 32 | 1ULL << 63};

[[gnu::always_inline]] inline bool is_suspect_v4(std::uint32_t source) noexcept {
  const std::uint32_t octet = source & 0xffU;  // the first one in memory order
  return (kSuspects[octet >> 6U] >> (octet & 63U) & 1U) != 0;
}

[[gnu::noinline]] bool is_forged_v6(const FlowKey& key) noexcept {
  return is_martian(key.source, 6) || std::ranges::equal(key.source, key.destination);
}

/// An ICMP error's key has the addresses of the flow that it quotes; its own source is in the
/// packet.
[[gnu::noinline]] bool is_forged_error(const rte_mbuf& packet, const Parsed& p) noexcept {
  std::uint32_t source[4]{};
  const auto* ip = rte_pktmbuf_mtod(&packet, const std::byte*) + p.l3_offset;
  if (p.key.family == 4)
    std::memcpy(source, ip + offsetof(wire::Ipv4, source), 4);
  else
    std::memcpy(source, ip + offsetof(wire::Ipv6, source), 16);
  return is_martian(source, p.key.family) || std::ranges::equal(source, p.key.destination);
}

[[gnu::always_inline]] inline Verdict by_headers(const rte_mbuf& packet, const Parsed& p) noexcept {
  bool forged = false;
  if (p.kind == Kind::kIcmpError) [[unlikely]] {
    forged = is_forged_error(packet, p);
  } else if (p.key.family == 4) {
    const std::uint32_t source = p.key.source[0];
    forged =
        source == p.key.destination[0] || (is_suspect_v4(source) && is_martian(p.key.source, 4));
  } else {
    forged = is_forged_v6(p.key);
  }
  if (forged) [[unlikely]]
    return Verdict::kMartian;
  if (p.key.protocol == wire::kIpProtoTcp && p.kind == Kind::kFlow && is_bad_tcp_flags(p.tcp_flags))
      [[unlikely]]
    return Verdict::kBadTcpFlags;
  return Verdict::kForward;
}

[[gnu::noinline]] Verdict by_rules(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                                   WorkerState& state) noexcept {
  const snapshot::ServiceRules& rules = *b.service[i]->rules;
  if (rules.denies(b.parsed[i].key)) return Verdict::kDenied;
  if (!rules.limited) return Verdict::kForward;
  Limiter& limiter = limiter_of(rules, now, state);
  const std::uint64_t fine = state.cycles * kFine;
  if (auto& packets = limiter.packets;
      packets.cost != 0 && !packets.bucket.take(fine, packets.cost, packets.whole))
    return Verdict::kPacketRate;
  if (auto& bytes = limiter.bytes;
      bytes.cost != 0 && !bytes.bucket.take(fine, b.length[i] * bytes.cost >> 8U, bytes.whole))
    return Verdict::kBitRate;
  return Verdict::kForward;
}

}  // namespace

bool is_martian(const std::uint32_t (&source)[4], std::uint8_t family) noexcept {
  const std::uint32_t first = Be32::from_wire(source[0]).to_host();
  if (family == 4) {
    const std::uint32_t net = first >> 24U;
    return net == 0 || net == 127 || (net >= 224 && net < 240) || first == 0xffffffffU;
  }
  if (first >> 24U == 0xff) return true;
  return (source[0] | source[1] | source[2]) == 0 && Be32::from_wire(source[3]).to_host() <= 1;
}

void admit(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    if (b.verdict[i] != Verdict::kForward && b.verdict[i] != Verdict::kAnsweredEcho) continue;
    const rte_mbuf& packet = *b.packet[i];
    if (const Verdict v = by_headers(packet, b.parsed[i]); v != Verdict::kForward) [[unlikely]] {
      b.verdict[i] = v;
      continue;
    }
    if (b.service[i] == nullptr) continue;  // an echo
    if (now.verify_checksums && !has_right_checksums(packet, b.parsed[i])) [[unlikely]]
      b.verdict[i] = Verdict::kBadChecksum;
    else if (b.service[i]->rules != nullptr) [[unlikely]]
      b.verdict[i] = by_rules(b, i, now, state);
  }
}

Verdict admit_new_flow(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                       WorkerState& state) noexcept {
  const snapshot::Service& service = *b.service[i];
  if (service.rules == nullptr || !service.rules->limited) return Verdict::kForward;
  Limiter& limiter = limiter_of(*service.rules, now, state);
  if (limiter.by_source) {
    FlowKey source{};
    std::ranges::copy(b.parsed[i].key.source, source.source);
    source.family = b.parsed[i].key.family;
    source.destination_port = service.number;
    if (!state.steering.new_flow_sources.allow(flow_hash(source, now.hash_key), state.cycles,
                                               limiter.source_rate))
      return Verdict::kSourceRate;
  }
  auto& flows = limiter.new_flows;
  if (flows.cost != 0 && !flows.bucket.take(state.cycles * kFine, flows.cost, flows.whole))
    return Verdict::kNewFlowRate;
  return Verdict::kForward;
}

}  // namespace sluice::dataplane
