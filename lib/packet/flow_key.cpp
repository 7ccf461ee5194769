// SPDX-License-Identifier: Apache-2.0
#include "packet/flow_key.hpp"

#include <cstddef>

namespace sluice {
namespace {

constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15U;

// Output function of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
constexpr std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// Two generators, one on each half, the first feeding the second: a xor of them would cancel out
// where the halves are equal.
constexpr HashKey expand(std::uint64_t high, std::uint64_t low) noexcept {
  HashKey secret{};
  const auto next = [&]() noexcept {
    high += kGoldenRatio;
    low += kGoldenRatio;
    return mix(mix(high) + low);
  };
  for (std::size_t i = 0; i < 10; i += 2) {
    const std::uint64_t pair = next();
    secret.word[i] = static_cast<std::uint32_t>(pair);
    secret.word[i + 1] = static_cast<std::uint32_t>(pair >> 32);
  }
  secret.tail = next();
  return secret;
}

// std::from_chars would take fewer digits than there are; a secret is taken whole or not at all.
constexpr std::optional<std::uint64_t> digits(std::string_view sixteen) noexcept {
  std::uint64_t r = 0;
  for (const char c : sixteen) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    r = r << 4 | digit;
  }
  return r;
}

}  // namespace

std::optional<HashKey> parse_hash_key(std::string_view hex) noexcept {
  if (hex.size() != 32) return std::nullopt;
  const auto high = digits(hex.substr(0, 16));
  const auto low = digits(hex.substr(16));
  if (!high || !low) return std::nullopt;
  return expand(*high, *low);
}

HashKey default_hash_key() noexcept {
  return expand(0x243f6a8885a308d3U, 0x13198a2e03707344U);  // the fraction of pi: nothing is hidden
}

}  // namespace sluice
