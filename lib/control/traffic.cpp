// SPDX-License-Identifier: Apache-2.0
#include "control/traffic.hpp"

#include <span>

namespace sluice::control {
namespace {

Traffic sum(const FastPath& fast_path, std::uint16_t number,
            std::span<dataplane::Traffic> dataplane::Counters::*which) {
  Traffic sum;
  for (const auto& worker : fast_path.workers()) {
    const auto counted = worker->counters().*which;
    if (number >= counted.size()) continue;
    sum.packets += counted[number].packets.value();
    sum.bytes += counted[number].bytes.value();
    sum.new_flows += counted[number].new_flows.value();
    sum.unserved += counted[number].unserved.value();
  }
  return sum;
}

}  // namespace

Traffic traffic_of_service(const FastPath& fast_path, std::uint16_t number) {
  return sum(fast_path, number, &dataplane::Counters::by_service);
}

Traffic traffic_of_backend(const FastPath& fast_path, std::uint16_t number) {
  return sum(fast_path, number, &dataplane::Counters::by_backend);
}

}  // namespace sluice::control
