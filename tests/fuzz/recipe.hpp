// SPDX-License-Identifier: Apache-2.0
// Packets out of a fuzzer's bytes: each is built right, of any kind that the data path tells from
// another, and then damaged. So the fuzzer changes kinds and fields rather than bytes, and does not
// have to guess a checksum.
//
// Threads: values.
#pragma once

#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::fuzz {

/// Pools of the snapshot, each with a service address of either family: one for each way of
/// forwarding, then one for each way of choosing a backend.
inline constexpr unsigned kForwardingPools = 16;
inline constexpr unsigned kPools = kForwardingPools + 6;

inline std::string vip(unsigned family, unsigned pool) {
  return (family == 4 ? "203.0.113." : "2001:db8:a::") + std::to_string(10 + pool);
}

/// The fuzzer's bytes, taken from the front; zeros when there are no more.
class Source {
 public:
  explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t r = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return r;
  }
  std::uint16_t word() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  unsigned below(unsigned n) { return byte() % n; }
  /// One time in `n`, and never by zeros alone.
  bool seldom(unsigned n) { return below(n) == n - 1; }
  std::span<const std::uint8_t> rest() {
    const auto r = bytes_;
    bytes_ = {};
    return r;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// One frame, and how it comes to the stages.
struct Arrival {
  test::Bytes frame;
  std::size_t headroom = 128;
  std::size_t first_segment = SIZE_MAX;  ///< Bytes of the frame in it; the rest in a second one.
};

class Recipe {
 public:
  explicit Recipe(Source& from) : from_(&from) {}

  Arrival arrival() {
    Arrival made;
    made.frame = frame();
    damage(made.frame);
    if (from_->seldom(4)) made.first_segment = from_->word() % (made.frame.size() + 1);
    if (from_->seldom(8)) made.headroom = from_->byte();
    return made;
  }

  /// What comes back from whoever got the frame `sent`: the next segment, an ICMP error about it or
  /// part of a datagram.
  Arrival answer_to(std::span<const std::byte> sent) {
    const auto packet = test::strip_ethernet(sent);
    const test::Ip ip = test::ip_of(packet);
    Arrival made;
    made.frame = answer(packet, ip);
    damage(made.frame);
    if (from_->seldom(4)) made.first_segment = from_->word() % (made.frame.size() + 1);
    return made;
  }

 private:
  static constexpr unsigned kRaw = 12;

  test::Bytes answer(std::span<const std::byte> sent, const test::Ip& to) {
    test::Packet packet;
    link(packet);
    family_ = to.family;
    const unsigned kind = from_->below(4);
    const bool router = kind == 2 && from_->below(2) == 1;
    ip(packet, router ? stranger() : test::text(to.destination), test::text(to.source));
    if (kind == 2) {
      packet.icmp(from_->below(2) == 0 ? (family_ == 4 ? 3 : 1) : from_->byte(), from_->byte(),
                  from_->word());
      const std::size_t quoted = from_->below(2) == 0 ? 28U : from_->word();
      return packet.payload(sent.first(std::min(sent.size(), quoted)));
    }
    extensions(packet);
    if (kind == 3 || to.later || to.payload.size() < 8)
      return packet.protocol(to.protocol).payload(from_->byte());
    const auto ends = wire::load<wire::Udp>(to.payload.data());
    if (to.protocol == wire::kIpProtoTcp) {
      packet.tcp(ends.destination_port.to_host(), ends.source_port.to_host(), from_->byte());
      packet.acknowledgement(from_->word());
      if (from_->seldom(4)) packet.tcp_options(from_->below(11));
    } else {
      packet.udp(ends.destination_port.to_host(), ends.source_port.to_host());
      if (from_->seldom(8)) packet.l4_checksum(0);
    }
    payload(packet);
    return packet;
  }

  test::Bytes frame() {
    const unsigned kind = from_->below(kRaw + 1);
    if (kind == kRaw) {
      const auto bytes = std::as_bytes(from_->rest());
      return {bytes.begin(), bytes.end()};
    }
    test::Packet packet;
    link(packet);
    family_ = from_->below(2) == 0 ? 4 : 6;
    service_ = destination();
    ip(packet, client(), service_);
    extensions(packet);
    if (kind < 10 || family_ == 4) {
      transport(packet, kind);
    } else {
      packet.protocol(from_->byte()).payload(from_->byte());
    }
    if (from_->seldom(4)) packet.pad(from_->byte());
    return packet;
  }

  /// Mostly a service's address, and of those mostly one of the first pools'.
  [[nodiscard]] std::string destination() {
    constexpr unsigned kFirst = 204;
    const unsigned what = from_->byte();
    if (what >= kFirst) return vip(family_, kForwardingPools + what % (kPools - kForwardingPools));
    const unsigned pool = what % (kForwardingPools + 1);
    return pool == kForwardingPools ? std::string(stranger()) : vip(family_, pool);
  }
  [[nodiscard]] std::string_view client() {
    switch (from_->below(8)) {
      case 6:
        return family_ == 4 ? "0.0.0.0" : "::";
      case 7:
        return service_;  // LAND
      default:
        return family_ == 4 ? "198.51.100.1" : "2001:db8:c::1";
    }
  }
  [[nodiscard]] std::string_view stranger() const {
    return family_ == 4 ? "203.0.113.99" : "2001:db8:a::99";
  }

  void link(test::Packet& packet) {
    packet.eth();
    const unsigned tags = from_->below(8);
    if (tags == 2 || tags == 4) packet.qinq(7);
    if (tags == 1 || tags == 2 || tags == 4) packet.vlan(5, 3);
    if (tags == 3) packet.vlan(9).vlan(5);
    if (tags == 4) packet.vlan(6);
    if (from_->seldom(16)) packet.ether_type(from_->word());
  }

  void ip(test::Packet& packet, std::string_view source, std::string_view destination) {
    if (family_ == 4) {
      packet.ipv4(source, destination).id(from_->byte());
      if (from_->below(2) == 1) packet.df();
      if (from_->seldom(8)) packet.options(from_->below(11));
      if (from_->seldom(16)) packet.ip_checksum(from_->word());
      if (from_->seldom(16)) packet.header_length(from_->byte());
    } else {
      packet.ipv6(source, destination);
    }
    packet.tos(from_->byte());
    if (from_->seldom(4)) packet.ttl(from_->below(3) == 0 ? from_->byte() : 1);
    if (from_->seldom(16)) packet.total_length(from_->word());
    if (from_->seldom(16)) packet.ip_version(from_->byte() % 16);
  }

  /// Of IPv6, up to ten headers; of either family, fragments.
  void extensions(test::Packet& packet) {
    const std::uint8_t what = from_->byte();
    if (family_ == 4) {
      if (what % 8 == 7) packet.fragment(what / 16, what / 8 % 2 == 1);
      return;
    }
    for (unsigned n = what % 8 == 7 ? from_->below(11) : 0; n > 0; --n) extension(packet);
  }

  void extension(test::Packet& packet) {
    const std::uint8_t what = from_->byte();
    const std::size_t units = 1 + (what / 4 % 4 == 3 ? from_->byte() : 0);
    switch (what % 4) {
      case 0:
        packet.hop_by_hop(units);
        break;
      case 1:
        packet.destination_options(units);
        break;
      case 2:
        packet.routing(what / 16 == 15 ? 1 : 0, units);
        break;
      default:
        packet.fragment_header(what / 64, what / 16 % 2 == 1, from_->byte());
    }
  }

  void transport(test::Packet& packet, unsigned kind) {
    if (kind < 4) {
      tcp(packet);
    } else if (kind < 7) {
      udp(packet);
    } else if (kind < 8) {
      packet.icmp_echo(from_->byte(), from_->byte(), from_->seldom(8));
      if (from_->seldom(16)) packet.l4_checksum(from_->word());
      payload(packet);
    } else if (kind < 10) {
      error(packet);
    } else if (from_->below(2) == 0) {
      packet.protocol(from_->byte()).payload(from_->byte());
    } else {
      packet.ipip("198.51.100.1", service_).tcp(port(), 443);  // a tunnel that is not for us
    }
  }

  std::uint16_t port() {
    switch (from_->below(4)) {
      case 0:
        return from_->byte();
      case 1:
        return 6080;
      default:
        return 443;
    }
  }

  void tcp(test::Packet& packet) {
    const std::uint16_t source = from_->word();
    packet.tcp(source, port(), from_->byte());
    if (from_->seldom(4)) packet.tcp_options(from_->below(11));
    if (from_->seldom(16)) packet.data_offset(from_->byte() % 16);
    if (from_->seldom(16)) packet.l4_checksum(from_->word());
    payload(packet);
  }

  void udp(test::Packet& packet) {
    const std::uint16_t source = from_->word();
    packet.udp(source, port());
    if (from_->seldom(8)) packet.udp_length(from_->word());
    if (from_->seldom(8)) packet.l4_checksum(from_->below(2) == 0 ? 0 : from_->word());
    payload(packet);
  }

  void payload(test::Packet& packet) {
    static constexpr std::size_t kLengths[] = {0, 1, 5, 100, 1191, 1400, 1460, 1500, 8900};
    const unsigned which = from_->below(16);
    packet.payload(which < std::size(kLengths) ? kLengths[which] : from_->byte());
  }

  /// An ICMP error from anybody about a packet of the service.
  void error(test::Packet& packet) {
    const unsigned type = from_->below(6);
    static constexpr std::uint8_t kTypes[] = {3, 11, 12, 4};
    packet.icmp(type < 4 ? (family_ == 4 ? kTypes[type] : static_cast<std::uint8_t>(type + 1))
                         : from_->byte(),
                from_->byte(), from_->word());
    const std::string_view source = from_->seldom(8) ? stranger() : service_;
    test::Packet quoted;
    ip(quoted, source, family_ == 4 ? "198.51.100.1" : "2001:db8:c::1");
    extensions(quoted);
    const std::uint16_t from_port = port();
    if (from_->below(2) == 0)
      quoted.tcp(from_port, from_->word());
    else
      quoted.udp(from_port, from_->word());
    payload(quoted);
    packet.quote(quoted, from_->below(2) == 0 ? (family_ == 4 ? 28U : 48U) : from_->byte());
  }

  /// Up to three bytes become others; at times the frame ends early.
  void damage(test::Bytes& frame) {
    if (frame.empty()) return;
    const std::uint8_t what = from_->byte();
    for (unsigned n = what % 8 >= 5 ? what % 8 - 4 : 0; n > 0; --n) {
      // Mostly in the headers: there is more to find.
      const std::size_t at = from_->below(2) == 0 ? from_->byte() : from_->word();
      frame[at % frame.size()] ^= static_cast<std::byte>(from_->byte());
    }
    if (what / 8 % 16 == 15) frame.resize(from_->word() % (frame.size() + 1));
  }

  Source* from_;
  unsigned family_ = 4;
  std::string service_;
};

}  // namespace sluice::fuzz
