// SPDX-License-Identifier: Apache-2.0
// Metrics of what the XDP filter tells of backends.
#include "control/metrics.hpp"

namespace sluice::control {

void put_driver(telemetry::Exposition& out, const FastPath& fast_path) {
  if (fast_path.driver_events_fd() < 0) return;
  begin(out, "sluice_xdp_backend_signs");
  const auto& counts = fast_path.driver_event_counts();
  for (std::size_t kind = 0; kind < counts.size(); ++kind)
    out.sample(counts[kind], {{"sign", xdp::name(static_cast<xdp::BackendEvent::Kind>(kind))}});
  begin(out, "sluice_xdp_backend_signs_lost");
  out.sample(fast_path.driver_events_lost());
}

}  // namespace sluice::control
