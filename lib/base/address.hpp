// SPDX-License-Identifier: Apache-2.0
// Addresses as the slow path handles them: parsed from text, compared, printed.
//
// Threads: values.
#pragma once

#include "base/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  /// Six hexadecimal pairs with ':' or '-' between them; std::nullopt for anything else.
  [[nodiscard]] static std::optional<MacAddress> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string text() const;  ///< "02:00:00:00:01:11"
  [[nodiscard]] bool is_multicast() const noexcept { return (bytes[0] & 1U) != 0; }
  [[nodiscard]] bool is_zero() const noexcept { return bytes == std::array<std::uint8_t, 6>{}; }

  friend auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;
};

/// An IPv4 or IPv6 address. Bytes stand in network order; IPv4 uses the first four, the rest are 0.
class IpAddress {
 public:
  enum class Family : std::uint8_t { kV4 = 4, kV6 = 6 };

  constexpr IpAddress() noexcept = default;
  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> bytes) noexcept;
  [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> bytes) noexcept;
  /// Dotted quad or RFC 4291 text, nothing before or after it; std::nullopt for anything else.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] Family family() const noexcept { return family_; }
  [[nodiscard]] bool is_v4() const noexcept { return family_ == Family::kV4; }
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  /// 32-bit words as a packet holds them; an IPv4 address has word 0 only.
  [[nodiscard]] std::array<std::uint32_t, 4> words() const noexcept;
  [[nodiscard]] unsigned bits() const noexcept { return is_v4() ? 32 : 128; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_unspecified() const noexcept;
  [[nodiscard]] bool is_multicast() const noexcept;
  [[nodiscard]] bool is_loopback() const noexcept;

  friend auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  Family family_ = Family::kV4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address and how many of its leading bits count.
struct IpPrefix {
  IpAddress address;    ///< Bits beyond `length` are 0.
  unsigned length = 0;  ///< 0 to address.bits().

  /// "ADDRESS" (all bits) or "ADDRESS/LENGTH". Bits beyond the length are an error of the writer's:
  /// std::nullopt, as for anything else that is not a prefix.
  [[nodiscard]] static std::optional<IpPrefix> parse(std::string_view text) noexcept;
  [[nodiscard]] bool contains(const IpAddress& candidate) const noexcept;
  [[nodiscard]] std::string text() const;  ///< Without "/LENGTH" when all bits count.

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) noexcept = default;
};

}  // namespace sluice
