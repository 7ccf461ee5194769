// SPDX-License-Identifier: Apache-2.0
#include "packet/checksum.hpp"

#include "packet/headers.hpp"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace sluice {

namespace {

std::uint64_t eight(const std::byte* at) noexcept { return wire::load<std::uint64_t>(at); }

/// a + b, the carry added at the other end: the sum of 16-bit words is that of 64-bit ones, modulo
/// 65535.
std::uint64_t add(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t sum = a + b;
  return sum + (sum < a ? 1 : 0);
}

#ifdef __AVX2__
constexpr std::size_t kWorthIt = 128;  // bytes; shorter ones are summed sooner word by word

/// Adds 32-bit words to four sums, of which none can overflow: a packet has 2^14 words.
__m256i add(__m256i sums, __m256i words) noexcept {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  return _mm256_add_epi64(
      sums, _mm256_add_epi64(_mm256_and_si256(words, low), _mm256_srli_epi64(words, 32)));
}

__m256i wide(const std::byte* at) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

/// The sum of all but the last less than 32 bytes, of which `at` and `left` are then.
std::uint64_t sum_wide(const std::byte*& at, std::size_t& left) noexcept {
  __m256i a = _mm256_setzero_si256();
  __m256i b = a;  // two chains of additions: one would wait for itself
  for (; left >= 64; at += 64, left -= 64) {
    a = add(a, wide(at));
    b = add(b, wide(at + 32));
  }
  if (left >= 32) {
    a = add(a, wide(at));
    at += 32;
    left -= 32;
  }
  const __m256i both = _mm256_add_epi64(a, b);
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<std::uint64_t>(_mm_extract_epi64(two, 1));
}
#endif

}  // namespace

std::uint64_t checksum_sum(std::span<const std::byte> bytes) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = 0;
#ifdef __AVX2__
  if (left >= kWorthIt) sum = sum_wide(at, left);
#endif
  for (; left >= 32; at += 32, left -= 32)
    sum = add(add(add(add(sum, eight(at)), eight(at + 8)), eight(at + 16)), eight(at + 24));
  for (; left >= 8; at += 8, left -= 8) sum = add(sum, eight(at));
  if (left != 0 && bytes.size() >= 8) {
    // The eight bytes that end with the last, without those that were added.
    sum = add(sum, eight(at + left - 8) >> (8 * (8 - left)));
  } else if (left != 0) {
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
  }
  return (sum & 0xffffffffU) + (sum >> 32);
}

}  // namespace sluice
