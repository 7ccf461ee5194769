// SPDX-License-Identifier: Apache-2.0
// The race of a table's members for its entries, which decides who has which; what it is and why,
// is in docs/design/maglev.md. Of table.cpp only.
//
// Threads: one.
#pragma once

#include "maglev/course.hpp"
#include "maglev/table.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sluice::maglev {

/// Every member visits all entries in the order of its permutation at a speed in proportion to its
/// weight; an entry belongs to whoever comes first (of equals the lower id) among those with room
/// in their quota. When a member comes to an entry does not depend on who else is there, so a
/// change of the set disturbs only what it must.
///
/// Members run in any order here; one who comes earlier than the present owner displaces it, and
/// the displaced one runs on (deferred acceptance: the result does not depend on the order of
/// running). Passes of limited time keep displacements few and let one bit tell that an entry is
/// out of reach. When few entries are open, members no longer look for them on their way: each
/// works out when it comes to which.
class Race {
 public:
  /// @param members  with weight, sorted by id, no more than the course has entries.
  Race(std::span<const Member> members, const Course& course);

  /// @return what each entry holds: the value of the member that won it. Once.
  [[nodiscard]] std::vector<Slot> run();

 private:
  static constexpr std::uint32_t kBlock = 32;  ///< Steps looked at together.
  static constexpr std::uint32_t kLanes = 8;   ///< Of which so many are worked out at once.
  static_assert(kBlock <= Course::kOverlap && kBlock % kLanes == 0);

  /// A member on its way through its permutation of the entries.
  struct Runner {
    std::uint32_t stride;  ///< Multiplies the scrambled number.
    std::uint32_t offset;  ///< Added to it.
    std::uint32_t origin;  ///< Where in the scrambled order the member began.
    std::uint32_t step;    ///< Steps done.
    std::uint32_t wanted;  ///< Entries still to win.
    float pace;            ///< Time it takes for a unit of step time: 1 / weight.
  };

  /// When an entry's owner came, as the bits of a float, and who it is, in the lowest 16: of two
  /// claims the lower number is the better one.
  using Claim = std::uint64_t;
  static constexpr Claim kOpen = std::numeric_limits<Claim>::max();

  [[nodiscard]] float arrival(const Runner& r, std::uint32_t step) const noexcept;
  [[nodiscard]] Claim claim(const Runner& r, std::uint16_t i, std::uint32_t step) const noexcept;
  [[nodiscard]] std::uint32_t steps_until(const Runner& r, float until) noexcept;
  [[nodiscard]] float earliest() const noexcept;
  void pass(float until);
  void run_one(std::uint16_t i, std::uint32_t end);
  void take(std::uint32_t entry, Claim from);
  [[nodiscard]] std::vector<std::uint32_t> open_entries() const;
  void finish();
  void steps_to(const Runner& r, std::span<const std::uint32_t> entry,
                std::uint32_t* step) const noexcept;

  std::span<const Member> members_;
  const Course& course_;
  std::vector<Runner> runners_;
  std::vector<std::uint16_t> running_;    ///< Positions of members that want entries.
  std::vector<Claim> claims_;             ///< One an entry.
  std::vector<std::uint32_t> unclaimed_;  ///< One bit an entry: it has no owner.
  std::vector<std::uint32_t> unsettled_;  ///< Likewise: somebody may still come first there.
  std::uint32_t open_;                    ///< Entries without owner after the last pass.
  float pass_time_;
  float due_pace_ = 0;  ///< For whom due_step_ was worked out in this pass; 0: nobody.
  std::uint32_t due_step_ = 0;
};

}  // namespace sluice::maglev
