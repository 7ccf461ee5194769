// SPDX-License-Identifier: Apache-2.0
// Captures built field by field, so that a test can make each of them lie.
//
// Threads: values.
#pragma once

#include "support/packet.hpp"

#include <bit>
#include <cstdint>
#include <span>

namespace sluice::test {

/// A pcap file or a pcapng file to be; little endian unless said otherwise.
class CaptureBytes {
 public:
  explicit CaptureBytes(std::endian order = std::endian::little) : order_(order) {}

  CaptureBytes& u16(std::uint16_t n) { return number(n, 2); }
  CaptureBytes& u32(std::uint32_t n) { return number(n, 4); }
  CaptureBytes& raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  /// File header of pcap. Magic 0xa1b2c3d4: microseconds, 0xa1b23c4d: nanoseconds.
  CaptureBytes& pcap_header(std::uint32_t magic = 0xa1b2c3d4, std::uint32_t link_type = 1) {
    return u32(magic).u16(2).u16(4).u32(0).u32(0).u32(262144).u32(link_type);
  }
  CaptureBytes& pcap_packet(std::uint32_t seconds, std::uint32_t fraction,
                            std::span<const std::byte> captured, std::uint32_t on_wire) {
    return u32(seconds)
        .u32(fraction)
        .u32(static_cast<std::uint32_t>(captured.size()))
        .u32(on_wire)
        .raw(captured);
  }
  CaptureBytes& pcap_packet(std::uint32_t seconds, std::uint32_t fraction, const Bytes& packet) {
    return pcap_packet(seconds, fraction, packet, static_cast<std::uint32_t>(packet.size()));
  }

  /// Section header and one interface of pcapng; `resolution` as in if_tsresol: 6 for microseconds.
  CaptureBytes& pcapng_header(std::uint8_t resolution = 6, std::uint16_t link_type = 1) {
    u32(0x0a0d0d0a).u32(28).u32(0x1a2b3c4d).u16(1).u16(0).u32(0xffffffff).u32(0xffffffff).u32(28);
    u32(1).u32(32).u16(link_type).u16(0).u32(262144);
    const std::byte option[] = {std::byte{resolution}, std::byte{0}, std::byte{0}, std::byte{0}};
    return u16(9).u16(1).raw(option).u32(0).u32(32);
  }
  /// An enhanced packet block. `time` in the interface's resolution.
  CaptureBytes& pcapng_packet(std::uint64_t time, const Bytes& packet) {
    const auto size = static_cast<std::uint32_t>(packet.size());
    const std::uint32_t padding = (4 - size % 4) % 4;
    const std::uint32_t block = 32 + size + padding;
    u32(6).u32(block).u32(0).u32(static_cast<std::uint32_t>(time >> 32));
    u32(static_cast<std::uint32_t>(time)).u32(size).u32(size).raw(packet);
    return raw(Bytes(padding)).u32(block);
  }

  // NOLINTBEGIN(google-explicit-constructor): wanted
  operator const Bytes&() const { return bytes_; }
  operator std::span<const std::byte>() const { return bytes_; }
  // NOLINTEND(google-explicit-constructor)
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  CaptureBytes& number(std::uint32_t n, int size) {
    for (int i = 0; i < size; ++i) {
      const int shift = 8 * (order_ == std::endian::little ? i : size - 1 - i);
      bytes_.push_back(static_cast<std::byte>(n >> shift & 0xff));
    }
    return *this;
  }

  std::endian order_;
  Bytes bytes_;
};

}  // namespace sluice::test
