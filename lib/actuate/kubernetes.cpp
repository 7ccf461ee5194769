// SPDX-License-Identifier: Apache-2.0
#include "actuate/kubernetes.hpp"

#include "actuate/message.hpp"
#include "actuate/secret.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace sluice::actuate {
namespace {

using Json = nlohmann::json;

/// For a query: what is not a letter, a digit or one of -_. is written as %XX.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_name(std::string_view(&c, 1)))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

/// What an API server says went wrong.
std::string said(const Requests::Answer& answer) {
  const auto json = Json::parse(answer.body, nullptr, false);
  const auto message = json.is_object() ? json.find("message") : json.end();
  const bool has = json.is_object() && message != json.end() && message->is_string();
  return printable(has ? message->get_ref<const std::string&>() : answer.body);
}

}  // namespace

Kubernetes::Kubernetes(EventLoop& loop, const config::Actuator& settings, const Context& context,
                       OnReport report, std::unique_ptr<Requests> requests)
    : Retrying(loop, std::move(report), settings.retries, context.seed),
      url_(settings.url),
      space_("/namespaces/" + settings.name_space),
      workload_(settings.workload),
      endpoints_(settings.endpoints),
      token_file_(settings.token_file),
      requests_(std::move(requests)) {
  while (url_.ends_with('/')) url_.pop_back();
  ability_.last_leaves = workload_.starts_with("statefulsets/");
}

Result<std::unique_ptr<Kubernetes>> Kubernetes::open(EventLoop& loop,
                                                     const config::Actuator& settings,
                                                     const Context& context, OnReport report) {
  if (!settings.token_file.empty()) {
    const auto token = read_secret(settings.token_file, Readers::kOfReadOnlyMount);
    if (!token) return forward_error(token);
  }
  auto requests = Requests::open(loop, settings.ca_file, settings.timeout);
  if (!requests) return forward_error(requests);
  return std::unique_ptr<Kubernetes>(
      new Kubernetes(loop, settings, context, std::move(report), std::move(*requests)));
}

void Kubernetes::attempt(const Order& order, Ended ended) {
  if (order.verb == Verb::kList) return list(order, ended);
  if (order.verb != Verb::kCount)
    return ended({.how = Outcome::How::kRefused,
                  .error = fmt::format("kubernetes knows no '{}'", name_of(order.verb))});
  // A StatefulSet's last pod goes, whatever is written on it.
  if (order.name.empty() || ability_.last_leaves) return set_count(order, ended);
  mark(order, ended);
}

// One request; `then` is called with what was answered with 200 to 299 and with 404.
void Kubernetes::ask(std::string method, const std::string& path, std::string body,
                     const Ended& ended, Then then) {
  using How = Outcome::How;
  Requests::Request request{.method = std::move(method), .url = url_ + path};
  request.longest = kLongestPage;
  request.headers = {"Accept: application/json"};
  if (!body.empty()) request.headers.emplace_back("Content-Type: application/merge-patch+json");
  request.body = std::move(body);
  if (!token_file_.empty()) {
    const auto token = read_secret(token_file_, Readers::kOfReadOnlyMount);
    if (!token) return ended({.how = How::kAgain, .error = token.error().text()});
    request.headers.push_back("Authorization: Bearer " + *token);
  }
  requests_->ask(request, [ended, then = std::move(then),
                           what = request.method + " " + path](const Requests::Answer& answer) {
    const long status = answer.status;
    if ((status >= 200 && status <= 299) || status == 404) return then(answer);
    if (status == 0)
      return ended({.how = answer.timed_out ? How::kTimedOut : How::kAgain,
                    .error = "the API server: " + printable(answer.error)});
    // A token may be renewed, a conflict be over, a server be back.
    const bool again =
        status == 401 || status == 403 || status == 409 || status == 429 || status >= 500;
    ended({.how = again ? How::kAgain : How::kRefused,
           .error = fmt::format("the API server answered {} to {}: {}", status, what, said(answer)),
           .after = answer.after});
  });
}

void Kubernetes::mark(const Order& order, const Ended& ended) {
  const auto pod = pods_.find(order.name);
  const Json body = {
      {"metadata", {{"annotations", {{"controller.kubernetes.io/pod-deletion-cost", "-100"}}}}}};
  ask("PATCH", "/api/v1" + space_ + "/pods/" + (pod == pods_.end() ? order.name : pod->second),
      body.dump(), ended,
      [this, order, ended](const Requests::Answer&) { set_count(order, ended); });
}

void Kubernetes::set_count(const Order& order, const Ended& ended) {
  using How = Outcome::How;
  const std::string path = "/apis/apps/v1" + space_ + "/" + workload_ + "/scale";
  const auto missing = [this, ended] {
    ended({.how = How::kRefused, .error = fmt::format("there is no {} in {}", workload_, space_)});
  };
  ask("GET", path, {}, ended, [this, order, ended, path, missing](const Requests::Answer& answer) {
    if (answer.status == 404) return missing();
    const auto scale = parse_scale(answer.body);
    if (!scale) return ended({.how = How::kAgain, .error = "the scale: " + scale.error().text()});
    if (scale->replicas == order.count) return ended({.report = {.count = order.count}});
    Json body = {{"spec", {{"replicas", order.count}}}};
    if (!scale->version.empty()) body["metadata"] = {{"resourceVersion", scale->version}};
    ask("PATCH", path, body.dump(-1, ' ', true, Json::error_handler_t::replace), ended,
        [order, ended, missing](const Requests::Answer& patched) {
          if (patched.status == 404) return missing();
          ended({.report = {.count = order.count}});
        });
  });
}

void Kubernetes::list(const Order&, const Ended& ended) {
  using How = Outcome::How;
  ask("GET", "/apis/apps/v1" + space_ + "/" + workload_ + "/scale", {}, ended,
      [this, ended](const Requests::Answer& answer) {
        if (answer.status == 404)
          return ended({.how = How::kRefused,
                        .error = fmt::format("there is no {} in {}", workload_, space_)});
        const auto scale = parse_scale(answer.body);
        if (!scale)
          return ended({.how = How::kAgain, .error = "the scale: " + scale.error().text()});
        next_page(std::make_shared<Slices>(), {}, scale->replicas, ended);
      });
}

void Kubernetes::next_page(const std::shared_ptr<Slices>& slices, const std::string& token,
                           unsigned count, const Ended& ended) {
  using How = Outcome::How;
  const std::string path =
      fmt::format("/apis/discovery.k8s.io/v1{}/endpointslices?labelSelector={}&limit={}{}", space_,
                  escaped("kubernetes.io/service-name=" + endpoints_), kPageSize,
                  token.empty() ? "" : "&continue=" + escaped(token));
  ask("GET", path, {}, ended, [this, slices, count, ended](const Requests::Answer& answer) {
    if (answer.status == 404)
      return ended({.how = How::kRefused, .error = "the API server has no EndpointSlices"});
    const auto next = slices->add(answer.body);
    if (!next) return ended({.how = How::kAgain, .error = "the slices: " + next.error().text()});
    if (!next->empty()) return next_page(slices, *next, count, ended);
    pods_ = slices->pods();
    ended({.report = {.members = slices->members(), .count = count}});
  });
}

}  // namespace sluice::actuate
