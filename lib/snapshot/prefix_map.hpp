// SPDX-License-Identifier: Apache-2.0
// Prefix map: an address to the value of the longest IP prefix that holds it. Immutable once built.
//
// Threads: built on the slow path; look-ups from any number of workers at once.
#pragma once

#include "base/address.hpp"
#include "base/byte_order.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::snapshot {

/// Disjoint ranges that cover all keys, each with a value, as a tree of cache lines without
/// pointers: the children of a node are where arithmetic says. Ranges are told by their last key.
template <class Key>
class RangeTree {
 public:
  static constexpr std::size_t kKeys = 64 / sizeof(Key);  ///< Of an inner node; a child more.
  /// Ranges of a leaf, which keeps keys and values in one line.
  static constexpr std::size_t kRanges = 64 / (sizeof(Key) + sizeof(std::uint32_t));

  struct Range {
    Key last;
    std::uint32_t value;
  };

  RangeTree() = default;
  /// @param ranges  ascending; the last one ends at the largest key.
  explicit RangeTree(std::span<const Range> ranges);

  /// Value of the range that holds `key`. The tree is not empty.
  /// Cost: one line a level; levels() of them.
  [[nodiscard]] std::uint32_t find(Key key) const noexcept {
    std::size_t node = 0;
    for (std::size_t level = 0; level < inner_levels_; ++level)
      node = node * (kKeys + 1) + before(inner_[first_[level] + node].last, key);
    const Leaf& leaf = leaves_[node];
    return leaf.value[before(leaf.last, key)];
  }

  [[nodiscard]] bool empty() const noexcept { return leaves_.empty(); }
  [[nodiscard]] std::size_t levels() const noexcept { return inner_levels_ + 1; }
  [[nodiscard]] std::size_t leaf_bytes() const noexcept { return leaves_.size() * sizeof(Leaf); }
  [[nodiscard]] std::size_t inner_bytes() const noexcept { return inner_.size() * sizeof(Inner); }

 private:
  struct alignas(64) Inner {
    std::array<Key, kKeys> last;  ///< Of the children but the last one.
  };
  struct alignas(64) Leaf {
    std::array<Key, kRanges> last;
    std::array<std::uint32_t, kRanges> value;
  };

  /// How many of `last` are before `key`; no branch that depends on them.
  template <std::size_t n>
  [[nodiscard]] static std::size_t before(const std::array<Key, n>& last, Key key) noexcept {
    unsigned count = 0;
    for (const Key k : last) count += k < key ? 1U : 0U;
    return count;
  }

  static constexpr std::size_t kMostLevels = 12;
  std::array<std::size_t, kMostLevels> first_{};  ///< Where each level begins in `inner_`.
  std::size_t inner_levels_ = 0;
  std::vector<Inner> inner_;  ///< Level by level from the root.
  std::vector<Leaf> leaves_;
};

class PrefixMap {
 public:
  static constexpr std::uint32_t kNone = 0x7fffffff;  ///< Also the largest value there is.

  struct Entry {
    IpPrefix prefix;
    std::uint32_t value;  ///< Below kNone.
  };

  PrefixMap() = default;  ///< Holds no address.
  /// @param entries  of both families; of equal prefixes the last counts.
  /// Cost: sorting; 16 bytes a prefix and 5 % for IPv4, 26 bytes for IPv6.
  explicit PrefixMap(std::span<const Entry> entries);

  /// Value of the longest prefix that holds an address, or kNone. Words as they stand in a packet.
  ///
  /// Cost, for IPv4 with 100,000 prefixes: 5 lines, of which the four inner levels are 110 KB that
  /// stay in the second cache, and the leaf, of 1.6 MB, is the one that may be cold. For IPv6 the
  /// upper 64 bits go first: 6 lines, of which the last inner level (0.3 MB) and the leaf (2.6 MB)
  /// may be cold; then a tree of its own for each /64 that holds a longer prefix.
  [[nodiscard]] std::uint32_t find(const std::uint32_t (&words)[4],
                                   std::uint8_t family) const noexcept {
    if (family == 4) return v4_.empty() ? kNone : v4_.find(host(words[0]));
    if (v6_.empty()) return kNone;
    const std::uint32_t value = v6_.find(pair(words[0], words[1]));
    return value < kDeeper ? value : deeper_[value - kDeeper].find(pair(words[2], words[3]));
  }

  [[nodiscard]] bool empty() const noexcept { return v4_.empty() && v6_.empty(); }
  [[nodiscard]] const RangeTree<std::uint32_t>& v4() const noexcept { return v4_; }
  [[nodiscard]] const RangeTree<std::uint64_t>& v6() const noexcept { return v6_; }

 private:
  static constexpr std::uint32_t kDeeper = 0x80000000;  ///< From here on: a tree of `deeper_`.

  [[nodiscard]] static std::uint32_t host(std::uint32_t word) noexcept {
    return Be32::from_wire(word).to_host();
  }
  [[nodiscard]] static std::uint64_t pair(std::uint32_t high, std::uint32_t low) noexcept {
    return std::uint64_t{host(high)} << 32 | host(low);
  }
  void build_v6(std::span<const Entry> entries);

  RangeTree<std::uint32_t> v4_;
  RangeTree<std::uint64_t> v6_;                   ///< By the upper half of an address.
  std::vector<RangeTree<std::uint64_t>> deeper_;  ///< By the lower half.
};

}  // namespace sluice::snapshot
