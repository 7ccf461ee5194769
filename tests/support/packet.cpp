// SPDX-License-Identifier: Apache-2.0
#include "support/packet.hpp"

#include "base/address.hpp"
#include "support/dissect.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace sluice::test {
namespace {

MacAddress mac(std::string_view text) {
  const auto r = MacAddress::parse(text);
  if (!r) throw std::invalid_argument("no MAC address: " + std::string(text));
  return *r;
}

Bytes address(std::string_view text, bool v6) {
  const auto r = IpAddress::parse(text);
  if (!r || r->is_v4() == v6) throw std::invalid_argument("no such address: " + std::string(text));
  const auto raw = std::as_bytes(std::span(r->bytes())).first(r->bits() / 8);
  return {raw.begin(), raw.end()};
}

template <class Header>
Bytes bytes_of(const Header& header) {
  Bytes r(sizeof header);
  std::memcpy(r.data(), &header, sizeof header);
  return r;
}

void append(Bytes& to, std::span<const std::byte> from) {
  to.insert(to.end(), from.begin(), from.end());
}

void append16(Bytes& to, std::size_t n) {
  to.push_back(static_cast<std::byte>(n >> 8 & 0xff));
  to.push_back(static_cast<std::byte>(n & 0xff));
}

void put16(Bytes& to, std::size_t offset, std::uint16_t n) {
  to[offset] = static_cast<std::byte>(n >> 8);
  to[offset + 1] = static_cast<std::byte>(n & 0xff);
}

Bytes no_operations(std::size_t words) { return Bytes(words * 4, std::byte{1}); }

}  // namespace

template <class Kind>
Kind& Packet::last() {
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
    if (auto* found = std::get_if<Kind>(&*layer)) return *found;
  throw std::invalid_argument("the packet has no such layer");
}

Packet::Transport& Packet::last(std::uint8_t protocol) {
  auto& r = last<Transport>();
  if (r.protocol != protocol)
    throw std::invalid_argument("the last segment is of another protocol");
  return r;
}

Packet::Ip& Packet::last_ipv4() {
  auto& r = last<Ip>();
  if (r.v6) throw std::invalid_argument("the last IP header is IPv6");
  return r;
}

Packet& Packet::eth(std::string_view destination, std::string_view source) {
  Link link;
  link.header.destination = mac(destination).bytes;
  link.header.source = mac(source).bytes;
  layers_.emplace_back(link);
  return *this;
}

Packet& Packet::vlan(std::uint16_t id, std::uint8_t priority) {
  Link link;
  link.tag = true;
  link.tag_type = wire::kEtherVlan;
  link.control = static_cast<std::uint16_t>(priority << 13 | id);
  layers_.emplace_back(link);
  return *this;
}

Packet& Packet::qinq(std::uint16_t id) {
  vlan(id);
  last<Link>().tag_type = wire::kEtherQinq;
  return *this;
}

Packet& Packet::ipv4(std::string_view source, std::string_view destination) {
  Ip ip;
  ip.source = address(source, false);
  ip.destination = address(destination, false);
  layers_.emplace_back(std::move(ip));
  return *this;
}

Packet& Packet::ipv6(std::string_view source, std::string_view destination) {
  Ip ip;
  ip.v6 = true;
  ip.source = address(source, true);
  ip.destination = address(destination, true);
  layers_.emplace_back(std::move(ip));
  return *this;
}

Packet& Packet::extension(std::uint8_t kind, std::size_t units, std::uint8_t fourth_byte) {
  if (units == 0 || units > 256) throw std::invalid_argument("no such extension header");
  Extension made{.kind = kind, .bytes = Bytes(units * 8), .protocol = {}};
  made.bytes[1] = static_cast<std::byte>(units - 1);
  made.bytes[3] = std::byte{fourth_byte};
  layers_.emplace_back(std::move(made));
  return *this;
}

// Zeros after the two lengths are options of one byte, Pad1 (RFC 8200, section 4.2).
Packet& Packet::hop_by_hop(std::size_t units) { return extension(wire::kIpHopByHop, units, 0); }
Packet& Packet::destination_options(std::size_t units) {
  return extension(wire::kIpDestinationOptions, units, 0);
}
Packet& Packet::routing(std::uint8_t segments_left, std::size_t units) {
  return extension(wire::kIpRouting, units, segments_left);
}

Packet& Packet::fragment_header(std::uint16_t offset, bool more, std::uint32_t id) {
  extension(wire::kIpFragment, 1, 0);
  Bytes& bytes = last<Extension>().bytes;
  put16(bytes, 2, static_cast<std::uint16_t>(offset << 3 | (more ? 1 : 0)));
  put16(bytes, 4, static_cast<std::uint16_t>(id >> 16));
  put16(bytes, 6, static_cast<std::uint16_t>(id & 0xffff));
  return *this;
}

Packet& Packet::gue() {
  layers_.emplace_back(Gue{});
  return *this;
}

Packet& Packet::ipip(std::string_view source, std::string_view destination) {
  return ipv4(source, destination);
}

Packet& Packet::tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags) {
  Transport l4;
  l4.protocol = wire::kIpProtoTcp;
  l4.tcp.source_port = Be16::from_host(source);
  l4.tcp.destination_port = Be16::from_host(destination);
  l4.tcp.flags = flags;
  l4.tcp.window = Be16::from_host(65535);
  layers_.emplace_back(l4);
  return *this;
}

Packet& Packet::udp(std::uint16_t source, std::uint16_t destination) {
  tcp(source, destination);
  last<Transport>().protocol = wire::kIpProtoUdp;
  return *this;
}

Packet& Packet::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
  Transport l4;
  l4.protocol = wire::kIpProtoIcmp;
  l4.type = type;
  l4.code = code;
  l4.rest = rest;
  layers_.emplace_back(l4);
  return *this;
}

Packet& Packet::icmp_echo(std::uint16_t id, std::uint16_t sequence, bool reply) {
  const Ip* ip = ip_before(layers_.size());
  const bool v6 = ip != nullptr && ip->v6;
  const std::uint8_t request = v6 ? wire::kIcmp6Echo : wire::kIcmpEcho;
  const std::uint8_t answer = v6 ? wire::kIcmp6EchoReply : wire::kIcmpEchoReply;
  return icmp(reply ? answer : request, 0, static_cast<std::uint32_t>(id) << 16 | sequence);
}

Packet& Packet::quote(const Packet& other, std::size_t most_bytes) {
  const bool framed = std::holds_alternative<Link>(other.layers_.at(0));
  const Bytes bytes = other.bytes();
  const ByteView ip = framed ? strip_ethernet(bytes) : ByteView(bytes);
  return payload(ip.first(std::min(most_bytes, ip.size())));
}

Packet& Packet::arp_request(std::string_view sender_mac, std::string_view sender,
                            std::string_view target) {
  const auto sender_bytes = mac(sender_mac).bytes;
  Raw arp;
  arp.ether_type = wire::kEtherArp;
  append16(arp.bytes, 1);  // Ethernet
  append16(arp.bytes, wire::kEtherIpv4);
  append16(arp.bytes, 6 << 8 | 4);  // sizes of the addresses
  append16(arp.bytes, 1);           // request
  append(arp.bytes, std::as_bytes(std::span(sender_bytes)));
  append(arp.bytes, address(sender, false));
  append(arp.bytes, Bytes(6));
  append(arp.bytes, address(target, false));
  layers_.emplace_back(std::move(arp));
  return *this;
}

Packet& Packet::payload(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i & 0xff);
  return payload(bytes);
}

Packet& Packet::payload(std::string_view text) { return payload(std::as_bytes(std::span(text))); }

Packet& Packet::payload(std::span<const std::byte> bytes) {
  layers_.emplace_back(Raw{{bytes.begin(), bytes.end()}, 0});
  return *this;
}

Packet& Packet::pad(std::size_t frame_size) {
  least_size_ = frame_size;
  return *this;
}

Packet& Packet::ttl(std::uint8_t n) { return last<Ip>().ttl = n, *this; }
Packet& Packet::tos(std::uint8_t n) { return last<Ip>().tos = n, *this; }

Packet& Packet::protocol(std::uint8_t n) {
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    if (auto* extension = std::get_if<Extension>(&*layer)) return extension->protocol = n, *this;
    if (auto* ip = std::get_if<Ip>(&*layer)) return ip->protocol = n, *this;
  }
  throw std::invalid_argument("the packet has no IP header");
}

Packet& Packet::id(std::uint16_t n) { return last_ipv4().id = n, *this; }

Packet& Packet::df() {
  last_ipv4().fragment |= wire::kIpDontFragment;
  return *this;
}

Packet& Packet::fragment(std::uint16_t offset, bool more) {
  auto& ip = last_ipv4();
  const int flags = (ip.fragment & wire::kIpDontFragment) | (more ? wire::kIpMoreFragments : 0);
  ip.fragment = static_cast<std::uint16_t>(flags | (offset & wire::kIpOffsetMask));
  return *this;
}

Packet& Packet::options(std::size_t words) { return last_ipv4().option_words = words, *this; }

Packet& Packet::sequence(std::uint32_t n) {
  last(wire::kIpProtoTcp).tcp.sequence = Be32::from_host(n);
  return *this;
}

Packet& Packet::acknowledgement(std::uint32_t n) {
  last(wire::kIpProtoTcp).tcp.acknowledgement = Be32::from_host(n);
  return *this;
}

Packet& Packet::window(std::uint16_t n) {
  last(wire::kIpProtoTcp).tcp.window = Be16::from_host(n);
  return *this;
}

Packet& Packet::tcp_options(std::size_t words) {
  last(wire::kIpProtoTcp).option_words = words;
  return *this;
}

Packet& Packet::ether_type(std::uint16_t n) { return last<Link>().type = n, *this; }
Packet& Packet::ip_version(std::uint8_t n) { return last<Ip>().version = n, *this; }
Packet& Packet::header_length(std::uint8_t words) { return last<Ip>().header_words = words, *this; }
Packet& Packet::total_length(std::uint16_t n) { return last<Ip>().length = n, *this; }
Packet& Packet::ip_checksum(std::uint16_t n) { return last<Ip>().checksum = n, *this; }
Packet& Packet::data_offset(std::uint8_t words) {
  last(wire::kIpProtoTcp).offset_words = words;
  return *this;
}
Packet& Packet::udp_length(std::uint16_t n) { return last(wire::kIpProtoUdp).length = n, *this; }
Packet& Packet::l4_checksum(std::uint16_t n) { return last<Transport>().checksum = n, *this; }

const Packet::Ip* Packet::ip_before(std::size_t layer) const {
  while (layer-- > 0) {
    if (const auto* ip = std::get_if<Ip>(&layers_[layer])) return ip;
    if (!std::holds_alternative<Extension>(layers_[layer])) return nullptr;
  }
  return nullptr;
}

/// The protocol number of what follows a layer.
std::uint8_t Packet::protocol_behind(std::size_t layer) const {
  constexpr std::uint8_t kNothing = 59;
  if (layer + 1 == layers_.size()) return kNothing;
  const Layer& next = layers_[layer + 1];
  if (const auto* ip = std::get_if<Ip>(&next))
    return ip->v6 ? wire::kIpProtoIpv6 : wire::kIpProtoIpip;
  if (const auto* extension = std::get_if<Extension>(&next)) return extension->kind;
  if (const auto* l4 = std::get_if<Transport>(&next)) {
    const Ip* ip = ip_before(layer + 1);
    const bool v6 = ip != nullptr && ip->v6;
    return v6 && l4->protocol == wire::kIpProtoIcmp ? wire::kIpProtoIcmp6 : l4->protocol;
  }
  return kNothing;
}

Bytes Packet::header(const Link& link, const Layer* next) {
  std::uint16_t type = 0;
  if (next != nullptr) {
    if (const auto* inner = std::get_if<Link>(next)) type = inner->tag_type;
    if (const auto* ip = std::get_if<Ip>(next)) type = ip->v6 ? wire::kEtherIpv6 : wire::kEtherIpv4;
    if (const auto* raw = std::get_if<Raw>(next)) type = raw->ether_type;
  }
  const auto wire_type = Be16::from_host(link.type.value_or(type));
  if (link.tag) return bytes_of(wire::Vlan{Be16::from_host(link.control), wire_type});
  auto ethernet = link.header;
  ethernet.type = wire_type;
  return bytes_of(ethernet);
}

Bytes Packet::header(const Ip& ip, std::uint8_t next, std::size_t body_bytes) {
  const std::uint8_t protocol = ip.protocol.value_or(next);
  Bytes header;
  if (ip.v6) {
    append16(header, static_cast<std::size_t>(ip.version.value_or(6)) << 12 |
                         static_cast<std::size_t>(ip.tos) << 4);
    append16(header, 0);  // flow label
    append16(header, ip.length.value_or(static_cast<std::uint16_t>(body_bytes)));
    append16(header, static_cast<std::size_t>(protocol) << 8 | ip.ttl);
    append(header, ip.source);
    append(header, ip.destination);
    return header;
  }
  const std::size_t words = 5 + ip.option_words;
  const std::size_t header_words = ip.header_words.value_or(static_cast<std::uint8_t>(words));
  append16(header,
           static_cast<std::size_t>(ip.version.value_or(4)) << 12 | header_words << 8 | ip.tos);
  append16(header, ip.length.value_or(static_cast<std::uint16_t>(words * 4 + body_bytes)));
  append16(header, ip.id);
  append16(header, ip.fragment);
  append16(header, static_cast<std::size_t>(ip.ttl) << 8 | protocol);
  append16(header, 0);
  append(header, ip.source);
  append(header, ip.destination);
  append(header, no_operations(ip.option_words));
  put16(header, 10, ip.checksum.value_or(slow_checksum(header)));
  return header;
}

/// Header and body: the checksum covers both.
Bytes Packet::segment(const Transport& l4, const Ip* ip, const Bytes& body) {
  Bytes segment;
  std::size_t checksum_at = 0;
  const bool v6 = ip != nullptr && ip->v6;
  const bool icmp = l4.protocol == wire::kIpProtoIcmp;
  if (l4.protocol == wire::kIpProtoTcp) {
    auto tcp = l4.tcp;
    const std::size_t words =
        l4.offset_words.value_or(static_cast<std::uint8_t>(5 + l4.option_words));
    tcp.data_offset = static_cast<std::uint8_t>(words << 4);
    segment = bytes_of(tcp);
    append(segment, no_operations(l4.option_words));
    checksum_at = offsetof(wire::Tcp, checksum);
  } else if (l4.protocol == wire::kIpProtoUdp) {
    const auto length =
        l4.length.value_or(static_cast<std::uint16_t>(sizeof(wire::Udp) + body.size()));
    segment = bytes_of(
        wire::Udp{l4.tcp.source_port, l4.tcp.destination_port, Be16::from_host(length), {}});
    checksum_at = offsetof(wire::Udp, checksum);
  } else {
    append16(segment, static_cast<std::size_t>(l4.type) << 8 | l4.code);
    append16(segment, 0);
    append16(segment, l4.rest >> 16);
    append16(segment, l4.rest & 0xffff);
    checksum_at = 2;
  }
  append(segment, body);
  Bytes covered;
  if (ip != nullptr && (v6 || !icmp)) {  // the pseudo header
    append(covered, ip->source);
    append(covered, ip->destination);
    append16(covered, icmp ? wire::kIpProtoIcmp6 : l4.protocol);
    append16(covered, segment.size());
  }
  append(covered, segment);
  auto sum = slow_checksum(covered);
  if (sum == 0 && l4.protocol == wire::kIpProtoUdp) sum = 0xffff;  // 0 would mean: none
  put16(segment, checksum_at, l4.checksum.value_or(sum));
  return segment;
}

Bytes Packet::bytes() const {
  Bytes body;
  const auto prepend = [&](const Bytes& header) {
    body.insert(body.begin(), header.begin(), header.end());
  };
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer* next = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
    if (const auto* link = std::get_if<Link>(&layers_[i])) prepend(header(*link, next));
    if (const auto* ip = std::get_if<Ip>(&layers_[i]))
      prepend(header(*ip, protocol_behind(i), body.size()));
    if (const auto* extension = std::get_if<Extension>(&layers_[i])) {
      Bytes bytes = extension->bytes;
      bytes[0] = std::byte{extension->protocol.value_or(protocol_behind(i))};
      prepend(bytes);
    }
    if (std::holds_alternative<Gue>(layers_[i]))
      prepend({std::byte{0}, std::byte{protocol_behind(i)}, std::byte{0}, std::byte{0}});
    if (const auto* l4 = std::get_if<Transport>(&layers_[i]))
      body = segment(*l4, ip_before(i), body);
    if (const auto* raw = std::get_if<Raw>(&layers_[i])) prepend(raw->bytes);
  }
  body.resize(std::max(body.size(), least_size_));
  return body;
}

}  // namespace sluice::test
