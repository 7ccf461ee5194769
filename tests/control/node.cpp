// SPDX-License-Identifier: Apache-2.0
#include "control/node.hpp"

#include <sched.h>

namespace sluice::control {

FastPath* Node::fast_path(std::string& why) {
  static std::string trouble;
  static const std::unique_ptr<FastPath> made = []() -> std::unique_ptr<FastPath> {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    ::sched_getaffinity(0, sizeof cores, &cores);
    if (!CPU_ISSET(0, &cores) || !CPU_ISSET(1, &cores)) {
      trouble = "needs CPUs 0 and 1";
      return nullptr;
    }
    auto opened = FastPath::open(sample(1));
    if (!opened) {
      ADD_FAILURE() << opened.error().text();
      trouble = "the fast path does not open";
      return nullptr;
    }
    return std::move(*opened);
  }();
  why = trouble;
  return made.get();
}

Node::Node(FastPath& fast_path, config::Configuration configuration) : fast_path_(fast_path) {
  auto ports = egress_ports(configuration, fast_path.macs());
  model =
      Model::create(std::move(configuration), {}, std::move(ports), std::chrono::steady_clock::now)
          .value();
  publisher = snapshot::Publisher::create(model->take_first(), 1).value();
  model->publish_to(*publisher);
  capture = std::make_unique<Capture>(Capture::Parts{
      .model = *model,
      .workers = [this] { return taps.size(); },
      .attach = [this](std::size_t worker, dataplane::CaptureTap* tap) { taps[worker] = tap; },
      .publisher = *publisher,
      .events = events,
      .now = [this] { return now; },
      .started = [] {}});
  api = std::make_unique<Api>(
      Api::Parts{.model = *model,
                 .fast_path = fast_path_,
                 .standing = standing,
                 .events = events,
                 .capture = *capture,
                 .changed =
                     [this](const Published&, std::string_view who, std::string_view what) {
                       changes.push_back(fmt::format("{}: {}", who, what));
                     },
                 .reload = [this](std::string_view) { return reload_result; }});
}

http::Response Node::ask(const std::string& method, const std::string& path,
                         const std::string& body) {
  http::Request request;
  request.method = method;
  request.path = path.substr(0, path.find('?'));
  request.body = body;
  request.peer.text = "tester";
  for (auto at = path.find('?'); at != std::string::npos;) {
    const auto end = path.find('&', at + 1);
    const auto pair = path.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    request.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
    at = end;
  }
  auto answer = api->answer(request);
  if (auto* response = std::get_if<http::Response>(&answer)) {
    while (response->pieces && response->pieces(response->body)) {
    }
    return std::move(*response);
  }
  return {.status = 0, .body = "deferred", .headers = {}};
}

std::unique_ptr<HealthKeeper> Node::health_keeper(EventLoop& loop) {
  auto health = HealthKeeper::open({.loop = loop,
                                    .events = events,
                                    .signals = {},
                                    .active = {},
                                    .changed = {},
                                    .driver_saw = {}},
                                   "/nonexistent/sluice")
                    .value();
  health->follow(model->running(), {}, model->reaches(), model->ports());
  return health;
}

}  // namespace sluice::control
