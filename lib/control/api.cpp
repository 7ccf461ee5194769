// SPDX-License-Identifier: Apache-2.0
#include "control/api.hpp"

#include "control/api_parse.hpp"
#include "control/metrics.hpp"
#include "control/view_scale.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace sluice::control {
namespace {

constexpr std::chrono::seconds kLongestWait{30};
constexpr std::size_t kMostFlows = 10'000;
constexpr std::size_t kMostEvents = 1000;  // in one answer; the next asks from "next"

http::Response json_answer(const Json& body) {
  return {.status = 200,
          .body = body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
          .headers = {}};
}

std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> arguments;
  while (!pattern.empty() && !path.empty()) {
    if (pattern.front() == '*') {
      const auto end = std::min(path.find('/'), path.size());
      if (end == 0) return std::nullopt;
      arguments.emplace_back(path.substr(0, end));
      path.remove_prefix(end);
    } else if (pattern.front() == path.front()) {
      path.remove_prefix(1);
    } else {
      return std::nullopt;
    }
    pattern.remove_prefix(1);
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return arguments;
}

}  // namespace

Api::Api(Parts parts) : parts_(std::move(parts)) {
  add_reads();
  add_changes();
  add_capture();
  if (parts_.scale != nullptr) add_scale();
}

void Api::add_reads() {
  const auto read = [&](const char* path, auto view) {
    routes_.push_back(
        {"GET", path, [this, view](const http::Request&, const Arguments&) -> http::Answer {
           return json_answer(view(scene()));
         }});
  };
  read("/api/v1/status", view_status);
  read("/api/v1/services", view_services);
  read("/api/v1/pools", view_pools);
  read("/api/v1/workers", view_workers);
  read("/api/v1/drops", view_drops);
  routes_.push_back(
      {"GET", "/api/v1/backends", [this](const http::Request& r, const Arguments&) -> http::Answer {
         auto view = view_backends(scene(), std::string(r.parameter("pool").value_or("")));
         return view ? json_answer(*view) : http::refusal(view.error());
       }});
  routes_.push_back(
      {"GET", "/api/v1/health", [this](const http::Request& r, const Arguments&) -> http::Answer {
         return json_answer(view_health(scene(), std::string(r.parameter("pool").value_or(""))));
       }});
  routes_.push_back(
      {"GET", "/api/v1/config", [this](const http::Request& r, const Arguments&) -> http::Answer {
         return http::Response{
             .status = 200, .body = encode_running(parts_.model, r.read_only), .headers = {}};
       }});
  routes_.push_back({"GET", "/api/v1/events",
                     [this](const http::Request& r, const Arguments&) { return events(r); }});
  routes_.push_back({"GET", "/api/v1/flows",
                     [this](const http::Request& r, const Arguments&) { return flows(r); }});
  routes_.push_back({"GET", "/api/v1/trace",
                     [this](const http::Request& r, const Arguments&) { return trace(r); }});
  routes_.push_back(
      {"GET", "/metrics", [this](const http::Request&, const Arguments&) -> http::Answer {
         return http::Response{.status = 200,
                               .body = metrics(scene()),
                               .content_type = std::string(telemetry::kOpenMetricsType),
                               .headers = {}};
       }});
  routes_.push_back(
      {"GET", "/healthz", [this](const http::Request&, const Arguments&) { return probe(""); }});
  routes_.push_back({"GET", "/readyz", [this](const http::Request&, const Arguments&) {
                       return probe(not_ready_because());
                     }});
}

void Api::add_changes() {
  const auto post = [&](const char* path, Call call) {
    routes_.push_back({"POST", path, std::move(call)});
  };
  post("/api/v1/backends/*",
       [this](const http::Request& r, const Arguments& a) { return add_backend(r, a[0]); });
  post("/api/v1/backends/*/*/weight",
       [this](const http::Request& r, const Arguments& a) { return set_weight(r, a[0], a[1]); });
  post("/api/v1/backends/*/*/remove", [this](const http::Request& r, const Arguments& a) {
    return change(r, fmt::format("remove backend {} of pool {}", a[1], a[0]),
                  [&] { return parts_.model.remove_backend(a[0], a[1]); });
  });
  post("/api/v1/backends/*/*/drain", [this](const http::Request& r, const Arguments& a) {
    return change(r, fmt::format("drain backend {} of pool {}", a[1], a[0]),
                  [&] { return parts_.model.set_wish(a[0], a[1], health::Wish::kDrain); });
  });
  post("/api/v1/backends/*/*/undrain", [this](const http::Request& r, const Arguments& a) {
    return change(r, fmt::format("undrain backend {} of pool {}", a[1], a[0]),
                  [&] { return parts_.model.set_wish(a[0], a[1], health::Wish::kServe); });
  });
  post("/api/v1/backends/*/*/maintenance", [this](const http::Request& r, const Arguments& a) {
    return change(r, fmt::format("maintenance of backend {} of pool {}", a[1], a[0]),
                  [&] { return parts_.model.set_wish(a[0], a[1], health::Wish::kMaintenance); });
  });
  post("/api/v1/config/diff", [this](const http::Request& r, const Arguments&) { return diff(r); });
  post("/api/v1/config/apply",
       [this](const http::Request& r, const Arguments&) { return apply(r); });
  post("/api/v1/reload", [this](const http::Request& r, const Arguments&) -> http::Answer {
    const auto before = parts_.model.running();
    auto published = parts_.reload(r.peer.text);
    if (published) return json_answer(change_report(*published, before, parts_.model));
    if (parts_.standing.stopping)
      return http::refusal(published.error());  // it did not get to the file
    return refusal_with_faults(published.error(), parts_.standing.last_reload.faults);
  });
}

void Api::add_capture() {
  routes_.push_back({"GET", "/api/v1/capture",
                     [this](const http::Request& r, const Arguments&) { return captured(r); }});
  routes_.push_back(
      {"POST", "/api/v1/capture", [this](const http::Request& r, const Arguments&) -> http::Answer {
         const auto order = parse_capture(r.body);
         if (!order) return http::refusal(order.error());
         auto started = parts_.capture.start(*order, r.peer.text);
         return started ? json_answer(*started) : http::refusal(started.error());
       }});
  routes_.push_back({"POST", "/api/v1/capture/stop",
                     [this](const http::Request& r, const Arguments&) -> http::Answer {
                       const auto id = parse_number(r, "id", 0);
                       if (!id) return http::refusal(id.error());
                       auto stopped = parts_.capture.stop(*id);
                       return stopped ? json_answer(*stopped) : http::refusal(stopped.error());
                     }});
}

void Api::add_scale() {
  routes_.push_back(
      {"GET", "/api/v1/scale", [this](const http::Request& r, const Arguments&) -> http::Answer {
         return json_answer(
             view_scale(*parts_.scale, std::string(r.parameter("pool").value_or(""))));
       }});
  routes_.push_back({"POST", "/api/v1/scale/*",
                     [this](const http::Request& r, const Arguments& a) -> http::Answer {
                       const auto order = parse_scale_order(r.body);
                       if (!order) return http::refusal(order.error());
                       auto standing = obey(*parts_.scale, a[0], *order, r.peer.text);
                       return standing ? json_answer(*standing) : http::refusal(standing.error());
                     }});
}

http::Answer Api::captured(const http::Request& request) {
  if (request.read_only)  // what users send is a secret, and asking takes it from who captures
    return http::refusal(403, "not_permitted", request.path, "is answered on the Unix socket only");
  const auto id = parse_number(request, "id", 0);
  if (!id) return http::refusal(id.error());
  const auto from = parse_number(request, "from", 0);
  if (!from) return http::refusal(from.error());
  const auto packets = parts_.capture.poll(*id, *from);
  if (!packets) return http::refusal(packets.error());
  return http::Response{
      .status = 200,
      .body = packets->dump(-1, ' ', false, Json::error_handler_t::replace) + "\n",
      .headers = {}};
}

http::Answer Api::answer(const http::Request& request) {
  std::string allowed;
  for (const auto& route : routes_) {
    const auto arguments = match(route.path, request.path);
    if (!arguments) continue;
    if (route.method == request.method) return route.call(request, *arguments);
    allowed = route.method;
  }
  if (allowed.empty())
    return http::refusal(404, "not_found", request.path,
                         "is no path of this API; see docs/reference/api.md");
  http::Response response = http::refusal(405, "method_not_allowed", request.path,
                                          fmt::format("takes {}, not {}", allowed, request.method));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

http::Answer Api::change(const http::Request& request, const std::string& what,
                         const std::function<Result<Published>()>& make) {
  const auto before = parts_.model.running();
  const auto wishes_before = wishes_of(parts_.model);
  auto published = make();
  if (!published) return http::refusal(published.error());
  Json report = change_report(*published, before, parts_.model);
  add_wish_changes(report, wishes_before, wishes_of(parts_.model));
  parts_.changed(*published, request.peer.text, what);
  return json_answer(report);
}

http::Answer Api::add_backend(const http::Request& request, const std::string& pool) {
  auto backend = parse_backend(request.body);
  if (!backend) return http::refusal(backend.error());
  return change(
      request,
      fmt::format("add backend {} at {} to pool {}", backend->name, backend->address.text(), pool),
      [&] { return parts_.model.add_backend(pool, *backend); });
}

http::Answer Api::set_weight(const http::Request& request, const std::string& pool,
                             const std::string& name) {
  const auto weight = parse_weight(request.body);
  if (!weight) return http::refusal(weight.error());
  return change(request, fmt::format("weight of backend {} of pool {} to {}", name, pool, *weight),
                [&] { return parts_.model.set_weight(pool, name, *weight); });
}

http::Answer Api::diff(const http::Request& request) {
  auto wanted = parse_configuration(request.body);
  if (!wanted.faults.empty()) return wanted.refusal;
  return json_answer({{"changes", changes_json(config::difference(parts_.model.running(),
                                                                  wanted.configuration))}});
}

http::Answer Api::apply(const http::Request& request) {
  auto wanted = parse_configuration(request.body);
  if (!wanted.faults.empty()) return wanted.refusal;
  if (auto error = needs_restart(parts_.model.file(), wanted.configuration))
    return http::refusal(*error);
  return change(request, "apply a configuration",
                [&] { return parts_.model.apply_only(std::move(wanted.configuration)); });
}

http::Answer Api::flows(const http::Request& request) {
  const auto limit = parse_number(request, "limit", 100);
  if (!limit) return http::refusal(limit.error());
  if (*limit > kMostFlows)
    return http::refusal(
        {Errc::kInvalid, "limit",
         fmt::format("{} is more than the {} that one answer holds", *limit, kMostFlows)});
  return json_answer(
      view_flows(scene(), {.pool = std::string(request.parameter("pool").value_or("")),
                           .backend = std::string(request.parameter("backend").value_or("")),
                           .limit = *limit}));
}

http::Answer Api::trace(const http::Request& request) {
  const auto flow = parse_flow(request);
  if (!flow) return http::refusal(flow.error());
  return json_answer(view_trace(scene(), *flow));
}

http::Answer Api::probe(std::string_view trouble) {
  return http::Response{.status = trouble.empty() ? 200 : 503,
                        .body = trouble.empty() ? "ok\n" : std::string(trouble) + "\n",
                        .content_type = "text/plain",
                        .headers = {}};
}

http::Answer Api::events(const http::Request& request) {
  const auto since = parse_number(request, "since", 0);
  if (!since) return http::refusal(since.error());
  const auto wait = parse_number(request, "wait", 0);
  if (!wait) return http::refusal(wait.error());
  auto view = view_events(parts_.events, *since, kMostEvents);
  const bool nothing = view["events"].empty() && view["lost"] == 0;
  if (nothing && *wait > 0 && !request.expired && !parts_.standing.stopping)
    return http::Defer{std::min<std::chrono::milliseconds>(
        kLongestWait, std::chrono::seconds(std::min<std::uint64_t>(*wait, 30)))};
  return json_answer(view);
}

}  // namespace sluice::control
