// SPDX-License-Identifier: Apache-2.0
#include "dataplane/stages.hpp"

#include "dataplane/admit.hpp"
#include "dataplane/answer.hpp"
#include "dataplane/encapsulate.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>

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

void process(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
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

void count(const Burst& b, Counters& counters) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    // Who sees the verdict sees the packet as received. Pairs with last() in Books::add().
    counters.verdicts[static_cast<std::size_t>(b.verdict[i])].add_last(1);
    if (b.verdict[i] != Verdict::kForward) {
      if (b.verdict[i] == Verdict::kNoBackend && b.new_flow[i])
        counters.by_service[b.service[i]->number].unserved.add(1);
      continue;
    }
    for (Traffic* t :
         {&counters.by_service[b.service[i]->number], &counters.by_backend[b.backend[i]]}) {
      t->packets.add(1);
      t->bytes.add(b.length[i]);
      if (b.new_flow[i]) t->new_flows.add(1);
    }
  }
}

}  // namespace sluice::dataplane
