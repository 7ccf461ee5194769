// SPDX-License-Identifier: Apache-2.0
// The service map: made equal to a set of services while the kernel reads it.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"
#include "xdp/filter.hpp"

#include <span>

namespace sluice::xdp {

/// As Filter::set_services(); `map` is a descriptor of sluice_services.
[[nodiscard]] Result<void> make_service_map_equal(int map, std::span<const ServiceEntry> services,
                                                  std::span<const NatEntry> nat);

}  // namespace sluice::xdp
