// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_short_way.hpp"

#include "dataplane/nat_arrivals.hpp"
#include "dataplane/nat_client_address.hpp"
#include "dataplane/nat_current.hpp"
#include "dataplane/nat_plain.hpp"
#include "dataplane/read_ahead.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace sluice::dataplane {
namespace {

using flow::NatSession;
using flow::NatSide;
using snapshot::Backend;
using snapshot::Service;

constexpr std::size_t kMacs = 12;  // bytes of both addresses

/// Numbers by their last six bits: what it has not, was not added.
class Few {
 public:
  void add(std::uint64_t number) noexcept { bits_ |= std::uint64_t{1} << (number & 63U); }
  void add_all() noexcept { bits_ = ~std::uint64_t{0}; }
  [[nodiscard]] bool may_have(std::uint64_t number) const noexcept {
    return (bits_ >> (number & 63U) & 1U) != 0;
  }

 private:
  std::uint64_t bits_ = 0;
};

/// One burst on the short way. Its loops copy what they need into locals: a store into a frame may
/// be one into this, for all that the compiler knows.
class NatBurst {
 public:
  NatBurst(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept
      : b_(b),
        now_(now),
        state_(state),
        table_(state.nat.table()),
        last_pair_(state.flows.lines() / 2 - 1),
        in_(b, now, state) {}

  [[nodiscard]] std::uint32_t take() noexcept {
    if (in_.left == in_.all) return in_.all;
    find_sessions();
    b_.verdict.fill(Verdict::kForward);
    b_.new_flow.fill(false);
    translate();
    return in_.left;
  }

 private:
  /// Finds what the third loop needs, and starts the loads of sessions and backends.
  void find_sessions() noexcept {
    const std::uint32_t taken = in_.all & ~in_.left;
    const std::uint32_t back = in_.back;
    each_bit(taken, [&](std::uint16_t i) {
      hash_[i] = in_.session_hash_of(i);
      table_.prefetch(hash_[i]);
    });
    if (in_.begins_with_backend())
      each_bit(taken & ~back, [&](std::uint16_t i) { state_.flows.prefetch(in_.flow_hash_of(i)); });
    std::uint32_t unsettled = 0;
    each_bit(taken, [&](std::uint16_t i) {
      const bool from_backend = (back & bit_of(i)) != 0;
      NatSession* const s =
          table_.guess(from_backend ? NatSide::kBackend : NatSide::kClient, hash_[i]);
      session_[i] = s;
      if (s != nullptr) rte_prefetch0(s);
      if (s != nullptr && in_.plain().v6 != 0) rte_prefetch0(&s->rest);
      if (from_backend) return;
      if (state_.flows.glance(in_.flow_hash_of(i), state_.tick, b_.backend[i]) ==
          flow::Glance::kSettled) [[likely]]
        rte_prefetch0(now_.backends.data() + b_.backend[i]);
      else
        unsettled |= bit_of(i);
    });
    unsettled_ = unsettled;
  }

  /// Translates the packets, in order; those that are left have their turn too, for what they hold
  /// back.
  void translate() noexcept {
    const std::uint32_t unread = in_.unread;
    const std::uint32_t back = in_.back;
    const std::uint32_t v6 = in_.plain().v6;
    std::uint32_t left = in_.left;
    for (std::uint32_t rest = unread != 0 ? in_.all : in_.all & ~left; rest != 0;
         rest &= rest - 1) {
      const auto i = static_cast<std::uint16_t>(std::countr_zero(rest));
      const std::uint32_t bit = bit_of(i);
      bool goes = false;
      if ((left & bit) != 0) [[unlikely]] {
        if ((unread & bit) == 0) continue;  // not of NAT
      } else if ((v6 & bit) == 0) [[likely]] {
        goes = (back & bit) == 0 ? from_client<true>(i) : from_backend<true>(i);
      } else {
        goes = (back & bit) == 0 ? from_client<false>(i) : from_backend<false>(i);
      }
      if (goes) [[likely]]
        continue;
      left |= bit;
      in_.left = left;
      hold_back(i);
    }
    state_.flows.pass(settled_);
  }

  /// A packet that is left holds back those behind it that may be of its flow, its line in the
  /// cache or its session.
  [[gnu::noinline]] void hold_back(std::uint16_t i) noexcept {
    const rte_mbuf& m = *b_.packet[i];
    if ((b_.plain.headers.hashed & bit_of(i)) != 0) {
      held_flows_.add(pair_of_lines(in_.flow_hash_of(i)));
      for (const NatSide side : {NatSide::kClient, NatSide::kBackend})
        if (const NatSession* s = table_.find(side, in_.key(i), in_.session_hash_of(i));
            s != nullptr) {
          held_sessions_.add(table_.number(*s));
          held_flows_.add(pair_of_lines(client_hash(*s)));  // what is noted of it goes by that, too
        }
    } else if (may_change_flows(rte_pktmbuf_mtod(&m, const std::byte*), m.data_len)) {
      held_sessions_.add_all();
    }
  }

  /// The session of a packet, if it is established and nothing before it in the burst matters to
  /// it.
  template <bool kV4>
  [[gnu::always_inline, nodiscard]] NatSession* session(std::uint16_t i, NatSide side,
                                                        const std::byte* frame) const noexcept {
    NatSession* s = session_[i];
    if (s == nullptr || !is_of<kV4>(*s, side, frame)) [[unlikely]] {
      s = table_.find(side, plain_key<kV4>(frame), hash_[i]);
      if (s == nullptr) return nullptr;
    }
    return held_sessions_.may_have(table_.number(*s)) ? nullptr : s;
  }

  /// Of a flow hash, what both lines of the cache have in common that its flow may be in.
  [[nodiscard]] std::uint64_t pair_of_lines(std::uint64_t hash) const noexcept {
    return hash >> 1 & last_pair_;
  }

  /// Some packet before this one was left: it may open a session, and end one for that which is not
  /// established.
  [[nodiscard]] bool is_behind(std::uint16_t i) const noexcept {
    return (in_.left & (bit_of(i) - 1)) != 0;
  }

  template <bool kV4>
  [[nodiscard]] bool has_data(std::uint16_t i) const noexcept {
    return in_.is_udp(i) || carries_data<kV4>(b_.plain.frames.at[i], b_.plain.headers.length[i]);
  }

  [[nodiscard]] std::uint64_t client_hash(const NatSession& s) const noexcept {
    return flow_hash(nat_key(s, NatSide::kClient), now_.hash_key);
  }

  /// @return whether the packet was translated; else it is as it was.
  template <bool kV4>
  [[gnu::always_inline]] bool from_client(std::uint16_t i) noexcept {
    auto* const frame = const_cast<std::byte*>(b_.plain.frames.at[i]);
    NatSession* const s = session<kV4>(i, NatSide::kClient, frame);
    if (s == nullptr) return false;
    std::byte* const l4 = frame + kPlainL4<kV4>;
    if ((s->flags & (flow::kNatProxy | flow::kNatToa)) != 0 && may_insert(*s, l4)) return false;
    const bool settled = (unsettled_ & bit_of(i)) == 0;
    if (!goes_to(i, s->backend, settled)) return false;
    const Backend& to = now_.backends[s->backend];
    if (to.pool != b_.service[i]->pool || !to.reachable || b_.plain.headers.length[i] > to.mtu ||
        !is_current(*s, now_) || !is_path(s->path, frame, b_.port))
      return false;
    if ((s->flags & flow::kNatAsked) == 0 || s->is_embryonic()) [[unlikely]]
      if (!begins<kV4>(i, *s, l4)) return false;
    if (settled)
      ++settled_;
    else
      state_.flows.touch(in_.flow_hash_of(i), b_.found[i], state_.tick, /*closing=*/false);
    flow::NatTable::pass(*s, state_.tick);
    if ((s->flags & flow::kNatProxy) != 0) [[unlikely]]
      shift_sequence(*s, l4);
    b_.egress[i] = to.port;
    std::memcpy(frame, to.header.data(), kMacs);
    translate_plain<kV4>(frame, *s, NatSide::kClient, to.decrement_ttl, b_.plain.headers.aged[i]);
    return true;
  }

  /// Follows and notes a client's packet that accepts its handshake or may carry the first data.
  /// @return false when it is the stages', and nothing was done.
  template <bool kV4>
  [[gnu::noinline]] bool begins(std::uint16_t i, NatSession& s, const std::byte* l4) noexcept {
    const bool handshake = s.is_embryonic() && !in_.is_udp(i);
    if (s.is_embryonic() && is_behind(i)) return false;
    if (handshake && !flow::NatTable::accepts(s, acknowledgement(l4))) return false;
    if ((s.flags & flow::kNatAsked) == 0 && has_data<kV4>(i)) {
      s.flags |= flow::kNatAsked;
      state_.signals.requested(in_.flow_hash_of(i), s.backend, state_.cycles);
    }
    if (handshake)
      table_.track(s, NatSide::kClient, wire::kTcpAck, 0, acknowledgement(l4), state_.tick);
    return true;
  }

  /// Whether the cache leads a client's packet to its session's backend, too.
  [[gnu::always_inline, nodiscard]] bool goes_to(std::uint16_t i, flow::BackendNumber backend,
                                                 bool settled) noexcept {
    const std::uint64_t hash = in_.flow_hash_of(i);
    if (held_flows_.may_have(pair_of_lines(hash))) [[unlikely]]
      return false;
    if (settled) [[likely]]
      return b_.backend[i] == backend && backend < now_.backends.size();
    const bool udp = in_.is_udp(i);
    b_.found[i] = state_.flows.find(hash, state_.tick, udp ? now_.udp_timeout : now_.tcp_timeout);
    b_.backend[i] = backend;
    return b_.found[i].hit && b_.found[i].backend == backend && backend < now_.backends.size();
  }

  /// As from_client(), an answer.
  template <bool kV4>
  [[gnu::always_inline]] bool from_backend(std::uint16_t i) noexcept {
    auto* const frame = const_cast<std::byte*>(b_.plain.frames.at[i]);
    NatSession* const s = session<kV4>(i, NatSide::kBackend, frame);
    if (s == nullptr || (s->flags & flow::kNatDetached) != 0) return false;
    if ((s->flags & (flow::kNatProxy | flow::kNatProxyArrived)) == flow::kNatProxy) return false;
    if (s->path.tags != 0 || b_.plain.headers.length[i] > now_.mtu_of_port(s->path.port))
      return false;
    const Service* const service = service_of(*s);
    if (service == nullptr || !is_there(*s, now_)) return false;
    constexpr std::uint8_t kNoted = flow::kNatAsked | flow::kNatResponded;
    if ((s->flags & kNoted) == flow::kNatAsked || s->is_embryonic()) [[unlikely]]
      if (!responds<kV4>(i, *s)) return false;
    flow::NatTable::pass(*s, state_.tick);
    std::byte* const l4 = frame + kPlainL4<kV4>;
    if ((s->flags & flow::kNatProxy) != 0) [[unlikely]]
      answer_to_client(*s, l4, tcp_header_bytes(l4));
    b_.service[i] = service;
    b_.backend[i] = s->backend;
    b_.egress[i] = s->path.port;
    const bool decrement = now_.backends[s->backend].decrement_ttl;
    static_assert(offsetof(flow::NatPath, client_mac) == 0 &&
                  offsetof(flow::NatPath, own_mac) == 6);
    std::memcpy(frame, &s->path, kMacs);
    translate_plain<kV4>(frame, *s, NatSide::kBackend, decrement, b_.plain.headers.aged[i]);
    return true;
  }

  /// As begins(), of an answer that may be the first or its data.
  template <bool kV4>
  [[gnu::noinline]] bool responds(std::uint16_t i, NatSession& s) noexcept {
    const std::uint64_t hash = client_hash(s);
    if (held_flows_.may_have(pair_of_lines(hash)) || (s.is_embryonic() && is_behind(i)))
      return false;
    constexpr std::uint8_t kNoted = flow::kNatAsked | flow::kNatResponded;
    if ((s.flags & kNoted) == flow::kNatAsked && has_data<kV4>(i)) {
      s.flags |= flow::kNatResponded;
      state_.signals.responded(hash, s.backend, state_.cycles);
    }
    if (s.is_embryonic()) table_.track(s, NatSide::kBackend, 0, 0, 0, state_.tick);
    return true;
  }

  /// The service of a session, or null; mostly that of the session before.
  [[gnu::always_inline, nodiscard]] const Service* service_of(const NatSession& s) noexcept {
    const NatSession* const last = last_;
    if (last != nullptr && s.word0[flow::kNatService] == last->word0[flow::kNatService] &&
        s.port[flow::kNatService] == last->port[flow::kNatService] &&
        s.protocol == last->protocol && s.family == last->family &&
        (s.family == 4 || s.rest[flow::kNatService] == last->rest[flow::kNatService])) [[likely]]
      return last_service_;
    last_ = &s;
    last_service_ = now_.find(nat_key(s, NatSide::kClient));
    return last_service_;
  }

  Burst& b_;
  const snapshot::Snapshot& now_;
  WorkerState& state_;
  flow::NatTable& table_;
  std::uint64_t last_pair_;  ///< Of lines of the cache; a mask.
  NatArrivals in_;
  std::array<std::uint64_t, kBurst> hash_;   ///< By which sessions are found.
  std::array<NatSession*, kBurst> session_;  ///< What they are likely to be.
  Few held_flows_;                           ///< Behind a packet that was left: pairs of lines,
  Few held_sessions_;                        ///< and numbers of sessions.
  const NatSession* last_ = nullptr;         ///< Whose service is known.
  const Service* last_service_ = nullptr;
  std::uint64_t settled_ = 0;    ///< Packets of settled flows that were translated.
  std::uint32_t unsettled_ = 0;  ///< Clients', of flows that the cache does not call settled.
};

}  // namespace

bool begins_with_nat(const Burst& b, const snapshot::Snapshot& now) noexcept {
  const Whose first = now.nat.any() ? whose_first(b, now) : Whose{};
  return first.back || first.service != nullptr;
}

std::uint32_t take_nat_short_way(Burst& b, const snapshot::Snapshot& now,
                                 WorkerState& state) noexcept {
  const auto all = static_cast<std::uint32_t>((std::uint64_t{1} << b.size) - 1);
  // Checksums are the stages' business.
  if (b.size == 0 || !now.nat.any() || now.verify_checksums) return all;
  state.nat.adopt(now);
  return NatBurst(b, now, state).take();
}

}  // namespace sluice::dataplane
