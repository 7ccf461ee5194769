// SPDX-License-Identifier: Apache-2.0
// Lists of lcores as the EAL's -l option writes them: "0-3,6".
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

/// The lcores of a list, ascending. Maps ("0@1", "(0-1)@2") are not taken.
/// @return what is wrong with it: no list, a number of kMostLcores or above, a range that runs
///         backwards, or an lcore that is named twice.
[[nodiscard]] tl::expected<std::vector<unsigned>, LcoreFlaw> parse_lcores(std::string_view list);

}  // namespace sluice::config
