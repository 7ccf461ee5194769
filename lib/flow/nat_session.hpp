// SPDX-License-Identifier: Apache-2.0
// One translated connection, and what its packets do to its state.
//
// Threads: a session belongs to the worker that owns its table; any thread may read sample().
#pragma once

#include "flow/cache.hpp"
#include "flow/nat_ports.hpp"
#include "packet/flow_key.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sluice::flow {

/// From whom a packet comes, and whose key a session is looked up by.
enum class NatSide : std::uint8_t { kClient = 0, kBackend = 1 };

enum class NatState : std::uint8_t {
  kFree = 0,
  kNew,             ///< TCP: a SYN was seen. UDP: nothing came back yet. May be given up.
  kAnswered,        ///< TCP: SYN-ACK seen, the client's ACK not. May be given up.
  kEstablished,     ///< TCP: open. UDP: datagrams both ways.
  kClientFinished,  ///< TCP: the client has sent its FIN, the backend may go on for long.
  kBackendFinished,
  kClosing,  ///< TCP: FIN both ways or a RST; the local port rests for 60 s from the last packet.
};

/// The four ends: client to service on the one side, backend to local address on the other. In the
/// order of source and destination of packets from the client, then of those from the backend.
enum NatEnd : unsigned { kNatClient, kNatService, kNatBackend, kNatLocal };

/// How long a session lives after its last packet, in ticks.
struct NatTimeouts {
  Tick tcp = 0;  ///< Established and half-closed; at most kLongestTimeout, likewise udp.
  Tick udp = 0;
};
inline constexpr Tick kNatNewTicks = 5;             ///< 10 s: a SYN comes again after 1, 2, 4 s.
inline constexpr Tick kNatUnansweredUdpTicks = 15;  ///< 30 s.
inline constexpr Tick kNatClosingTicks = 30;        ///< More than this: 60 s are over.

// Flags of a session.
inline constexpr std::uint8_t kNatDetached = 1;  ///< Client packets no longer find it: it only
                                                 ///< keeps its local port out of use.
inline constexpr std::uint8_t kNatProxy = 2;     ///< A PROXY header goes before the client's bytes,
inline constexpr std::uint8_t kNatProxyArrived = 4;  ///< and the backend has acknowledged it.
inline constexpr std::uint8_t kNatToa = 8;           ///< The client's address goes in a TCP option.
// What of this connection has been noted for the backend's health.
inline constexpr std::uint8_t kNatAsked = 16;      ///< The client's first data.
inline constexpr std::uint8_t kNatResponded = 32;  ///< The backend's first data behind that.
inline constexpr std::uint8_t kNatSilent = 64;     ///< A SYN that came again unanswered.
inline constexpr std::uint8_t kNatNoted = kNatAsked | kNatResponded | kNatSilent;

/// Where packets to the client go: back where its last packet came from.
struct NatPath {
  std::array<std::uint8_t, 6> client_mac{};  ///< Of the client or the router before it.
  std::array<std::uint8_t, 6> own_mac{};
  std::array<std::uint16_t, 2> tag{};  ///< VLAN control words as on the wire, outermost first.
  std::uint8_t tags = 0;               ///< How many, 0 to 2.
  bool service_tag = false;            ///< The outermost is 802.1ad.
  std::uint16_t port = 0;              ///< Of the node, by whatever number the caller uses.

  /// Word by word, which costs a fifth of member by member.
  friend bool operator==(const NatPath& a, const NatPath& b) noexcept {
    using Words = std::array<std::uint32_t, 5>;
    static_assert(std::has_unique_object_representations_v<NatPath>);
    const auto x = std::bit_cast<Words>(a);
    const auto y = std::bit_cast<Words>(b);
    std::uint32_t differing = 0;
    for (std::size_t i = 0; i < x.size(); ++i) differing |= x[i] ^ y[i];
    return differing == 0;
  }
};

/// The first line serves IPv4 alone, and holds all that changes from packet to packet.
struct alignas(128) NatSession {
  std::array<std::uint32_t, 4> word0;  ///< First words of the addresses, by NatEnd.
  std::array<std::uint16_t, 4> port;   ///< Network order, by NatEnd.
  std::uint8_t protocol;
  std::uint8_t family;
  NatState state;      ///< Read by other threads: all above, state, tick and backend.
  std::uint8_t flags;  ///< kNatDetached and others.
  Tick tick;           ///< Of the last packet.
  BackendNumber backend;
  NatPorts::Set set;
  std::uint16_t serial;       ///< Counts the connections that this memory has had.
  std::uint32_t client_isn;   ///< Sequence number of the client's SYN, host order.
  std::uint32_t backend_isn;  ///< Of the backend's; once kAnswered.
  NatPath path;
  // Second line.
  std::array<std::array<std::uint32_t, 3>, 4> rest;  ///< Of IPv6 addresses, by NatEnd.
  std::uint32_t older, newer;                        ///< Among all that may be given up.
  std::uint32_t set_older, set_newer;                ///< Among those of one set of ports.

  [[nodiscard]] NatAddress address(NatEnd end) const noexcept {
    if (family == 4) return {word0[end], 0, 0, 0};
    return {word0[end], rest[end][0], rest[end][1], rest[end][2]};
  }
  /// Whether packets of `side` with this key are of this session.
  [[nodiscard]] bool matches(NatSide side, const FlowKey& key) const noexcept {
    const unsigned from = side == NatSide::kClient ? kNatClient : kNatBackend;
    const unsigned to = from + 1;
    const bool same = word0[from] == key.source[0] && word0[to] == key.destination[0] &&
                      port[from] == key.source_port && port[to] == key.destination_port &&
                      protocol == key.protocol && family == key.family;
    return same && (family == 4 || matches_rest(from, key));
  }
  /// Whether it may be given up for another.
  [[nodiscard]] bool is_embryonic() const noexcept {
    return state == NatState::kNew || state == NatState::kAnswered;
  }

 private:
  [[nodiscard]] bool matches_rest(unsigned from, const FlowKey& key) const noexcept {
    std::uint32_t difference = 0;
    for (unsigned i = 0; i < 3; ++i)
      difference |=
          (rest[from][i] ^ key.source[i + 1]) | (rest[from + 1][i] ^ key.destination[i + 1]);
    return difference == 0;
  }
};
static_assert(sizeof(NatSession) == 128 && offsetof(NatSession, rest) == 64);

/// The key of packets that come from `side`.
[[nodiscard]] inline FlowKey nat_key(const NatSession& s, NatSide side) noexcept {
  const auto from = side == NatSide::kClient ? kNatClient : kNatBackend;
  const auto to = side == NatSide::kClient ? kNatService : kNatLocal;
  FlowKey key{};
  const NatAddress source = s.address(from);
  const NatAddress destination = s.address(to);
  for (unsigned i = 0; i < 4; ++i) {
    key.source[i] = source[i];
    key.destination[i] = destination[i];
  }
  key.source_port = s.port[from];
  key.destination_port = s.port[to];
  key.protocol = s.protocol;
  key.family = s.family;
  return key;
}

}  // namespace sluice::flow
