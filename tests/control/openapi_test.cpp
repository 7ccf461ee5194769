// SPDX-License-Identifier: Apache-2.0
// The table of routes and the document that is made of it. That answers are as their schemas say is
// judged on a live node: tests/system/api_test.py.
#include "control/openapi.hpp"

#include "control/api_route.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string>

namespace sluice::control {
namespace {

void collect_references(const Json& part, std::set<std::string>& found) {
  if (part.is_object() && part.contains("$ref")) found.insert(part["$ref"].get<std::string>());
  if (part.is_structured())
    for (const auto& one : part) collect_references(one, found);
}

TEST(Routes, NoRequestHasTwoAndNoOperationTwoNames) {
  std::set<std::string> names;
  std::set<std::string> requests;
  for (const auto& route : routes()) {
    EXPECT_TRUE(names.emplace(route.name).second) << route.name;
    std::string shape(route.path);  // "{pool}" and "{name}" take the same
    for (auto from = shape.find('{'); from != std::string::npos; from = shape.find('{', from + 1))
      shape.erase(from + 1, shape.find('}', from) - from - 1);
    EXPECT_TRUE(requests.insert(std::string(route.method) + " " + shape).second) << route.path;
    EXPECT_TRUE(route.method == "GET" || route.method == "POST") << route.path;
    EXPECT_TRUE(route.call != nullptr) << route.path;
    EXPECT_TRUE(route.method == "POST" || route.body.empty()) << route.path;
  }
}

TEST(Routes, PartsOfAPathAreNeverEmptyAndHoldNoSlash) {
  Arguments parts;
  ASSERT_TRUE(match("/b/{pool}/{name}/drain", "/b/llama/gpu-1/drain", parts));
  EXPECT_EQ(parts, (Arguments{"llama", "gpu-1"}));
  ASSERT_TRUE(match("/b/{pool}", "/b/llama", parts));
  EXPECT_EQ(parts, Arguments{"llama"});
  for (const auto* path : {"/b/", "/b", "/b/llama/", "/b/llama/gpu-1", "/b//gpu-1/drain", "", "/"})
    EXPECT_FALSE(match("/b/{pool}", path, parts)) << path;
  EXPECT_FALSE(match("/b/{pool}/{name}/drain", "/b/llama/gpu-1/drai", parts));
  EXPECT_FALSE(match("/b/{pool}/{name}/drain", "/b/llama/gpu-1/drainx", parts));
}

TEST(OpenApi, HasEveryRouteAndEveryPartThatItNames) {
  const auto document = Json::parse(openapi());
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::size_t operations = 0;
  for (const auto& path : document["paths"]) operations += path.size();
  EXPECT_EQ(operations, routes().size());
  for (const auto& route : routes()) {
    const auto& operation =
        document["paths"][std::string(route.path)][route.method == "GET" ? "get" : "post"];
    EXPECT_EQ(operation["operationId"], route.name);
    EXPECT_EQ(operation.contains("requestBody"), !route.body.empty()) << route.path;
    EXPECT_EQ(operation["responses"].contains("403"), route.method == "POST" || route.secret);
    EXPECT_TRUE(operation["responses"]["200"]["content"].contains(std::string(route.type)));
  }
  std::set<std::string> references;
  collect_references(document, references);
  EXPECT_FALSE(references.empty());
  for (const auto& reference : references)
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  for (const auto& [name, schema] : document["components"]["schemas"].items())
    EXPECT_TRUE(references.contains("#/components/schemas/" + name)) << name << " is of no use";
}

}  // namespace
}  // namespace sluice::control
