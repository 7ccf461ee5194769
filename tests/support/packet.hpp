// SPDX-License-Identifier: Apache-2.0
// Builds packets for tests, layer by layer from the outside in, with right lengths and checksums
// unless a test asks for wrong ones:
//
//   Packet().eth().vlan(5).ipv4("198.51.100.1", "203.0.113.10").ttl(9).tcp(40000, 443).payload(100)
//   Packet().eth().ipv6("2001:db8::1", "2001:db8::2").icmp(2, 0, 1400).quote(answer, 48)
//
// Threads: values.
#pragma once

#include "base/byte_order.hpp"
#include "packet/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace sluice::test {

using Bytes = std::vector<std::byte>;

/// MAC addresses of a frame that names none.
inline constexpr std::string_view kOwnMac = "02:00:00:00:00:01";
inline constexpr std::string_view kClientMac = "02:00:00:00:00:02";

/// A packet to be. A call either adds a layer or changes the layer of its kind that was added last;
/// changing a layer that is not there, and text that is no address, throw std::invalid_argument.
/// Converts to its bytes wherever they are wanted.
class Packet {
 public:
  // Layers. Type and protocol fields follow from the layer that comes next.
  Packet& eth(std::string_view destination = kOwnMac, std::string_view source = kClientMac);
  Packet& vlan(std::uint16_t id, std::uint8_t priority = 0);            ///< 802.1Q
  Packet& qinq(std::uint16_t id);                                       ///< 802.1ad
  Packet& ipv4(std::string_view source, std::string_view destination);  ///< TTL 64, id 0, no flags.
  Packet& ipv6(std::string_view source, std::string_view destination);  ///< Hop limit 64.
  // IPv6 extension headers of so many times 8 bytes, options all padding.
  Packet& hop_by_hop(std::size_t units = 1);
  Packet& destination_options(std::size_t units = 1);
  Packet& routing(std::uint8_t segments_left = 0, std::size_t units = 1);
  Packet& fragment_header(std::uint16_t offset, bool more, std::uint32_t id);  ///< As fragment().
  /// The outer header of IP in IP: an ipv4() whose payload is the ipv4() or ipv6() that follows.
  Packet& ipip(std::string_view source, std::string_view destination);
  Packet& tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags = wire::kTcpAck);
  Packet& udp(std::uint16_t source, std::uint16_t destination);
  /// The GUE header of variant 0, which follows udp(); variant 1 is an IP header right there.
  Packet& gue();
  /// ICMP, or behind IPv6 ICMPv6.
  Packet& icmp_echo(std::uint16_t id, std::uint16_t sequence, bool reply = false);
  /// Any other message; `rest` is the second word of its header.
  Packet& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
  /// What an ICMP error carries: another packet from its IP header on, as many bytes as given.
  Packet& quote(const Packet& other, std::size_t most_bytes = SIZE_MAX);
  Packet& arp_request(std::string_view sender_mac, std::string_view sender,
                      std::string_view target);
  Packet& payload(std::size_t size);  ///< 0, 1, 2 ... 255, 0 ...
  Packet& payload(std::string_view text);
  Packet& payload(std::span<const std::byte> bytes);
  Packet& pad(std::size_t frame_size = 60);  ///< Zeros after the packet, as a short frame has them.

  // Fields of the last IP header.
  Packet& ttl(std::uint8_t n);       ///< IPv6: hop limit.
  Packet& tos(std::uint8_t n);       ///< IPv6: traffic class.
  Packet& protocol(std::uint8_t n);  ///< Or of the last IPv6 extension header.
  // Of the last IPv4 header; where that is IPv6, they throw.
  Packet& id(std::uint16_t n);
  Packet& df();
  Packet& fragment(std::uint16_t offset, bool more);  ///< Offset in units of 8 bytes.
  Packet& options(std::size_t words);                 ///< So many words of no-operation.
  // Fields of the last TCP header.
  Packet& sequence(std::uint32_t n);
  Packet& acknowledgement(std::uint32_t n);
  Packet& window(std::uint16_t n);
  Packet& tcp_options(std::size_t words);  ///< So many words of no-operation.

  // Lies: each field as given, whatever the truth is.
  Packet& ether_type(std::uint16_t n);  ///< Of the last Ethernet or VLAN header.
  Packet& ip_version(std::uint8_t n);
  Packet& header_length(std::uint8_t words);  ///< IPv4.
  Packet& total_length(std::uint16_t n);      ///< IPv4; IPv6: payload length.
  Packet& ip_checksum(std::uint16_t n);
  Packet& data_offset(std::uint8_t words);  ///< TCP.
  Packet& udp_length(std::uint16_t n);
  Packet& l4_checksum(std::uint16_t n);  ///< Of the last TCP, UDP or ICMP header.

  [[nodiscard]] Bytes bytes() const;
  operator Bytes() const { return bytes(); }  // NOLINT(google-explicit-constructor): wanted

 private:
  struct Link {  // Ethernet, or a VLAN tag
    bool tag = false;
    std::uint16_t tag_type = 0, control = 0;
    wire::Ethernet header{};
    std::optional<std::uint16_t> type;
  };
  struct Ip {
    bool v6 = false;
    std::vector<std::byte> source, destination;
    std::uint8_t tos = 0, ttl = 64;
    std::uint16_t id = 0, fragment = 0;
    std::size_t option_words = 0;
    std::optional<std::uint8_t> version, header_words, protocol;
    std::optional<std::uint16_t> length, checksum;
  };
  struct Extension {
    std::uint8_t kind = 0;  // its protocol number
    Bytes bytes;            // but for the first: what follows
    std::optional<std::uint8_t> protocol;
  };
  struct Gue {};
  struct Transport {
    std::uint8_t protocol = 0;        // of ICMP: IPv4's
    wire::Tcp tcp{};                  // TCP, and the ports of UDP
    std::uint8_t type = 0, code = 0;  // ICMP
    std::uint32_t rest = 0;
    std::size_t option_words = 0;
    std::optional<std::uint8_t> offset_words;
    std::optional<std::uint16_t> length, checksum;
  };
  struct Raw {
    Bytes bytes;
    std::uint16_t ether_type = 0;  // what it is called when it follows a link header
  };
  using Layer = std::variant<Link, Ip, Extension, Gue, Transport, Raw>;

  template <class Kind>
  Kind& last();
  Transport& last(std::uint8_t protocol);
  Ip& last_ipv4();
  Packet& extension(std::uint8_t kind, std::size_t units, std::uint8_t fourth_byte);
  [[nodiscard]] const Ip* ip_before(std::size_t layer) const;
  [[nodiscard]] std::uint8_t protocol_behind(std::size_t layer) const;
  [[nodiscard]] static Bytes header(const Link& link, const Layer* next);
  [[nodiscard]] static Bytes header(const Ip& ip, std::uint8_t next, std::size_t body_bytes);
  [[nodiscard]] static Bytes segment(const Transport& l4, const Ip* ip, const Bytes& body);

  std::vector<Layer> layers_;
  std::size_t least_size_ = 0;
};

}  // namespace sluice::test
