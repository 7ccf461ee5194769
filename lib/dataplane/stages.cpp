// SPDX-License-Identifier: Apache-2.0
#include "dataplane/stages.hpp"

#include "dataplane/admit.hpp"
#include "dataplane/answer.hpp"
#include "dataplane/encapsulate.hpp"
#include "dataplane/nat_short_way.hpp"
#include "dataplane/short_way.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;

Verdict rewritten(Burst& b, std::uint16_t i, const snapshot::Backend& to,
                  std::uint32_t udp_sum_ports) noexcept {
  if (!to.reachable) return Verdict::kNoNextHop;
  if (to.forwarding == Forwarding::kL2dsr) return redirect(*b.packet[i], b.parsed[i], to);
  if (to.forwarding == Forwarding::kNat) return Verdict::kForward;  // not yet: Nat::translate()
  const bool device_sums = (udp_sum_ports >> to.port & 1U) != 0;
  return encapsulate(*b.packet[i], b.parsed[i], to, b.hash[i], device_sums);
}

/// A way that a burst may take.
using Way = void (*)(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept;

/// Takes some packets of a burst on by another way, as a burst of their own, and back to their
/// places.
/// @param left  bit i: packet i.
[[gnu::noinline]] void process_left(Burst& b, std::uint32_t left, const snapshot::Snapshot& now,
                                    WorkerState& state, Way way) noexcept {
  Burst part;
  part.port = b.port;
  part.taken = b.taken;
  part.overdue = b.overdue;
  for (std::uint16_t i = 0; i < b.size; ++i)
    if ((left >> i & 1U) != 0) part.packet[part.size++] = b.packet[i];
  way(part, now, state);
  std::uint32_t gone = 0;
  std::uint16_t from = 0;  // the order stays, so who is not next is gone
  for (std::uint16_t i = 0; i < b.size; ++i) {
    if ((left >> i & 1U) == 0) continue;
    if (from < part.size && part.packet[from] == b.packet[i])
      b.take_from(part, from++, i);
    else
      gone |= 1U << i;
  }
  if (gone != 0) b.take_out(gone);
}

}  // namespace

void parse(Burst& b) noexcept {
  for (std::uint16_t i = 0; i < std::min(kAhead, b.size); ++i)
    rte_prefetch0(rte_pktmbuf_mtod(b.packet[i], const void*));
  for (std::uint16_t i = 0; i < b.size; ++i) {
    if (i + kAhead < b.size) rte_prefetch0(rte_pktmbuf_mtod(b.packet[i + kAhead], const void*));
    const rte_mbuf& m = *b.packet[i];
    b.length[i] = m.pkt_len;
    b.verdict[i] =
        parse_frame({rte_pktmbuf_mtod(&m, const std::byte*), m.data_len}, m.pkt_len, b.parsed[i]);
  }
}

void classify(Burst& b, const snapshot::Snapshot& now) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    const Parsed& p = b.parsed[i];
    b.service[i] = nullptr;
    if (b.verdict[i] == Verdict::kForward) [[likely]] {
      if (p.kind == Kind::kEcho) {
        b.verdict[i] =
            now.service_table.has_address(p.key) ? Verdict::kAnsweredEcho : Verdict::kHost;
        continue;
      }
      b.service[i] = p.kind == Kind::kLaterFragment ? now.find_portless(p.key) : now.find(p.key);
      // What comes back from a backend has no verdict but this until its session is found.
      if (b.service[i] == nullptr)
        b.verdict[i] = now.nat.is_return(p.key) ? Verdict::kNoNatSession : Verdict::kHost;
    } else if (p.key.family != 0 && !now.service_table.has_address(p.key) &&
               !now.nat.is_return(p.key)) {
      b.verdict[i] = Verdict::kHost;  // Linux judges the faults of its own packets
    }
  }
}

void rewrite(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept {
  const std::uint32_t udp_sum_ports = state.udp_sum_ports;
  b.each_live([&](std::uint16_t i) {
    const snapshot::Backend& to = now.backends[b.backend[i]];
    b.egress[i] = to.port;
    b.verdict[i] = rewritten(b, i, to, udp_sum_ports);
  });
}

void answer(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    switch (b.verdict[i]) {
      case Verdict::kForward:
        break;
      case Verdict::kAnsweredEcho:
        reply_to_echo(*b.packet[i], b.parsed[i]);
        b.egress[i] = b.port;
        break;
      case Verdict::kAnsweredReset:
        reply_with_reset(*b.packet[i], b.parsed[i]);
        b.egress[i] = b.port;
        break;
      case Verdict::kTooBig:
      case Verdict::kTtlExpired:
        b.verdict[i] = tell_sender(b, i, now, state);
        b.egress[i] = b.port;
        break;
      default:
        break;
    }
  }
}

void process_by_stages(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  state.adopt(now);
  parse(b);
  classify(b, now);
  admit(b, now, state);
  look_up(b, now, state);
  steer(b, now, state);
  rewrite(b, now, state);
  state.nat.translate(b, now, state.tick, state.cycles, state.signals);
  answer(b, now, state);
}

namespace {

/// What a short way has left goes on by `next`.
[[gnu::always_inline]] inline void go_on(Burst& b, std::uint32_t left,
                                         const snapshot::Snapshot& now, WorkerState& state,
                                         Way next) noexcept {
  if (left == 0) return;
  if (std::popcount(left) == b.size) return next(b, now, state);
  process_left(b, left, now, state, next);
}

/// What NAT's short way has left.
void process_behind_nat(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  go_on(b, take_short_way(b, now, state), now, state, process_by_stages);
}

/// What the short way has left where the node translates.
void process_with_nat(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  go_on(b, take_nat_short_way(b, now, state), now, state, process_by_stages);
}

}  // namespace

void process(Burst& b, const snapshot::Snapshot& now, WorkerState& state, Burst* behind) noexcept {
  const bool translates = now.nat.any();
  if (translates && begins_with_nat(b, now)) {
    b.read = false;  // it reads with a secret of its own
    return go_on(b, take_nat_short_way(b, now, state), now, state, process_behind_nat);
  }
  go_on(b, take_short_way(b, now, state, behind), now, state,
        translates ? process_with_nat : process_by_stages);
}

namespace {

/// Whether a full burst is forwarded, all of it for one service: most are, under load. The compiler
/// makes a few wide instructions of loops of a constant length.
bool is_uniform(const Burst& b) noexcept {
  static_assert(static_cast<unsigned>(Verdict::kForward) == 0);
  std::uint8_t verdicts = 0;
  std::uintptr_t services = 0;
  const auto first = reinterpret_cast<std::uintptr_t>(b.service[0]);
  if (b.size != kBurst) return false;
  for (std::size_t i = 0; i < kBurst; ++i)
    verdicts = static_cast<std::uint8_t>(verdicts | static_cast<std::uint8_t>(b.verdict[i]));
  for (std::size_t i = 0; i < kBurst; ++i)
    services |= reinterpret_cast<std::uintptr_t>(b.service[i]) ^ first;
  return verdicts == 0 && services == 0;
}

/// count() of such a burst.
void count_uniform(const Burst& b, Counters& counters) noexcept {
  std::uint32_t bytes = 0;
  std::uint8_t new_flows = 0;
  for (std::size_t i = 0; i < kBurst; ++i) bytes += b.length[i];
  for (std::size_t i = 0; i < kBurst; ++i)
    new_flows = static_cast<std::uint8_t>(new_flows + (b.new_flow[i] ? 1 : 0));
  Traffic* const backends = counters.by_backend.data();
  for (std::size_t i = 0; i < kBurst; ++i) {
    Traffic& backend = backends[b.backend[i]];
    backend.packets.add(1);
    backend.bytes.add(b.length[i]);
  }
  Traffic& service = counters.by_service[b.service[0]->number];
  service.packets.add(kBurst);
  service.bytes.add(bytes);
  if (new_flows != 0) {
    service.new_flows.add(new_flows);
    for (std::size_t i = 0; i < kBurst; ++i)
      if (b.new_flow[i]) backends[b.backend[i]].new_flows.add(1);
  }
  counters.verdicts[static_cast<std::size_t>(Verdict::kForward)].add_last(kBurst);
}

}  // namespace

void count(const Burst& b, Counters& counters) noexcept {
  if (is_uniform(b)) return count_uniform(b, counters);
  // Packets of one service in a row, and all that are forwarded, are entered together.
  std::uint16_t service = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t new_flows = 0;
  std::uint64_t forwarded = 0;
  const auto enter = [&]() noexcept {
    if (packets == 0) return;
    Traffic& to = counters.by_service[service];
    to.packets.add(packets);
    to.bytes.add(bytes);
    if (new_flows != 0) to.new_flows.add(new_flows);
    forwarded += packets;
    packets = bytes = new_flows = 0;
  };
  const std::size_t size = b.size;
  for (std::size_t i = 0; i < size; ++i) {
    if (b.verdict[i] != Verdict::kForward) [[unlikely]] {
      // Who sees the verdict sees the packet as received. Pairs with last() in Books::add().
      counters.verdicts[static_cast<std::size_t>(b.verdict[i])].add_last(1);
      if (b.verdict[i] == Verdict::kNoBackend && b.new_flow[i])
        counters.by_service[b.service[i]->number].unserved.add(1);
      continue;
    }
    if (b.service[i]->number != service) {
      enter();
      service = b.service[i]->number;
    }
    ++packets;
    bytes += b.length[i];
    Traffic& backend = counters.by_backend[b.backend[i]];
    backend.packets.add(1);
    backend.bytes.add(b.length[i]);
    if (b.new_flow[i]) {
      ++new_flows;
      backend.new_flows.add(1);
    }
  }
  enter();
  if (forwarded != 0)
    counters.verdicts[static_cast<std::size_t>(Verdict::kForward)].add_last(forwarded);
}

}  // namespace sluice::dataplane
