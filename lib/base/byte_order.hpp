// SPDX-License-Identifier: Apache-2.0
// Integers in network order as types of their own: no conversion happens by accident.
//
// Threads: values.
#pragma once

#include <bit>
#include <cstdint>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "the flow hash and the tests assume it");

/// A 16-bit number as it stands on the wire. Same size and layout as the field.
class Be16 {
 public:
  constexpr Be16() noexcept = default;
  [[nodiscard]] static constexpr Be16 from_host(std::uint16_t host) noexcept {
    return from_wire(__builtin_bswap16(host));
  }
  /// Takes the bits as they were loaded from the packet.
  [[nodiscard]] static constexpr Be16 from_wire(std::uint16_t wire) noexcept {
    Be16 r;
    r.wire_ = wire;
    return r;
  }
  [[nodiscard]] constexpr std::uint16_t to_host() const noexcept {
    return __builtin_bswap16(wire_);
  }
  [[nodiscard]] constexpr std::uint16_t wire() const noexcept { return wire_; }
  friend constexpr bool operator==(Be16, Be16) noexcept = default;

 private:
  std::uint16_t wire_ = 0;
};

/// A 32-bit number as it stands on the wire. Same size and layout as the field.
class Be32 {
 public:
  constexpr Be32() noexcept = default;
  [[nodiscard]] static constexpr Be32 from_host(std::uint32_t host) noexcept {
    return from_wire(__builtin_bswap32(host));
  }
  /// Takes the bits as they were loaded from the packet.
  [[nodiscard]] static constexpr Be32 from_wire(std::uint32_t wire) noexcept {
    Be32 r;
    r.wire_ = wire;
    return r;
  }
  [[nodiscard]] constexpr std::uint32_t to_host() const noexcept {
    return __builtin_bswap32(wire_);
  }
  [[nodiscard]] constexpr std::uint32_t wire() const noexcept { return wire_; }
  friend constexpr bool operator==(Be32, Be32) noexcept = default;

 private:
  std::uint32_t wire_ = 0;
};

static_assert(sizeof(Be16) == 2 && sizeof(Be32) == 4);

}  // namespace sluice
