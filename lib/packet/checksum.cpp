// SPDX-License-Identifier: Apache-2.0
#include "packet/checksum.hpp"

#include <cstring>

namespace sluice {

// Sums 32 bits at a time in 64: no carry is lost below 2^32 words, and folding is left to the end.
std::uint64_t checksum_sum(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sum = 0;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, 8);
    sum += (eight & 0xffffffffU) + (eight >> 32);
  }
  std::uint64_t rest = 0;  // little endian: the bytes behind an odd last one count as zeros
  if (left != 0) std::memcpy(&rest, at, left);
  return sum + (rest & 0xffffffffU) + (rest >> 32);
}

}  // namespace sluice
