// SPDX-License-Identifier: Apache-2.0
// Index of NAT sessions: from a hash to the sessions that may have it, one line a look-up. Both
// sides of a session are entered in one index.
//
// Threads: one worker owns it; any thread may peek().
#pragma once

#include "flow/cache.hpp"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::flow {

/// Seven entries and how many others have gone past this line because it was full: as long as that
/// is 0 a search ends here, and taking an entry out leaves nothing behind.
struct alignas(64) NatIndexLine {
  static constexpr unsigned kEntries = 7;
  std::uint32_t tag[8];    ///< Upper halves of the hashes; the last word is `passed`.
  std::uint32_t entry[8];  ///< 0: free. The last word is not used.
  [[nodiscard]] std::uint32_t& passed() noexcept { return tag[kEntries]; }
  [[nodiscard]] std::uint32_t passed() const noexcept { return tag[kEntries]; }
};
static_assert(sizeof(NatIndexLine) == 64);

class NatIndex {
 public:
  /// Lines for `entries` entries: at most five of seven ways are taken on average.
  [[nodiscard]] static std::size_t lines_for(std::size_t entries) noexcept {
    return std::bit_ceil(std::max<std::size_t>(1, entries / 5 + 1));
  }
  /// @param lines  zeroed, a power of two of them; never more than 7 entries each are put in.
  explicit NatIndex(std::span<NatIndexLine> lines) noexcept
      : lines_(lines.data()), mask_(lines.size() - 1) {}

  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&lines_[hash & mask_]); }

  /// Entry of the first way of the home line that has the tag, or 0: what find() will ask for.
  [[nodiscard]] std::uint32_t guess(std::uint64_t hash) const noexcept {
    const NatIndexLine& line = lines_[hash & mask_];
    const unsigned ways = matches(line, static_cast<std::uint32_t>(hash >> 32));
    return ways == 0 ? 0 : line.entry[std::countr_zero(ways)];
  }

  /// The first entry with this hash's tag that is_it(entry) takes, or 0.
  template <class IsIt>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const noexcept {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t n = 0; n <= mask_; ++n) {
      const NatIndexLine& line = lines_[(hash + n) & mask_];
      for (unsigned ways = matches(line, tag); ways != 0; ways &= ways - 1) {
        const std::uint32_t entry = line.entry[std::countr_zero(ways)];
        if (entry != 0 && is_it(entry)) return entry;
      }
      if (line.passed() == 0) break;
    }
    return 0;
  }

  /// find() for another thread than the owner's: an entry that is moved meanwhile may be missed.
  template <class IsIt>
  void peek(std::uint64_t hash, IsIt&& is_it) const noexcept {
    const auto load = [](std::uint32_t& word) {
      return std::atomic_ref(word).load(std::memory_order_relaxed);
    };
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t n = 0; n <= mask_; ++n) {
      NatIndexLine& line = lines_[(hash + n) & mask_];
      for (unsigned way = 0; way < NatIndexLine::kEntries; ++way) {
        const std::uint32_t entry = load(line.entry[way]);
        if (entry != 0 && load(line.tag[way]) == tag && is_it(entry)) return;
      }
      if (load(line.passed()) == 0) return;
    }
  }

  /// Enters `entry` (not 0). There is a free way: see the constructor.
  void insert(std::uint64_t hash, std::uint32_t entry) noexcept {
    for (std::size_t n = 0; n <= mask_; ++n) {
      NatIndexLine& line = lines_[(hash + n) & mask_];
      for (unsigned way = 0; way < NatIndexLine::kEntries; ++way) {
        if (line.entry[way] != 0) continue;
        detail::put(line.tag[way], static_cast<std::uint32_t>(hash >> 32));
        detail::put(line.entry[way], entry);
        return;
      }
      detail::put(line.passed(), line.passed() + 1);
    }
  }

  /// Takes out what insert(hash, entry) entered.
  void remove(std::uint64_t hash, std::uint32_t entry) noexcept {
    for (std::size_t n = 0; n <= mask_; ++n) {
      NatIndexLine& line = lines_[(hash + n) & mask_];
      for (unsigned way = 0; way < NatIndexLine::kEntries; ++way) {
        if (line.entry[way] != entry) continue;
        detail::put(line.entry[way], std::uint32_t{0});
        return;
      }
      detail::put(line.passed(), line.passed() - 1);
    }
  }

 private:
  /// One bit a way whose tag is `tag`; free ways are among them.
  [[nodiscard]] static unsigned matches(const NatIndexLine& line, std::uint32_t tag) noexcept {
    const auto wanted = _mm_set1_epi32(static_cast<int>(tag));
    const auto* tags = reinterpret_cast<const __m128i*>(line.tag);
    const auto low = _mm_cmpeq_epi32(_mm_load_si128(tags), wanted);
    const auto high = _mm_cmpeq_epi32(_mm_load_si128(tags + 1), wanted);
    return (static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(low))) |
            static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(high))) << 4) &
           0x7fU;
  }

  NatIndexLine* lines_;
  std::size_t mask_;
};

}  // namespace sluice::flow
