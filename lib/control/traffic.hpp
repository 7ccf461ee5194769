// SPDX-License-Identifier: Apache-2.0
// Traffic of one service or backend, over all workers.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "control/fast_path.hpp"

#include <cstdint>

namespace sluice::control {

struct Traffic {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t new_flows = 0;
  std::uint64_t unserved = 0;  ///< Of services: attempts at a flow that found no backend.
};

[[nodiscard]] Traffic traffic_of_service(const FastPath& fast_path, std::uint16_t number);
[[nodiscard]] Traffic traffic_of_backend(const FastPath& fast_path, std::uint16_t number);

}  // namespace sluice::control
