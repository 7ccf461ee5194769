// SPDX-License-Identifier: Apache-2.0
#include "flow/nat_table.hpp"

#include "base/assert.hpp"
#include "packet/headers.hpp"

#include <algorithm>

namespace sluice::flow {
namespace {

// A client acknowledges the SYN, perhaps with some data behind it, and nothing else: who does not
// see the backend's number hits this window once in 65536 attempts.
constexpr std::uint32_t kHandshakeWindow = 1U << 16;

/// A store that sample() on another thread may overlap; the same instruction as a plain one.
template <class T>
void put(T& to, T value) noexcept {
  std::atomic_ref<T>(to).store(value, std::memory_order_relaxed);
}

Tick age_of(const NatSession& s, Tick now) noexcept {
  return static_cast<Tick>((now - s.tick) & kTickMask);
}

Tick lifetime_of(const NatSession& s, const NatTimeouts& timeouts) noexcept {
  const bool udp = s.protocol == wire::kIpProtoUdp;
  switch (s.state) {
    case NatState::kFree:
    case NatState::kNew:
    case NatState::kAnswered:
      return udp ? kNatUnansweredUdpTicks : kNatNewTicks;
    case NatState::kEstablished:
    case NatState::kClientFinished:
    case NatState::kBackendFinished:
      return udp ? timeouts.udp : timeouts.tcp;
    case NatState::kClosing:
      break;
  }
  return kNatClosingTicks;
}

std::size_t index_bytes(const NatSize& size) noexcept {
  return NatIndex::lines_for(2 * size.sessions) * sizeof(NatIndexLine);
}

void set_end(NatSession& s, NatEnd end, const std::uint32_t* address, std::uint16_t port) noexcept {
  put(s.word0[end], address[0]);
  for (unsigned i = 0; i < 3; ++i) put(s.rest[end][i], address[i + 1]);
  put(s.port[end], port);
}

}  // namespace

std::size_t NatTable::bytes_for(const NatSize& size, const NatShare& share) noexcept {
  return size.sessions * sizeof(NatSession) + index_bytes(size) +
         NatPorts::bytes_for(size.port_sets, share);
}

NatTable::NatTable(std::span<std::byte> memory, const NatSize& size, const NatShare& share,
                   const HashKey& secret) noexcept
    : sessions_(reinterpret_cast<NatSession*>(memory.data())),
      capacity_(size.sessions),
      index_({reinterpret_cast<NatIndexLine*>(memory.data() + size.sessions * sizeof(NatSession)),
              NatIndex::lines_for(2 * size.sessions)}),
      ports_(memory.subspan(size.sessions * sizeof(NatSession) + index_bytes(size)), size.port_sets,
             share),
      secret_(secret) {
  SLUICE_ASSERT(
      size.sessions != 0 && size.sessions <= 1U << 30 && memory.size() >= bytes_for(size, share),
      "the memory fits the sessions");
}

NatSession* NatTable::find(NatSide side, const FlowKey& key, std::uint64_t hash) const noexcept {
  const auto entry = index_.find(hash, [&](std::uint32_t candidate) {
    return (candidate & 1U) == static_cast<std::uint32_t>(side) &&
           sessions_[number_of(candidate)].matches(side, key);
  });
  return entry == 0 ? nullptr : &sessions_[number_of(entry)];
}

// The queues: sessions that may be given up, all of them and by set of ports, oldest first.

namespace {

template <std::uint32_t NatSession::*Older, std::uint32_t NatSession::*Newer>
void append(NatSession* sessions, NatQueue& queue, std::uint32_t number) noexcept {
  sessions[number].*Older = queue.newest;
  sessions[number].*Newer = NatQueue::kNone;
  (queue.newest == NatQueue::kNone ? queue.oldest : sessions[queue.newest].*Newer) = number;
  queue.newest = number;
}

template <std::uint32_t NatSession::*Older, std::uint32_t NatSession::*Newer>
void take_out(NatSession* sessions, NatQueue& queue, const NatSession& s) noexcept {
  (s.*Older == NatQueue::kNone ? queue.oldest : sessions[s.*Older].*Newer) = s.*Newer;
  (s.*Newer == NatQueue::kNone ? queue.newest : sessions[s.*Newer].*Older) = s.*Older;
}

}  // namespace

void NatTable::enqueue(std::uint32_t number) noexcept {
  append<&NatSession::older, &NatSession::newer>(sessions_, embryonic_, number);
  append<&NatSession::set_older, &NatSession::set_newer>(
      sessions_, ports_.queue(sessions_[number].set), number);
}

void NatTable::dequeue(NatSession& s) noexcept {
  take_out<&NatSession::older, &NatSession::newer>(sessions_, embryonic_, s);
  take_out<&NatSession::set_older, &NatSession::set_newer>(sessions_, ports_.queue(s.set), s);
}

/// Changes the state; whoever leaves the embryonic ones can no longer be given up.
void NatTable::settle(NatSession& s, NatState state) noexcept {
  const bool embryonic = s.is_embryonic();
  put(s.state, state);
  if (embryonic && !s.is_embryonic()) dequeue(s);
}

/// Frees a session and its local port.
void NatTable::end(NatSession& s) noexcept {
  const std::uint32_t own = number(s);
  if ((s.flags & kNatDetached) == 0)
    index_.remove(hash(nat_key(s, NatSide::kClient)), entry_of(own, NatSide::kClient));
  index_.remove(hash(nat_key(s, NatSide::kBackend)), entry_of(own, NatSide::kBackend));
  settle(s, NatState::kFree);
  ports_.give_back(s.set, __builtin_bswap16(s.port[kNatLocal]));
  s.older = free_;
  free_ = own;
}

NatTable::Lease NatTable::lease_from(const NatRequest& r, const NatAddress& local) noexcept {
  const NatEndpoint endpoint{.backend = r.backend,
                             .local = local,
                             .backend_port = r.backend_port,
                             .protocol = r.key.protocol,
                             .family = r.key.family};
  FlowKey key = r.key;
  std::ranges::copy(r.backend, key.source);
  std::ranges::copy(local, key.destination);
  key.source_port = r.backend_port;
  key.destination_port = 0;
  Lease l{.set = ports_.need(endpoint, hash(key)), .local = local};
  if (l.set == NatPorts::kNoSet) return l;
  auto port = ports_.take(l.set, r.first_port, r.last_port);
  l.outcome = port ? NatOutcome::kOpened : NatOutcome::kNoPort;
  if (port) l.port = *port;
  if (!port) ports_.leave(l.set);  // a range that the share has nothing of
  return l;
}

/// A local port, of the first address that has one; else that of the oldest session towards the
/// endpoint that may be given up.
NatTable::Lease NatTable::lease(const NatRequest& r) noexcept {
  Lease worst{};
  for (const NatAddress& local : r.locals) {
    const Lease l = lease_from(r, local);
    if (l.outcome == NatOutcome::kOpened) return l;
    if (l.outcome == NatOutcome::kNoPort) worst.outcome = NatOutcome::kNoPort;
    if (l.set == NatPorts::kNoSet || ports_.used(l.set) == 0) continue;
    if (worst.set == NatPorts::kNoSet && ports_.queue(l.set).oldest != kNone) worst = l;
  }
  if (worst.set == NatPorts::kNoSet) return worst;
  NatSession& oldest = sessions_[ports_.queue(worst.set).oldest];
  const auto port = __builtin_bswap16(oldest.port[kNatLocal]);
  if (port < r.first_port || port > r.last_port) return worst;  // of a pool with another range
  end(oldest);
  stats_.evicted.add(1);
  return lease_from(r, worst.local);
}

NatOpened NatTable::open(const NatRequest& request, Tick now) noexcept {
  const bool spare = free_ != kNone || fresh_ < capacity_;
  Lease got;
  if (spare || embryonic_.oldest != kNone) got = lease(request);
  if (got.outcome != NatOutcome::kOpened) {
    (got.outcome == NatOutcome::kNoPort ? stats_.no_port : stats_.table_full).add(1);
    return {got.outcome, nullptr};
  }
  // The lease may have freed a session already.
  if (free_ == kNone && fresh_ == capacity_) {
    end(sessions_[embryonic_.oldest]);
    stats_.evicted.add(1);
  }
  std::uint32_t number = free_;
  if (number != kNone)
    free_ = sessions_[number].older;
  else
    number = fresh_++;
  NatSession& s = sessions_[number];
  fill(s, request, got, now);
  enqueue(number);
  index_.insert(request.hash, entry_of(number, NatSide::kClient));
  index_.insert(hash(nat_key(s, NatSide::kBackend)), entry_of(number, NatSide::kBackend));
  stats_.opened.add(1);
  return {NatOutcome::kOpened, &s};
}

void NatTable::fill(NatSession& s, const NatRequest& r, const Lease& l, Tick now) noexcept {
  set_end(s, kNatClient, r.key.source, r.key.source_port);
  set_end(s, kNatService, r.key.destination, r.key.destination_port);
  set_end(s, kNatBackend, r.backend.data(), r.backend_port);
  set_end(s, kNatLocal, l.local.data(), __builtin_bswap16(l.port));
  put(s.protocol, r.key.protocol);
  put(s.family, r.key.family);
  s.flags = r.flags;
  s.set = l.set;
  ++s.serial;
  s.client_isn = 0;
  s.backend_isn = 0;
  s.path = {};
  put(s.backend, r.number);
  put(s.tick, now);
  put(s.state, NatState::kNew);
}

void NatTable::track(NatSession& s, NatSide side, std::uint8_t flags, std::uint32_t sequence,
                     std::uint32_t acknowledgement, Tick now) noexcept {
  pass(s, now);
  const bool client = side == NatSide::kClient;
  if (s.protocol == wire::kIpProtoUdp) {
    if (!client && s.state == NatState::kNew) settle(s, NatState::kEstablished);
    return;
  }
  const bool syn = (flags & wire::kTcpSyn) != 0;
  const bool ack = (flags & wire::kTcpAck) != 0;
  const bool rst = (flags & wire::kTcpRst) != 0;
  if (s.is_embryonic()) {
    if (rst) return;  // refused: nothing to keep, it ends within kNatNewTicks
    if (client && syn) {
      if (s.client_isn != sequence) put(s.state, NatState::kNew);
      s.client_isn = sequence;
    } else if (!client && syn && ack) {
      s.backend_isn = sequence;
      put(s.state, NatState::kAnswered);
    } else if (client && ack && accepts(s, acknowledgement)) {
      settle(s, NatState::kEstablished);
    }
    if (s.is_embryonic()) return;
  }
  if (rst) {
    put(s.state, NatState::kClosing);
  } else if ((flags & wire::kTcpFin) != 0) {
    const auto own = client ? NatState::kClientFinished : NatState::kBackendFinished;
    if (s.state == NatState::kEstablished)
      put(s.state, own);
    else if (s.state != own)
      put(s.state, NatState::kClosing);
  }
}

bool NatTable::accepts(const NatSession& s, std::uint32_t acknowledgement) noexcept {
  return s.state == NatState::kAnswered && acknowledgement - (s.backend_isn + 1) < kHandshakeWindow;
}

void NatTable::retire(NatSession& s, Tick now) noexcept {
  settle(s, NatState::kClosing);
  put(s.tick, now);
  if ((s.flags & kNatDetached) != 0) return;
  index_.remove(hash(nat_key(s, NatSide::kClient)), entry_of(number(s), NatSide::kClient));
  s.flags |= kNatDetached;
}

void NatTable::reopen(NatSession& s, Tick now) noexcept {
  put(s.tick, now);
  put(s.state, NatState::kNew);
  s.flags &= static_cast<std::uint8_t>(~(kNatProxyArrived | kNatNoted));
  ++s.serial;
  enqueue(number(s));
  stats_.reopened.add(1);
}

void NatTable::sweep(std::size_t count, Tick now, const NatTimeouts& timeouts) noexcept {
  const std::size_t used = fresh_;  // beyond it no session has ever been
  for (std::size_t i = std::min(count, used); i != 0; --i) {
    if (swept_ >= used) swept_ = 0;
    NatSession& s = sessions_[swept_++];
    if (s.state == NatState::kFree || age_of(s, now) <= lifetime_of(s, timeouts)) continue;
    end(s);
    stats_.expired.add(1);
  }
}

NatSample NatTable::sample(std::size_t number) const noexcept {
  NatSession& from = sessions_[number];
  const auto load = [](auto& field) {
    return std::atomic_ref(field).load(std::memory_order_relaxed);
  };
  return {.state = load(from.state), .tick = load(from.tick), .backend = load(from.backend)};
}

std::optional<NatKnown> NatTable::known(const FlowKey& key) const noexcept {
  const auto load = [](auto& field) {
    return std::atomic_ref(field).load(std::memory_order_relaxed);
  };
  std::optional<NatKnown> found;
  index_.peek(hash(key), [&](std::uint32_t entry) {
    if ((entry & 1U) != static_cast<std::uint32_t>(NatSide::kClient)) return false;
    NatSession& from = sessions_[number_of(entry)];
    NatSession seen{};
    seen.protocol = load(from.protocol);
    seen.family = load(from.family);
    for (unsigned end = 0; end < 4; ++end) {
      seen.word0[end] = load(from.word0[end]);
      seen.port[end] = load(from.port[end]);
      for (unsigned i = 0; i < 3; ++i) seen.rest[end][i] = load(from.rest[end][i]);
    }
    if (!seen.matches(NatSide::kClient, key)) return false;
    found = {.sample = sample(number_of(entry)),
             .local = seen.address(kNatLocal),
             .local_port = seen.port[kNatLocal]};
    return true;
  });
  return found;
}

}  // namespace sluice::flow
