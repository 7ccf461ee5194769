// SPDX-License-Identifier: Apache-2.0
// NAT sessions of one worker, in fixed memory: found from either side, given local ports, followed
// through their TCP states, aged a few at a time; docs/design/nat.md.
//
// Threads: one worker owns a table and alone calls its methods; any thread may call stats(),
// capacity(), sample() and known(), which read a session's ends, state, tick and backend.
#pragma once

#include "base/counter.hpp"
#include "flow/nat_index.hpp"
#include "flow/nat_ports.hpp"
#include "flow/nat_session.hpp"
#include "packet/flow_key.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::flow {

/// Counted by the owner, read by anyone. Sessions at rest == opened - expired - evicted.
struct NatStats {
  Counter opened;      ///< Sessions begun: as many allocations of a local port.
  Counter expired;     ///< Ended by sweep() after their time.
  Counter evicted;     ///< Given up for a new one before they were established.
  Counter reopened;    ///< A closing session begun again, for want of a port.
  Counter no_port;     ///< open() found no local port towards the endpoint: kNoPort.
  Counter table_full;  ///< open() found no memory: kTableFull.

  /// Sessions now; while the owner works, near it. Ends are read first: never negative.
  [[nodiscard]] std::uint64_t held() const noexcept {
    const auto ended = expired.last() + evicted.last();
    return opened.value() - ended;
  }
};

/// How large a table is.
struct NatSize {
  std::size_t sessions = 1U << 16;  ///< 1 to 2^30: 128 bytes each, and 26 to 52 in the index.
  std::size_t port_sets = 256;      ///< Endpoints (backend, port, protocol) times local addresses.
};

/// A connection to be opened.
struct NatRequest {
  FlowKey key;             ///< Of the client's packets.
  std::uint64_t hash = 0;  ///< NatTable::hash(key).
  NatAddress backend{};    ///< Its address and port, as in a packet.
  std::uint16_t backend_port = 0;
  BackendNumber number = 0;
  std::span<const NatAddress> locals;  ///< To choose from; of the key's family.
  std::uint16_t first_port = 1024;     ///< Host order, first_port <= last_port.
  std::uint16_t last_port = 65535;
  std::uint8_t flags = 0;  ///< kNatProxy, kNatToa.
};

enum class NatOutcome : std::uint8_t {
  kOpened,
  kNoPort,     ///< All local ports towards the endpoint are held by sessions that stay.
  kTableFull,  ///< All sessions, or all sets of ports, are held by such.
};

struct NatOpened {
  NatOutcome outcome;
  NatSession* session;  ///< Null unless kOpened.
};

/// One session as another thread sees it; its fields may stem from different moments.
struct NatSample {
  NatState state;
  Tick tick;
  BackendNumber backend;
};

/// What a worker knows of a client's connection, likewise.
struct NatKnown {
  NatSample sample;
  NatAddress local;          ///< What the backend sees as the client's address,
  std::uint16_t local_port;  ///< and port, network order.
};

class NatTable {
 public:
  [[nodiscard]] static std::size_t bytes_for(const NatSize& size, const NatShare& share) noexcept;

  /// @param memory  bytes_for(size, share) zeroed bytes, aligned to 128, that outlive the table.
  /// @param secret  of the hash that places sessions; another one than the steering hash has would
  ///                do as well.
  NatTable(std::span<std::byte> memory, const NatSize& size, const NatShare& share,
           const HashKey& secret) noexcept;
  NatTable(const NatTable&) = delete;
  NatTable& operator=(const NatTable&) = delete;

  [[nodiscard]] const HashKey& secret() const noexcept { return secret_; }
  /// Hash of a key of either side.
  [[nodiscard]] std::uint64_t hash(const FlowKey& key) const noexcept {
    return flow_hash(key, secret_);
  }
  /// Starts the load of the index line, and a little later, once that is there, of the session. Do
  /// each for the whole burst before the first find().
  void prefetch(std::uint64_t hash) const noexcept { index_.prefetch(hash); }
  void prefetch_session(std::uint64_t hash) const noexcept {
    if (const auto entry = index_.guess(hash); entry != 0)
      __builtin_prefetch(&sessions_[number_of(entry)]);
  }

  /// The session that packets of `side` with this key belong to, or null. The whole key is
  /// compared: no two connections are ever taken for each other. Until it is swept, a session is
  /// found after its time as well.
  /// Cost: two cache lines for IPv4, three for IPv6.
  [[nodiscard]] NatSession* find(NatSide side, const FlowKey& key,
                                 std::uint64_t hash) const noexcept;

  /// What find() is likely to return, for a caller that compares the key himself; null: unknown.
  /// Reads the index line alone.
  [[nodiscard]] NatSession* guess(NatSide side, std::uint64_t hash) const noexcept {
    const std::uint32_t entry = index_.guess(hash);
    const bool likely = entry != 0 && (entry & 1U) == static_cast<std::uint32_t>(side);
    return likely ? &sessions_[number_of(entry)] : nullptr;
  }

  /// Opens a session for a client's key that find() does not know, in the state kNew, with the
  /// first free local port. Where there is no port or no memory left, the oldest session that is
  /// not established gives way; an established or closing one never does. A client can hold only as
  /// much as it proves to be there: a flood of SYNs displaces nothing but itself and, with it, the
  /// handshakes that take longer than the flood takes to fill the table.
  /// Cost: about six cache lines.
  [[nodiscard]] NatOpened open(const NatRequest& request, Tick now) noexcept;

  /// Follows a packet of the session: its tick, and for TCP its flags and numbers (host order).
  ///
  /// kEstablished needs the client to acknowledge the backend's SYN by its number, so a sender
  /// of forged packets does not get there. After FIN both ways or any RST it is kClosing, and each
  /// packet renews the 60 s: a forged RST ends only a connection that has nothing more to say.
  void track(NatSession& session, NatSide side, std::uint8_t tcp_flags, std::uint32_t sequence,
             std::uint32_t acknowledgement, Tick now) noexcept;

  /// Likewise a packet that says no more than that the session is alive: TCP without SYN, FIN and
  /// RST where it is established, or UDP of a session that has been answered, or of the client.
  static void pass(NatSession& session, Tick now) noexcept {
    if (session.tick != now) detail::put(session.tick, now);
  }

  /// Whether an acknowledgement of the client's can be that of the backend's SYN in this session,
  /// which is not established. Else it is that of another session of the same client and port.
  [[nodiscard]] static bool accepts(const NatSession& session,
                                    std::uint32_t acknowledgement) noexcept;

  /// Cuts a session off from its client, whose next packet may open another. The local port stays
  /// out of use for 60 s towards the same endpoint, where packets on their way still arrive.
  void retire(NatSession& session, Tick now) noexcept;

  /// Begins a session in kClosing again, for a client's SYN when open() had nothing: as if the
  /// client had met the backend without NAT between. RFC 1122, 4.2.2.13 and RFC 6191 let the
  /// backend refuse or accept it by its sequence number, which passes unchanged.
  void reopen(NatSession& session, Tick now) noexcept;

  /// Ends sessions past their time among the next `count` (at most all), round robin. A local port
  /// is free only then: sweep the whole table every few seconds, and within 2^13 ticks in any case,
  /// before a tick can be mistaken for a newer one.
  void sweep(std::size_t count, Tick now, const NatTimeouts& timeouts) noexcept;

  [[nodiscard]] NatSample sample(std::size_t number) const noexcept;
  /// The session that a client's packets with this key belong to, for another thread. One that
  /// begins or ends just then may be missed.
  [[nodiscard]] std::optional<NatKnown> known(const FlowKey& key) const noexcept;
  [[nodiscard]] const NatStats& stats() const noexcept { return stats_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] const NatShare& share() const noexcept { return ports_.share(); }
  /// Number of a session and back: for whoever keeps a reference beside its serial.
  [[nodiscard]] std::uint32_t number(const NatSession& session) const noexcept {
    return static_cast<std::uint32_t>(&session - sessions_);
  }
  [[nodiscard]] NatSession& session(std::uint32_t number) const noexcept {
    return sessions_[number];
  }

 private:
  static constexpr std::uint32_t kNone = NatQueue::kNone;

  /// What a request got before it has a session.
  struct Lease {
    NatPorts::Set set = NatPorts::kNoSet;
    std::uint16_t port = 0;  ///< Host order.
    NatAddress local{};
    NatOutcome outcome = NatOutcome::kTableFull;
  };

  [[nodiscard]] static std::uint32_t number_of(std::uint32_t entry) noexcept {
    return (entry >> 1) - 1;
  }
  [[nodiscard]] static std::uint32_t entry_of(std::uint32_t number, NatSide side) noexcept {
    return (number + 1) << 1 | static_cast<std::uint32_t>(side);
  }
  [[nodiscard]] Lease lease(const NatRequest& request) noexcept;
  [[nodiscard]] Lease lease_from(const NatRequest& request, const NatAddress& local) noexcept;
  void fill(NatSession& s, const NatRequest& request, const Lease& lease, Tick now) noexcept;
  void enqueue(std::uint32_t number) noexcept;
  void dequeue(NatSession& s) noexcept;
  void settle(NatSession& s, NatState state) noexcept;
  void end(NatSession& s) noexcept;

  NatSession* sessions_;
  std::size_t capacity_;
  NatIndex index_;
  NatPorts ports_;
  HashKey secret_;
  std::uint32_t fresh_ = 0;     ///< Sessions from here on were never used.
  std::uint32_t free_ = kNone;  ///< Chain of those that were, by NatSession::older.
  NatQueue embryonic_;          ///< In order of their opening.
  std::size_t swept_ = 0;       ///< Session that sweep() goes on with.
  alignas(64) NatStats stats_{};
};

}  // namespace sluice::flow
