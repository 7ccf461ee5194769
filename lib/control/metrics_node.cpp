// SPDX-License-Identifier: Apache-2.0
// Metrics of the slow path itself, and of ports and their filters.
#include "control/event_log.hpp"
#include "control/metrics.hpp"

#include <vector>

namespace sluice::control {
namespace {

using telemetry::Exposition;

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void put_slow_path(Exposition& out, const Scene& scene) {
  const auto& reload = scene.standing.last_reload;
  begin(out, "sluice_config_last_reload_success_timestamp_seconds");
  out.sample(std::chrono::duration<double>(scene.standing.loaded.time_since_epoch()).count());
  begin(out, "sluice_config_last_reload_faults");
  out.sample(std::uint64_t{reload.faults.size()});
  const auto put = [&](const Durations& durations) {
    out.buckets(Durations::kBounds, durations.by_time, seconds(durations.time));
  };
  begin(out, "sluice_snapshot_build_seconds");
  put(scene.model.build_times());
  if (scene.standing.grace != nullptr) {
    begin(out, "sluice_snapshot_grace_seconds");
    put(*scene.standing.grace);
  }
  if (scene.standing.turns == nullptr) return;
  const TurnTimes& turns = *scene.standing.turns;
  begin(out, "sluice_control_turn_seconds");
  out.buckets(TurnTimes::kBounds, turns.by_time, seconds(turns.time));
  begin(out, "sluice_control_turn_processor_seconds");
  out.buckets(TurnTimes::kBounds, turns.by_processor_time, seconds(turns.processor_time));
  begin(out, "sluice_control_longest_turn_seconds");
  out.sample(seconds(turns.longest));
}

void put_ports(Exposition& out, const Scene& scene) {
  const auto& ports = scene.fast_path.ports();
  std::vector<dataplane::PortStatus> status;
  for (const auto& port : ports) status.push_back(port.status());
  const auto each = [&](auto field) {
    for (std::size_t i = 0; i < status.size(); ++i)
      out.sample(std::uint64_t{status[i].*field}, {{"port", scene.model.ports()[i].name}});
  };
  using Status = dataplane::PortStatus;
  begin(out, "sluice_port_rx_packets");
  each(&Status::rx_packets);
  begin(out, "sluice_port_rx_missed_packets");
  each(&Status::rx_missed);
  begin(out, "sluice_port_rx_errors");
  each(&Status::rx_errors);
  begin(out, "sluice_port_tx_packets");
  each(&Status::tx_packets);
  begin(out, "sluice_port_tx_errors");
  each(&Status::tx_errors);
  begin(out, "sluice_xdp_packets");
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (const auto& filter = scene.fast_path.filters()[i])
      for (const auto& stat : scene.fast_path.filter_statistics(filter->interface))
        out.sample(stat.packets, {{"port", scene.model.ports()[i].name}, {"action", stat.name}});
}

}  // namespace sluice::control
