// SPDX-License-Identifier: Apache-2.0
// The stages that choose a backend: look up, steer.
#include "dataplane/stages.hpp"
#include "packet/headers.hpp"

#include <rte_prefetch.h>

#include <algorithm>
#include <iterator>

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

/// Whether flows of the service may be at that backend.
bool serves(flow::BackendNumber number, const snapshot::Service& service,
            const snapshot::Snapshot& now) noexcept {
  if (number >= now.backends.size()) return false;
  const snapshot::Backend& backend = now.backends[number];
  return backend.state != snapshot::State::kAbsent && backend.pool == service.pool;
}

/// Whether a flow that the cache knows stays where it is. A connection that opens anew leaves a
/// draining backend, and one that reuses the ports of a closed connection is a new flow.
bool stays(const flow::Found& found, const Parsed& p, const snapshot::Service& service,
           const snapshot::Snapshot& now) noexcept {
  if (!found.hit || !serves(found.backend, service, now)) return false;
  return !opens(p) || (found.state != flow::State::kClosing &&
                       now.backends[found.backend].state == snapshot::State::kUp);
}

/// Steers the packets of one burst, in order.
class Steering {
 public:
  Steering(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept
      : b_(b), now_(now), state_(state) {}

  [[gnu::always_inline]] void flow(std::uint16_t i) noexcept {
    const Parsed& p = b_.parsed[i];
    const snapshot::Service& service = *b_.service[i];
    const flow::Tick timeout = timeout_of(p, now_);
    const flow::Found found =
        stale_ ? state_.flows.find(b_.hash[i], state_.tick, timeout) : b_.found[i];
    b_.new_flow[i] = false;
    if (stays(found, p, service, now_)) {
      b_.backend[i] = found.backend;
      // An error says nothing of the flow's life, and anybody can send one.
      if (p.kind == Kind::kIcmpError) return;
      state_.flows.touch(b_.hash[i], found, state_.tick, closes(p));
      stale_ |= closes(p);  // the packets behind it belong to a closing flow, or open a new one
      return;
    }
    if (!take_slot(i, service)) return;
    // The last packet of a flow that is not known is not worth an entry, nor is an error.
    if (closes(p) || p.kind == Kind::kIcmpError) return;
    b_.new_flow[i] = p.key.protocol != wire::kIpProtoTcp || opens(p);
    // A flow met in its middle has to show a second packet too: else a flood of bare ACKs would
    // push out the flows that are established.
    state_.flows.assign(b_.hash[i], found, b_.backend[i], state_.tick, timeout,
                        /*established=*/false);
    stale_ = true;
  }

  /// All fragments of a datagram follow the one that came first: the first fragment goes where its
  /// flow goes, a later one by the hash of addresses and protocol.
  [[gnu::noinline]] void fragment(std::uint16_t i) noexcept {
    const Parsed& p = b_.parsed[i];
    const std::uint64_t datagram = datagram_hash(p);
    const auto known = state_.fragments.find(datagram, state_.tick, kFragmentTicks);
    if (known.hit && serves(known.backend, *b_.service[i], now_)) {
      b_.new_flow[i] = false;
      b_.backend[i] = known.backend;
      state_.fragments.touch(datagram, known, state_.tick, /*closing=*/false);
      return;
    }
    if (p.kind == Kind::kLaterFragment) {
      b_.new_flow[i] = false;
      take_slot(i, *b_.service[i]);
    } else {
      flow(i);
    }
    if (b_.verdict[i] == Verdict::kForward)
      state_.fragments.assign(datagram, known, b_.backend[i], state_.tick, kFragmentTicks,
                              /*established=*/false);
  }

 private:
  [[nodiscard]] std::uint64_t datagram_hash(const Parsed& p) const noexcept {
    FlowKey key = p.key;  // the id stands where the ports do
    key.source_port = static_cast<std::uint16_t>(p.fragment_id);
    key.destination_port = static_cast<std::uint16_t>(p.fragment_id >> 16);
    return flow_hash(key, now_.hash_key);
  }

  /// The table's backend for the packet's hash; false and a verdict when the pool has none.
  [[gnu::always_inline]] bool take_slot(std::uint16_t i,
                                        const snapshot::Service& service) noexcept {
    const auto slots = now_.pools[service.pool].slots;
    if (slots.empty()) {
      b_.verdict[i] = Verdict::kNoBackend;
      return false;
    }
    b_.backend[i] =
        slots[maglev::Table::index(b_.hash[i], static_cast<std::uint32_t>(slots.size()))];
    return true;
  }

  Burst& b_;
  const snapshot::Snapshot& now_;
  WorkerState& state_;
  /// An earlier packet changed the cache: look again, the line is near now.
  bool stale_ = false;
};

}  // namespace

// Two passes: the first starts the load of every flow's line, the second finds them in cache and
// starts the loads that steer() needs.
void look_up(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept {
  b.each_live([&](std::uint16_t i) {
    b.hash[i] = flow_hash(b.parsed[i].key, now.hash_key);
    state.flows.prefetch(b.hash[i]);
  });
  b.each_live([&](std::uint16_t i) {
    b.found[i] = state.flows.find(b.hash[i], state.tick, timeout_of(b.parsed[i], now));
    if (b.found[i].hit) {
      rte_prefetch0(now.backends.data() + b.found[i].backend);
    } else if (const auto slots = now.pools[b.service[i]->pool].slots; !slots.empty()) {
      rte_prefetch0(
          &slots[maglev::Table::index(b.hash[i], static_cast<std::uint32_t>(slots.size()))]);
    }
  });
}

void steer(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  Steering steering(b, now, state);
  b.each_live([&](std::uint16_t i) {
    if (b.parsed[i].fragmented) [[unlikely]]
      steering.fragment(i);
    else
      steering.flow(i);
  });
}

}  // namespace sluice::dataplane
