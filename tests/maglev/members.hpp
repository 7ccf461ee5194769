// SPDX-License-Identifier: Apache-2.0
// Members for the tests of the lookup table.
//
// Threads: values.
#pragma once

#include "maglev/table.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::maglev {

inline constexpr std::uint32_t kSize = 65537;  ///< Entries of a table, where a test wants no other.

/// `count` members of weight 1, named PREFIX-0, PREFIX-1, ...; the value is the number in the name.
inline std::vector<Member> equal_members(std::size_t count, std::string_view prefix = "gpu") {
  std::vector<Member> members;
  for (std::size_t i = 0; i < count; ++i)
    members.push_back({member_id(fmt::format("{}-{}", prefix, i)), 1, static_cast<Slot>(i)});
  return members;
}

inline std::vector<Member> weighted_members(const std::vector<std::uint32_t>& weights) {
  auto members = equal_members(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) members[i].weight = weights[i];
  return members;
}

/// Entries that hold each value below `values`.
inline std::vector<std::size_t> shares(const Table& table, std::size_t values) {
  std::vector<std::size_t> count(values);
  for (const Slot slot : table.slots()) ++count.at(slot);
  return count;
}

}  // namespace sluice::maglev
