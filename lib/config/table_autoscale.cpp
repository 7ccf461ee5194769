// SPDX-License-Identifier: Apache-2.0
// Fields of scaling: classes of backends, where they tell their load, how many there should be, and
// who starts and stops them.
#include "config/address_codec.hpp"
#include "config/autoscale.hpp"
#include "config/codec.hpp"
#include "config/forms.hpp"
#include "config/tables.hpp"

namespace sluice::config {
namespace {

constexpr std::size_t kLongestPath = 4095;

auto metric_choice() {
  return object<MetricChoice>(
      "metric", "",
      {field("names", kOptional, kReload, &MetricChoice::names,
             ListOf<Text>{form::metric_name(), 0, 16},
             "Names that the metric may have; the first one that has samples counts."),
       field("labels", kOptional, kReload, &MetricChoice::labels,
             ListOf<Text>{form::metric_label(), 0, 16},
             "Labels, as NAME=VALUE, that a sample must have, each of them."),
       field("of", kOptional, kReload, &MetricChoice::of,
             Choice<MetricChoice::Of>{{{"sum", MetricChoice::Of::kSum},
                                       {"mean", MetricChoice::Of::kMean},
                                       {"max", MetricChoice::Of::kMax}}},
             "What is made of several samples.")});
}

auto schedule_entry() {
  return object<ScheduleEntry>(
      "entry", "",
      {field("cron", kRequired, kReload, &ScheduleEntry::cron, form::cron(),
             "When it begins, in UTC: minute, hour, day, month and weekday as cron has them."),
       field("duration_s", kOptional, kReload, &ScheduleEntry::duration, Whole{60, 31'622'400, "s"},
             "How long it lasts."),
       field("min", kOptional, kReload, &ScheduleEntry::min, Whole{0, kMostBackends},
             "Backends that there are at least, meanwhile."),
       field("max", kOptional, kReload, &ScheduleEntry::max, Whole{0, kMostBackends},
             "Backends that there are at most, meanwhile; 0: no bound of its own.")});
}

auto thresholds() {
  return object<Thresholds>(
      "thresholds", "",
      {field("up", kOptional, kReload, &Thresholds::up, Fractional{0.01, 1},
             "Utilisation above which backends are added."),
       field("down", kOptional, kReload, &Thresholds::down, Fractional{0, 1},
             "Utilisation below which backends are taken away; less than `up`."),
       field("step_up", kOptional, kReload, &Thresholds::step_up, Whole{1, kMostBackends},
             "Backends that are added at once."),
       field("step_down", kOptional, kReload, &Thresholds::step_down, Whole{1, kMostBackends},
             "Backends that are taken away at once.")});
}

auto standby_backend() {
  return object<StandbyBackend>(
      "backend", "name",
      {field("name", kRequired, kReload, &StandbyBackend::name, form::name(),
             "Name of the backend, its own in the pool."),
       field("address", kRequired, kReload, &StandbyBackend::address, HostAddress{},
             "Address of the server, as of the pool's own backends."),
       field("port", kOptional, kReload, &StandbyBackend::port, Whole{0, 65535},
             "Port that the server listens on, for forwarding `nat`; 0: the service's."),
       field("class", kOptional, kReload, &StandbyBackend::backend_class, form::name(),
             "Name of one of the pool's `classes`; absent: the first.")});
}

auto actuator() {
  return object<Actuator>(
      "actuator", "",
      {field("type", kRequired, kReload, &Actuator::type,
             Choice<ActuatorType>{{{"standby", ActuatorType::kStandby},
                                   {"command", ActuatorType::kCommand},
                                   {"webhook", ActuatorType::kWebhook},
                                   {"kubernetes", ActuatorType::kKubernetes},
                                   {"metric", ActuatorType::kMetric}}},
             "Who starts and stops backends: nobody, as they run already; a program; an HTTP "
             "server; Kubernetes; or whoever reads the number that is published."),
       field("backends", kOptional, kReload, &Actuator::backends,
             ListOf<Nested>{{standby_backend()}, 0, kMostBackends},
             "Of `standby`: servers that run and enter the pool when they are wanted."),
       field("command", kOptional, kReload, &Actuator::command,
             ListOf<Text>{form::argument(), 0, 64},
             "Of `command`: program and arguments; one JSON object on its standard input says what "
             "to do, one on its standard output what came of it."),
       field("url", kOptional, kReload, &Actuator::url, form::webhook(),
             "Of `webhook`: where orders are posted to. Of `kubernetes`: the API server."),
       field("secret_file", kOptional, kReload, &Actuator::secret_file,
             form::absolute_path(kPathRule, kLongestPath),
             "Of `webhook`: file of the key that orders are signed with (HMAC-SHA256)."),
       field("token_file", kOptional, kReload, &Actuator::token_file,
             form::absolute_path(kPathRule, kLongestPath),
             "Of `kubernetes`: file of the bearer token, read again for each request; absent: no "
             "token."),
       field("ca_file", kOptional, kReload, &Actuator::ca_file,
             form::absolute_path(kPathRule, kLongestPath),
             "Of `webhook` and `kubernetes`: certificates that are trusted; absent: the system's."),
       field("namespace", kOptional, kReload, &Actuator::name_space, form::name(),
             "Of `kubernetes`: namespace of the workload."),
       field("workload", kOptional, kReload, &Actuator::workload, form::workload(),
             "Of `kubernetes`: what is scaled, deployments/NAME or statefulsets/NAME."),
       field("endpoints", kOptional, kReload, &Actuator::endpoints, form::name(),
             "Of `kubernetes`: name of the Service whose EndpointSlices tell the backends."),
       field("timeout_ms", kOptional, kReload, &Actuator::timeout, Whole{100, 600'000, "ms"},
             "Time after which an order without an answer has failed."),
       field("retries", kOptional, kReload, &Actuator::retries, Whole{0, 100},
             "How often a failed order is repeated, with growing pauses.")});
}

}  // namespace

std::shared_ptr<const Object> backend_class_object() {
  return object<BackendClass>(
      "class", "name",
      {field("name", kRequired, kReload, &BackendClass::name, form::name(), "Name of the class."),
       field("capacity", kOptional, kReload, &BackendClass::capacity,
             Fractional{0.001, 1e9, "requests/s"},
             "Requests a second that one backend completes in time."),
       field("service_time_s", kOptional, kReload, &BackendClass::service_time_s,
             Fractional{0.000001, 86400, "s"}, "Time a request takes on an idle backend."),
       field("price_per_hour", kOptional, kReload, &BackendClass::price_per_hour,
             Fractional{0, 1e6, "1/h"}, "Price of one backend, in any one currency."),
       field("cold_start_s", kOptional, kReload, &BackendClass::cold_start_s,
             Fractional{0, 86400, "s"}, "Time from the decision to start one to its first answer."),
       field("wake_s", kOptional, kReload, &BackendClass::wake_s, Fractional{0, 86400, "s"},
             "Likewise of one that is asleep; 0: the class cannot sleep."),
       field("asleep_price_per_hour", kOptional, kReload, &BackendClass::asleep_price_per_hour,
             Fractional{0, 1e6, "1/h"}, "Price of one backend while it is asleep."),
       field("asleep", kOptional, kReload, &BackendClass::asleep, Whole{0, kMostBackends},
             "Backends that are put to sleep rather than stopped, at most."),
       field("min", kOptional, kReload, &BackendClass::min, Whole{0, kMostBackends},
             "Never fewer backends of this class."),
       field("max", kOptional, kReload, &BackendClass::max, Whole{0, kMostBackends},
             "Never more backends of this class; 0: as many as the pool may have."),
       field("domain", kOptional, kReload, &BackendClass::domain, form::name(),
             "What fails as one, as a rack or a provider; absent: the class itself.")});
}

std::shared_ptr<const Object> metrics_object() {
  return object<Metrics>(
      "metrics", "",
      {field("type", kRequired, kReload, &Metrics::type,
             Choice<MetricsType>{{{"vllm", MetricsType::kVllm},
                                  {"sglang", MetricsType::kSglang},
                                  {"tensorrt_llm", MetricsType::kTensorRtLlm},
                                  {"triton", MetricsType::kTriton},
                                  {"tgi", MetricsType::kTgi},
                                  {"custom", MetricsType::kCustom}}},
             "Which server's names the metrics have, or names of your own."),
       field("port", kOptional, kReload, &Metrics::port, Whole{0, 65535},
             "Port that is asked; 0: that which servers of the type have for metrics alone, else "
             "the backend's own, else the service's."),
       field("path", kOptional, kReload, &Metrics::path, form::url_path(),
             "Path that is asked for; absent: /metrics, of `tensorrt_llm` /prometheus/metrics."),
       field("interval_ms", kOptional, kReload, &Metrics::interval, Whole{100, 3'600'000, "ms"},
             "Time between two scrapes of a backend."),
       field("timeout_ms", kOptional, kReload, &Metrics::timeout, Whole{10, 600'000, "ms"},
             "Time after which a scrape without an answer has failed; not longer than the "
             "interval."),
       field("stale_after_ms", kOptional, kReload, &Metrics::stale_after,
             Whole{0, 36'000'000, "ms"},
             "Age beyond which a reading counts no more; 0: three intervals."),
       field("running", kOptional, kReload, &Metrics::running, Nested{metric_choice()},
             "Requests in service; without names: those of the type, as of the next three."),
       field("waiting", kOptional, kReload, &Metrics::waiting, Nested{metric_choice()},
             "Requests in a queue."),
       field("completed", kOptional, kReload, &Metrics::completed, Nested{metric_choice()},
             "Counter of requests that are done."),
       field("cache", kOptional, kReload, &Metrics::cache, Nested{metric_choice()},
             "Share of the cache in use, 0 to 1.")});
}

std::shared_ptr<const Object> autoscale_object() {
  return object<Autoscale>(
      "autoscale", "",
      {field("policy", kRequired, kReload, &Autoscale::policy,
             Choice<ScalePolicy>{{{"threshold", ScalePolicy::kThreshold},
                                  {"target", ScalePolicy::kTarget},
                                  {"predictive", ScalePolicy::kPredictive},
                                  {"scheduled", ScalePolicy::kScheduled},
                                  {"cost_aware", ScalePolicy::kCostAware}}},
             "How the number of backends is decided: by steps, by the load, by the load and its "
             "forecast, by `schedule` alone, or as `predictive` with the cheapest mix of classes. "
             "A `schedule` bounds all of them."),
       field("mode", kOptional, kReload, &Autoscale::mode,
             Choice<ScaleMode>{{{"act", ScaleMode::kAct}, {"advise", ScaleMode::kAdvise}}},
             "Whether decisions are carried out, or only told."),
       field("min", kOptional, kReload, &Autoscale::min, Whole{0, kMostBackends},
             "Never fewer backends than this; 0: the pool goes to zero when it is idle."),
       field("max", kOptional, kReload, &Autoscale::max, Whole{1, kMostBackends},
             "Never more backends than this."),
       field("target_utilisation", kOptional, kReload, &Autoscale::target_utilisation,
             Fractional{0.01, 1}, "Share of the capacity that the load should take."),
       field("tick_s", kOptional, kReload, &Autoscale::tick_s, Fractional{0.1, 3600, "s"},
             "Time between two decisions."),
       field("slo_wait_s", kOptional, kReload, &Autoscale::slo_wait_s, Fractional{0, 86400, "s"},
             "Longest time that a request should wait in a queue."),
       field("forecaster", kOptional, kReload, &Autoscale::forecaster,
             Choice<ForecastKind>{{{"ensemble", ForecastKind::kEnsemble},
                                   {"last_value", ForecastKind::kLastValue},
                                   {"quantile", ForecastKind::kQuantile},
                                   {"linear", ForecastKind::kLinear},
                                   {"holt_winters", ForecastKind::kHoltWinters},
                                   {"arima", ForecastKind::kArima},
                                   {"kalman", ForecastKind::kKalman},
                                   {"network", ForecastKind::kNetwork}}},
             "Who forecasts the load; `ensemble` weighs all of them by their recent error."),
       field("season_s", kOptional, kReload, &Autoscale::season_s, Fractional{0, 2'678'400, "s"},
             "Time after which the load repeats itself, as 86400 for days; 0: found."),
       field("tolerance", kOptional, kReload, &Autoscale::tolerance, Fractional{0, 1},
             "Change of the need, relative, that is not acted on."),
       field(
           "late_cost", kOptional, kReload, &Autoscale::late_cost, Fractional{0, 1e6},
           "What a request that waits longer than `slo_wait_s` costs, in requests served: how much "
           "capacity a late request is worth."),
       field("stabilisation_s", kOptional, kReload, &Autoscale::stabilisation_s,
             Fractional{0, 86400, "s"},
             "A fall of the need counts once it has lasted so long; 0: 300 s, or with `predictive` "
             "and `cost_aware` as long as starting and draining a backend takes."),
       field("hold_s", kOptional, kReload, &Autoscale::hold_s, Fractional{0, 86400, "s"},
             "Least life of a backend; 0: as long as starting and draining it takes."),
       field("cooldown_s", kOptional, kReload, &Autoscale::cooldown_s, Fractional{0, 86400, "s"},
             "Least time between two steps down."),
       field("step_up", kOptional, kReload, &Autoscale::step_up, Whole{0, kMostBackends},
             "Backends that are added at once, at most; 0: any number."),
       field("step_down", kOptional, kReload, &Autoscale::step_down, Whole{0, kMostBackends},
             "Backends that are taken away at once, at most; 0: any number."),
       field("idle_s", kOptional, kReload, &Autoscale::idle_s, Fractional{0, 604'800, "s"},
             "Of `min` 0: time without demand before the last backend goes."),
       field("budget_per_hour", kOptional, kReload, &Autoscale::budget_per_hour,
             Fractional{0, 1e9, "1/h"},
             "Most that all backends may cost, in the currency of the prices; 0: no bound."),
       field("max_domain_share", kOptional, kReload, &Autoscale::max_domain_share,
             Fractional{0.01, 1}, "Share of the backends that one failure domain may have."),
       field("drain_limit_s", kOptional, kReload, &Autoscale::drain_limit, Whole{0, 86400, "s"},
             "Time after which a drained backend is stopped although it still has flows."),
       field("thresholds", kOptional, kReload, &Autoscale::thresholds, Nested{thresholds()},
             "Of policy `threshold`."),
       field("schedule", kOptional, kReload, &Autoscale::schedule,
             ListOf<Nested>{{schedule_entry()}, 0, 256},
             "Bounds that hold at certain times; where several do, the greatest `min` and the "
             "least `max`."),
       field("actuator", kOptional, kReload, &Autoscale::actuator, Nested{actuator()},
             "Who starts and stops backends; absent: type `metric`.")});
}

}  // namespace sluice::config
