// SPDX-License-Identifier: Apache-2.0
// Decimals as they are written and read again.
//
// Threads: any.
#pragma once

#include <cstdint>

namespace sluice::plan {

/// The double nearest to `value` written with `digits` (0 to 9) decimals: exact halves of the
/// binary value go to the even digit, as in every correct conversion to decimal. `value`: finite,
/// below 1e15 in size. Cost: about 150 ns.
[[nodiscard]] double round_decimals(double value, int digits) noexcept;

/// ceil(value) as a count of backends: 0 for what is negative or no number, at most 4e9.
[[nodiscard]] std::int64_t ceil_count(double value) noexcept;

}  // namespace sluice::plan
