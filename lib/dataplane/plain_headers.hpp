// SPDX-License-Identifier: Apache-2.0
// Reads the headers of plain packets, eight at a time where the CPU can: what short_way.hpp needs
// to know of a burst, column by column.
//
// Threads: pure functions; called by workers once a burst.
#pragma once

#include "flow/cache.hpp"
#include "packet/flow_key.hpp"
#include "packet/headers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::dataplane {

inline constexpr std::uint16_t kBurst = 32;  ///< Packets per receive call.

/// Bytes of a frame that are read; a shorter one is not plain. Frames of 60 bytes, the least that
/// Ethernet has, are long enough but for IPv6, whose TCP ends behind them anyway.
inline constexpr std::size_t kPlainBytes4 = 48;
inline constexpr std::size_t kPlainBytes6 = 68;

/// Where headers of plain packets begin.
inline constexpr std::size_t kPlainIp = sizeof(wire::Ethernet);
inline constexpr std::size_t kPlainL4v4 = kPlainIp + sizeof(wire::Ipv4);
inline constexpr std::size_t kPlainL4v6 = kPlainIp + sizeof(wire::Ipv6);

/// Frames to read, of one family or not: what is not of the wanted one is not plain.
struct Frames {
  /// Readable for kPlainBytes4 or kPlainBytes6 bytes each, by the family wanted; up
  /// to a multiple of eight, the last ones with no_frame().
  std::array<const std::byte*, kBurst> at;
  const std::uint32_t* length;  ///< Bytes of each; kBurst places.
  /// The load of a flow's line is started as soon as its hash is known: a burst of them takes long.
  const flow::Cache* flows;
};

/// Zeros, which are not plain.
[[nodiscard]] const std::byte* no_frame() noexcept;

/// What is the same of all packets of a service.
struct Target {
  std::array<std::uint32_t, 4> address;  ///< As in FlowKey::destination.
  std::uint16_t port;                    ///< As it stands in the packet.
  std::uint8_t protocol;

  friend bool operator==(const Target&, const Target&) noexcept = default;
};

/// Where a frame of the family goes, were it plain.
[[nodiscard]] inline Target target_of(const std::byte* frame, bool v4) noexcept {
  const std::byte* ip = frame + kPlainIp;
  using wire::load;
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

/// Bit i of a mask and entry i of a column are of frame i. `hash` and `tag` hold for the frames of
/// `hashed`, all other columns for those of `plain`.
struct PlainHeaders {
  /// TCP or UDP right behind an IP header that is right behind the Ethernet header, an IPv4 header
  /// without options: `hash` is that of its flow. Nothing else was looked at: it may be a fragment.
  std::uint32_t hashed = 0;
  /// Of those, what admit() and the parser find no fault in, without FIN and RST, no fragment, with
  /// a TTL of 2 or more. Sources in 240.0.0.0/4 and ::/96, which nobody has, are left out too.
  std::uint32_t plain = 0;
  std::uint32_t syn = 0;   ///< Of `plain`: TCP with SYN and without ACK.
  std::uint32_t udp = 0;   ///< Of `plain`: UDP.
  std::uint32_t like = 0;  ///< Of `plain`: for the target that was asked for.
  alignas(32) std::array<std::uint64_t, kBurst> hash;
  alignas(32) std::array<std::uint32_t, kBurst> tag;     ///< flow::Cache::tag_of() the hash.
  alignas(32) std::array<std::uint32_t, kBurst> length;  ///< IP header and payload, bytes.
  /// TOS or traffic class; in the upper half, as it stands in a packet, the fragment word of an
  /// IPv4 header with the same don't-fragment (IPv6: set).
  alignas(32) std::array<std::uint32_t, kBurst> look;
  /// IPv4: the four bytes from the TTL on, TTL less one, the checksum right for that. IPv6: 0.
  alignas(32) std::array<std::uint32_t, kBurst> aged;
};

/// What is read of a burst before its turn: no more than its headers say.
struct PlainBurst {
  std::uint32_t all = 0;  ///< A bit for each packet of the burst.
  std::uint32_t v6 = 0;   ///< Those of `headers.hashed` that are IPv6.
  bool first_v6;          ///< The first packet's family.
  Target like;            ///< Where the first packet goes, were it plain.
  Frames frames;
  PlainHeaders headers;
};

/// Reads `count` frames of one family.
using ReadPlain = void (*)(const Frames& frames, unsigned count, const HashKey& secret,
                           const Target& like, PlainHeaders& out) noexcept;

/// By parse_frame(), packet by packet. Cost: 150 instructions a packet.
void read_plain_v4(const Frames& frames, unsigned count, const HashKey& secret, const Target& like,
                   PlainHeaders& out) noexcept;
void read_plain_v6(const Frames& frames, unsigned count, const HashKey& secret, const Target& like,
                   PlainHeaders& out) noexcept;

/// The same in AVX2, which the CPU must have. Cost: 24 instructions a packet, IPv6 40.
void read_plain_v4_avx2(const Frames& frames, unsigned count, const HashKey& secret,
                        const Target& like, PlainHeaders& out) noexcept;
void read_plain_v6_avx2(const Frames& frames, unsigned count, const HashKey& secret,
                        const Target& like, PlainHeaders& out) noexcept;

struct PlainReaders {
  ReadPlain v4;
  ReadPlain v6;
};

/// The fastest that this CPU can run.
[[nodiscard]] PlainReaders plain_readers() noexcept;

}  // namespace sluice::dataplane
