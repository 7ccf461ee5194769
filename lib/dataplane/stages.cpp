// SPDX-License-Identifier: Apache-2.0
#include "dataplane/stages.hpp"

#include "dataplane/encapsulate.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>

namespace sluice::dataplane {
namespace {

flow::Tick timeout_of(const Parsed& p, const snapshot::Snapshot& now) noexcept {
  return p.key.protocol == wire::kIpProtoTcp ? now.tcp_timeout : now.udp_timeout;
}

bool opens(const Parsed& p) noexcept {
  return (p.tcp_flags & (wire::kTcpSyn | wire::kTcpAck)) == wire::kTcpSyn;
}

bool closes(const Parsed& p) noexcept {
  return (p.tcp_flags & (wire::kTcpFin | wire::kTcpRst)) != 0;
}

/// Whether a flow that the cache knows stays where it is. A connection that opens anew leaves a
/// draining backend, and one that reuses the ports of a closed connection is a new flow.
bool stays(const flow::Found& found, const Parsed& p, const snapshot::Service& service,
           const snapshot::Snapshot& now) noexcept {
  if (!found.hit || found.backend >= now.backends.size()) return false;
  const snapshot::Backend& backend = now.backends[found.backend];
  if (backend.state == snapshot::State::kAbsent || backend.pool != service.pool) return false;
  return !opens(p) ||
         (found.state != flow::State::kClosing && backend.state == snapshot::State::kUp);
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
    const FlowKey& key = b.parsed[i].key;
    b.service[i] = nullptr;
    if (b.verdict[i] == Verdict::kForward) {
      b.service[i] = now.find(key);
      if (b.service[i] == nullptr) b.verdict[i] = Verdict::kHost;
    } else if (key.family == 4 && !now.service_table.has_address(key.destination[0])) {
      b.verdict[i] = Verdict::kHost;  // Linux judges the faults of its own packets
    }
  }
}

// Two passes: the first starts the load of every flow's line, the second finds them in cache and
// starts the loads that steer() needs.
void look_up(Burst& b, const snapshot::Snapshot& now, const flow::Cache& cache,
             flow::Tick tick) noexcept {
  b.each_live([&](std::uint16_t i) {
    b.hash[i] = flow_hash(b.parsed[i].key, now.hash_key);
    cache.prefetch(b.hash[i]);
  });
  b.each_live([&](std::uint16_t i) {
    b.found[i] = cache.find(b.hash[i], tick, timeout_of(b.parsed[i], now));
    if (b.found[i].hit) {
      rte_prefetch0(now.backends.data() + b.found[i].backend);
    } else if (const auto slots = now.pools[b.service[i]->pool].slots; !slots.empty()) {
      rte_prefetch0(
          &slots[maglev::Table::index(b.hash[i], static_cast<std::uint32_t>(slots.size()))]);
    }
  });
}

void steer(Burst& b, const snapshot::Snapshot& now, flow::Cache& cache, flow::Tick tick) noexcept {
  bool stale = false;  // an earlier packet changed the cache: look again, the line is near now
  b.each_live([&](std::uint16_t i) {
    const Parsed& p = b.parsed[i];
    const snapshot::Service& service = *b.service[i];
    const flow::Tick timeout = timeout_of(p, now);
    const flow::Found found = stale ? cache.find(b.hash[i], tick, timeout) : b.found[i];
    b.new_flow[i] = false;
    if (stays(found, p, service, now)) {
      b.backend[i] = found.backend;
      cache.touch(b.hash[i], found, tick, closes(p));
      stale |= closes(p);  // the packets behind it belong to a closing flow, or open a new one
      return;
    }
    const auto slots = now.pools[service.pool].slots;
    if (slots.empty()) {
      b.verdict[i] = Verdict::kNoBackend;
      return;
    }
    b.backend[i] = slots[maglev::Table::index(b.hash[i], static_cast<std::uint32_t>(slots.size()))];
    if (closes(p)) return;  // the last packet of a flow that is not known is not worth an entry
    b.new_flow[i] = p.key.protocol != wire::kIpProtoTcp || opens(p);
    // A flow met in its middle has to show a second packet too: else a flood of bare ACKs would
    // push out the flows that are established.
    cache.assign(b.hash[i], found, b.backend[i], tick, timeout, /*established=*/false);
    stale = true;
  });
}

void rewrite(Burst& b, const snapshot::Snapshot& now) noexcept {
  b.each_live([&](std::uint16_t i) {
    const snapshot::Backend& to = now.backends[b.backend[i]];
    if (!to.reachable) {
      b.verdict[i] = Verdict::kNoNextHop;
    } else if (to.forwarding == snapshot::Forwarding::kIpip) {
      b.verdict[i] = encapsulate(*b.packet[i], b.parsed[i], to);
    } else {
      b.verdict[i] = redirect(*b.packet[i], b.parsed[i], to);
    }
  });
}

void process(Burst& b, const snapshot::Snapshot& now, flow::Cache& cache,
             flow::Tick tick) noexcept {
  parse(b);
  classify(b, now);
  look_up(b, now, cache, tick);
  steer(b, now, cache, tick);
  rewrite(b, now);
}

void count(const Burst& b, Counters& counters) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    // Who sees the verdict sees the packet as received. Pairs with last() in Books::add().
    counters.verdicts[static_cast<std::size_t>(b.verdict[i])].add_last(1);
    if (b.verdict[i] != Verdict::kForward) continue;
    for (Traffic* t :
         {&counters.by_service[b.service[i]->number], &counters.by_backend[b.backend[i]]}) {
      t->packets.add(1);
      t->bytes.add(b.length[i]);
      if (b.new_flow[i]) t->new_flows.add(1);
    }
  }
}

}  // namespace sluice::dataplane
