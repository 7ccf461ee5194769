// SPDX-License-Identifier: Apache-2.0
#include "dataplane/short_way.hpp"

#include "dataplane/outer_header.hpp"
#include "dataplane/read_ahead.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

namespace sluice::dataplane {
namespace {

using snapshot::Backend;
using snapshot::Service;
using wire::load;

/// What the packets until now mean to those behind them, by a few bits of a flow's hash: those of
/// two lines of the cache side by side have one place, since a flow may have its entry in either.
class FlowNotes {
 public:
  static constexpr std::uint8_t kHeld = 1;     ///< Behind a packet that was left.
  static constexpr std::uint8_t kChanged = 2;  ///< The cache was written there: look again.

  /// @param lines  of the cache.
  explicit FlowNotes(std::size_t lines) noexcept : places_(std::min(kPlaces, lines / 2)) {}

  void add(std::uint64_t hash, std::uint8_t what) noexcept {
    if (!any_) clear();
    std::uint8_t& at = of_[place(hash)];
    at = static_cast<std::uint8_t>(at | what);
  }
  void add_all(std::uint8_t what) noexcept {
    if (!any_) clear();
    for (std::size_t i = 0; i < places_; ++i) of_[i] = static_cast<std::uint8_t>(of_[i] | what);
  }
  [[nodiscard]] std::uint8_t of(std::uint64_t hash) const noexcept {
    return any_ ? of_[place(hash)] : std::uint8_t{0};
  }

 private:
  static constexpr std::size_t kPlaces = 512;

  [[nodiscard]] std::size_t place(std::uint64_t hash) const noexcept {
    return hash >> 1 & (places_ - 1);
  }
  [[gnu::noinline]] void clear() noexcept {
    std::memset(of_.data(), 0, places_);
    any_ = true;
  }

  bool any_ = false;  ///< Else `of_` is not yet set: most bursts need none.
  std::size_t places_;
  std::array<std::uint8_t, kPlaces> of_;
};

/// What the loops know of a burst besides its headers. They copy what they need into locals: a
/// store into a frame may be one into this, for all that the compiler knows.
struct Sorting {
  explicit Sorting(std::size_t lines) noexcept : notes(lines) {}

  std::uint32_t left = 0;      ///< For the stages.
  std::uint32_t unread = 0;    ///< Those of them that were left for their headers.
  std::uint32_t fresh = 0;     ///< Flows that the cache does not know, and that go by a table.
  std::uint32_t doubtful = 0;  ///< SYNs of others, and others whose flow is not settled.
  FlowNotes notes;
  std::array<const maglev::Slot*, kBurst> slot;  ///< Of those that are fresh.
};

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
  const PlainHeaders& headers = b.plain.headers;
  const std::uint32_t unlike = headers.plain & ~headers.like;
  const Service* const service =
      headers.like != 0 ? find_service(b.plain.like, b.plain.first_v6, now) : nullptr;
  if (service == nullptr) s.left |= headers.like;
  std::fill_n(b.service.begin(), b.size, service);
  each_bit(unlike, [&](std::uint16_t i) {
    const bool v6 = (b.plain.v6 & bit_of(i)) != 0;
    b.service[i] = find_service(target_of(b.plain.frames.at[i], !v6), v6, now);
    if (b.service[i] == nullptr) s.left |= bit_of(i);
  });
}

/// The table by which new flows of a service go; empty when they go by a policy or have no backend.
std::span<const maglev::Slot> table_of(const Service& service,
                                       const snapshot::Snapshot& now) noexcept {
  const snapshot::Pool& pool = now.pools[service.pool];
  return pool.policy == nullptr ? pool.slots : std::span<const maglev::Slot>();
}

const maglev::Slot* slot_of(std::span<const maglev::Slot> table, std::uint64_t hash) noexcept {
  return &table[maglev::Table::index(hash, static_cast<std::uint32_t>(table.size()))];
}

flow::Tick timeout_of(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now) noexcept {
  return (b.plain.headers.udp & bit_of(i)) != 0 ? now.udp_timeout : now.tcp_timeout;
}

/// Looks a flow up for good.
[[gnu::noinline]] void find_flow(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                                 const WorkerState& state) noexcept {
  b.found[i] = state.flows.find(b.plain.headers.hash[i], state.tick, timeout_of(b, i, now));
  if (b.found[i].hit) rte_prefetch0(now.backends.data() + b.found[i].backend);
}

/// Starts the loads of what flows need that the cache does not know.
[[gnu::noinline]] void find_slots(const Burst& b, const snapshot::Snapshot& now,
                                  const WorkerState& state, std::uint32_t absent,
                                  Sorting& s) noexcept {
  const Service* last = nullptr;
  std::span<const maglev::Slot> table;
  each_bit(absent, [&](std::uint16_t i) {
    if (b.service[i] != last) {
      last = b.service[i];
      table = table_of(*last, now);
    }
    if (table.empty()) {
      s.doubtful |= bit_of(i);
      return;
    }
    const std::uint64_t hash = b.plain.headers.hash[i];
    s.slot[i] = slot_of(table, hash);
    rte_prefetch0(s.slot[i]);
    state.signals.prefetch(hash);
  });
  s.fresh = absent & ~s.doubtful;
}

/// Looks the flows up, and starts the loads of their backends.
void find_flows(Burst& b, const snapshot::Snapshot& now, const WorkerState& state,
                Sorting& s) noexcept {
  const PlainHeaders& headers = b.plain.headers;
  const flow::Tick tick = state.tick;
  const Backend* const backends = now.backends.data();
  std::uint32_t unsettled = headers.syn & ~s.left;  // they may begin a connection anew
  std::uint32_t absent = 0;
  each_bit(b.plain.all & ~s.left, [&](std::uint16_t i) {
    const flow::Glance seen =
        state.flows.glance(headers.hash[i], headers.tag[i], tick, b.backend[i]);
    if (seen == flow::Glance::kSettled) [[likely]] {
      rte_prefetch0(backends + b.backend[i]);
    } else {
      unsettled |= bit_of(i);
      if (seen == flow::Glance::kAbsent) absent |= bit_of(i);
    }
  });
  s.doubtful = unsettled & ~absent;
  if (absent != 0) find_slots(b, now, state, absent, s);
  each_bit(s.doubtful, [&](std::uint16_t i) { find_flow(b, i, now, state); });
}

/// The backends of flows that the cache does not know, once their slots have come.
void read_slots(Burst& b, const snapshot::Snapshot& now, const Sorting& s) noexcept {
  each_bit(s.fresh, [&](std::uint16_t i) {
    b.backend[i] = *s.slot[i];
    rte_prefetch0(now.backends.data() + b.backend[i]);
  });
}

/// Whether the packet may go to that backend as it is.
bool may_go(const rte_mbuf& m, const Service& service, const Backend& to,
            std::uint32_t length) noexcept {
  return to.pool == service.pool && length <= to.longest && m.data_off >= to.overhead;
}

std::uint32_t sequence(const Burst& b, std::uint16_t i) noexcept {
  const std::size_t l4 = (b.plain.v6 & bit_of(i)) == 0 ? kPlainL4v4 : kPlainL4v6;
  return load<Be32>(b.plain.frames.at[i] + l4 + offsetof(wire::Tcp, sequence)).to_host();
}

/// Notes the packet of a flow that is known, as steer() does.
void note_known(const Burst& b, std::uint16_t i, WorkerState& state) noexcept {
  const std::uint64_t hash = b.plain.headers.hash[i];
  const bool udp = (b.plain.headers.udp & bit_of(i)) != 0;
  if (state.flows.touch(hash, b.found[i], state.tick, /*closing=*/false) && !udp)
    state.signals.accepted(hash, b.backend[i], sequence(b, i) - 1, state.cycles);
}

/// Notes the first packet of a flow that the cache has been told of, as steer() does.
[[gnu::always_inline]] inline void note_new(Burst& b, std::uint16_t i, WorkerState& state,
                                            Sorting& s) noexcept {
  const std::uint64_t hash = b.plain.headers.hash[i];
  const flow::BackendNumber number = b.backend[i];
  const bool syn = (b.plain.headers.syn & bit_of(i)) != 0;
  s.notes.add(hash, FlowNotes::kChanged);
  if (!syn && (b.plain.headers.udp & bit_of(i)) == 0) return;  // met in its middle
  b.new_flow[i] = true;
  state.signals.opened(number);
  if (syn) state.signals.asked_for(hash, number, sequence(b, i), state.cycles);
}

/// All that is neither of a settled flow nor of one that the cache does not know, with nothing
/// before it in the burst that matters to it.
/// @return whether it goes the short way, to backend[i]; the cache knows of it then.
[[gnu::noinline]] bool settle(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                              WorkerState& state, Sorting& s) noexcept {
  const std::uint64_t hash = b.plain.headers.hash[i];
  const std::uint8_t before = s.notes.of(hash);
  if ((before & FlowNotes::kHeld) != 0) return false;
  // What was looked up is looked up again if that may have changed.
  if ((before & FlowNotes::kChanged) != 0 || (s.doubtful & bit_of(i)) == 0)
    find_flow(b, i, now, state);
  const flow::Found& found = b.found[i];
  const Service& service = *b.service[i];
  if (found.hit) {
    if ((b.plain.headers.syn & bit_of(i)) != 0) return false;  // it may be a new connection
    b.backend[i] = found.backend;
  } else {
    const auto table = table_of(service, now);
    if (table.empty()) return false;
    b.backend[i] = *slot_of(table, hash);
  }
  if (b.backend[i] >= now.backends.size() ||
      !may_go(*b.packet[i], service, now.backends[b.backend[i]], b.plain.headers.length[i]))
    return false;
  if (found.hit) {
    note_known(b, i, state);
  } else {
    state.flows.assign(hash, found, b.backend[i], state.tick, timeout_of(b, i, now),
                       /*established=*/false);
    note_new(b, i, state, s);
  }
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
  const std::uint8_t overhead = l.to->overhead;  // once: stores may be to it, for the compiler
  const std::uint32_t length = l.length + overhead + static_cast<std::uint32_t>(kPlainIp);
  m.data_off = static_cast<std::uint16_t>(m.data_off - overhead);
  m.pkt_len = length;
  m.data_len = static_cast<std::uint16_t>(length);
  const InnerPacket inner{.l3_offset = kPlainIp,
                          .length = static_cast<std::uint16_t>(l.length),
                          .tos = static_cast<std::uint8_t>(l.look),
                          .fragment = Be16::from_wire(static_cast<std::uint16_t>(l.look >> 16)),
                          .v4 = kV4,
                          .hash = l.hash,
                          .sum = sum};
  write_outer<kOuterV4, kGue>(m, l.frame - overhead, inner, *l.to, overhead, device_sums);
}

template <bool kV4>
[[gnu::always_inline]] inline void rewrite(const Leaving& l, std::uint32_t udp_sum_ports) noexcept {
  using Way = snapshot::ShortWay;
  const auto device_sums = [&] { return (udp_sum_ports >> l.to->port & 1U) != 0; };
  switch (l.to->short_way) {
    case Way::kIpip4:
      return tunnel<kV4, true, false>(l, false);
    case Way::kIpip6:
      return tunnel<kV4, false, false>(l, false);
    case Way::kGue4:
      return tunnel<kV4, true, true>(l, device_sums());
    case Way::kGue6:
      return tunnel<kV4, false, true>(l, device_sums());
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
  if (((b.plain.headers.hashed | ~s.unread) & bit_of(i)) != 0)
    s.notes.add(b.plain.headers.hash[i], FlowNotes::kHeld);
  else if (may_change_flows(rte_pktmbuf_mtod(&m, const std::byte*), m.data_len))
    s.notes.add_all(FlowNotes::kHeld);
}

/// Sends the packets, in order; those that are left have their turn too, for what they hold back.
void send(Burst& b, const snapshot::Snapshot& now, WorkerState& state, Sorting& s) noexcept {
  const PlainHeaders& headers = b.plain.headers;
  const Backend* const backends = now.backends.data();
  const std::size_t extent = now.backends.size();
  const std::uint32_t udp_sum_ports = state.udp_sum_ports;
  const std::uint32_t unread = s.unread;
  const std::uint32_t v6 = b.plain.v6;
  const std::uint32_t fresh = s.fresh;
  const std::uint32_t doubtful = s.doubtful;
  std::uint32_t left = s.left;
  const std::uint32_t odd = left | fresh | doubtful;
  std::uint32_t unsettled = 0;  // of those that go
  for (std::uint32_t rest = unread != 0 ? b.plain.all : b.plain.all & ~left; rest != 0;
       rest &= rest - 1) {
    const auto i = static_cast<std::uint16_t>(std::countr_zero(rest));
    const std::uint32_t bit = bit_of(i);
    const std::uint64_t hash = headers.hash[i];
    bool sure = true;
    if ((odd & bit) != 0 || s.notes.of(hash) != 0) [[unlikely]] {
      if ((left & bit) != 0) {
        if ((unread & bit) != 0) hold_back(b, i, s);  // else its whole service is left
        continue;
      }
      sure = (doubtful & bit) == 0 && s.notes.of(hash) == 0;
      if (!sure && !settle(b, i, now, state, s)) {
        left |= bit;
        s.notes.add(hash, FlowNotes::kHeld);
        continue;
      }
    }
    const std::size_t number = b.backend[i];
    rte_mbuf* const m = b.packet[i];
    const std::uint32_t length = headers.length[i];
    if (sure) [[likely]] {
      if (number >= extent || !may_go(*m, *b.service[i], backends[number], length)) [[unlikely]] {
        left |= bit;
        s.notes.add(hash, FlowNotes::kHeld);
        continue;
      }
      if ((fresh & bit) != 0) [[unlikely]] {
        state.flows.add(hash, headers.tag[i], b.backend[i], state.tick);
        note_new(b, i, state, s);
      }
    }
    unsettled |= sure ? fresh & bit : bit;
    b.egress[i] = backends[number].port;
    const Leaving leaving{.packet = m,
                          .frame = const_cast<std::byte*>(b.plain.frames.at[i]),
                          .to = backends + number,
                          .hash = hash,
                          .length = length,
                          .look = headers.look[i],
                          .aged = headers.aged[i]};
    if ((v6 & bit) == 0)
      rewrite<true>(leaving, udp_sum_ports);
    else
      rewrite<false>(leaving, udp_sum_ports);
  }
  const std::uint32_t gone = b.plain.all & ~left;
  state.flows.pass(static_cast<unsigned>(std::popcount(gone & ~unsettled)));
  s.left = left;
}

}  // namespace

std::uint32_t take_short_way(Burst& b, const snapshot::Snapshot& now, WorkerState& state,
                             Burst* behind) noexcept {
  if (!b.read) read_ahead(b, now, state);
  if (!std::exchange(b.read, false))
    return static_cast<std::uint32_t>((std::uint64_t{1} << b.size) - 1);
  Sorting s(state.flows.lines());
  s.left = s.unread = b.plain.all & ~b.plain.headers.plain;
  if (s.left == b.plain.all) return s.left;
  find_services(b, now, s);
  if (s.left == b.plain.all) return s.left;
  find_flows(b, now, state, s);
  if (behind != nullptr) read_ahead(*behind, now, state);
  read_slots(b, now, s);
  b.verdict.fill(Verdict::kForward);
  b.new_flow.fill(false);
  send(b, now, state, s);
  return s.left;
}

}  // namespace sluice::dataplane
