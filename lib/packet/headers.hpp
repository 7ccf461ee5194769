// SPDX-License-Identifier: Apache-2.0
// Wire formats, as the RFCs draw them. Load and store them by std::memcpy or through
// load()/store(): a packet has no alignment.
//
// Threads: values.
#pragma once

#include "base/byte_order.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::wire {

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherQinq = 0x88a8;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;

inline constexpr std::uint8_t kIpProtoIcmp = 1;
inline constexpr std::uint8_t kIpProtoIpip = 4;
inline constexpr std::uint8_t kIpProtoTcp = 6;
inline constexpr std::uint8_t kIpProtoUdp = 17;
inline constexpr std::uint8_t kIpProtoIpv6 = 41;
inline constexpr std::uint8_t kIpProtoIcmp6 = 58;
// IPv6 extension headers (RFC 8200, section 4).
inline constexpr std::uint8_t kIpHopByHop = 0;
inline constexpr std::uint8_t kIpRouting = 43;
inline constexpr std::uint8_t kIpFragment = 44;
inline constexpr std::uint8_t kIpDestinationOptions = 60;

struct Ethernet {
  std::array<std::uint8_t, 6> destination;
  std::array<std::uint8_t, 6> source;
  Be16 type;
};
static_assert(sizeof(Ethernet) == 14);

/// What follows the type field of a tagged frame.
struct Vlan {
  Be16 control;  ///< Priority (3 bits), drop eligible (1), VLAN id (12).
  Be16 type;
};
static_assert(sizeof(Vlan) == 4);

struct Ipv4 {
  std::uint8_t version_length;  ///< Version (high 4 bits), header length in 4-byte words.
  std::uint8_t tos;             ///< DSCP (high 6 bits), ECN.
  Be16 total_length;            ///< Header and payload, bytes.
  Be16 id;
  Be16 fragment;  ///< Flags (high 3 bits: reserved, DF, MF), offset in 8-byte units.
  std::uint8_t ttl;
  std::uint8_t protocol;
  Be16 checksum;
  Be32 source;
  Be32 destination;
};
static_assert(sizeof(Ipv4) == 20 && alignof(Ipv4) <= 4);

inline constexpr std::uint16_t kIpDontFragment = 0x4000;
inline constexpr std::uint16_t kIpMoreFragments = 0x2000;
inline constexpr std::uint16_t kIpOffsetMask = 0x1fff;

struct Ipv6 {
  Be32 version_class_label;  ///< Version (4 bits), traffic class (8), flow label (20).
  Be16 payload_length;       ///< What follows these 40 bytes, extension headers included.
  std::uint8_t next_header;
  std::uint8_t hop_limit;
  std::array<std::byte, 16> source;
  std::array<std::byte, 16> destination;
};
static_assert(sizeof(Ipv6) == 40);

/// IPv6 fragment header, itself an extension header.
struct Ipv6Fragment {
  std::uint8_t next_header;
  std::uint8_t reserved;
  Be16 offset;  ///< In 8-byte units (high 13 bits), more-fragments (lowest bit).
  Be32 id;
};
static_assert(sizeof(Ipv6Fragment) == 8);

struct Tcp {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgement;
  std::uint8_t data_offset;  ///< Header length in 4-byte words (high 4 bits).
  std::uint8_t flags;
  Be16 window;
  Be16 checksum;
  Be16 urgent;
};
static_assert(sizeof(Tcp) == 20);

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpAck = 0x10;

struct Udp {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;  ///< Header and payload, bytes.
  Be16 checksum;
};
static_assert(sizeof(Udp) == 8);

/// The first words of every ICMP and ICMPv6 message.
struct Icmp {
  std::uint8_t type;
  std::uint8_t code;
  Be16 checksum;
  Be32 rest;  ///< Echo: id and sequence; fragmentation needed and packet too big: the MTU.
};
static_assert(sizeof(Icmp) == 8);

inline constexpr std::uint8_t kIcmpEchoReply = 0;
inline constexpr std::uint8_t kIcmpUnreachable = 3;
inline constexpr std::uint8_t kIcmpSourceQuench = 4;
inline constexpr std::uint8_t kIcmpEcho = 8;
inline constexpr std::uint8_t kIcmpTimeExceeded = 11;
inline constexpr std::uint8_t kIcmpParameterProblem = 12;
inline constexpr std::uint8_t kIcmpFragmentationNeeded = 4;  ///< Code of kIcmpUnreachable.
inline constexpr std::uint8_t kIcmp6Unreachable = 1;
inline constexpr std::uint8_t kIcmp6TooBig = 2;
inline constexpr std::uint8_t kIcmp6TimeExceeded = 3;
inline constexpr std::uint8_t kIcmp6ParameterProblem = 4;
inline constexpr std::uint8_t kIcmp6Echo = 128;
inline constexpr std::uint8_t kIcmp6EchoReply = 129;

template <class Header>
[[nodiscard]] Header load(const std::byte* at) noexcept {
  Header h;
  std::memcpy(&h, at, sizeof h);
  return h;
}

template <class Header>
void store(std::byte* at, const Header& h) noexcept {
  std::memcpy(at, &h, sizeof h);
}

}  // namespace sluice::wire
