// SPDX-License-Identifier: Apache-2.0
#include "control/openapi.hpp"

#include "control/api_route.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <set>

namespace sluice::control {
namespace {

struct Status {
  int number;
  std::string_view about;
};

// Every refusal that there is; each has the body of the schema Error.
constexpr std::array kStatuses = {
    Status{400, "Something in the request is not as it must be; `where` says what."},
    Status{401, "The bearer token is not one of this node's."},
    Status{403, "By TCP nothing is changed without TLS and a token."},
    Status{404, "There is no such path, pool or backend."},
    Status{405, "The path takes another method; `Allow` says which."},
    Status{409, "What is asked for is at odds with what is there."},
    Status{413, "The body is too long."},
    Status{429, "This client asks for too much; `Retry-After` says when to ask again."},
    Status{500, "The system refused; `message` has its reason."},
    Status{503, "Not now."},
    Status{507, "There is no room for more."},
};

Json content(std::string_view type, const Json& schema) {
  Json media = Json::object();
  media["schema"] = schema;
  return {{std::string(type), std::move(media)}};
}

Json reference(std::string_view schema) {
  return {{"$ref", "#/components/schemas/" + std::string(schema)}};
}

// "{pool}" and "{name}" of a path, then the keys of the query.
Json parameters(const Route& route) {
  Json list = Json::array();
  for (auto from = route.path.find('{'); from != std::string_view::npos;
       from = route.path.find('{', from + 1)) {
    const auto name = route.path.substr(from + 1, route.path.find('}', from) - from - 1);
    list.push_back({{"name", name},
                    {"in", "path"},
                    {"required", true},
                    {"description", name == "pool" ? "Name of the pool." : "Name of the backend."},
                    {"schema", {{"type", "string"}}}});
  }
  for (const auto& key : route.query)
    list.push_back({{"name", key.name},
                    {"in", "query"},
                    {"required", key.required},
                    {"description", key.about},
                    {"schema", {{"type", key.type}}}});
  return list;
}

Json responses(const Route& route) {
  Json answered = {{"description", "Done."}};
  if (route.name == "readyz") answered["description"] = "Ready.";
  answered["content"] = content(
      route.type, route.answer.empty() ? Json{{"type", "string"}} : reference(route.answer));
  Json out = {{"200", std::move(answered)}};
  std::set<int> statuses(route.refusals.begin(), route.refusals.end());
  statuses.insert({400, 401, 404, 413, 429});
  if (route.method == "POST" || route.secret) statuses.insert(403);
  for (const int status : statuses) {
    const auto number = std::to_string(status);
    out[number] = {{"$ref", "#/components/responses/" + number}};
  }
  if (route.type == "text/plain" && statuses.contains(503))
    out["503"] = {{"description", "Not ready, and why."},
                  {"content", content("text/plain", {{"type", "string"}})}};
  return out;
}

Json operation(const Route& route) {
  Json out = {{"operationId", route.name}, {"summary", route.about}};
  if (auto list = parameters(route); !list.empty()) out["parameters"] = std::move(list);
  if (!route.body.empty())
    out["requestBody"] = {{"required", true},
                          {"content", content("application/json", reference(route.body))}};
  out["responses"] = responses(route);
  if (route.method == "POST" || route.secret)  // on TCP; the Unix socket asks for none
    out["security"] = {Json::object(), {{"token", Json::array()}}};
  return out;
}

std::string document() {
  Json paths = Json::object();
  for (const auto& route : routes()) {
    const std::string method = route.method == "GET" ? "get" : "post";
    paths[std::string(route.path)][method] = operation(route);
  }
  Json refusals = Json::object();
  for (const auto& [number, about] : kStatuses)
    refusals[std::to_string(number)] = {
        {"description", about}, {"content", content("application/json", reference("Error"))}};
  const Json whole = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Sluice admin API"},
        {"version", SLUICE_VERSION},
        {"description",
         "GET reads, POST changes. Everything on the Unix socket; on TCP reading only, unless TLS "
         "and a token are configured. Fields are only ever added: ignore those you do not know."},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", {{{"url", "http://localhost"}, {"description", "On the Unix socket."}}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", api_schemas()},
        {"responses", std::move(refusals)},
        {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return whole.dump(1) + "\n";
}

}  // namespace

const std::string& openapi() {
  static const std::string made = document();
  return made;
}

}  // namespace sluice::control
