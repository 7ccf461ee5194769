// SPDX-License-Identifier: Apache-2.0
// Maglev lookup table: maps a flow hash to a backend slot. Immutable once built.
//
// Threads: build() on the slow path only; entry() from any number of workers at once.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::maglev {

using Slot = std::uint16_t;  ///< What an entry holds: the value of the member that owns it.

struct Member {
  std::uint64_t id;      ///< Hash of the backend's name; alone decides the member's permutation.
  std::uint32_t weight;  ///< Relative share; 0 leaves the member out.
  Slot value;            ///< What this member's entries hold.
};

inline constexpr std::uint32_t kDefaultSize = 65537;
inline constexpr std::uint32_t kLargestSize = 8'388'593;  ///< A prime; 16 MiB of entries.

/// The id of a backend's name: the same on every node and in every version.
[[nodiscard]] std::uint64_t member_id(std::string_view name) noexcept;

/// The largest prime not above and the smallest not below `size`, for messages.
[[nodiscard]] std::pair<std::uint32_t, std::uint32_t> nearest_primes(std::uint32_t size) noexcept;
[[nodiscard]] bool is_prime(std::uint32_t size) noexcept;

class Course;

class Table {
 public:
  /// Builds the table that spreads `size` entries over `members` in proportion to their weights.
  /// The same members and size give the same table on every node.
  ///
  /// @param members  at most 65535, distinct ids; their order does not change who gets an entry.
  /// @param size     number of entries, prime, at most kLargestSize, and no fewer than members with
  ///                 weight; a member's share is exact to one entry, so one that is due less than
  ///                 half an entry may get none.
  /// @return the table, or kInvalid (size not prime or out of range, ids repeat, more members than
  ///         entries) or kNotFound (no member has weight).
  ///
  /// Cost: 10 to 20 ns an entry up to a thousand members, 100 in tables that no cache holds; up to
  /// 13 bytes of working memory an entry, and 12 more that tables of one size share. Never call it
  /// from a worker. Source: Eisenbud et al., "Maglev", NSDI 2016, section 3.4; weights and the race
  /// that replaces its turns are ours, see docs/design/maglev.md.
  [[nodiscard]] static Result<Table> build(std::span<const Member> members, std::uint32_t size);

  /// Number of the entry that a flow falls on. `hash`: uniform flow hash, upper half used.
  [[nodiscard]] static std::uint32_t index(std::uint64_t hash, std::uint32_t size) noexcept {
    return static_cast<std::uint32_t>(((hash >> 32) * size) >> 32);  // range reduction, no division
  }

  /// Entry that holds the slot of a flow; never null.
  [[nodiscard]] const Slot* entry(std::uint64_t hash) const noexcept {
    return &slots_[index(hash, static_cast<std::uint32_t>(slots_.size()))];
  }

  [[nodiscard]] std::span<const Slot> slots() const noexcept { return slots_; }

 private:
  Table(std::vector<Slot> slots, std::shared_ptr<const Course> course) noexcept
      : slots_(std::move(slots)), course_(std::move(course)) {}
  std::vector<Slot> slots_;
  std::shared_ptr<const Course> course_;  ///< For the next table of this size.
};

}  // namespace sluice::maglev
