// SPDX-License-Identifier: Apache-2.0
// A run as a picture: demand and capacity, the queue, backends and decisions over one time axis.
//
// Threads: any.
#pragma once

#include "plan/simulated_pool.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::plan {

/// SVG, well-formed XML, readable on light and dark ground. Each column of the picture has the
/// least and the greatest value of its seconds, so that no burst is lost; the size does not depend
/// on the length of the trace: under 500 kB.
/// @param title  any bytes; what is not printable ASCII is left out.
/// @param need   backends_needed() of the same arrivals and pool.
/// Cost: linear, about 20 ns a second.
[[nodiscard]] std::string plot_svg(std::string_view title, const Arrivals& arrivals,
                                   const PoolModel& pool, std::span<const std::uint32_t> need,
                                   const Course& course);

}  // namespace sluice::plan
