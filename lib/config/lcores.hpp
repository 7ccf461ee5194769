// SPDX-License-Identifier: Apache-2.0
// Lists of lcores as the EAL's --lcores option writes them: "0-3,6", and "1@0" for lcore 1 on CPU
// 0.
//
// Threads: any.
#pragma once

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

inline constexpr unsigned kMostLcores = 128;  ///< RTE_MAX_LCORE of DPDK as it is packaged.

struct LcoreFlaw {
  std::string what;
  std::string remedy;
};

/// One lcore and the CPU that it runs on, which is the one of its own number unless a list says
/// otherwise. Several may share a CPU; they then take turns.
struct Lcore {
  unsigned number = 0;
  unsigned cpu = 0;

  friend bool operator==(const Lcore&, const Lcore&) = default;
};

/// The lcores of a list, ascending. Sets ("(0-1)@2", "0-1@2") are not taken.
/// @return what is wrong with it: no list, a number of kMostLcores or above, a range that runs
///         backwards, or an lcore that is named twice.
[[nodiscard]] tl::expected<std::vector<Lcore>, LcoreFlaw> parse_lcores(std::string_view list);

}  // namespace sluice::config
