// SPDX-License-Identifier: Apache-2.0
// Metrics of the slow path itself, of ports and their filters, and of how tables are shared out.
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
  out.gauge("sluice_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was taken, in seconds since 1970.");
  out.sample(std::chrono::duration<double>(scene.standing.loaded.time_since_epoch()).count());
  out.gauge("sluice_config_last_reload_faults", "Faults that the last reload was refused for.");
  out.sample(std::uint64_t{reload.faults.size()});
  if (scene.standing.turns == nullptr) return;
  const TurnTimes& turns = *scene.standing.turns;
  out.histogram("sluice_control_turn_seconds",
                "Time between two waits of the slow path's loop: what an answer may have to wait.");
  out.buckets(TurnTimes::kBounds, turns.by_time, seconds(turns.time));
  out.histogram("sluice_control_turn_processor_seconds",
                "What those turns took of a processor: less than the time when others had it.");
  out.buckets(TurnTimes::kBounds, turns.by_processor_time, seconds(turns.processor_time));
  out.gauge("sluice_control_longest_turn_seconds",
            "The longest time between two waits of the slow path's loop since its start.");
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
  out.counter("sluice_port_rx_packets", "Packets that a port received.");
  each(&Status::rx_packets);
  out.counter("sluice_port_rx_missed_packets",
              "Packets that a port had no room for: workers were too slow.");
  each(&Status::rx_missed);
  out.counter("sluice_port_rx_errors", "Packets that a port received damaged.");
  each(&Status::rx_errors);
  out.counter("sluice_port_tx_packets", "Packets that a port sent.");
  each(&Status::tx_packets);
  out.counter("sluice_port_tx_errors", "Packets that a port could not send.");
  each(&Status::tx_errors);
  out.counter("sluice_xdp_packets", "Packets by what the XDP filter did with them.");
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (const auto& filter = scene.fast_path.filters()[i])
      for (const auto& stat : scene.fast_path.filter_statistics(filter->interface))
        out.sample(stat.packets, {{"port", scene.model.ports()[i].name}, {"action", stat.name}});
}

void put_tables(Exposition& out, const Scene& scene) {
  const auto& now = scene.model.snapshot();
  const auto& pools = scene.model.running().pools;
  out.gauge("sluice_backend_table_ratio", "Share of its pool's table that a backend has.");
  std::vector<std::uint32_t> entries(now.backends.size());
  for (std::size_t p = 0; p < pools.size(); ++p) {
    const auto slots = now.pools[p].slots;
    for (const auto number : slots) ++entries[number];
    for (const auto& backend : pools[p].backends) {
      auto& held = entries[scene.model.number(pools[p], backend)];
      const double share =
          slots.empty() ? 0.0 : static_cast<double>(held) / static_cast<double>(slots.size());
      out.sample(share, {{"pool", pools[p].name}, {"backend", backend.name}});
      held = 0;  // numbers are the pool's own: ready for the next
    }
  }
}

}  // namespace sluice::control
