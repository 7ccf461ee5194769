// SPDX-License-Identifier: Apache-2.0
// What a configuration says about scaling: how a pool's load is measured, how the number of its
// backends is decided, and who starts and stops them.
//
// Threads: values.
#pragma once

#include "base/address.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::config {

/// A kind of backend, for capacity and cost.
struct BackendClass {
  std::string name;
  double capacity = 1;        ///< Requests a second that one backend completes in time.
  double service_time_s = 1;  ///< Seconds a request takes on an idle backend.
  double price_per_hour = 0;
  double cold_start_s = 0;           ///< From the decision to start one to its first answer.
  double wake_s = 0;                 ///< From asleep to its first answer; 0: it cannot sleep.
  double asleep_price_per_hour = 0;  ///< While it sleeps.
  unsigned asleep = 0;               ///< Kept asleep rather than stopped, at most.
  unsigned min = 0;                  ///< Never fewer of this class, awake.
  unsigned max = 0;                  ///< Never more; 0: as many as the pool may have.
  std::string domain = {};           ///< What fails as one: a rack, a provider; empty: itself.

  friend bool operator==(const BackendClass&, const BackendClass&) = default;
};

/// How a backend tells its load, by names of metrics that change between versions.
enum class MetricsType : std::uint8_t { kVllm, kSglang, kTensorRtLlm, kTriton, kTgi, kCustom };

/// A number out of a scrape: the first of `names` that has samples counts.
struct MetricChoice {
  enum class Of : std::uint8_t { kSum, kMean, kMax };
  std::vector<std::string> names = {};
  std::vector<std::string> labels = {};  ///< "name=value", all of which a sample must have.
  Of of = Of::kSum;

  friend bool operator==(const MetricChoice&, const MetricChoice&) = default;
};

/// Where a pool's backends tell their load (Prometheus text), and under which names.
struct Metrics {
  MetricsType type = MetricsType::kVllm;
  std::uint16_t port = 0;  ///< 0: the type's own, else the backend's, else the service's.
  std::string path = {};   ///< Empty: /metrics.
  std::chrono::milliseconds interval{1000};
  std::chrono::milliseconds timeout{500};
  std::chrono::milliseconds stale_after{0};  ///< 0: three intervals.
  MetricChoice running = {};    ///< Empty names: those of the type. Requests in service.
  MetricChoice waiting = {};    ///< Requests in a queue.
  MetricChoice completed = {};  ///< Counter of requests that are done.
  MetricChoice cache = {};      ///< Share of the cache in use, 0 to 1.

  friend bool operator==(const Metrics&, const Metrics&) = default;
};

enum class ScalePolicy : std::uint8_t {
  kThreshold,
  kTarget,
  kPredictive,
  kScheduled,
  kCostAware,
};
/// Whether decisions are carried out, or only told.
enum class ScaleMode : std::uint8_t { kAct, kAdvise };

enum class ForecastKind : std::uint8_t {
  kEnsemble,
  kLastValue,
  kQuantile,
  kLinear,
  kHoltWinters,
  kArima,
  kKalman,
  kNetwork,
};

/// Bounds that hold at certain times, by cron's five fields in UTC.
struct ScheduleEntry {
  std::string cron;  ///< When it begins: "0 8 * * 1-5".
  std::chrono::seconds duration{3600};
  unsigned min = 0;
  unsigned max = 0;  ///< 0: no bound.

  friend bool operator==(const ScheduleEntry&, const ScheduleEntry&) = default;
};

/// Policy "threshold": a step at a time while the utilisation is outside.
struct Thresholds {
  double up = 0.8;
  double down = 0.4;
  unsigned step_up = 1;
  unsigned step_down = 1;

  friend bool operator==(const Thresholds&, const Thresholds&) = default;
};

enum class ActuatorType : std::uint8_t { kStandby, kCommand, kWebhook, kKubernetes, kMetric };

/// A backend that is there already and enters the table when it is wanted.
struct StandbyBackend {
  std::string name;
  IpAddress address;
  std::uint16_t port = 0;
  std::string backend_class = {};  ///< JSON key "class"; empty: the first one.

  friend bool operator==(const StandbyBackend&, const StandbyBackend&) = default;
};

/// Who starts and stops backends; see docs/operate/autoscaling.md.
struct Actuator {
  ActuatorType type = ActuatorType::kMetric;
  std::vector<StandbyBackend> backends = {};  ///< Of `standby`.
  std::vector<std::string> command = {};      ///< Of `command`: program and arguments; no shell.
  std::string url = {};                       ///< Of `webhook`; of `kubernetes`: the API server.
  std::string secret_file = {};               ///< Of `webhook`: key of the signature.
  std::string token_file = {};                ///< Of `kubernetes`.
  std::string ca_file = {};     ///< Of `webhook` and `kubernetes`; empty: the system's.
  std::string name_space = {};  ///< Of `kubernetes`; JSON key "namespace".
  std::string workload = {};    ///< "deployments/NAME" or "statefulsets/NAME".
  std::string endpoints = {};   ///< Name of the Service whose EndpointSlices are read.
  std::chrono::milliseconds timeout{10'000};
  unsigned retries = 5;  ///< Of one order, with growing pauses.

  friend bool operator==(const Actuator&, const Actuator&) = default;
};

struct Autoscale {
  ScalePolicy policy = ScalePolicy::kPredictive;
  ScaleMode mode = ScaleMode::kAct;
  unsigned min = 1;
  unsigned max = 1;
  double target_utilisation = 0.8;
  double tick_s = 5;
  double slo_wait_s = 5;  ///< Longest time that a request should wait in a queue.
  ForecastKind forecaster = ForecastKind::kEnsemble;
  double season_s = 0;         ///< Period of the load; 0: found.
  double tolerance = 0.1;      ///< Change of the need, relative, that is not acted on.
  double late_cost = 20;       ///< What a late request costs, in requests served.
  double stabilisation_s = 0;  ///< A fall of the need counts after it; 0: as the policy has it.
  double hold_s = 0;           ///< Least life of a backend; 0: its cold start and its drain.
  double cooldown_s = 0;       ///< Least time between two steps down.
  unsigned step_up = 0;        ///< Backends at once, at most; 0: any number.
  unsigned step_down = 0;
  double idle_s = 300;          ///< Of `min` 0: time without demand before the last one goes.
  double budget_per_hour = 0;   ///< 0: none.
  double max_domain_share = 1;  ///< Of the backends, that one failure domain may have.
  std::chrono::seconds drain_limit{600};  ///< A victim is stopped after it, with flows or without.
  Thresholds thresholds = {};
  std::vector<ScheduleEntry> schedule = {};
  Actuator actuator = {};

  friend bool operator==(const Autoscale&, const Autoscale&) = default;
};

}  // namespace sluice::config
