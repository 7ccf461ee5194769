// SPDX-License-Identifier: Apache-2.0
// The one table of the node's metrics: what /metrics tells of each and docs/operate/metrics.md too.
//
// Threads: constants.
#pragma once

#include "telemetry/exposition.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace sluice::control {

/// By name. A label that is missing here, or one too many, fails tests/control/metrics_test.cpp.
inline constexpr auto kFamilies = [] {
  using enum telemetry::Type;
  return std::to_array<telemetry::Family>({
      {"sluice_answered_packets", kCounter, "packets", "reason",
       "Packets that the node answered itself, by reason."},
      {"sluice_autoscale_actuator_failures", kCounter, "", "pool", "Orders that came to nothing."},
      {"sluice_autoscale_asleep_backends", kGauge, "backends", "pool,class",
       "Backends that are asleep, by class."},
      {"sluice_autoscale_at_max", kGauge, "", "pool",
       "1 while the maximum keeps backends from starting."},
      {"sluice_autoscale_backlog_requests", kGauge, "requests", "pool", "Requests that wait."},
      {"sluice_autoscale_budget_limited", kGauge, "", "pool",
       "1 while the budget keeps backends from starting."},
      {"sluice_autoscale_cost_per_hour", kGauge, "", "pool",
       "Cost of the backends that are wanted."},
      {"sluice_autoscale_decisions", kCounter, "", "pool,cause", "Decisions by what led to them."},
      {"sluice_autoscale_demand_requests_per_second", kGauge, "requests_per_second", "pool",
       "Load that there is."},
      {"sluice_autoscale_desired_backends", kGauge, "backends", "pool,class",
       "Backends that are wanted, by class."},
      {"sluice_autoscale_draining_backends", kGauge, "backends", "pool,class",
       "Backends that keep flows only, by class."},
      {"sluice_autoscale_forecast_error_ratio", kGauge, "ratio", "pool",
       "Mean error of that forecast, relative to the load."},
      {"sluice_autoscale_forecast_requests_per_second", kGauge, "requests_per_second", "pool",
       "Load that is expected when what is asked for now would serve."},
      {"sluice_autoscale_late_ticks", kCounter, "", "pool",
       "Decisions that came late for want of time."},
      {"sluice_autoscale_orders", kCounter, "", "pool,verb",
       "Orders to the actuator, by what was ordered."},
      {"sluice_autoscale_overridden", kGauge, "", "pool",
       "1 while a count by hand or a pause is in force."},
      {"sluice_autoscale_ready_backends", kGauge, "backends", "pool,class",
       "Backends that take new flows, by class."},
      {"sluice_autoscale_saturation_ratio", kGauge, "ratio", "pool",
       "Load and backlog against the capacity of the ready backends; 1: full."},
      {"sluice_autoscale_starting_backends", kGauge, "backends", "pool,class",
       "Backends on their way to it, by class."},
      {"sluice_autoscale_uncovered_requests_per_second", kGauge, "requests_per_second", "pool",
       "Capacity that is needed and that limits leave uncovered."},
      {"sluice_backend_bytes", kCounter, "bytes", "pool,backend",
       "Bytes of frames forwarded to a backend, as received."},
      {"sluice_backend_falls", kCounter, "", "pool,backend",
       "Times a backend went down or was ejected."},
      {"sluice_backend_new_flows", kCounter, "flows", "pool,backend", "Flows begun at a backend."},
      {"sluice_backend_packets", kCounter, "packets", "pool,backend",
       "Packets forwarded to a backend."},
      {"sluice_backend_state", kGauge, "", "pool,backend,state",
       "State of a backend: 1 for the one it is in."},
      {"sluice_backend_table_ratio", kGauge, "ratio", "pool,backend",
       "Share of its pool's table that a backend has."},
      {"sluice_backend_up", kGauge, "", "pool,backend", "Whether a backend takes new flows."},
      {"sluice_backend_weight", kGauge, "", "pool,backend", "Weight in force."},
      {"sluice_build_info", kGauge, "", "version,isa",
       "Always 1; version and instruction set are its labels."},
      {"sluice_config_last_reload_faults", kGauge, "", "",
       "Faults that the last reload was refused for."},
      {"sluice_config_last_reload_success_timestamp_seconds", kGauge, "seconds", "",
       "When the configuration in force was taken, in seconds since 1970."},
      {"sluice_config_last_reload_successful", kGauge, "", "", "1 when the last reload was taken."},
      {"sluice_control_longest_turn_seconds", kGauge, "seconds", "",
       "The longest time between two waits of the slow path's loop since its start."},
      {"sluice_control_turn_processor_seconds", kHistogram, "seconds", "",
       "What those turns took of a processor: less than the time when others had it."},
      {"sluice_control_turn_seconds", kHistogram, "seconds", "",
       "Time between two waits of the slow path's loop: what an answer may have to wait."},
      {"sluice_dropped_packets", kCounter, "packets", "reason", "Dropped packets by reason."},
      {"sluice_flow_cache_capacity", kGauge, "", "worker", "Flows that a flow cache has room for."},
      {"sluice_flow_cache_evictions", kCounter, "", "worker,state",
       "Flows pushed out of a full line by their state."},
      {"sluice_flow_cache_flows", kGauge, "flows", "worker", "Flows that a flow cache holds."},
      {"sluice_flow_cache_lookups", kCounter, "", "worker,result",
       "Look-ups of the flow cache by result."},
      {"sluice_health_check_duration_seconds", kHistogram, "seconds", "pool",
       "Time from asking a pool's backends to their answer or its time-out."},
      {"sluice_health_checks", kCounter, "", "pool,backend,result",
       "Active checks of a backend by what they found."},
      {"sluice_load_age_seconds", kGauge, "seconds", "pool",
       "Age of the newest figures of any backend of a pool."},
      {"sluice_nat_capacity", kGauge, "", "worker",
       "Sessions that a worker can translate at once."},
      {"sluice_nat_ended_sessions", kCounter, "sessions", "worker,why",
       "Sessions ended by why: their time was over, or they made room for another."},
      {"sluice_nat_opened_sessions", kCounter, "sessions", "worker", "Sessions begun."},
      {"sluice_nat_sessions", kGauge, "sessions", "worker", "Sessions that a worker translates."},
      {"sluice_packets", kCounter, "packets", "outcome",
       "Packets by what became of them; they add up to sluice_rx_packets."},
      {"sluice_pool_panic", kGauge, "", "pool",
       "Whether too few backends are usable, so that all get flows."},
      {"sluice_port_rx_errors", kCounter, "", "port", "Packets that a port received damaged."},
      {"sluice_port_rx_missed_packets", kCounter, "packets", "port",
       "Packets that a port had no room for: workers were too slow."},
      {"sluice_port_rx_packets", kCounter, "packets", "port", "Packets that a port received."},
      {"sluice_port_tx_errors", kCounter, "", "port", "Packets that a port could not send."},
      {"sluice_port_tx_packets", kCounter, "packets", "port", "Packets that a port sent."},
      {"sluice_ready", kGauge, "", "", "1 when the node takes traffic."},
      {"sluice_rx_bytes", kCounter, "bytes", "", "Bytes of the frames that workers received."},
      {"sluice_rx_packets", kCounter, "packets", "port,worker",
       "Packets that workers received, by the port they came in by."},
      {"sluice_scrape_seconds", kCounter, "seconds", "pool",
       "Time that a pool's scrapes took, all together."},
      {"sluice_scraped_bytes", kCounter, "bytes", "pool",
       "Bytes of metrics that a pool's backends sent."},
      {"sluice_scrapes", kCounter, "", "pool,result",
       "Times a pool's backends were asked for their load, by result."},
      {"sluice_service_bytes", kCounter, "bytes", "service",
       "Bytes of frames forwarded for a service, as received."},
      {"sluice_service_new_flows", kCounter, "flows", "service", "Flows begun at a service."},
      {"sluice_service_packets", kCounter, "packets", "service",
       "Packets forwarded for a service."},
      {"sluice_service_unserved_flows", kCounter, "flows", "service",
       "Attempts at a flow that found no backend."},
      {"sluice_silent_backends", kGauge, "backends", "pool",
       "Backends in service whose load is not known."},
      {"sluice_silent_backends_ratio", kGauge, "ratio", "pool",
       "Their share of the pool's backends in service; 0 where none is in service."},
      {"sluice_snapshot_build_seconds", kHistogram, "seconds", "",
       "Time to build new tables and to publish them."},
      {"sluice_snapshot_generation", kGauge, "", "", "Generation of the tables in force."},
      {"sluice_snapshot_grace_seconds", kHistogram, "seconds", "",
       "Time from publishing until no worker held the tables before; looked at each millisecond."},
      {"sluice_tx_bytes", kCounter, "bytes", "", "Bytes of the frames that workers sent."},
      {"sluice_tx_packets", kCounter, "packets", "",
       "Packets that workers sent: forwarded ones and answers."},
      {"sluice_worker_cycles", kCounter, "cycles", "worker,state",
       "TSC cycles by whether the pass found packets."},
      {"sluice_worker_polls", kCounter, "", "worker", "Passes over a worker's queues."},
      {"sluice_xdp_backend_signs", kCounter, "", "sign",
       "Changes of backends' answers that the XDP filter told, by what they said then."},
      {"sluice_xdp_backend_signs_lost", kCounter, "", "",
       "Those that found no room; checks see them late."},
      {"sluice_xdp_packets", kCounter, "packets", "port,action",
       "Packets by what the XDP filter did with them."},
  });
}();
static_assert(std::ranges::is_sorted(kFamilies, {}, &telemetry::Family::name));
static_assert(std::ranges::all_of(kFamilies, telemetry::is_sound));

/// A row of the table by its name; a name that is not in it does not compile.
struct FamilyName {
  consteval FamilyName(const char* name)  // NOLINT: written where a row is meant
      : row(*std::ranges::find(kFamilies, std::string_view(name), &telemetry::Family::name)) {}
  const telemetry::Family& row;
};

/// docs/operate/metrics.md.
[[nodiscard]] std::string metrics_page();

}  // namespace sluice::control
