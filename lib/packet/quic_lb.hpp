// SPDX-License-Identifier: Apache-2.0
// QUIC-LB: the server id that a server has put into a connection id, in the clear or encrypted.
// Source: draft-ietf-quic-load-balancers-21, sections 3 and 5; docs/design/quic.md.
//
// Threads: made on the slow path; server_id() from any number of workers at once.
#pragma once

#include "base/result.hpp"

#include <nettle/aes.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

/// A server id: 1 to 15 octets, zeros behind them, and how many they are in the last one. Ids of
/// different lengths are different.
struct ServerId {
  static constexpr std::size_t kMost = 15;
  std::array<std::uint8_t, kMost + 1> octets{};

  /// 2 to 30 hexadecimal digits, an even number; std::nullopt for anything else.
  [[nodiscard]] static std::optional<ServerId> parse(std::string_view hex) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return octets[kMost]; }
  [[nodiscard]] std::string text() const;

  friend auto operator<=>(const ServerId&, const ServerId&) noexcept = default;
};

/// How servers make connection ids whose first three bits are `rotation`.
struct QuicLbConfig {
  std::uint8_t rotation = 0;                        ///< 0 to 6; 7 is for ids that are not routable.
  std::uint8_t server_id_bytes = 1;                 ///< 1 to 15.
  std::uint8_t nonce_bytes = 4;                     ///< 4 to 18; together at most 19.
  std::optional<std::array<std::uint8_t, 16>> key;  ///< AES-128; absent: the id is in the clear.

  friend bool operator==(const QuicLbConfig&, const QuicLbConfig&) = default;
};

class QuicLb {
 public:
  static constexpr unsigned kRotations = 7;

  QuicLb() = default;  ///< Knows no configuration: no connection id is routable.
  /// @return kInvalid when a rotation or length is out of range or a rotation comes twice; `where`
  ///   is its index.
  [[nodiscard]] static Result<QuicLb> create(std::span<const QuicLbConfig> configs);

  /// The server id in a connection id, or none when it is not routable: its configuration is not
  /// known, or it is too short.
  ///
  /// @param connection_id  any bytes; more than the id itself is no harm (a short header does not
  ///   say where it ends).
  /// Cost: in the clear a copy; one AES block when server id and nonce are 16 octets, else three,
  /// or four when the server id is longer than the nonce.
  [[nodiscard]] std::optional<ServerId> server_id(
      std::span<const std::byte> connection_id) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return known_ == 0; }

 private:
  enum class Method : std::uint8_t { kUnknown, kPlain, kOnePass, kFourPass };
  struct Decoder {
    Method method = Method::kUnknown;
    std::uint8_t server_id_bytes = 0;
    std::uint8_t length = 0;  ///< Server id and nonce, octets.
    aes128_ctx encrypt{};     ///< Of the round function.
    aes128_ctx decrypt{};     ///< Of the one pass.
  };

  std::array<Decoder, kRotations> by_rotation_{};
  unsigned known_ = 0;
};

}  // namespace sluice
