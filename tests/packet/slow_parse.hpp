// SPDX-License-Identifier: Apache-2.0
// The doc comment of parse_frame() written out a second time, byte by byte and with no eye on
// speed: what the parser is compared with in unit tests and under the fuzzer.
//
// Threads: pure functions.
#pragma once

#include "packet/parse.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace sluice::test {

/// Reads one frame by offsets from its start. A step returns the verdict that ends the parsing, or
/// nothing when the next step is to be tried.
class SlowParser {
 public:
  SlowParser(std::span<const std::byte> frame, std::size_t length, Parsed& out)
      : frame_(frame), length_(length), out_(&out) {}

  Verdict parse() {
    *out_ = {};
    if (!has(14)) return Verdict::kTruncated;
    std::size_t type_at = 12;
    while (u16(type_at) == 0x8100 || u16(type_at) == 0x88a8) {
      if (type_at == 20) return Verdict::kHost;  // a third tag
      if (!has(type_at + 6)) return Verdict::kTruncated;
      type_at += 4;
    }
    ip_ = type_at + 2;
    if (u16(type_at) == 0x0800) return has(ip_ + 20) ? ipv4() : Verdict::kTruncated;
    if (u16(type_at) == 0x86dd) return has(ip_ + 40) ? ipv6() : Verdict::kTruncated;
    return Verdict::kHost;
  }

 private:
  using Step = std::optional<Verdict>;

  /// Where a walk over IPv6 headers has come to; of IPv4, what its one header says.
  struct Place {
    std::size_t at;
    unsigned protocol;
    bool first = false;  ///< A first fragment, not the whole datagram.
    bool later = false;
    std::uint32_t id = 0;
  };

  [[nodiscard]] bool has(std::size_t bytes) const { return frame_.size() >= bytes; }
  [[nodiscard]] std::uint32_t u8(std::size_t at) const {
    return std::to_integer<std::uint32_t>(frame_[at]);
  }
  [[nodiscard]] std::uint32_t u16(std::size_t at) const { return u8(at) << 8 | u8(at + 1); }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const { return u16(at) << 16 | u16(at + 2); }
  void copy(void* to, std::size_t at, std::size_t bytes) const {  // into network order
    std::memcpy(to, frame_.subspan(at, bytes).data(), bytes);
  }

  /// Bytes up to `end` must be in the packet, then in the frame.
  [[nodiscard]] Step reach(std::size_t end) const {
    if (end > end_) return Verdict::kMalformed;
    if (!has(end)) return Verdict::kTruncated;
    return std::nullopt;
  }

  void take_fixed(unsigned family, std::size_t l3_bytes, std::size_t addresses_at) {
    const std::size_t address = family == 4 ? 4 : 16;
    copy(out_->key.source, addresses_at, address);
    copy(out_->key.destination, addresses_at + address, address);
    out_->key.family = static_cast<std::uint8_t>(family);
    out_->l3_offset = static_cast<std::uint16_t>(ip_);
    out_->l3_length = static_cast<std::uint16_t>(l3_bytes);
    end_ = ip_ + l3_bytes;
  }

  Verdict ipv4() {
    take_fixed(4, u16(ip_ + 2), ip_ + 12);
    out_->key.protocol = static_cast<std::uint8_t>(u8(ip_ + 9));
    out_->tos = static_cast<std::uint8_t>(u8(ip_ + 1));
    out_->ttl = static_cast<std::uint8_t>(u8(ip_ + 8));
    out_->dont_fragment = (u8(ip_ + 6) & 0x40U) != 0;
    const std::size_t l4 = ip_ + u8(ip_) % 16 * 4;
    if (u8(ip_) / 16 != 4 || l4 < ip_ + 20 || end_ < l4 || end_ > length_)
      return Verdict::kMalformed;
    if (!has(l4)) return Verdict::kTruncated;
    Place place{.at = l4, .protocol = u8(ip_ + 9)};
    place.later = u16(ip_ + 6) % 0x2000 != 0;
    place.first = !place.later && (u8(ip_ + 6) & 0x20U) != 0;
    if (place.first || place.later) place.id = u16(ip_ + 4);
    return transport(place);
  }

  Verdict ipv6() {
    take_fixed(6, 40 + u16(ip_ + 4), ip_ + 8);
    out_->key.protocol = static_cast<std::uint8_t>(u8(ip_ + 6));
    out_->tos = static_cast<std::uint8_t>(u16(ip_) / 16 % 256);
    out_->ttl = static_cast<std::uint8_t>(u8(ip_ + 7));
    out_->dont_fragment = true;
    if (u8(ip_) / 16 != 6 || end_ - ip_ > 65535 || end_ > length_) return Verdict::kMalformed;
    Place place{.at = ip_ + 40, .protocol = u8(ip_ + 6)};
    if (const Step stop = walk(place)) return *stop;
    out_->key.protocol = static_cast<std::uint8_t>(place.protocol);
    return transport(place);
  }

  static bool is_extension(unsigned header) {
    return header == 0 || header == 43 || header == 44 || header == 60;
  }

  /// Steps over extension headers; ends behind the fragment header of a later fragment.
  [[nodiscard]] Step walk(Place& place) const {
    for (int count = 1; is_extension(place.protocol) && !place.later; ++count) {
      if (count == 9) return Verdict::kHost;
      if (const Step stop = reach(place.at + 8)) return stop;
      const unsigned next = u8(place.at);
      if (place.protocol == 44) {
        if (place.first) return Verdict::kHost;  // a fragment of a fragment
        place.later = u16(place.at + 2) >= 8;
        place.first = !place.later && u8(place.at + 3) % 2 == 1;
        if (place.first || place.later) place.id = u32(place.at + 4);
        place.at += 8;
      } else {
        if (place.protocol == 43 && u8(place.at + 3) != 0) return Verdict::kHost;
        const std::size_t behind = place.at + 8 + std::size_t{u8(place.at + 1)} * 8;
        if (const Step stop = reach(behind)) return stop;
        place.at = behind;
      }
      place.protocol = next;
    }
    return std::nullopt;
  }

  Verdict transport(const Place& place) {
    const bool ports = place.protocol == 6 || place.protocol == 17;
    const bool icmp = place.protocol == (out_->key.family == 4 ? 1U : 58U);
    const bool fragmented = place.first || place.later;
    const bool options = out_->key.family == 6 && place.later && place.protocol != 44 &&
                         is_extension(place.protocol);
    if (!ports && !options && (!icmp || fragmented)) return Verdict::kHost;
    if (!place.later) {
      if (const Step stop = icmp                  ? this->icmp(place.at)
                            : place.protocol == 6 ? tcp(place.at, fragmented)
                                                  : udp(place.at, fragmented))
        return *stop;
    } else {
      out_->kind = sluice::Kind::kLaterFragment;
    }
    out_->l4_offset = static_cast<std::uint16_t>(place.at);
    out_->fragmented = fragmented;
    out_->fragment_id = place.id;
    return Verdict::kForward;
  }

  [[nodiscard]] Step tcp(std::size_t at, bool fragmented) {
    if (const Step stop = reach(at + 20)) return stop;
    const std::size_t data = at + u8(at + 12) / 16 * 4;
    if (data < at + 20) return Verdict::kMalformed;
    if (!fragmented)
      if (const Step stop = reach(data)) return stop;
    out_->tcp_flags = static_cast<std::uint8_t>(u8(at + 13));
    take_ports(at);
    return std::nullopt;
  }

  [[nodiscard]] Step udp(std::size_t at, bool fragmented) {
    if (const Step stop = reach(at + 8)) return stop;
    if (u16(at + 4) < 8) return Verdict::kMalformed;
    if (!fragmented && at + u16(at + 4) > end_) return Verdict::kMalformed;
    take_ports(at);
    return std::nullopt;
  }

  void take_ports(std::size_t at) {
    copy(&out_->key.source_port, at, 2);
    copy(&out_->key.destination_port, at + 2, 2);
  }

  [[nodiscard]] Step icmp(std::size_t at) {
    if (const Step stop = reach(at + 8)) return stop;
    const bool v4 = out_->key.family == 4;
    const unsigned type = u8(at);
    if (type == (v4 ? 8U : 128U)) {
      out_->kind = sluice::Kind::kEcho;
      return std::nullopt;
    }
    const bool error = v4 ? type == 3 || type == 4 || type == 11 || type == 12
                          : type == 1 || type == 2 || type == 3 || type == 4;
    return error ? quote(at + 8) : Verdict::kHost;
  }

  /// The quoted packet, field by field in the order in which it is read.
  [[nodiscard]] Step quote(std::size_t at) {
    const bool v4 = out_->key.family == 4;
    if (const Step stop = reach(at + (v4 ? 20 : 40))) return stop;
    if (u8(at) / 16 != (v4 ? 4U : 6U)) return Verdict::kMalformed;
    Place place{};
    if (v4) {
      if (u8(at) % 16 < 5) return Verdict::kMalformed;
      place.at = at + u8(at) % 16 * 4;
      if (const Step stop = reach(place.at)) return stop;
      place.protocol = u8(at + 9);
      place.later = u16(at + 6) % 0x2000 != 0;
    } else {
      place.at = at + 40;
      place.protocol = u8(at + 6);
      if (const Step stop = walk(place)) return stop;
    }
    const std::size_t address = v4 ? 4 : 16;
    const std::size_t source = at + (v4 ? 12 : 8);
    if (std::memcmp(&frame_[source], out_->key.destination, address) != 0)
      return Verdict::kMalformed;  // the error went to another host than the packet came from
    if (place.later || (place.protocol != 6 && place.protocol != 17)) return Verdict::kHost;
    if (const Step stop = reach(place.at + 8)) return stop;
    copy(out_->key.destination, source, address);
    copy(out_->key.source, source + address, address);
    copy(&out_->key.destination_port, place.at, 2);
    copy(&out_->key.source_port, place.at + 2, 2);
    out_->key.protocol = static_cast<std::uint8_t>(place.protocol);
    out_->kind = sluice::Kind::kIcmpError;
    return std::nullopt;
  }

  std::span<const std::byte> frame_;
  std::size_t length_;
  Parsed* out_;
  std::size_t ip_ = 0;   ///< Where the IP header begins.
  std::size_t end_ = 0;  ///< Where the IP packet ends.
};

/// What parse_frame() must make of `frame`; likewise fills `out`.
inline Verdict slow_parse(std::span<const std::byte> frame, std::size_t length, Parsed& out) {
  return SlowParser(frame, length, out).parse();
}

}  // namespace sluice::test
