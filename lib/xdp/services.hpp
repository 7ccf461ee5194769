// SPDX-License-Identifier: Apache-2.0
// The service map: made equal to a set of services while the kernel reads it.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"
#include "xdp/filter.hpp"
#include "xdp/layout.h"

#include <span>

namespace sluice::xdp {

/// The key of an address, port (host order) and protocol; 0 and 0: of the address itself.
[[nodiscard]] sluice_xdp_service_key key_of(const IpAddress& address, std::uint16_t port = 0,
                                            std::uint8_t protocol = 0);

/// As Filter::set_services(); `map` is a descriptor of sluice_services.
[[nodiscard]] Result<void> make_service_map_equal(int map, std::span<const ServiceEntry> services,
                                                  std::span<const NatEntry> nat);

}  // namespace sluice::xdp
