// SPDX-License-Identifier: Apache-2.0
#include "dataplane/short_way.hpp"

#include "dataplane/outer_header.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace sluice::dataplane {
namespace {

using snapshot::Backend;
using snapshot::Service;
using wire::load;

constexpr std::size_t kLanes = 8;  // frames that are read at a time

constexpr std::uint32_t bit_of(std::uint16_t i) noexcept { return 1U << i; }

void each(std::uint32_t mask, auto&& f) noexcept {
  for (; mask != 0; mask &= mask - 1) f(static_cast<std::uint16_t>(std::countr_zero(mask)));
}

/// Flows by bits of their hash that tell their line in the cache, too: those of two lines side by
/// side are the same, since a flow may have its entry in either.
class FlowSet {
 public:
  void add(std::uint64_t hash) noexcept { bits_ |= std::uint64_t{1} << (hash >> 1 & 63U); }
  void add_all() noexcept { bits_ = ~std::uint64_t{0}; }
  friend FlowSet operator|(FlowSet a, FlowSet b) noexcept {
    a.bits_ |= b.bits_;
    return a;
  }
  [[nodiscard]] bool may_have(std::uint64_t hash) const noexcept {
    return (bits_ >> (hash >> 1 & 63U) & 1U) != 0;
  }

 private:
  std::uint64_t bits_ = 0;
};

/// Where a frame of the family goes, were it plain.
Target target_of(const std::byte* frame, bool v4) noexcept {
  const std::byte* ip = frame + kPlainIp;
  Target to{};
  if (v4) {
    to.address[0] = load<std::uint32_t>(ip + offsetof(wire::Ipv4, destination));
    to.protocol = load<std::uint8_t>(ip + offsetof(wire::Ipv4, protocol));
    to.port = load<std::uint16_t>(frame + kPlainL4v4 + offsetof(wire::Udp, destination_port));
  } else {
    std::memcpy(to.address.data(), ip + offsetof(wire::Ipv6, destination), sizeof to.address);
    to.protocol = load<std::uint8_t>(ip + offsetof(wire::Ipv6, next_header));
    to.port = load<std::uint16_t>(frame + kPlainL4v6 + offsetof(wire::Udp, destination_port));
  }
  return to;
}

bool is_v6(const std::byte* frame) noexcept {
  return load<Be16>(frame + offsetof(wire::Ethernet, type)) == Be16::from_host(wire::kEtherIpv6);
}

/// Whether a packet whose flow is not known may be of one that the cache knows. ICMP errors are of
/// some, but change none.
bool may_change_flows(const std::byte* frame, std::size_t length) noexcept {
  if (length < kPlainIp + sizeof(wire::Ipv4)) return false;
  const auto type = load<Be16>(frame + offsetof(wire::Ethernet, type)).to_host();
  if (type == wire::kEtherVlan || type == wire::kEtherQinq || type == wire::kEtherIpv6) return true;
  if (type != wire::kEtherIpv4) return false;
  const auto protocol = load<std::uint8_t>(frame + kPlainIp + offsetof(wire::Ipv4, protocol));
  return protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp;
}

/// What the loops know of a burst. They copy what they need into locals: a store into a frame may
/// be one into this, for all that the compiler knows.
struct Sorting {
  Frames frames;
  PlainHeaders headers;
  Target like;                  ///< Where the first packet goes.
  bool first_v6;                ///< Its family.
  std::uint32_t all;            ///< A bit for each packet of the burst.
  std::uint32_t v6 = 0;         ///< Those of `headers.hashed` that are IPv6.
  std::uint32_t left = 0;       ///< For the stages.
  std::uint32_t unread = 0;     ///< Those of them that were left for their headers.
  std::uint32_t unsettled = 0;  ///< SYNs, and those whose flow the cache does not call settled.
  std::uint32_t absent = 0;     ///< Those of them whose flow it does not know.
  FlowSet held;                 ///< What is behind a packet that was left.
  FlowSet changed;              ///< Lines of the cache that were written: look again.
};

/// Shorter than what is read, or in several segments, or cut off: not plain.
[[gnu::noinline]] void drop_frames(const Burst& b, std::size_t least, Frames& frames) noexcept {
  for (std::uint16_t i = 0; i < b.size; ++i)
    if (b.packet[i]->data_len < least || b.packet[i]->data_len != b.packet[i]->pkt_len)
      frames.at[i] = no_frame();
}

/// The device has just written the buffers' heads, but this core has not seen the frames.
void take_frames(Burst& b, const flow::Cache& flows, Sorting& s) noexcept {
  std::uint32_t differing = 0;
  std::uint32_t shortest = ~std::uint32_t{0};
  const std::size_t size = b.size;
  for (std::size_t i = 0; i < size; ++i) {
    const rte_mbuf& m = *b.packet[i];
    const auto* frame = rte_pktmbuf_mtod(&m, const std::byte*);
    rte_prefetch0(frame);
    s.frames.at[i] = frame;
    b.length[i] = m.pkt_len;
    const std::uint32_t here = m.data_len;
    differing |= m.pkt_len ^ here;
    shortest = std::min(shortest, here);
  }
  for (std::size_t i = size; i % kLanes != 0; ++i) s.frames.at[i] = no_frame();
  s.frames.length = b.length.data();
  s.frames.flows = &flows;
  if (differing != 0 || shortest < kPlainBytes4) [[unlikely]]
    drop_frames(b, kPlainBytes4, s.frames);
}

[[gnu::noinline]] void read_other_family(const Burst& b, const snapshot::Snapshot& now,
                                         const PlainReaders& readers, Sorting& s) noexcept {
  std::uint32_t others = 0;
  each(s.all & ~s.headers.hashed, [&](std::uint16_t i) {
    if (is_v6(s.frames.at[i]) != s.first_v6) others |= bit_of(i);
  });
  if (others == 0) return;
  PlainHeaders other;
  Frames frames = s.frames;
  if (!s.first_v6) drop_frames(b, kPlainBytes6, frames);
  (s.first_v6 ? readers.v4 : readers.v6)(frames, b.size, now.hash_key, s.like, other);
  if (!s.first_v6) s.v6 = other.hashed;
  s.headers.hashed |= other.hashed;
  s.headers.plain |= other.plain;
  s.headers.syn |= other.syn;
  s.headers.udp |= other.udp;
  each(other.hashed, [&](std::uint16_t i) {
    s.headers.hash[i] = other.hash[i];
    s.headers.length[i] = other.length[i];
    s.headers.look[i] = other.look[i];
    s.headers.aged[i] = other.aged[i];
  });
}

/// By the reader of the first packet's family, which mostly is that of all.
void read_headers(const Burst& b, const snapshot::Snapshot& now, const PlainReaders& readers,
                  Sorting& s) noexcept {
  s.first_v6 = is_v6(s.frames.at[0]);
  if (s.first_v6) {
    std::uint32_t shortest = ~std::uint32_t{0};
    for (std::size_t i = 0; i < b.size; ++i) shortest = std::min(shortest, b.length[i]);
    Frames frames = s.frames;
    if (shortest < kPlainBytes6) drop_frames(b, kPlainBytes6, frames);
    s.like = target_of(frames.at[0], false);
    readers.v6(frames, b.size, now.hash_key, s.like, s.headers);
    s.v6 = s.headers.hashed;
  } else {
    s.like = target_of(s.frames.at[0], true);
    readers.v4(s.frames, b.size, now.hash_key, s.like, s.headers);
  }
  if (s.headers.hashed != s.all) [[unlikely]]
    read_other_family(b, now, readers, s);
  s.left = s.unread = s.all & ~s.headers.plain;
}

const Service* find_service(const Target& target, bool v6, const snapshot::Snapshot& now) noexcept {
  FlowKey key{};
  std::memcpy(key.destination, target.address.data(), sizeof key.destination);
  key.destination_port = target.port;
  key.protocol = target.protocol;
  key.family = v6 ? 6 : 4;
  const Service* service = now.find(key);
  return service != nullptr && service->short_way ? service : nullptr;
}

/// Looks the first packet's service up for all that are like it.
void find_services(Burst& b, const snapshot::Snapshot& now, Sorting& s) noexcept {
  const std::uint32_t unlike = s.headers.plain & ~s.headers.like;
  const Service* const service =
      s.headers.like != 0 ? find_service(s.like, s.first_v6, now) : nullptr;
  if (service == nullptr) s.left |= s.headers.like;
  std::fill_n(b.service.begin(), b.size, service);
  each(unlike, [&](std::uint16_t i) {
    const bool v6 = (s.v6 & bit_of(i)) != 0;
    b.service[i] = find_service(target_of(s.frames.at[i], !v6), v6, now);
    if (b.service[i] == nullptr) s.left |= bit_of(i);
  });
}

/// Where a flow goes that is not known.
const maglev::Slot* slot_of(const Service& service, std::uint64_t hash,
                            const snapshot::Snapshot& now) noexcept {
  const snapshot::Pool& pool = now.pools[service.pool];
  if (pool.policy != nullptr || pool.slots.empty()) return nullptr;
  return &pool.slots[maglev::Table::index(hash, static_cast<std::uint32_t>(pool.slots.size()))];
}

/// Looks a flow up for good; what is not known goes by its slot.
[[gnu::noinline]] void find_flow(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                                 const WorkerState& state, const Sorting& s) noexcept {
  const std::uint64_t hash = s.headers.hash[i];
  const flow::Tick timeout = (s.headers.udp & bit_of(i)) != 0 ? now.udp_timeout : now.tcp_timeout;
  b.found[i] = state.flows.find(hash, state.tick, timeout);
  if (b.found[i].hit) {
    b.backend[i] = b.found[i].backend;
    rte_prefetch0(now.backends.data() + b.backend[i]);
  } else if (const maglev::Slot* slot = slot_of(*b.service[i], hash, now); slot != nullptr) {
    rte_prefetch0(slot);
  }
}

/// Looks the flows up, and starts the loads of their backends.
void find_flows(Burst& b, const snapshot::Snapshot& now, const WorkerState& state,
                Sorting& s) noexcept {
  const flow::Tick tick = state.tick;
  const Backend* const backends = now.backends.data();
  std::uint32_t unsettled = s.headers.syn & ~s.left;  // they may begin a connection anew
  std::uint32_t absent = 0;
  each(s.all & ~s.left, [&](std::uint16_t i) {
    const flow::Glance seen = state.flows.glance(s.headers.hash[i], tick, b.backend[i]);
    if (seen == flow::Glance::kSettled) [[likely]] {
      rte_prefetch0(backends + b.backend[i]);
    } else {
      unsettled |= bit_of(i);
      if (seen == flow::Glance::kAbsent) absent |= bit_of(i);
    }
  });
  s.unsettled = unsettled;
  s.absent = absent;
  each(absent, [&](std::uint16_t i) {
    const std::uint64_t hash = s.headers.hash[i];
    if (const maglev::Slot* slot = slot_of(*b.service[i], hash, now); slot != nullptr)
      rte_prefetch0(slot);
    state.signals.prefetch(hash);
  });
  each(unsettled & ~absent, [&](std::uint16_t i) { find_flow(b, i, now, state, s); });
}

/// Whether the packet may go to that backend as it is.
bool may_go(const rte_mbuf& m, const Service& service, const Backend& to,
            std::uint32_t length) noexcept {
  return to.pool == service.pool && length <= to.longest && m.data_off >= to.overhead;
}

std::uint32_t sequence(const Sorting& s, std::uint16_t i) noexcept {
  const std::size_t l4 = (s.v6 & bit_of(i)) == 0 ? kPlainL4v4 : kPlainL4v6;
  return load<Be32>(s.frames.at[i] + l4 + offsetof(wire::Tcp, sequence)).to_host();
}

/// Notes the packet of a flow that is known, as steer() does.
void note_known(const Burst& b, std::uint16_t i, WorkerState& state, const Sorting& s) noexcept {
  const std::uint64_t hash = s.headers.hash[i];
  const bool udp = (s.headers.udp & bit_of(i)) != 0;
  if (state.flows.touch(hash, b.found[i], state.tick, /*closing=*/false) && !udp)
    state.signals.accepted(hash, b.backend[i], sequence(s, i) - 1, state.cycles);
}

/// Notes the first packet of a flow, as steer() does.
void note_new(Burst& b, std::uint16_t i, const snapshot::Snapshot& now, WorkerState& state,
              Sorting& s) noexcept {
  const std::uint64_t hash = s.headers.hash[i];
  const flow::BackendNumber number = b.backend[i];
  const bool udp = (s.headers.udp & bit_of(i)) != 0;
  const bool syn = (s.headers.syn & bit_of(i)) != 0;
  constexpr flow::Found kNotFound{false, flow::kNoWay, flow::State::kFree, 0};
  state.flows.assign(hash, kNotFound, number, state.tick, udp ? now.udp_timeout : now.tcp_timeout,
                     /*established=*/false);
  s.changed.add(hash);
  if (!udp && !syn) return;  // met in its middle
  b.new_flow[i] = true;
  state.signals.opened(number);
  if (syn) state.signals.asked_for(hash, number, sequence(s, i), state.cycles);
}

/// Whether the cache still does not know a packet's flow, after what came before it.
bool is_absent(std::uint16_t i, const WorkerState& state, const Sorting& s) noexcept {
  if ((s.absent & bit_of(i)) == 0) return false;
  const std::uint64_t hash = s.headers.hash[i];
  flow::BackendNumber backend;
  return !s.changed.may_have(hash) ||
         state.flows.glance(hash, state.tick, backend) == flow::Glance::kAbsent;
}

/// All that is not a packet of a settled flow with nothing before it in the burst that matters to
/// it.
/// @return whether it goes the short way, to backend[i]; the cache knows of it then.
[[gnu::noinline]] bool settle(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                              WorkerState& state, Sorting& s) noexcept {
  const std::uint64_t hash = s.headers.hash[i];
  if (s.held.may_have(hash)) return false;
  bool known = false;
  if (!is_absent(i, state, s)) {
    // What was absent is looked up now, what was settled or found once more if that may have
    // changed.
    if (s.changed.may_have(hash) || ((s.unsettled & ~s.absent) & bit_of(i)) == 0)
      find_flow(b, i, now, state, s);
    known = b.found[i].hit;
  }
  const Service& service = *b.service[i];
  if (known) {
    if ((s.headers.syn & bit_of(i)) != 0) return false;  // it may be a new connection
    b.backend[i] = b.found[i].backend;
  } else {
    const maglev::Slot* const slot = slot_of(service, hash, now);
    if (slot == nullptr) return false;
    b.backend[i] = *slot;
  }
  if (b.backend[i] >= now.backends.size() ||
      !may_go(*b.packet[i], service, now.backends[b.backend[i]], s.headers.length[i]))
    return false;
  if (known)
    note_known(b, i, state, s);
  else
    note_new(b, i, now, state, s);
  return true;
}

/// What is known of a packet's way once it has one.
struct Leaving {
  rte_mbuf* packet;
  std::byte* frame;
  const Backend* to;
  std::uint64_t hash;
  std::uint32_t length;
  std::uint32_t look;
  std::uint32_t aged;
};

template <bool kV4, bool kOuterV4, bool kGue>
[[gnu::always_inline]] inline void tunnel(const Leaving& l, bool device_sums) noexcept {
  std::uint64_t sum = 0;
  if constexpr (kGue) {
    // Before the TTL is stored, or the wide loads would wait for that store. An IPv4 header with
    // its checksum has the same sum afterwards, an IPv6 header one less in an odd byte.
    if (!device_sums) sum = checksum_sum({l.frame + kPlainIp, l.length});
    if (!kV4 && l.to->decrement_ttl) sum += 0xffffU - 0x100U;
  }
  if (l.to->decrement_ttl) {
    if constexpr (kV4) {
      wire::store(l.frame + kPlainIp + offsetof(wire::Ipv4, ttl), l.aged);
    } else {
      std::byte* limit = l.frame + kPlainIp + offsetof(wire::Ipv6, hop_limit);
      *limit = static_cast<std::byte>(std::to_integer<unsigned>(*limit) - 1U);
    }
  }
  rte_mbuf& m = *l.packet;
  const std::uint32_t length = l.length + l.to->overhead + static_cast<std::uint32_t>(kPlainIp);
  m.data_off = static_cast<std::uint16_t>(m.data_off - l.to->overhead);
  m.pkt_len = length;
  m.data_len = static_cast<std::uint16_t>(length);
  const InnerPacket inner{.l3_offset = kPlainIp,
                          .length = static_cast<std::uint16_t>(l.length),
                          .tos = static_cast<std::uint8_t>(l.look),
                          .fragment = Be16::from_wire(static_cast<std::uint16_t>(l.look >> 16)),
                          .v4 = kV4,
                          .hash = l.hash,
                          .sum = sum};
  write_outer<kOuterV4, kGue>(m, l.frame - l.to->overhead, inner, *l.to, device_sums);
}

template <bool kV4>
[[gnu::always_inline]] inline void rewrite(const Leaving& l, std::uint32_t udp_sum_ports) noexcept {
  using Way = snapshot::ShortWay;
  const bool device_sums = (udp_sum_ports >> l.to->port & 1U) != 0;
  switch (l.to->short_way) {
    case Way::kIpip4:
      return tunnel<kV4, true, false>(l, false);
    case Way::kIpip6:
      return tunnel<kV4, false, false>(l, false);
    case Way::kGue4:
      return tunnel<kV4, true, true>(l, device_sums);
    case Way::kGue6:
      return tunnel<kV4, false, true>(l, device_sums);
    case Way::kL2dsr:
      std::memcpy(l.frame, l.to->header.data(), kMacBytes);
      return;
    case Way::kNone:
      return;  // may_go() has left it
  }
}

/// A packet that is left holds back those behind it that may be of its flow.
[[gnu::noinline]] void hold_back(const Burst& b, std::uint16_t i, Sorting& s) noexcept {
  const rte_mbuf& m = *b.packet[i];
  if (((s.headers.hashed | ~s.unread) & bit_of(i)) != 0)
    s.held.add(s.headers.hash[i]);
  else if (may_change_flows(rte_pktmbuf_mtod(&m, const std::byte*), m.data_len))
    s.held.add_all();
}

/// Sends the packets, in order; those that are left have their turn too, for what they hold back.
void send(Burst& b, const snapshot::Snapshot& now, WorkerState& state, Sorting& s) noexcept {
  const Backend* const backends = now.backends.data();
  const std::size_t extent = now.backends.size();
  const std::uint32_t udp_sum_ports = state.udp_sum_ports;
  const std::uint32_t unread = s.unread;
  const std::uint32_t v6 = s.v6;
  std::uint32_t left = s.left;
  FlowSet watched;  // held or changed
  std::uint32_t unsettled = s.unsettled;
  std::uint64_t settled = 0;
  for (std::uint32_t rest = unread != 0 ? s.all : s.all & ~left; rest != 0; rest &= rest - 1) {
    const auto i = static_cast<std::uint16_t>(std::countr_zero(rest));
    const std::uint32_t bit = bit_of(i);
    const std::uint64_t hash = s.headers.hash[i];
    if ((left & bit) != 0) [[unlikely]] {
      if ((unread & bit) == 0) continue;  // its whole service is left
      hold_back(b, i, s);
      watched = s.held | s.changed;
      continue;
    }
    const bool known = (unsettled & bit) == 0 && !watched.may_have(hash);
    if (!known) [[unlikely]] {
      const bool goes = settle(b, i, now, state, s);
      if (!goes) s.held.add(hash);
      watched = s.held | s.changed;
      if (!goes) {
        left |= bit;
        continue;
      }
    }
    const std::size_t number = b.backend[i];
    rte_mbuf* const m = b.packet[i];
    const std::uint32_t length = s.headers.length[i];
    if (known && (number >= extent || !may_go(*m, *b.service[i], backends[number], length)))
        [[unlikely]] {
      left |= bit;
      s.held.add(hash);
      watched.add(hash);
      continue;
    }
    settled += known ? 1 : 0;
    b.egress[i] = backends[number].port;
    const Leaving leaving{.packet = m,
                          .frame = const_cast<std::byte*>(s.frames.at[i]),
                          .to = backends + number,
                          .hash = hash,
                          .length = length,
                          .look = s.headers.look[i],
                          .aged = s.headers.aged[i]};
    if ((v6 & bit) == 0)
      rewrite<true>(leaving, udp_sum_ports);
    else
      rewrite<false>(leaving, udp_sum_ports);
  }
  state.flows.pass(settled);
  s.left = left;
}

}  // namespace

std::uint32_t take_short_way(Burst& b, const snapshot::Snapshot& now, WorkerState& state) noexcept {
  Sorting s;
  s.all = static_cast<std::uint32_t>((std::uint64_t{1} << b.size) - 1);
  // Checksums are the stages' business, and so is what other workers have handed over.
  if (b.size == 0 || now.verify_checksums || b.taken) return s.all;
  take_frames(b, state.flows, s);
  read_headers(b, now, state.readers, s);
  if (s.left == s.all) return s.all;
  find_services(b, now, s);
  if (s.left == s.all) return s.all;
  find_flows(b, now, state, s);
  b.verdict.fill(Verdict::kForward);
  b.new_flow.fill(false);
  send(b, now, state, s);
  return s.left;
}

}  // namespace sluice::dataplane
