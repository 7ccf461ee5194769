// SPDX-License-Identifier: Apache-2.0
#include "control/standing.hpp"

#include <fmt/chrono.h>

namespace sluice::control {

std::string rfc3339(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace sluice::control
