// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat.hpp"

#include "dataplane/encapsulate.hpp"
#include "dataplane/nat_client_address.hpp"
#include "dataplane/nat_current.hpp"
#include "dataplane/nat_rewrite.hpp"
#include "dataplane/nat_signals.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

using flow::NatSession;
using flow::NatSide;
using flow::NatState;
using snapshot::Backend;

constexpr std::size_t kMacBytes = 12;

// The way of a packet from worker to worker: who received it, and what is not to be tried again.
constexpr std::uint32_t kFirst = 0xffff;        // worker that received it
constexpr std::uint32_t kLastRound = 1U << 31;  // it has been kept for long enough
constexpr std::uint32_t kToOwner = 1U << 30;    // who gets it has its session, or nobody
constexpr unsigned kKept = ~0U;                 // not a worker: the packet waits here

bool opens(const Parsed& p) noexcept {
  return (p.tcp_flags & (wire::kTcpSyn | wire::kTcpAck)) == wire::kTcpSyn;
}

bool is_tcp(const Parsed& p) noexcept {
  return p.kind == Kind::kFlow && p.key.protocol == wire::kIpProtoTcp;
}

/// A client's packet that acknowledges another handshake than the session's: its SYN went to two
/// workers, and it has accepted the answer to the other's.
bool belongs_elsewhere(const NatSession& s, const Parsed& p, const std::byte* tcp) noexcept {
  if (!s.is_embryonic() || !is_tcp(p)) return false;
  if ((p.tcp_flags & (wire::kTcpSyn | wire::kTcpAck | wire::kTcpRst)) != wire::kTcpAck)
    return false;
  const auto number = wire::load<Be32>(tcp + offsetof(wire::Tcp, acknowledgement)).to_host();
  return !flow::NatTable::accepts(s, number);
}

std::size_t tcp_bytes(const Parsed& p, const std::byte* tcp) noexcept {
  if (p.fragmented) return sizeof(wire::Tcp);  // its options may be in the next one
  return (std::to_integer<std::size_t>(tcp[offsetof(wire::Tcp, data_offset)]) >> 4U) * 4;
}

/// Whether the client of a session that is not current learns from an RST that it is over.
bool is_to_be_reset(const NatSession& s, const Parsed& p) noexcept {
  return !s.is_embryonic() && is_tcp(p) && !p.fragmented && !opens(p) &&
         (p.tcp_flags & wire::kTcpRst) == 0;
}

/// Of packets for whose service nobody is there: whether the client's connection may be one of
/// ours, which its session knows and the table does not.
bool may_go_on(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now) noexcept {
  const Parsed& p = b.parsed[i];
  if (b.service[i] == nullptr || p.kind != Kind::kFlow || !is_tcp(p) || opens(p) ||
      (p.tcp_flags & wire::kTcpRst) != 0)
    return false;
  const snapshot::Service& service = *b.service[i];
  return service.rules != nullptr || !now.nat.pool(service.pool).sources(p.key.family).empty();
}

std::uint8_t flags_of(const snapshot::NatPool& pool, const Parsed& p) noexcept {
  if (p.key.protocol != wire::kIpProtoTcp) return 0;
  if (pool.client_address == snapshot::ClientAddress::kProxyV2) return flow::kNatProxy;
  return pool.client_address == snapshot::ClientAddress::kToa ? flow::kNatToa : std::uint8_t{0};
}

Verdict verdict_of(flow::NatOutcome o) noexcept {
  return o == flow::NatOutcome::kNoPort ? Verdict::kNoNatPort : Verdict::kNatTableFull;
}

}  // namespace

std::uint32_t& Nat::Job::way() const noexcept { return b.packet[i]->hash.usr; }

[[gnu::always_inline]] inline std::byte* Nat::Job::frame() const noexcept {
  return rte_pktmbuf_mtod(b.packet[i], std::byte*);
}

std::uint64_t Nat::datagram_hash(const Parsed& p) const noexcept {
  return table_.hash(datagram_key(p)) | 1U;
}

// Three passes over the packets that are NAT's: the first starts the loads of the index, the second
// those of the sessions that it names, the third translates in the order of arrival.
void Nat::translate(Burst& b, const snapshot::Snapshot& now, flow::Tick tick, std::uint64_t cycles,
                    Signals& signals) noexcept {
  if (!now.nat.any()) return;
  adopt(now);
  std::array<std::uint16_t, kBurst> packet;
  std::array<std::uint64_t, kBurst> hash;
  std::array<NatSide, kBurst> side;
  unsigned count = 0;
  for (std::uint16_t i = 0; i < b.size; ++i) {
    const bool back = b.verdict[i] == Verdict::kNoNatSession && b.service[i] == nullptr;
    const bool forth = b.verdict[i] == Verdict::kForward &&
                       now.backends[b.backend[i]].forwarding == snapshot::Forwarding::kNat;
    const bool nobody = b.verdict[i] == Verdict::kNoBackend && !back && may_go_on(b, i, now);
    if (!back && !forth && !nobody) continue;
    const Parsed& p = b.parsed[i];
    packet[count] = i;
    side[count] = back ? NatSide::kBackend : NatSide::kClient;
    hash[count] = p.kind == Kind::kLaterFragment ? datagram_hash(p) : table_.hash(p.key);
    table_.prefetch(hash[count++]);
  }
  if (count == 0) return;
  for (unsigned n = 0; n < count; ++n) table_.prefetch_session(hash[n]);
  std::uint32_t gone = 0;
  for (unsigned n = 0; n < count; ++n) {
    const std::uint16_t i = packet[n];
    const Job job{b, now, tick, i, hash[n], signals, cycles};
    unsigned owner = own();
    b.verdict[i] = side[n] == NatSide::kBackend          ? from_backend(job, owner)
                   : b.verdict[i] == Verdict::kNoBackend ? of_nobody(job, owner)
                                                         : from_client(job, owner);
    if (owner == own()) continue;
    b.packet[i]->port = b.port;  // whoever has it next goes on from there
    bool left = false;
    if (owner == kKept) {
      left = held_.keep(b.packet[i], hash[n], cycles);
    } else {
      left = give(b, i, owner);
      if (!left) b.verdict[i] = Verdict::kHandOverFull;
      // What waited for it here follows it by the same ring.
      if (b.parsed[i].fragmented && b.parsed[i].kind == Kind::kFlow)
        held_.release(datagram_hash(b.parsed[i]));
    }
    if (left) gone |= 1U << i;
  }
  if (gone != 0) b.take_out(gone);
}

bool Nat::give(Burst& b, std::uint16_t i, unsigned owner) noexcept {
  return hand_over_ != nullptr && hand_over_->give(own(), owner, b.packet[i]);
}

NatSession* Nat::of_fragment(const Job& job) noexcept {
  const NatDatagram* d = fragments_.find(job.hash, job.tick);
  if (d == nullptr || d->owner != own()) return nullptr;
  NatSession& s = table_.session(d->session);
  return s.serial == d->serial && s.state != NatState::kFree ? &s : nullptr;
}

// From the client.

/// @param over  set when the session's backend is down or gone, and its client is to be told.
NatSession* Nat::of_client(const Job& job, bool& over) noexcept {
  NatSession* s = job.parsed().kind == Kind::kLaterFragment
                      ? of_fragment(job)
                      : table_.find(NatSide::kClient, job.parsed().key, job.hash);
  if (s == nullptr || is_current(*s, job.now)) return s;
  over = is_to_be_reset(*s, job.parsed());
  if (over) return s;
  table_.retire(*s, job.tick);  // the backend is gone, and the connection with it
  return nullptr;
}

/// Who may know what is not known here: a client's packet says nothing of its worker, and devices
/// spread ICMP errors, fragments and, where the sender chose the queue, connections otherwise than
/// before. So such a packet goes round all workers, once; those that wait or open something where
/// nobody knows better come back to where they began.
/// @return own() when all have been asked.
unsigned Nat::next_to_ask(const Job& job, bool there_and_back) const noexcept {
  const unsigned workers = table_.share().workers();
  std::uint32_t& way = job.way();
  if (!job.b.taken || (way & kFirst) >= workers)
    way = own() | (job.b.overdue ? kLastRound : 0U);
  else if ((way & kFirst) == own() || (way & kToOwner) != 0)
    return own();
  const unsigned next = own() + 1 == workers ? 0 : own() + 1;
  if (next != (way & kFirst)) return next;
  return there_and_back && (way & kLastRound) == 0 ? next : own();
}

/// Of a later fragment of a datagram that is not known: asks the others, then waits here.
Verdict Nat::await_first(const Job& job, unsigned& owner) const noexcept {
  owner = next_to_ask(job, /*there_and_back=*/true);
  if (owner == own() && (job.way() & (kLastRound | kToOwner)) == 0) owner = kKept;
  return Verdict::kNoNatSession;
}

Verdict Nat::from_client(const Job& job, unsigned& owner) noexcept {
  const Parsed& p = job.parsed();
  bool over = false;
  NatSession* s = of_client(job, over);
  if (over) [[unlikely]]
    return reset(job, *s);
  const bool begins = p.kind == Kind::kFlow && (p.key.protocol != wire::kIpProtoTcp || opens(p));
  if (s == nullptr && p.kind == Kind::kLaterFragment) return await_first(job, owner);
  // A device may spread the fragments of a flow otherwise than its whole packets: it may be known.
  if (s == nullptr && (!begins || p.fragmented)) {
    owner = next_to_ask(job, /*there_and_back=*/begins);
    if (!begins || owner != own()) return Verdict::kNoNatSession;
  }
  if (s != nullptr && belongs_elsewhere(*s, p, job.frame() + p.l4_offset)) [[unlikely]] {
    owner = next_to_ask(job, /*there_and_back=*/false);
    if (owner != own()) return Verdict::kNoNatSession;
  }
  auto& number = job.b.backend[job.i];
  const bool again = s != nullptr && opens(p) && s->state == NatState::kClosing;
  if (s != nullptr && !again) number = s->backend;
  const auto* to = &job.now.backends[number];
  if (!to->reachable) return Verdict::kNoNextHop;
  if (to->decrement_ttl && p.ttl <= 1) return Verdict::kTtlExpired;
  if (p.l3_length > to->mtu) return Verdict::kTooBig;
  if (s == nullptr || again) {
    if (const Verdict v = open(job, s); v != Verdict::kForward) return v;
    number = s->backend;
    to = &job.now.backends[number];
    if (!to->reachable) return Verdict::kNoNextHop;
  }
  if (p.kind == Kind::kFlow && is_of_note(*s, p, job.frame() + p.l4_offset))
    note_client(*s, p, job.frame() + p.l4_offset, job.b.hash[job.i], job.cycles, job.signals);
  if (is_tcp(p) && carries_insertion(*s, p, job.frame() + p.l4_offset)) {
    if (p.l3_length + insertion_bytes(*s) > to->mtu) return Verdict::kTooBig;
    const Verdict v = insert_client_address(*job.b.packet[job.i], job.parsed(), *s);
    if (v != Verdict::kForward) return v;
  } else if (is_tcp(p)) {
    shift_sequence(*s, job.frame() + p.l4_offset);
  }
  send_to_backend(job, *s, *to);
  return Verdict::kForward;
}

/// Of a packet in the middle of a connection, when no backend of its service takes or keeps flows
/// by the table: its session may have one that drains, or its client is to be told.
Verdict Nat::of_nobody(const Job& job, unsigned& owner) noexcept {
  if (table_.find(NatSide::kClient, job.parsed().key, job.hash) != nullptr)
    return from_client(job, owner);
  owner = next_to_ask(job, /*there_and_back=*/false);
  return Verdict::kNoBackend;
}

/// Tells the client that its connection is over, and follows that as if the backend had said so:
/// each packet that comes all the same is answered alike, and after a minute the port is free.
Verdict Nat::reset(const Job& job, NatSession& s) noexcept {
  table_.track(s, NatSide::kBackend, wire::kTcpRst, 0, 0, job.tick);
  return Verdict::kAnsweredReset;
}

/// A session for a packet that begins a connection; over one that is closing, if `session` is such.
Verdict Nat::open(const Job& job, NatSession*& session) noexcept {
  const Parsed& p = job.parsed();
  const flow::BackendNumber number = job.b.backend[job.i];
  const auto& target = job.now.nat.target(number);
  const auto& pool = job.now.nat.pool(job.now.backends[number].pool);
  if (target.family != p.key.family) return Verdict::kNoNatPort;
  const auto opened =
      table_.open({.key = p.key,
                   .hash = job.hash,
                   .backend = target.address,
                   .backend_port = target.port != 0 ? target.port : p.key.destination_port,
                   .number = number,
                   .locals = pool.sources(p.key.family),
                   .first_port = pool.first_port,
                   .last_port = pool.last_port,
                   .flags = flags_of(pool, p)},
                  job.tick);
  if (opened.session != nullptr) {
    if (session != nullptr) table_.retire(*session, job.tick);
    session = opened.session;
    return Verdict::kForward;
  }
  if (session == nullptr) return verdict_of(opened.outcome);
  table_.reopen(*session, job.tick);
  return Verdict::kForward;
}

void Nat::send_to_backend(const Job& job, NatSession& s, const Backend& to) noexcept {
  const Parsed& p = job.parsed();
  std::byte* frame = job.frame();
  if (p.kind == Kind::kFlow) {
    const auto path = path_of(frame, p.l3_offset, job.b.port);
    if (s.path != path) s.path = path;
  }
  rewrite_datagram(job, s, NatSide::kClient, frame + p.l3_offset);
  if (to.decrement_ttl) decrement_ttl(frame + p.l3_offset, s.family);
  std::memcpy(frame, to.header.data(), kMacBytes);
  job.b.egress[job.i] = to.port;
}

/// Follows the packet's state and gives it its new addresses, ports, numbers and fragment id.
void Nat::rewrite_datagram(const Job& job, NatSession& s, NatSide from, std::byte* ip) noexcept {
  const Parsed& p = job.parsed();
  if (p.kind == Kind::kIcmpError) {
    const auto* end = job.frame() + job.b.packet[job.i]->data_len;
    const auto here = std::min(static_cast<std::size_t>(end - ip), std::size_t{p.l3_length});
    const auto icmp = static_cast<std::size_t>(p.l4_offset - p.l3_offset);
    translate_error({ip, here}, icmp, s, from);
    return;
  }
  std::byte* l4 = p.kind == Kind::kFlow ? ip + (p.l4_offset - p.l3_offset) : nullptr;
  if (l4 != nullptr) {
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    if (is_tcp(p)) {
      sequence = wire::load<Be32>(l4 + offsetof(wire::Tcp, sequence)).to_host();
      acknowledgement = wire::load<Be32>(l4 + offsetof(wire::Tcp, acknowledgement)).to_host();
      if (from == NatSide::kBackend) answer_to_client(s, l4, tcp_bytes(p, l4));
    }
    table_.track(s, from, p.tcp_flags, sequence, acknowledgement, job.tick);
  }
  set_ends(ip, l4, s.family, s.protocol, translated_ends(s, from));
  if (!p.fragmented) return;
  const std::uint64_t hash = l4 == nullptr ? job.hash : datagram_hash(p);
  NatDatagram& d = fragments_.assign(hash, job.tick);
  d.session = table_.number(s);
  d.serial = s.serial;
  d.owner = static_cast<std::uint16_t>(own());
  if (l4 != nullptr) held_.release(hash);
  set_fragment_id(ip, s.family, d.id);
}

// From the backend.

Verdict Nat::from_backend(const Job& job, unsigned& owner) noexcept {
  const Parsed& p = job.parsed();
  NatSession* s = nullptr;
  if (p.kind == Kind::kLaterFragment) {
    const NatDatagram* d = fragments_.find(job.hash, job.tick);
    if (d == nullptr) return await_first(job, owner);
    owner = d->owner;
    job.way() = kToOwner;
    s = of_fragment(job);
  } else {
    owner = table_.share().owner(__builtin_bswap16(p.key.destination_port));
    if (owner != own()) {
      job.way() = kToOwner;
      if (p.fragmented) {
        NatDatagram& d = fragments_.assign(datagram_hash(p), job.tick);
        d.owner = static_cast<std::uint16_t>(owner);
      }
      return Verdict::kNoNatSession;
    }
    s = table_.find(NatSide::kBackend, p.key, job.hash);
  }
  if (s == nullptr) return Verdict::kNoNatSession;
  const auto* service = job.now.find(nat_key(*s, NatSide::kClient));
  if ((s->flags & flow::kNatDetached) != 0 || service == nullptr || !is_there(*s, job.now)) {
    // Nobody waits for it; but as long as the backend speaks, its port is not free.
    table_.retire(*s, job.tick);
    return Verdict::kNoNatSession;
  }
  job.b.backend[job.i] = s->backend;
  const bool decrement = job.now.backends[s->backend].decrement_ttl;
  job.b.new_flow[job.i] = false;
  if (decrement && p.ttl <= 1) return Verdict::kTtlExpired;
  job.b.egress[job.i] = s->path.port;
  if (p.l3_length > job.now.mtu_of_port(s->path.port)) return Verdict::kTooBig;
  job.b.service[job.i] = service;
  if (is_answer_of_note(*s, p))
    note_backend(*s, p, job.frame() + p.l4_offset, job.now, job.cycles, job.signals);
  return send_to_client(job, *s, decrement);
}

Verdict Nat::send_to_client(const Job& job, NatSession& s, bool decrement) noexcept {
  const Parsed& p = job.parsed();
  if (!set_link(*job.b.packet[job.i], p.l3_offset, s.family, s.path)) return Verdict::kNoRoom;
  std::byte* ip = job.frame() + sizeof(wire::Ethernet) + s.path.tags * sizeof(wire::Vlan);
  rewrite_datagram(job, s, NatSide::kBackend, ip);
  if (decrement) decrement_ttl(ip, s.family);
  return Verdict::kForward;
}

}  // namespace sluice::dataplane
