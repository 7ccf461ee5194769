// SPDX-License-Identifier: Apache-2.0
// The admin API's table: a row here is a path that is answered, documented and tested.
#include "control/api.hpp"
#include "control/api_parse.hpp"
#include "control/metrics_text.hpp"
#include "control/openapi.hpp"
#include "control/view_backends.hpp"
#include "control/view_stats.hpp"
#include "telemetry/exposition.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace sluice::control {

using http::Answer;
using http::Request;

namespace {

constexpr Parameter kPool{"pool", "string", "Only this pool's; absent: all."};

Answer probe(std::string_view trouble) {
  return http::Response{.status = trouble.empty() ? 200 : 503,
                        .body = trouble.empty() ? "ok\n" : std::string(trouble) + "\n",
                        .content_type = "text/plain",
                        .headers = {}};
}

/// @param text  has next(), as MetricsText has.
template <class Text>
http::Response in_pieces(Text text, std::string_view type = "application/json") {
  return {.status = 200,
          .body = {},
          .content_type = std::string(type),
          .headers = {},
          .pieces = [text = std::make_shared<Text>(std::move(text))](std::string& out) {
            return text->next(out);
          }};
}

}  // namespace

struct Routes {
  template <Json (*kView)(const Scene&)>
  static Answer view(Api& api, const Request&, const Arguments&) {
    return json_answer(kView(api.scene()));
  }

  // Not indented: it is asked for once a second, and may be long.
  static Answer stats(Api& api, const Request& request) {
    StatsFilter filter;
    for (const auto& [key, value] : request.query)
      if (key == "pool") {
        if (!filter.pools) filter.pools.emplace();
        filter.pools->push_back(value);
      }
    if (request.parameter("since")) {
      const auto since = parse_number(request, "since", 0);
      if (!since) return http::refusal(since.error());
      filter.since = *since;
    }
    return http::Response{
        .status = 200,
        .body = {},
        .headers = {},
        .pieces = [&api, text = StatsText(api.scene(), api.parts_.events, filter)](
                      std::string& out) mutable { return text.next(api.scene(), out); }};
  }

  static std::vector<Route> of_node() {
    return {
        {.method = "GET",
         .path = "/api/v1/status",
         .name = "status",
         .about = "The node: readiness, generation, configuration, books and ports.",
         .answer = "Status",
         .call = &view<view_status>},
        {.method = "GET",
         .path = "/api/v1/stats",
         .name = "stats",
         .about = "All that a live view shows, of one moment.",
         .query = {{"pool", "string", "Backends of this pool; may be repeated. Absent: of all."},
                   {"since", "integer", "Events from this id on; absent: the last 50."}},
         .answer = "Stats",
         .call = [](Api& api, const Request& r, const Arguments&) { return stats(api, r); }},
        {.method = "GET",
         .path = "/api/v1/workers",
         .name = "workers",
         .about = "Each worker: what it polls, what it costs, its flow cache and translations.",
         .answer = "Workers",
         .call = &view<view_workers>},
        {.method = "GET",
         .path = "/api/v1/drops",
         .name = "drops",
         .about = "Every reason to drop or to answer a packet, with its count and its remedy.",
         .answer = "Drops",
         .call = &view<view_drops>},
        {.method = "GET",
         .path = "/api/v1/events",
         .name = "events",
         .about = "What happened, oldest first; at most 1000 events an answer.",
         .query = {{"since", "integer", "Only events with this id or a later one."},
                   {"wait", "integer", "Seconds, at most 30, to wait for the first event."}},
         .answer = "Events",
         .refusals = {503},
         .call = [](Api& api, const Request& r, const Arguments&) { return api.events(r); }},
        {.method = "GET",
         .path = "/api/v1/openapi.json",
         .name = "openapi",
         .about = "This description of the API.",
         .answer = "OpenApi",
         .call = [](Api&, const Request&, const Arguments&) -> Answer {
           return http::Response{.status = 200, .body = openapi(), .headers = {}};
         }},
        {.method = "GET",
         .path = "/metrics",
         .name = "metrics",
         .about = "OpenMetrics text for Prometheus.",
         .answer = "",
         .type = telemetry::kOpenMetricsType,
         .call = [](Api& api, const Request&, const Arguments&) -> Answer {
           return in_pieces(MetricsText(api.scene()), telemetry::kOpenMetricsType);
         }},
        {.method = "GET",
         .path = "/healthz",
         .name = "healthz",
         .about = "200 while the daemon answers.",
         .answer = "",
         .type = "text/plain",
         .call = [](Api&, const Request&, const Arguments&) { return probe(""); }},
        {.method = "GET",
         .path = "/readyz",
         .name = "readyz",
         .about = "200 while the node is ready for traffic, else 503 with one line of why.",
         .answer = "",
         .type = "text/plain",
         .refusals = {503},
         .call = [](Api& api, const Request&,
                    const Arguments&) { return probe(api.not_ready_because()); }},
    };
  }

  static std::vector<Route> of_pools() {
    return {
        {.method = "GET",
         .path = "/api/v1/services",
         .name = "services",
         .about = "Each service: what it listens on, its pool and its traffic.",
         .answer = "Services",
         .call = &view<view_services>},
        {.method = "GET",
         .path = "/api/v1/pools",
         .name = "pools",
         .about = "Each pool: its settings and the names of its backends.",
         .answer = "Pools",
         .call = &view<view_pools>},
        {.method = "GET",
         .path = "/api/v1/backends",
         .name = "backends",
         .about = "Each backend: address, weight, state, share of the table, traffic.",
         .query = {kPool},
         .answer = "Backends",
         .call = [](Api& api, const Request& r, const Arguments&) -> Answer {
           auto text =
               BackendsText::read(api.scene(), std::string(r.parameter("pool").value_or("")));
           return text ? in_pieces(std::move(*text)) : http::refusal(text.error());
         }},
        {.method = "GET",
         .path = "/api/v1/health",
         .name = "health",
         .about = "Each backend's health: state, last check, counts and penalties.",
         .query = {kPool},
         .answer = "Health",
         .call = [](Api& api, const Request& r, const Arguments&) -> Answer {
           return in_pieces(HealthText(api.scene(), std::string(r.parameter("pool").value_or(""))));
         }},
        {.method = "GET",
         .path = "/api/v1/flows",
         .name = "flows",
         .about = "A sample of the flows that the workers' caches hold.",
         .query = {kPool,
                   {"backend", "string", "Only flows of backends with this name."},
                   {"limit", "integer", "So many flows; 100 when absent, at most 10000."}},
         .answer = "Flows",
         .call = [](Api& api, const Request& r, const Arguments&) { return api.flows(r); }},
        {.method = "GET",
         .path = "/api/v1/trace",
         .name = "trace",
         .about = "Where a new flow of that 5-tuple goes, and why.",
         .query = {{"protocol", "string", "tcp or udp.", true},
                   {"source", "string", "The client's address.", true},
                   {"source_port", "integer", "The client's port.", true},
                   {"destination", "string", "The service's address.", true},
                   {"destination_port", "integer", "The service's port.", true}},
         .answer = "Trace",
         .call = [](Api& api, const Request& r, const Arguments&) { return api.trace(r); }},
    };
  }

  static Route wish(std::string_view path, std::string_view name, std::string_view about,
                    Answer (*call)(Api&, const Request&, const Arguments&)) {
    return {.method = "POST",
            .path = path,
            .name = name,
            .about = about,
            .answer = "Changed",
            .refusals = {409, 507},
            .call = call};
  }

  static std::vector<Route> of_backends() {
    return {
        {.method = "POST",
         .path = "/api/v1/backends/{pool}",
         .name = "add_backend",
         .about = "Adds a backend with the keys of the configuration.",
         .body = "Backend",
         .answer = "Changed",
         .refusals = {409, 507},
         .call = [](Api& api, const Request& r,
                    const Arguments& a) { return api.add_backend(r, a[0]); }},
        {.method = "POST",
         .path = "/api/v1/backends/{pool}/{name}/weight",
         .name = "set_weight",
         .about = "Sets the weight; 0 drains without the name.",
         .body = "Weight",
         .answer = "Changed",
         .refusals = {409, 507},
         .call = [](Api& api, const Request& r,
                    const Arguments& a) { return api.set_weight(r, a[0], a[1]); }},
        wish("/api/v1/backends/{pool}/{name}/remove", "remove_backend",
             "Removes a backend; its flows move.",
             [](Api& api, const Request& r, const Arguments& a) {
               return api.remove_backend(r, a[0], a[1]);
             }),
        wish("/api/v1/backends/{pool}/{name}/drain", "drain_backend",
             "No new flows; the flows it has stay.",
             [](Api& api, const Request& r, const Arguments& a) {
               return api.set_wish(r, a[0], a[1], health::Wish::kDrain);
             }),
        wish("/api/v1/backends/{pool}/{name}/undrain", "undrain_backend",
             "Ends drain and maintenance: it takes new flows again.",
             [](Api& api, const Request& r, const Arguments& a) {
               return api.set_wish(r, a[0], a[1], health::Wish::kServe);
             }),
        wish("/api/v1/backends/{pool}/{name}/maintenance", "maintain_backend",
             "No flows at all; those it has move.",
             [](Api& api, const Request& r, const Arguments& a) {
               return api.set_wish(r, a[0], a[1], health::Wish::kMaintenance);
             }),
    };
  }

  static std::vector<Route> of_configuration() {
    return {
        {.method = "GET",
         .path = "/api/v1/config",
         .name = "config",
         .about = "The running configuration: file and operator's changes together.",
         .answer = "Configuration",
         .call = [](Api& api, const Request& r, const Arguments&) -> Answer {
           return http::Response{
               .status = 200, .body = encode_running(api.parts_.model, r.read_only), .headers = {}};
         }},
        {.method = "POST",
         .path = "/api/v1/config/diff",
         .name = "diff_config",
         .about = "What would change; nothing is changed.",
         .body = "Configuration",
         .answer = "Difference",
         .body_bytes = Route::kConfigurationBody,
         .call = [](Api& api, const Request& r, const Arguments&) { return api.diff(r); }},
        {.method = "POST",
         .path = "/api/v1/config/apply",
         .name = "apply_config",
         .about = "Takes a configuration until the next reload or restart.",
         .body = "Configuration",
         .answer = "Changed",
         .refusals = {409, 507},
         .body_bytes = Route::kConfigurationBody,
         .call = [](Api& api, const Request& r, const Arguments&) { return api.apply(r); }},
        {.method = "POST",
         .path = "/api/v1/reload",
         .name = "reload",
         .about = "Reads the file again, as SIGHUP does.",
         .answer = "Changed",
         .refusals = {409, 500, 507},
         .call = [](Api& api, const Request& r, const Arguments&) { return api.reload(r); }},
    };
  }

  static std::vector<Route> of_scaling() {
    return {
        {.method = "GET",
         .path = "/api/v1/scale",
         .name = "scale",
         .about = "Every pool that is scaled: demand, decision, backends on their way.",
         .query = {kPool},
         .answer = "Scale",
         .call = [](Api& api, const Request& r, const Arguments&) { return api.scale(r); }},
        {.method = "GET",
         .path = "/api/v1/scale/history",
         .name = "scale_history",
         .about = "What a pool's load was; at most 10000 means an answer.",
         .query = {{"pool", "string", "The pool.", true},
                   {"step", "integer", "Seconds of a mean: 1, a day back, or 60, 14 days back."},
                   {"from", "integer", "Seconds since 1970; absent: from the oldest on."}},
         .answer = "ScaleHistory",
         .refusals = {404},
         .call = [](Api& api, const Request& r, const Arguments&) { return api.scale_history(r); }},
        {.method = "POST",
         .path = "/api/v1/scale/{pool}",
         .name = "set_scale",
         .about = "So many backends, until then or until auto; or a pause.",
         .body = "ScaleOrder",
         .answer = "ScaledPool",
         .call = [](Api& api, const Request& r,
                    const Arguments& a) { return api.set_scale(r, a[0]); }},
    };
  }

  static std::vector<Route> of_capture() {
    return {
        {.method = "GET",
         .path = "/api/v1/capture",
         .name = "captured",
         .about = "What a capture has; packets before `from` are forgotten.",
         .query = {{"id", "integer", "Of the capture.", true},
                   {"from", "integer", "The first packet that is wanted."}},
         .answer = "Captured",
         .secret = true,  // what users send
         .call = [](Api& api, const Request& r, const Arguments&) { return api.captured(r); }},
        {.method = "POST",
         .path = "/api/v1/capture",
         .name = "start_capture",
         .about = "Starts a capture.",
         .body = "CaptureOrder",
         .answer = "CaptureStarted",
         .refusals = {409},
         .call = [](Api& api, const Request& r, const Arguments&) { return api.start_capture(r); }},
        {.method = "POST",
         .path = "/api/v1/capture/stop",
         .name = "stop_capture",
         .about = "Ends a capture; what it has can still be read.",
         .query = {{"id", "integer", "Of the capture.", true}},
         .answer = "CaptureStopped",
         .call = [](Api& api, const Request& r, const Arguments&) { return api.stop_capture(r); }},
    };
  }
};

std::span<const Route> routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> list;
    for (auto part : {Routes::of_node(), Routes::of_pools(), Routes::of_backends(),
                      Routes::of_configuration(), Routes::of_scaling(), Routes::of_capture()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

}  // namespace sluice::control
