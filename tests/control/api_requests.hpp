// SPDX-License-Identifier: Apache-2.0
// Requests made of any bytes, through the real handlers, and what must hold of every answer. For
// the fuzz target and for the test that tries random ones.
#pragma once

#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "control/node.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice::control {

/// Cuts a piece from the front of `bytes`: up to the next "\n", or all.
inline std::string_view take_line(std::string_view& bytes) {
  const auto end = std::min(bytes.find('\n'), bytes.size());
  const auto line = bytes.substr(0, end);
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  return line;
}

/// "FLAGS\nPATH\nKEY=VALUE&...\nBODY". The first byte of FLAGS picks a route, whose path is taken
/// where PATH is empty; the second one the method, and whether who asks may only read.
inline http::Request request_of(std::string_view bytes) {
  http::Request request;
  const auto flags = take_line(bytes);
  const auto flag = [&](std::size_t i) {
    return i < flags.size() ? static_cast<unsigned char>(flags[i]) : 0U;
  };
  const auto& route = routes()[flag(0) % routes().size()];
  constexpr std::string_view kMethods[] = {"", "GET", "POST", "DELETE"};
  const auto method = kMethods[flag(1) & 3U];
  request.method = method.empty() ? route.method : method;
  request.read_only = (flag(1) & 4U) != 0;
  request.path = take_line(bytes);
  if (request.path.empty()) {
    request.path = route.path;
    const auto put = [&](const std::string& what, const std::string& with) {
      if (const auto at = request.path.find(what); at != std::string::npos)
        request.path.replace(at, what.size(), with);
    };
    put("{pool}", "llama");
    put("{name}", "gpu-1");
  }
  auto query = take_line(bytes);
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    request.query.emplace_back(pair.substr(0, equals),
                               pair.substr(std::min(equals + 1, pair.size())));
  }
  request.body = bytes;
  request.peer.text = "pid 1 uid 65534";
  return request;
}

/// Asks, and checks: the status is one that there is, a refusal names its place in JSON, an answer
/// is text, and who was refused, or may only read, has changed nothing.
inline void expect_sound_answer(Node& node, const http::Request& request) {
  const auto generation = node.model->snapshot().generation;
  const auto changes = node.changes.size();
  std::size_t body_bytes = Route::kConfigurationBody;
  const auto judged = node.api->admit(request, body_bytes);
  auto answer = node.api->answer(request);
  const auto* const response = std::get_if<http::Response>(&answer);
  if (response == nullptr) {
    SLUICE_ASSERT(request.path == "/api/v1/events", "only events may be waited for");
    return;
  }
  constexpr int kStatuses[] = {200, 400, 403, 404, 405, 409, 500, 501, 503, 507};
  SLUICE_ASSERT(std::ranges::find(kStatuses, response->status) != std::end(kStatuses),
                "a status that the API has");
  SLUICE_ASSERT(!judged || response->status != 200, "who is refused by the head stays refused");
  SLUICE_ASSERT(find_not_utf8(response->body) == std::string_view::npos, "an answer is text");
  if (response->status != 200 && request.path != "/readyz") {
    const auto error = nlohmann::json::parse(response->body).at("error");
    SLUICE_ASSERT(error.at("message").is_string() && error.at("where").is_string(),
                  "a refusal says where and what");
  }
  if (response->status != 200 || request.read_only || request.method != "POST") {
    SLUICE_ASSERT(node.model->snapshot().generation == generation, "nothing is published");
    SLUICE_ASSERT(node.changes.size() == changes, "nothing has changed");
  }
}

}  // namespace sluice::control
