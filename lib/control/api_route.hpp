// SPDX-License-Identifier: Apache-2.0
// One row of the admin API: what a request looks like, what answers it, and who may ask. The table
// of them (api_routes.cpp) dispatches requests and is printed as the OpenAPI document.
//
// Threads: constants.
#pragma once

#include "control/views.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

class Api;

/// What stands for each "{...}" of a route's path, in order; never empty.
using Arguments = std::vector<std::string>;

/// A key of the query.
struct Parameter {
  std::string_view name;
  std::string_view type;  ///< Of JSON Schema: "string", "integer", "number".
  std::string_view about;
  bool required = false;
};

struct Route {
  std::string_view method;  ///< "GET" or "POST".
  std::string_view path;    ///< "/api/v1/backends/{pool}/{name}/drain"; a part takes no slash.
  std::string_view name;    ///< Of the operation, unique: "drain_backend".
  std::string_view about;   ///< One sentence.
  std::vector<Parameter> query{};
  std::string_view body{};                     ///< Schema of the body; empty: it takes none.
  std::string_view answer;                     ///< Schema of the answer; empty: it is no JSON.
  std::string_view type = "application/json";  ///< Of the answer.
  std::vector<int> refusals{};                 ///< Statuses beside those that every path has.
  bool secret = false;  ///< A GET that is as much as a change: not for who may only read.
  std::size_t body_bytes = kSmallBody;  ///< Of a request; more is 413.
  http::Answer (*call)(Api&, const http::Request&, const Arguments&);

  static constexpr std::size_t kSmallBody = std::size_t{64} << 10U;
  static constexpr std::size_t kConfigurationBody = std::size_t{16} << 20U;
};

/// All of them. Paths that match one request differ in their methods alone.
[[nodiscard]] std::span<const Route> routes();

/// The parts of `path` that stand for the pattern's "{...}".
/// @return whether the path is one of the pattern's.
[[nodiscard]] bool match(std::string_view pattern, std::string_view path, Arguments& arguments);

/// 200 with that JSON, indented.
[[nodiscard]] http::Response json_answer(const Json& body);

}  // namespace sluice::control
