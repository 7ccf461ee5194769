// SPDX-License-Identifier: Apache-2.0
#include "control/api.hpp"

#include "base/utf8.hpp"
#include "control/api_parse.hpp"
#include "control/audit.hpp"
#include "control/movement_report.hpp"
#include "control/view_history.hpp"
#include "control/view_scale.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace sluice::control {
namespace {

constexpr std::chrono::seconds kLongestWait{30};
constexpr std::size_t kMostFlows = 10'000;
constexpr std::size_t kMostEvents = 1000;  // in one answer; the next asks from "next"

// What is not text is refused here, once for all handlers: nothing of it can get into an answer, an
// event or the journal.
std::optional<http::Response> not_text(const http::Request& request) {
  const auto refuse = [](std::string_view where, std::size_t at) {
    return http::refusal(400, "invalid", where,
                         fmt::format("is not UTF-8 from byte {} on; send it as UTF-8", at));
  };
  if (const auto at = find_not_utf8(request.path); at != std::string::npos)
    return refuse("path", at);
  for (const auto& [key, value] : request.query) {
    if (const auto at = find_not_utf8(key); at != std::string::npos) return refuse("query", at);
    if (const auto at = find_not_utf8(value); at != std::string::npos) return refuse(key, at);
  }
  if (const auto at = find_not_utf8(request.body); at != std::string::npos)
    return refuse("body", at);
  return std::nullopt;
}

// A change that is none of the configuration.
void audit_switch(EventLog& events, const http::Peer& peer, std::string_view what,
                  std::string_view path, std::string_view before, std::string_view after) {
  audit(events, who(peer), what, {{{"path", path}, {"before", before}, {"after", after}}});
}

// "auto", "paused", "override of 4"
std::string standing_of(ScaleKeeper& scale, const std::string& name) {
  const auto* const pool = scale.find(name);
  if (pool == nullptr) return "not scaled";
  const auto& controller = pool->controller();
  if (controller.standing() != autoscale::Standing::kOverride)
    return std::string(name_of(controller.standing()));
  return fmt::format("override of {}", controller.decision().desired);
}

// The row for a request; else null, and what is to be said to it.
const Route* find(const http::Request& request, Arguments& arguments, http::Response& refused) {
  std::string allowed;
  for (const auto& route : routes()) {
    if (!match(route.path, request.path, arguments)) continue;
    if (route.method == request.method) {
      if (!request.read_only || (route.method == "GET" && !route.secret)) return &route;
      refused = http::refusal(
          403, "not_permitted", request.path,
          "is not for TCP without a token: use the Unix socket, or configure tls_certificate, "
          "tls_key and token_file in /admin and send 'Authorization: Bearer TOKEN'");
      return nullptr;
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") allowed += ", HEAD";
  }
  if (allowed.empty()) {
    refused = http::refusal(404, "not_found", request.path,
                            "is no path of this API; GET /api/v1/openapi.json lists them");
    return nullptr;
  }
  refused = http::refusal(405, "method_not_allowed", request.path,
                          fmt::format("takes {}, not {}", allowed, request.method));
  refused.headers.emplace_back("Allow", allowed);
  return nullptr;
}

}  // namespace

bool match(std::string_view pattern, std::string_view path, Arguments& arguments) {
  arguments.clear();
  while (!pattern.empty() && !path.empty()) {
    if (pattern.front() == '{') {
      const auto end = std::min(path.find('/'), path.size());
      if (end == 0) return false;
      arguments.emplace_back(path.substr(0, end));
      path.remove_prefix(end);
      pattern.remove_prefix(pattern.find('}') + 1);
      continue;
    }
    if (pattern.front() != path.front()) return false;
    path.remove_prefix(1);
    pattern.remove_prefix(1);
  }
  return pattern.empty() && path.empty();
}

http::Response json_answer(const Json& body) {
  return {.status = 200,
          .body = body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
          .headers = {}};
}

http::Answer Api::answer(const http::Request& request) {
  if (auto refused = not_text(request)) return std::move(*refused);
  Arguments arguments;
  http::Response refused;
  const Route* const route = find(request, arguments, refused);
  return route == nullptr ? http::Answer(std::move(refused))
                          : route->call(*this, request, arguments);
}

std::optional<http::Response> Api::admit(const http::Request& request, std::size_t& body_bytes) {
  if (auto refused = not_text(request)) return refused;  // of its path and query: no body yet
  Arguments arguments;
  http::Response refused;
  const Route* const route = find(request, arguments, refused);
  if (route == nullptr) return refused;
  body_bytes = std::min(body_bytes, route->body_bytes);
  return std::nullopt;
}

http::Answer Api::captured(const http::Request& request) {
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

http::Answer Api::change(const http::Request& request, const std::string& what,
                         const std::function<Result<Published>()>& make) {
  const auto before = parts_.model.running();
  const auto wishes_before = wishes_of(parts_.model);
  auto published = make();
  if (!published) return http::refusal(published.error());
  Json report = change_report(*published, before, parts_.model);
  add_wish_changes(report, wishes_before, wishes_of(parts_.model));
  add_movement(report, *published, parts_.fast_path);
  parts_.changed(*published, request.peer.text, what);
  audit(parts_.events, who(request.peer), what, report["changes"]);
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

http::Answer Api::remove_backend(const http::Request& request, const std::string& pool,
                                 const std::string& name) {
  return change(request, fmt::format("remove backend {} of pool {}", name, pool),
                [&] { return parts_.model.remove_backend(pool, name); });
}

http::Answer Api::set_wish(const http::Request& request, const std::string& pool,
                           const std::string& name, health::Wish wish) {
  const std::string_view what = wish == health::Wish::kDrain   ? "drain"
                                : wish == health::Wish::kServe ? "undrain"
                                                               : "maintenance of";
  return change(request, fmt::format("{} backend {} of pool {}", what, name, pool),
                [&] { return parts_.model.set_wish(pool, name, wish); });
}

http::Answer Api::diff(const http::Request& request) {
  auto wanted = parse_configuration(request.body);
  if (!wanted.faults.empty()) return wanted.refusal;
  const auto report = foreseen_report(parts_.model, wanted.configuration, parts_.fast_path);
  return report ? json_answer(*report) : http::refusal(report.error());
}

http::Answer Api::apply(const http::Request& request) {
  auto wanted = parse_configuration(request.body);
  if (!wanted.faults.empty()) return wanted.refusal;
  if (auto error = needs_restart(parts_.model.file(), wanted.configuration))
    return http::refusal(*error);
  return change(request, "apply a configuration",
                [&] { return parts_.model.apply_only(std::move(wanted.configuration)); });
}

http::Answer Api::reload(const http::Request& request) {
  const auto before = parts_.model.running();
  auto published = parts_.reload(request.peer.text);
  if (published) {
    const Json report = change_report(*published, before, parts_.model);
    audit(parts_.events, who(request.peer), "reload", report["changes"]);
    return json_answer(report);
  }
  if (parts_.standing.stopping)
    return http::refusal(published.error());  // it did not get to the file
  return refusal_with_faults(published.error(), parts_.standing.last_reload.faults);
}

http::Answer Api::start_capture(const http::Request& request) {
  const auto order = parse_capture(request.body);
  if (!order) return http::refusal(order.error());
  auto started = parts_.capture.start(*order, request.peer.text);
  if (!started) return http::refusal(started.error());
  audit_switch(parts_.events, request.peer,
               fmt::format("start capture {}", (*started)["id"].get<int>()), "capture", "none",
               "running");
  return json_answer(*started);
}

http::Answer Api::stop_capture(const http::Request& request) {
  const auto id = parse_number(request, "id", 0);
  if (!id) return http::refusal(id.error());
  auto stopped = parts_.capture.stop(*id);
  if (!stopped) return http::refusal(stopped.error());
  audit_switch(parts_.events, request.peer, fmt::format("stop capture {}", *id), "capture",
               "running", "ended");
  return json_answer(*stopped);
}

http::Answer Api::scale(const http::Request& request) {
  if (parts_.scale == nullptr) return json_answer({{"pools", Json::array()}});
  return json_answer(
      view_scale(*parts_.scale, std::string(request.parameter("pool").value_or(""))));
}

http::Answer Api::scale_history(const http::Request& request) {
  const std::string pool(request.parameter("pool").value_or(""));
  if (parts_.scale == nullptr)
    return http::refusal({Errc::kNotFound, "pool " + pool, "is not scaled"});
  const auto step = parse_number(request, "step", 60);
  if (!step) return http::refusal(step.error());
  std::optional<std::uint64_t> from;
  if (request.parameter("from")) {
    const auto given = parse_number(request, "from", 0);
    if (!given) return http::refusal(given.error());
    from = *given;
  }
  const auto view = view_history(*parts_.scale, pool, *step, from);
  return view ? json_answer(*view) : http::refusal(view.error());
}

http::Answer Api::set_scale(const http::Request& request, const std::string& pool) {
  const auto order = parse_scale_order(request.body);
  if (!order) return http::refusal(order.error());
  if (parts_.scale == nullptr)
    return http::refusal({Errc::kNotFound, "pool " + pool, "is not scaled"});
  const std::string before = standing_of(*parts_.scale, pool);
  auto standing = obey(*parts_.scale, pool, *order, request.peer.text);
  if (!standing) return http::refusal(standing.error());
  audit_switch(parts_.events, request.peer, fmt::format("scale pool {}", pool),
               fmt::format("pools/{}/autoscale/standing", pool), before,
               standing_of(*parts_.scale, pool));
  return json_answer(*standing);
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
