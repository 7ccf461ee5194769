// SPDX-License-Identifier: Apache-2.0
// ICMP and ICMPv6 messages that a node writes itself: echo replies and errors.
//
// Threads: pure functions; called by workers.
#pragma once

#include "packet/parse.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// What an error says of the packet that it quotes.
enum class Problem : std::uint8_t {
  kTooBig,      ///< Fragmentation needed, or packet too big, with the MTU.
  kTtlExpired,  ///< Time exceeded in transit.
};

/// Bytes that an error puts before the packet that it quotes: IP and ICMP header.
[[nodiscard]] constexpr std::size_t icmp_error_headers(std::uint8_t family) noexcept {
  return (family == 4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6)) + sizeof(wire::Icmp);
}

/// Most bytes of a packet that an error quotes: all in all it stays within what every link carries
/// (RFC 1812, section 4.3.2.3: 576 bytes; RFC 4443, section 2.4 c: 1280 bytes).
[[nodiscard]] constexpr std::size_t longest_quote(std::uint8_t family) noexcept {
  return (family == 4 ? std::size_t{576} : std::size_t{1280}) - icmp_error_headers(family);
}

/// Makes the echo request at `ip` its reply: addresses turned round, the type, a fresh TTL, and the
/// checksums that follow.
/// @param p   of kind kEcho.
/// @param ip  the packet from its IP header on, at least to the end of the ICMP header.
void answer_echo(const Parsed& p, std::byte* ip) noexcept;

/// Whether an error may be sent about a packet (RFC 1812, section 4.3.2.7; RFC 4443, section 2.4
/// e): not about ICMP errors and later fragments. Its addresses are those of one host each; that
/// is classify's and admit's to judge.
[[nodiscard]] constexpr bool may_answer(const Parsed& p) noexcept {
  return p.kind == Kind::kFlow || p.kind == Kind::kEcho;
}

/// Writes the headers of an error about a packet: from the address the packet was sent to, to the
/// one it came from, checksums right.
///
/// @param ip     icmp_error_headers() bytes, directly before `quote`.
/// @param quote  the packet from its IP header on, as it arrived, at most longest_quote() bytes.
/// @param mtu    for kTooBig, the longest packet that would have passed, bytes; else 0.
void write_icmp_error(std::byte* ip, std::span<const std::byte> quote, std::uint8_t family,
                      Problem problem, std::uint16_t mtu) noexcept;

}  // namespace sluice
