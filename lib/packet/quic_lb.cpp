// SPDX-License-Identifier: Apache-2.0
#include "packet/quic_lb.hpp"

#include <algorithm>

namespace sluice {
namespace {

constexpr std::size_t kBlock = AES_BLOCK_SIZE;
constexpr unsigned kMostLength = 19;  // a connection id of version 1 has 20 octets
constexpr unsigned kLeastNonce = 4;

/// Half of a server id and nonce. When they are an odd number of octets together, the one in the
/// middle is split: its high four bits end the left half, its low four begin the right one.
using Half = std::array<std::uint8_t, (kMostLength + 1) / 2>;
enum class Side : std::uint8_t { kLeft, kRight };

/// The Feistel network of section 5.4.2, seen from its end.
class FourPass {
 public:
  FourPass(const aes128_ctx& key, unsigned length, const std::uint8_t* cipher) noexcept
      : key_(&key), length_(length), half_((length + 1) / 2) {
    std::copy_n(cipher, half_, left_.begin());
    std::copy_n(cipher + length_ - half_, half_, right_.begin());
    trim(Side::kLeft);
    trim(Side::kRight);
  }

  /// Leaves the plain text in `out` as far as the first `wanted` octets need it.
  void undo(std::size_t wanted, std::uint8_t* out) noexcept {
    pass(4, Side::kLeft);
    pass(3, Side::kRight);
    pass(2, Side::kLeft);
    if (wanted > length_ / 2) pass(1, Side::kRight);
    const std::size_t overlap = half_ * 2 - length_;  // 1 when the length is odd
    for (std::size_t i = 0; i < wanted; ++i) {
      unsigned octet = i < half_ ? left_[i] : 0;
      if (i + overlap >= half_) octet |= right_[i + overlap - half_];
      out[i] = static_cast<std::uint8_t>(octet);
    }
  }

 private:
  /// One half becomes itself xor what the other one encrypts to.
  void pass(std::uint8_t number, Side side) noexcept {
    Half& to = side == Side::kLeft ? left_ : right_;
    const Half& from = side == Side::kLeft ? right_ : left_;
    std::array<std::uint8_t, kBlock> block{};
    std::copy_n(from.begin(), half_, block.begin());
    block[kBlock - 2] = static_cast<std::uint8_t>(length_);
    block[kBlock - 1] = number;
    aes128_encrypt(key_, kBlock, block.data(), block.data());
    for (std::size_t i = 0; i < half_; ++i) to[i] = static_cast<std::uint8_t>(to[i] ^ block[i]);
    trim(side);
  }

  void trim(Side side) noexcept {
    if (length_ % 2 == 0) return;
    if (side == Side::kLeft)
      left_[half_ - 1] &= 0xf0U;
    else
      right_[0] &= 0x0fU;
  }

  const aes128_ctx* key_;
  unsigned length_;
  unsigned half_;
  Half left_{};
  Half right_{};
};

std::optional<unsigned> digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

Result<void> refuse(const QuicLbConfig& config, const std::string& where) {
  const unsigned length = unsigned{config.server_id_bytes} + config.nonce_bytes;
  if (config.rotation >= QuicLb::kRotations)
    return fail(Errc::kInvalid, where, "rotation {} is not in 0 to 6", config.rotation);
  if (config.server_id_bytes == 0 || config.server_id_bytes > ServerId::kMost)
    return fail(Errc::kInvalid, where, "a server id of {} octets is not in 1 to 15",
                config.server_id_bytes);
  if (config.nonce_bytes < kLeastNonce || length > kMostLength)
    return fail(Errc::kInvalid, where,
                "a nonce of {} octets is not in {} to {} (server id and nonce: at most {})",
                config.nonce_bytes, kLeastNonce, kMostLength - config.server_id_bytes, kMostLength);
  return {};
}

}  // namespace

std::optional<ServerId> ServerId::parse(std::string_view hex) noexcept {
  if (hex.empty() || hex.size() % 2 != 0 || hex.size() > 2 * kMost) return std::nullopt;
  ServerId id;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const auto high = digit(hex[i]);
    const auto low = digit(hex[i + 1]);
    if (!high || !low) return std::nullopt;
    id.octets[i / 2] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  id.octets[kMost] = static_cast<std::uint8_t>(hex.size() / 2);
  return id;
}

std::string ServerId::text() const {
  std::string hex;
  for (std::size_t i = 0; i < size(); ++i) hex += fmt::format("{:02x}", octets[i]);
  return hex;
}

Result<QuicLb> QuicLb::create(std::span<const QuicLbConfig> configs) {
  QuicLb made;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const QuicLbConfig& config = configs[i];
    const std::string where = std::to_string(i);
    if (auto sound = refuse(config, where); !sound) return forward_error(sound);
    Decoder& decoder = made.by_rotation_[config.rotation];
    if (decoder.method != Method::kUnknown)
      return fail(Errc::kInvalid, where, "rotation {} comes twice", config.rotation);
    decoder.server_id_bytes = config.server_id_bytes;
    decoder.length = static_cast<std::uint8_t>(config.server_id_bytes + config.nonce_bytes);
    decoder.method = !config.key                ? Method::kPlain
                     : decoder.length == kBlock ? Method::kOnePass
                                                : Method::kFourPass;
    if (config.key) {
      aes128_set_encrypt_key(&decoder.encrypt, config.key->data());
      aes128_set_decrypt_key(&decoder.decrypt, config.key->data());
    }
    ++made.known_;
  }
  return made;
}

std::optional<ServerId> QuicLb::server_id(std::span<const std::byte> connection_id) const noexcept {
  if (connection_id.empty()) return std::nullopt;
  const unsigned rotation = std::to_integer<unsigned>(connection_id[0]) >> 5U;
  if (rotation >= kRotations) return std::nullopt;
  const Decoder& decoder = by_rotation_[rotation];
  if (decoder.method == Method::kUnknown || connection_id.size() <= decoder.length)
    return std::nullopt;
  const auto* octets = reinterpret_cast<const std::uint8_t*>(connection_id.data() + 1);
  ServerId id;
  id.octets[ServerId::kMost] = decoder.server_id_bytes;
  if (decoder.method == Method::kPlain) {
    std::copy_n(octets, decoder.server_id_bytes, id.octets.begin());
  } else if (decoder.method == Method::kOnePass) {
    std::array<std::uint8_t, kBlock> block;
    aes128_decrypt(&decoder.decrypt, kBlock, block.data(), octets);
    std::copy_n(block.begin(), decoder.server_id_bytes, id.octets.begin());
  } else {
    FourPass(decoder.encrypt, decoder.length, octets)
        .undo(decoder.server_id_bytes, id.octets.data());
  }
  return id;
}

}  // namespace sluice
