// SPDX-License-Identifier: Apache-2.0
// The stages that choose a backend: look up, steer.
#include "dataplane/admit.hpp"
#include "dataplane/choose.hpp"
#include "dataplane/stages.hpp"
#include "packet/headers.hpp"
#include "packet/quic.hpp"

#include <rte_mbuf.h>
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

bool keeps_flows(flow::BackendNumber number, const snapshot::Snapshot& now) noexcept {
  return number < now.backends.size() && snapshot::keeps_flows(now.backends[number].state);
}

/// Whether flows of the service may be at that backend.
bool serves(flow::BackendNumber number, const snapshot::Service& service,
            const snapshot::Snapshot& now) noexcept {
  if (!keeps_flows(number, now)) return false;
  const snapshot::Backend& backend = now.backends[number];
  return backend.pool == service.pool ||
         (service.rules != nullptr && service.rules->has_pool(backend.pool));
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
      : b_(b), now_(now), state_(state) {
    state.steering.counted_pool = snapshot::kNoPool;
  }

  [[gnu::always_inline]] void flow(std::uint16_t i) noexcept {
    const Parsed& p = b_.parsed[i];
    const snapshot::Service& service = *b_.service[i];
    const flow::Tick timeout = timeout_of(p, now_);
    const flow::Found found =
        stale_ ? state_.flows.find(b_.hash[i], state_.tick, timeout) : b_.found[i];
    b_.new_flow[i] = false;
    if (service.rules != nullptr && service.rules->affinity == snapshot::Affinity::kQuicCid)
        [[unlikely]] {
      if (by_connection_id(i, service, found, timeout)) return;
    }
    if (stays(found, p, service, now_)) {
      b_.backend[i] = found.backend;
      // An error says nothing of the flow's life, and anybody can send one.
      if (p.kind == Kind::kIcmpError) return;
      if (opens(p)) [[unlikely]] {
        open_again(i, found, timeout);
        return;
      }
      if (state_.flows.touch(b_.hash[i], found, state_.tick, closes(p))) [[unlikely]] {
        proceed(i);
        stale_ = true;  // a SYN behind it is none of a new flow
      }
      stale_ |= closes(p);  // the packets behind it belong to a closing flow, or open a new one
      return;
    }
    const bool opening =
        p.kind == Kind::kFlow && !closes(p) && (p.key.protocol != wire::kIpProtoTcp || opens(p));
    if (!take_backend(i, service, opening)) {
      b_.new_flow[i] = opening;  // count() tells flows that nobody takes from packets of old ones
      return;
    }
    // The last packet of a flow that is not known is not worth an entry, nor is an error.
    if (closes(p) || p.kind == Kind::kIcmpError) return;
    b_.new_flow[i] = opening;
    // A flow met in its middle has to show a second packet too: else a flood of bare ACKs would
    // push out the flows that are established.
    state_.flows.assign(b_.hash[i], found, b_.backend[i], state_.tick, timeout,
                        /*established=*/false);
    stale_ = true;
    if (opening) open(i);
  }

  /// All fragments of a datagram go where the first one, which has the ports, goes. A later one
  /// that comes before it is kept until it has come. Only when that lasts too long is the backend
  /// guessed by the hash of addresses and protocol; the first one then follows, if it may.
  /// @return false when the packet is kept.
  [[gnu::noinline]] bool fragment(std::uint16_t i) noexcept {
    const Parsed& p = b_.parsed[i];
    const std::uint64_t datagram = datagram_hash(p);
    const auto known = state_.fragments.find(datagram, state_.tick, kFragmentTicks);
    const bool later = p.kind == Kind::kLaterFragment;
    if (known.hit &&
        (later ? keeps_flows(known.backend, now_) : serves(known.backend, *b_.service[i], now_))) {
      b_.new_flow[i] = false;
      b_.backend[i] = known.backend;
      state_.fragments.touch(datagram, known, state_.tick, /*closing=*/false);
    } else {
      if (!later)
        flow(i);
      else if (!guess(i) && !known.hit && !b_.overdue && kept(i, datagram))
        return false;  // of one that is known the first has come, but its backend is gone
      if (b_.verdict[i] == Verdict::kForward)
        state_.fragments.assign(datagram, known, b_.backend[i], state_.tick, kFragmentTicks,
                                /*established=*/false);
    }
    if (!later && b_.verdict[i] == Verdict::kForward) {
      state_.early.release(datagram);
      state_.nat.first_has_come(p);
    }
    return true;
  }

 private:
  /// A backend for a later fragment whose datagram is not known. Where an address has several
  /// services, even its service is a guess.
  /// @return whether it is NAT's, which may not guess, and waits for the first one itself.
  bool guess(std::uint16_t i) noexcept {
    b_.new_flow[i] = false;
    return take_backend(i, *b_.service[i], /*opening=*/false) &&
           now_.backends[b_.backend[i]].forwarding == snapshot::Forwarding::kNat;
  }

  bool kept(std::uint16_t i, std::uint64_t datagram) noexcept {
    b_.packet[i]->port = b_.port;  // whence it goes on
    return state_.early.keep(b_.packet[i], datagram, state_.cycles);
  }

  [[nodiscard]] std::uint64_t datagram_hash(const Parsed& p) const noexcept {
    return flow_hash(datagram_key(p), now_.hash_key);
  }

  /// A backend for a packet that the cache does not know; false and a verdict when there is none.
  [[gnu::always_inline]] bool take_backend(std::uint16_t i, const snapshot::Service& service,
                                           bool opening) noexcept {
    const snapshot::Pool& pool = now_.pools[service.pool];
    if (service.rules != nullptr || pool.policy != nullptr) [[unlikely]]
      return take_by_rules(i, service, opening);
    if (pool.slots.empty()) {
      b_.verdict[i] = Verdict::kNoBackend;
      return false;
    }
    b_.backend[i] =
        pool.slots[maglev::Table::index(b_.hash[i], static_cast<std::uint32_t>(pool.slots.size()))];
    return true;
  }

  /// Likewise, where the service has rules or the pool a policy. Only packets that open a flow are
  /// limited and go by the policy: all others belong to a flow that another worker or node placed
  /// or that was pushed out, and the table is the best guess.
  [[gnu::noinline]] bool take_by_rules(std::uint16_t i, const snapshot::Service& service,
                                       bool opening) noexcept {
    const Parsed& p = b_.parsed[i];
    const snapshot::ServiceRules* rules = service.rules;
    const bool by_source = rules != nullptr && rules->affinity == snapshot::Affinity::kSource;
    const std::uint64_t hash = by_source ? hash_of_addresses(p) : b_.hash[i];
    const std::uint16_t pool =
        rules == nullptr ? service.pool : rules->pool_of(p.key, hash, service.pool);
    if (opening) {
      if (const Verdict v = admit_new_flow(b_, i, now_, state_); v != Verdict::kForward) {
        b_.verdict[i] = v;
        return false;
      }
    }
    flow::Found known{};
    const flow::Tick timeout = timeout_of(p, now_);
    flow::Cache& sources = state_.steering.sources;
    const std::uint64_t source = source_hash(hash, service.number);
    if (by_source) {
      known = sources.find(source, state_.tick, timeout);
      if (known.hit && is_home(known.backend, pool, opening)) {
        b_.backend[i] = known.backend;
        if (opening) sources.touch(source, known, state_.tick, /*closing=*/false);
        return true;
      }
    }
    const Choice choice =
        opening ? choose(pool, hash, now_, state_.steering) : slot_of(pool, hash, now_);
    if (choice.verdict != Verdict::kForward) {
      b_.verdict[i] = choice.verdict;
      return false;
    }
    b_.backend[i] = choice.backend;
    if (by_source && opening)
      sources.assign(source, known, choice.backend, state_.tick, timeout, /*established=*/false);
    return true;
  }

  /// Whether a source's packet may go to the backend of its earlier flows.
  [[nodiscard]] bool is_home(flow::BackendNumber number, std::uint16_t pool,
                             bool opening) const noexcept {
    if (number >= now_.backends.size()) return false;
    const snapshot::Backend& backend = now_.backends[number];
    const snapshot::PoolPolicy* policy = now_.pools[pool].policy;
    if (backend.pool != pool && (policy == nullptr || backend.pool != policy->overflow))
      return false;
    if (!opening) return snapshot::keeps_flows(backend.state);
    return backend.state == snapshot::State::kUp &&
           may_take(number, backend.pool, now_, state_.steering);
  }

  [[nodiscard]] std::uint64_t hash_of_addresses(const Parsed& p) const noexcept {
    FlowKey key = p.key;
    key.source_port = 0;
    key.destination_port = 0;
    key.protocol = 0;
    return flow_hash(key, now_.hash_key);
  }

  /// Steers a packet by the server id in its QUIC connection id, whatever its addresses are; the
  /// flow of its addresses then leads there, too, for what has no connection id (ICMP errors).
  /// @return false when it has none that leads to a backend of the service.
  [[gnu::noinline]] bool by_connection_id(std::uint16_t i, const snapshot::Service& service,
                                          const flow::Found& found, flow::Tick timeout) noexcept {
    const Parsed& p = b_.parsed[i];
    const rte_mbuf& m = *b_.packet[i];
    if (p.kind != Kind::kFlow || p.key.protocol != wire::kIpProtoUdp) return false;
    const std::size_t at = p.l4_offset + sizeof(wire::Udp);
    const std::size_t end = std::min<std::size_t>(m.data_len, p.l3_offset + p.l3_length);
    if (end <= at) return false;
    const QuicHeader quic = parse_quic({rte_pktmbuf_mtod(&m, const std::byte*) + at, end - at});
    if (quic.chosen_by_client) return false;
    const auto id = now_.quic_lb.server_id(quic.connection_id);
    const auto number = id ? service.rules->server_ids.find(*id) : std::nullopt;
    if (!number || !serves(*number, service, now_)) return false;
    b_.backend[i] = *number;
    if (found.hit && found.backend == *number) {
      state_.flows.touch(b_.hash[i], found, state_.tick, /*closing=*/false);
    } else {
      state_.flows.assign(b_.hash[i], found, *number, state_.tick, timeout, /*established=*/false);
      stale_ = true;
    }
    return true;
  }

  /// The sequence number of a TCP packet.
  [[nodiscard]] std::uint32_t sequence(std::uint16_t i) const noexcept {
    const auto* frame = rte_pktmbuf_mtod(b_.packet[i], const std::byte*);
    return wire::load<Be32>(frame + b_.parsed[i].l4_offset + offsetof(wire::Tcp, sequence))
        .to_host();
  }

  /// A flow has got its backend.
  [[gnu::noinline]] void open(std::uint16_t i) noexcept {
    state_.signals.opened(b_.backend[i]);
    if (opens(b_.parsed[i]))
      state_.signals.asked_for(b_.hash[i], b_.backend[i], sequence(i), state_.cycles);
  }

  /// A SYN of a known flow. It is no sign that anybody answers: a flow that is new stays so.
  [[gnu::noinline]] void open_again(std::uint16_t i, const flow::Found& found,
                                    flow::Tick timeout) noexcept {
    if (found.state != flow::State::kNew) {
      state_.flows.touch(b_.hash[i], found, state_.tick, /*closing=*/false);
      return;
    }
    state_.flows.assign(b_.hash[i], found, found.backend, state_.tick, timeout,
                        /*established=*/false);
    state_.signals.asked_again(b_.hash[i], found.backend, sequence(i), state_.cycles);
  }

  /// The first packet of a flow behind its first one. In NAT the backend's SYN-ACK says more.
  [[gnu::noinline]] void proceed(std::uint16_t i) noexcept {
    const Parsed& p = b_.parsed[i];
    if ((p.tcp_flags & (wire::kTcpSyn | wire::kTcpAck)) != wire::kTcpAck ||
        now_.backends[b_.backend[i]].forwarding == snapshot::Forwarding::kNat)
      return;
    state_.signals.accepted(b_.hash[i], b_.backend[i], sequence(i) - 1, state_.cycles);
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
  std::uint32_t kept = 0;
  b.each_live([&](std::uint16_t i) {
    if (b.parsed[i].fragmented) [[unlikely]]
      kept |= steering.fragment(i) ? 0U : 1U << i;
    else
      steering.flow(i);
  });
  if (kept != 0) [[unlikely]]
    b.take_out(kept);
}

}  // namespace sluice::dataplane
