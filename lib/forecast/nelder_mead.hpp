// SPDX-License-Identifier: Apache-2.0
// The search of Nelder and Mead for the least value of a function of a few parameters, without
// derivatives.
//
// Threads: a pure function.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace sluice::forecast {

/// @param start  at least one parameter.
/// @param size   of the first simplex, in each parameter.
/// @param most   evaluations, about; it ends sooner when all corners are alike.
/// @return the parameters with the least value seen; `start` is one of those.
/// Source: Nelder, Mead, Computer Journal 7 (1965), with the usual 1, 2, 1/2, 1/2.
[[nodiscard]] std::vector<double> nelder_mead(
    std::vector<double> start, double size, std::size_t most,
    const std::function<double(std::span<const double>)>& value);

}  // namespace sluice::forecast
