// SPDX-License-Identifier: Apache-2.0
// Samples of a worker's flow cache, taken from outside while the worker uses it.
//
// Threads: slow path; the cache belongs to a worker.
#pragma once

#include "flow/cache.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace sluice::control {

/// Lines of one cache that one answer looks at, at most: 8 MiB, some milliseconds.
inline constexpr std::size_t kMostSampledLines = 1U << 17U;

/// Calls `take` for entries that are not free, from line `start` (modulo the cache's lines) on and
/// round, until it says false or all lines or kMostSampledLines have been looked at.
/// @return entries looked at, free ones included.
std::uint64_t each_sample(const flow::Cache& cache, std::uint64_t start,
                          const std::function<bool(const flow::Sample&)>& take);

/// The entry of a flow as its worker would find it now; std::nullopt: it does not know the flow.
[[nodiscard]] std::optional<flow::Sample> find_sample(const flow::Cache& cache, std::uint64_t hash,
                                                      flow::Tick now, flow::Tick timeout);

}  // namespace sluice::control
