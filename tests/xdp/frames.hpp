// SPDX-License-Identifier: Apache-2.0
// Every kind of frame that the XDP filter tells from another, and what becomes of it when the
// addresses below are what their comments say.
//
// Threads: values.
#pragma once

#include "support/packet.hpp"
#include "xdp/layout.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::xdp::test {

using sluice::test::Bytes;
using sluice::test::Packet;

inline constexpr const char* kClient = "198.51.100.7";
inline constexpr const char* kVip = "203.0.113.10";         // TCP 443, UDP 53
inline constexpr const char* kWholeVip = "203.0.113.20";    // TCP, every port
inline constexpr const char* kNat = "203.0.113.30";         // NAT of TCP and UDP
inline constexpr const char* kHostAddress = "203.0.113.1";  // of no service
inline constexpr const char* kClient6 = "2001:db8:1::7";
inline constexpr const char* kVip6 = "2001:db8:2::10";         // TCP 443, UDP 53
inline constexpr const char* kWholeVip6 = "2001:db8:2::20";    // UDP, every port
inline constexpr const char* kNat6 = "2001:db8:2::30";         // NAT of UDP
inline constexpr const char* kHostAddress6 = "2001:db8:2::1";  // of no service

struct FrameKind {
  std::string name;
  Bytes frame;
  std::uint32_t stat;
};

/// A frame from the client of the address's family.
Packet to(const std::string& destination);
/// An IP packet without its Ethernet header, as an ICMP error quotes it: from `source` to the
/// client.
Packet from(const std::string& source);

/// An ICMP error (unreachable) to `destination` that quotes `quote`, cut to `length` bytes.
Bytes icmp_error(const std::string& destination, const Packet& quote, std::size_t length = 1000);

/// A chain of IPv6 extension headers and what follows it.
class Extensions {
 public:
  Extensions& options(std::uint8_t kind, std::uint8_t words = 0);  ///< 0 or 60; 8 + 8 x words bytes
  Extensions& routing(std::uint8_t segments_left);
  Extensions& fragment(std::uint16_t offset, bool more);  ///< Offset in units of 8 bytes.
  /// The whole packet to `destination`: the chain, then `protocol` and its bytes.
  [[nodiscard]] Bytes before(const std::string& destination, std::uint8_t protocol,
                             const Bytes& segment) const;

 private:
  struct Header {
    std::uint8_t kind;
    Bytes bytes;
  };
  std::vector<Header> headers_;
};

/// The bytes of a TCP (6), UDP (17) or ICMPv6 (58) segment for port 443, 53 or an echo request.
Bytes segment(std::uint8_t protocol);

std::vector<FrameKind> frame_kinds();

}  // namespace sluice::xdp::test
