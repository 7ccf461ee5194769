// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_short_way.hpp"

#include "dataplane/nat_client_address.hpp"
#include "dataplane/nat_current.hpp"
#include "dataplane/nat_plain.hpp"

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

constexpr std::size_t kReadAtOnce = 8;  // frames
constexpr std::size_t kMacs = 12;       // bytes of both addresses

void each_of(std::uint32_t mask, auto&& f) noexcept {
  for (; mask != 0; mask &= mask - 1) f(static_cast<std::uint16_t>(std::countr_zero(mask)));
}

constexpr std::uint32_t mask_of(std::uint16_t i) noexcept { return 1U << i; }

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

/// Of a flow hash, what both lines have in common that its flow may be in.
constexpr std::uint64_t pair_of_lines(std::uint64_t hash) noexcept { return hash >> 1; }

Target target_of_plain(const std::byte* frame, bool v4) noexcept {
  const FlowKey key = v4 ? plain_key<true>(frame) : plain_key<false>(frame);
  return {.address = std::to_array(key.destination),
          .port = key.destination_port,
          .protocol = key.protocol};
}

FlowKey key_to(const Target& target, bool v4) noexcept {
  FlowKey key{};
  std::ranges::copy(target.address, key.destination);
  key.destination_port = target.port;
  key.protocol = target.protocol;
  key.family = v4 ? 4 : 6;
  return key;
}

Be16 ether_type(const std::byte* frame) noexcept {
  return wire::load<Be16>(frame + offsetof(wire::Ethernet, type));
}

/// Whose a plain packet is.
struct Whose {
  const Service* service = nullptr;  ///< Of NAT and without rules: the packet is a client's.
  bool back = false;                 ///< It goes to a NAT address.
};

Whose whose(const Target& target, bool v4, const snapshot::Snapshot& now) noexcept {
  const FlowKey key = key_to(target, v4);
  const Service* service = now.find(key);
  if (service == nullptr) return {.back = now.nat.is_return(key)};
  return {.service = service->short_way || service->rules != nullptr ? nullptr : service};
}

/// Whether a packet whose flow is not known may change a flow or a session. ICMP errors do not.
bool may_change(const std::byte* frame, std::size_t length) noexcept {
  if (length < kPlainIp + sizeof(wire::Ipv4)) return false;
  const auto type = ether_type(frame).to_host();
  if (type == wire::kEtherVlan || type == wire::kEtherQinq || type == wire::kEtherIpv6) return true;
  if (type != wire::kEtherIpv4) return false;
  const auto protocol = wire::load<std::uint8_t>(frame + kPlainIp + offsetof(wire::Ipv4, protocol));
  return protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp;
}

/// Two lines for the readers to load while the flow cache is not asked.
std::array<flow::Line, 2> no_lines{};
const flow::Cache kNoCache(no_lines);

/// One burst on the short way. Its loops copy what they need into locals: a store into a frame may
/// be one into this, for all that the compiler knows.
class NatBurst {
 public:
  NatBurst(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept
      : b_(b), now_(now), state_(state), table_(state.nat.table()) {}

  [[nodiscard]] std::uint32_t take() noexcept {
    all_ = static_cast<std::uint32_t>((std::uint64_t{1} << b_.size) - 1);
    take_frames();
    read_headers();
    if (left_ == all_) return all_;
    tell_whose();
    if (left_ == all_) return all_;
    find_sessions();
    b_.verdict.fill(Verdict::kForward);
    b_.new_flow.fill(false);
    translate();
    return left_;
  }

 private:
  /// The device has just written the buffers' heads, but this core has not seen the frames.
  void take_frames() noexcept {
    std::uint32_t differing = 0;
    const std::size_t size = b_.size;
    for (std::size_t i = 0; i < size; ++i) {
      const rte_mbuf& m = *b_.packet[i];
      const auto* frame = rte_pktmbuf_mtod(&m, const std::byte*);
      rte_prefetch0(frame);
      frames_.at[i] = frame;
      b_.length[i] = m.pkt_len;
      const std::uint32_t here = m.data_len;
      differing |= m.pkt_len ^ here;
      shortest_ = std::min(shortest_, here);
    }
    for (std::size_t i = size; i % kReadAtOnce != 0; ++i) frames_.at[i] = no_frame();
    frames_.length = b_.length.data();
    if (differing != 0 || shortest_ < kPlainBytes4) [[unlikely]]
      drop_frames(kPlainBytes4, frames_);
  }

  /// Shorter than what is read, or in several segments, or cut off: not plain.
  [[gnu::noinline]] void drop_frames(std::size_t least, Frames& frames) const noexcept {
    for (std::uint16_t i = 0; i < b_.size; ++i)
      if (b_.packet[i]->data_len < least || b_.packet[i]->data_len != b_.packet[i]->pkt_len)
        frames.at[i] = no_frame();
  }

  /// By the reader of the first packet's family, with the secret that the first packet is looked up
  /// by: mostly both are those of all.
  void read_headers() noexcept {
    first_v4_ = ether_type(frames_.at[0]) != Be16::from_host(wire::kEtherIpv6);
    if (!first_v4_ && shortest_ < kPlainBytes6 && b_.packet[0]->data_len < kPlainBytes6)
      first_v4_ = true;  // it is not plain, whatever it is
    like_ = target_of_plain(frames_.at[0], first_v4_);
    first_ = whose(like_, first_v4_, now_);
    frames_.flows = first_.back ? &kNoCache : &state_.flows;
    read(first_v4_, headers_);
    if (!first_v4_) v6_ = headers_.hashed;
    if (headers_.hashed != all_) [[unlikely]]
      read_other_family();
    unread_ = all_ & (~headers_.plain | headers_.syn);
    left_ = unread_;
  }

  void read(bool v4, PlainHeaders& out) const noexcept {
    const HashKey& secret = first_.back ? table_.secret() : now_.hash_key;
    if (v4) return state_.readers.v4(frames_, b_.size, secret, like_, out);
    if (shortest_ >= kPlainBytes6) [[likely]]
      return state_.readers.v6(frames_, b_.size, secret, like_, out);
    Frames frames = frames_;
    drop_frames(kPlainBytes6, frames);
    state_.readers.v6(frames, b_.size, secret, like_, out);
  }

  [[gnu::noinline]] void read_other_family() noexcept {
    std::uint32_t others = 0;
    each_of(all_ & ~headers_.hashed, [&](std::uint16_t i) {
      const bool v4 = ether_type(frames_.at[i]) != Be16::from_host(wire::kEtherIpv6);
      if (v4 != first_v4_) others |= mask_of(i);
    });
    if (others == 0) return;
    PlainHeaders other;
    read(!first_v4_, other);
    if (first_v4_) v6_ = other.hashed;
    headers_.hashed |= other.hashed;
    headers_.plain |= other.plain;
    headers_.syn |= other.syn;
    headers_.udp |= other.udp;
    each_of(other.hashed, [&](std::uint16_t i) {
      headers_.hash[i] = other.hash[i];
      headers_.length[i] = other.length[i];
      headers_.aged[i] = other.aged[i];
    });
  }

  [[nodiscard]] bool is_v4(std::uint16_t i) const noexcept { return (v6_ & mask_of(i)) == 0; }

  [[nodiscard]] FlowKey key(std::uint16_t i) const noexcept {
    return is_v4(i) ? plain_key<true>(frames_.at[i]) : plain_key<false>(frames_.at[i]);
  }

  /// Hashes of a packet that the readers know: of the cache, and of the sessions.
  [[nodiscard]] std::uint64_t flow_hash_of(std::uint16_t i) const noexcept {
    return first_.back ? flow_hash(key(i), now_.hash_key) : headers_.hash[i];
  }
  [[nodiscard]] std::uint64_t session_hash_of(std::uint16_t i) const noexcept {
    return first_.back ? headers_.hash[i] : table_.hash(key(i));
  }

  /// Services of clients' packets, and which packets are backends'. What has the target or the NAT
  /// address of the packet before it needs no look-up.
  void tell_whose() noexcept {
    const std::uint32_t like = headers_.like & ~left_;
    std::fill_n(b_.service.begin(), b_.size, first_.service);
    if (first_.back)
      back_ |= like;
    else if (first_.service == nullptr)
      left_ |= like;
    Target last = like_;
    bool last_v4 = first_v4_;
    Whose of = first_;
    each_of(all_ & ~left_ & ~like, [&](std::uint16_t i) {
      const bool v4 = is_v4(i);
      const Target target = target_of_plain(frames_.at[i], v4);
      const bool same = v4 == last_v4 && target.address == last.address;
      if (!same || (!of.back && (target.port != last.port || target.protocol != last.protocol))) {
        of = whose(target, v4, now_);
        last = target;
        last_v4 = v4;
      }
      b_.service[i] = of.service;
      if (of.back)
        back_ |= mask_of(i);
      else if (of.service == nullptr)
        left_ |= mask_of(i);
    });
  }

  /// Finds what the third loop needs, and starts the loads of sessions and backends.
  void find_sessions() noexcept {
    const std::uint32_t taken = all_ & ~left_;
    const std::uint32_t back = back_;
    each_of(taken, [&](std::uint16_t i) {
      hash_[i] = session_hash_of(i);
      table_.prefetch(hash_[i]);
    });
    if (first_.back)
      each_of(taken & ~back, [&](std::uint16_t i) { state_.flows.prefetch(flow_hash_of(i)); });
    std::uint32_t unsettled = 0;
    each_of(taken, [&](std::uint16_t i) {
      const bool from_backend = (back & mask_of(i)) != 0;
      NatSession* const s =
          table_.guess(from_backend ? NatSide::kBackend : NatSide::kClient, hash_[i]);
      session_[i] = s;
      if (s != nullptr) rte_prefetch0(s);
      if (s != nullptr && v6_ != 0) rte_prefetch0(&s->rest);
      if (from_backend) return;
      if (state_.flows.glance(flow_hash_of(i), state_.tick, b_.backend[i]) ==
          flow::Glance::kSettled) [[likely]]
        rte_prefetch0(now_.backends.data() + b_.backend[i]);
      else
        unsettled |= mask_of(i);
    });
    unsettled_ = unsettled;
  }

  /// Translates the packets, in order; those that are left have their turn too, for what they hold
  /// back.
  void translate() noexcept {
    const std::uint32_t unread = unread_;
    const std::uint32_t back = back_;
    const std::uint32_t v6 = v6_;
    std::uint32_t left = left_;
    for (std::uint32_t rest = unread != 0 ? all_ : all_ & ~left; rest != 0; rest &= rest - 1) {
      const auto i = static_cast<std::uint16_t>(std::countr_zero(rest));
      const std::uint32_t bit = mask_of(i);
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
      left_ = left;
      hold_back(i);
    }
    state_.flows.pass(settled_);
  }

  /// A packet that is left holds back those behind it that may be of its flow, its line in the
  /// cache or its session.
  [[gnu::noinline]] void hold_back(std::uint16_t i) noexcept {
    const rte_mbuf& m = *b_.packet[i];
    if ((headers_.hashed & mask_of(i)) != 0) {
      held_flows_.add(pair_of_lines(flow_hash_of(i)));
      for (const NatSide side : {NatSide::kClient, NatSide::kBackend})
        if (const NatSession* s = table_.find(side, key(i), session_hash_of(i)); s != nullptr) {
          held_sessions_.add(table_.number(*s));
          held_flows_.add(pair_of_lines(client_hash(*s)));  // what is noted of it goes by that, too
        }
    } else if (may_change(rte_pktmbuf_mtod(&m, const std::byte*), m.data_len)) {
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

  /// Some packet before this one was left: it may open a session, and end one for that which is not
  /// established.
  [[nodiscard]] bool is_behind(std::uint16_t i) const noexcept {
    return (left_ & (mask_of(i) - 1)) != 0;
  }

  template <bool kV4>
  [[nodiscard]] bool has_data(std::uint16_t i) const noexcept {
    return (headers_.udp & mask_of(i)) != 0 || carries_data<kV4>(frames_.at[i], headers_.length[i]);
  }

  [[nodiscard]] std::uint64_t client_hash(const NatSession& s) const noexcept {
    return flow_hash(nat_key(s, NatSide::kClient), now_.hash_key);
  }

  /// @return whether the packet was translated; else it is as it was.
  template <bool kV4>
  [[gnu::always_inline]] bool from_client(std::uint16_t i) noexcept {
    auto* const frame = const_cast<std::byte*>(frames_.at[i]);
    NatSession* const s = session<kV4>(i, NatSide::kClient, frame);
    if (s == nullptr) return false;
    std::byte* const l4 = frame + kPlainL4<kV4>;
    if ((s->flags & (flow::kNatProxy | flow::kNatToa)) != 0 && may_insert(*s, l4)) return false;
    const bool settled = (unsettled_ & mask_of(i)) == 0;
    if (!goes_to(i, s->backend, settled)) return false;
    const Backend& to = now_.backends[s->backend];
    if (to.pool != b_.service[i]->pool || !to.reachable || headers_.length[i] > to.mtu ||
        !is_current(*s, now_) || !is_path(s->path, frame, b_.port))
      return false;
    if ((s->flags & flow::kNatAsked) == 0 || s->is_embryonic()) [[unlikely]]
      if (!begins<kV4>(i, *s, l4)) return false;
    if (settled)
      ++settled_;
    else
      state_.flows.touch(flow_hash_of(i), b_.found[i], state_.tick, /*closing=*/false);
    flow::NatTable::pass(*s, state_.tick);
    if ((s->flags & flow::kNatProxy) != 0) [[unlikely]]
      shift_sequence(*s, l4);
    b_.egress[i] = to.port;
    std::memcpy(frame, to.header.data(), kMacs);
    translate_plain<kV4>(frame, *s, NatSide::kClient, to.decrement_ttl, headers_.aged[i]);
    return true;
  }

  /// Follows and notes a client's packet that accepts its handshake or may carry the first data.
  /// @return false when it is the stages', and nothing was done.
  template <bool kV4>
  [[gnu::noinline]] bool begins(std::uint16_t i, NatSession& s, const std::byte* l4) noexcept {
    const bool handshake = s.is_embryonic() && (headers_.udp & mask_of(i)) == 0;
    if (s.is_embryonic() && is_behind(i)) return false;
    if (handshake && !flow::NatTable::accepts(s, acknowledgement(l4))) return false;
    if ((s.flags & flow::kNatAsked) == 0 && has_data<kV4>(i)) {
      s.flags |= flow::kNatAsked;
      state_.signals.requested(flow_hash_of(i), s.backend, state_.cycles);
    }
    if (handshake)
      table_.track(s, NatSide::kClient, wire::kTcpAck, 0, acknowledgement(l4), state_.tick);
    return true;
  }

  /// Whether the cache leads a client's packet to its session's backend, too.
  [[gnu::always_inline, nodiscard]] bool goes_to(std::uint16_t i, flow::BackendNumber backend,
                                                 bool settled) noexcept {
    const std::uint64_t hash = flow_hash_of(i);
    if (held_flows_.may_have(pair_of_lines(hash))) [[unlikely]]
      return false;
    if (settled) [[likely]]
      return b_.backend[i] == backend && backend < now_.backends.size();
    const bool udp = (headers_.udp & mask_of(i)) != 0;
    b_.found[i] = state_.flows.find(hash, state_.tick, udp ? now_.udp_timeout : now_.tcp_timeout);
    b_.backend[i] = backend;
    return b_.found[i].hit && b_.found[i].backend == backend && backend < now_.backends.size();
  }

  /// As from_client(), an answer.
  template <bool kV4>
  [[gnu::always_inline]] bool from_backend(std::uint16_t i) noexcept {
    auto* const frame = const_cast<std::byte*>(frames_.at[i]);
    NatSession* const s = session<kV4>(i, NatSide::kBackend, frame);
    if (s == nullptr || (s->flags & flow::kNatDetached) != 0) return false;
    if ((s->flags & (flow::kNatProxy | flow::kNatProxyArrived)) == flow::kNatProxy) return false;
    if (s->path.tags != 0 || headers_.length[i] > now_.mtu_of_port(s->path.port)) return false;
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
    translate_plain<kV4>(frame, *s, NatSide::kBackend, decrement, headers_.aged[i]);
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
  PlainHeaders headers_;
  Frames frames_;
  std::array<std::uint64_t, kBurst> hash_;   ///< By which sessions are found.
  std::array<NatSession*, kBurst> session_;  ///< What they are likely to be.
  Few held_flows_;                           ///< Behind a packet that was left: pairs of lines,
  Few held_sessions_;                        ///< and numbers of sessions.
  const NatSession* last_ = nullptr;         ///< Whose service is known.
  const Service* last_service_ = nullptr;
  std::uint64_t settled_ = 0;                   ///< Packets of settled flows that were translated.
  Whose first_;                                 ///< Whose the first packet is,
  Target like_;                                 ///< where it goes,
  bool first_v4_ = true;                        ///< and its family.
  std::uint32_t shortest_ = ~std::uint32_t{0};  ///< Bytes of a frame.
  std::uint32_t all_ = 0;                       ///< A bit for each packet of the burst.
  std::uint32_t v6_ = 0;                        ///< Those of headers_.hashed that are IPv6.
  std::uint32_t left_ = 0;                      ///< For the stages.
  std::uint32_t unread_ = 0;                    ///< Of them, those left for their headers.
  std::uint32_t back_ = 0;                      ///< From backends.
  std::uint32_t unsettled_ = 0;  ///< Clients', of flows that the cache does not call settled.
};

}  // namespace

bool begins_with_nat(const Burst& b, const snapshot::Snapshot& now) noexcept {
  if (b.size == 0 || !now.nat.any()) return false;
  const rte_mbuf& m = *b.packet[0];
  const auto* frame = rte_pktmbuf_mtod(&m, const std::byte*);
  if (m.data_len < kPlainBytes4) return false;
  const bool v4 = ether_type(frame) != Be16::from_host(wire::kEtherIpv6);
  if (!v4 && m.data_len < kPlainBytes6) return false;
  const Whose first = whose(target_of_plain(frame, v4), v4, now);
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
