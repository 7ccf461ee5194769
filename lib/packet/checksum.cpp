// SPDX-License-Identifier: Apache-2.0
#include "packet/checksum.hpp"

#include "packet/headers.hpp"

namespace sluice {

namespace {

std::uint64_t eight(const std::byte* at) noexcept { return wire::load<std::uint64_t>(at); }

/// a + b, the carry added at the other end: the sum of 16-bit words is that of 64-bit ones, modulo
/// 65535.
std::uint64_t add(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t sum = a + b;
  return sum + (sum < a ? 1 : 0);
}

}  // namespace

std::uint64_t checksum_sum(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sum = 0;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 32; at += 32, left -= 32)
    sum = add(add(add(add(sum, eight(at)), eight(at + 8)), eight(at + 16)), eight(at + 24));
  for (; left >= 8; at += 8, left -= 8) sum = add(sum, eight(at));
  std::uint64_t rest = 0;  // by size: a copy of any length is a call
  if ((left & 4U) != 0) {
    rest += wire::load<std::uint32_t>(at);
    at += 4;
  }
  if ((left & 2U) != 0) {
    rest += wire::load<std::uint16_t>(at);
    at += 2;
  }
  if ((left & 1U) != 0) rest += wire::load<std::uint8_t>(at);  // little endian: a zero follows
  sum = add(sum, rest);
  return (sum & 0xffffffffU) + (sum >> 32);
}

}  // namespace sluice
