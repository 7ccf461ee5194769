// SPDX-License-Identifier: Apache-2.0
// What a QUIC server does: makes connection ids of QUIC-LB, on lists of half octets, as
// draft-ietf-quic-load-balancers-21 describes it step by step in section 5.4.
#pragma once

#include "packet/quic_lb.hpp"

#include <nettle/aes.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

using Octets = std::vector<std::uint8_t>;

inline Octets from_hex(std::string_view hex) {
  Octets octets;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    octets.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  return octets;
}

inline std::string to_hex(const Octets& octets) {
  std::string hex;
  for (const auto octet : octets) hex += fmt::format("{:02x}", octet);
  return hex;
}

inline std::array<std::uint8_t, 16> key_from_hex(std::string_view hex) {
  std::array<std::uint8_t, 16> key{};
  const Octets octets = from_hex(hex);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = octets.at(i);
  return key;
}

namespace detail {

using Nibbles = std::vector<std::uint8_t>;

inline Octets aes(const std::array<std::uint8_t, 16>& key, Octets block) {
  aes128_ctx context;
  aes128_set_encrypt_key(&context, key.data());
  aes128_encrypt(&context, block.size(), block.data(), block.data());
  return block;
}

inline Nibbles split(const Octets& octets) {
  Nibbles nibbles;
  for (const auto octet : octets) {
    nibbles.push_back(octet >> 4);
    nibbles.push_back(octet & 15);
  }
  return nibbles;
}

inline Octets join(const Nibbles& nibbles) {
  Octets octets;
  for (std::size_t i = 0; i < nibbles.size(); i += 2)
    octets.push_back(static_cast<std::uint8_t>(nibbles[i] << 4 | nibbles[i + 1]));
  return octets;
}

/// `to` xor the cipher of `from`; both are the nibbles that a half has, `left` says where the half
/// octet of an odd length lies in each.
inline Nibbles feistel(const Nibbles& to, const Nibbles& from, bool from_left, std::size_t length,
                       std::uint8_t pass, const std::array<std::uint8_t, 16>& key) {
  Nibbles padded = from;
  const bool odd = length % 2 != 0;
  if (odd) padded.insert(from_left ? padded.end() : padded.begin(), 0);
  Octets block = join(padded);
  block.resize(14);
  block.push_back(static_cast<std::uint8_t>(length));
  block.push_back(pass);
  const Nibbles cipher = split(aes(key, block));
  const std::size_t skip = odd && from_left ? 1 : 0;  // the right half begins with half an octet
  Nibbles result;
  for (std::size_t i = 0; i < to.size(); ++i) result.push_back(to[i] ^ cipher[i + skip]);
  return result;
}

}  // namespace detail

/// A connection id for a server id and a nonce of the lengths in `config`; its first octet says its
/// length.
inline Octets make_cid(const QuicLbConfig& config, const Octets& server_id, const Octets& nonce) {
  Octets plain = server_id;
  plain.insert(plain.end(), nonce.begin(), nonce.end());
  const std::size_t length = plain.size();
  if (config.key && length == 16) {
    plain = detail::aes(*config.key, plain);
  } else if (config.key) {
    const auto nibbles = detail::split(plain);
    const auto middle = nibbles.begin() + static_cast<std::ptrdiff_t>(length);
    detail::Nibbles left(nibbles.begin(), middle);
    detail::Nibbles right(middle, nibbles.end());
    for (std::uint8_t pass = 1; pass <= 4; ++pass) {
      if (pass % 2 == 1)
        right = detail::feistel(right, left, true, length, pass, *config.key);
      else
        left = detail::feistel(left, right, false, length, pass, *config.key);
    }
    left.insert(left.end(), right.begin(), right.end());
    plain = detail::join(left);
  }
  Octets cid{static_cast<std::uint8_t>(unsigned{config.rotation} << 5U | length)};
  cid.insert(cid.end(), plain.begin(), plain.end());
  return cid;
}

}  // namespace sluice::test
