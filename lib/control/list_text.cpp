// SPDX-License-Identifier: Apache-2.0
#include "control/list_text.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace sluice::control {

// The library indents from the left margin on only: the list is put where it would stand, and what
// is around it is cut off again.
std::string elements(Json list, unsigned depth) {
  if (list.empty()) return {};
  std::size_t before = 0;
  std::size_t after = 0;
  for (unsigned i = 0; i < depth; ++i) {
    const std::size_t indent = std::size_t{4} * i;
    before += indent + sizeof("{\n") - 1 + indent + sizeof(R"(  "": [)") - 1 + 1;
    after += 1 + indent + sizeof("  ]") - 1 + 1 + indent + sizeof("}") - 1;
    Json object = Json::object();
    object.emplace("", std::move(list));
    list = std::move(object);
    if (i + 1 == depth) break;
    Json outer = Json::array();
    outer.push_back(std::move(list));
    list = std::move(outer);
  }
  auto text = list.dump(2, ' ', false, Json::error_handler_t::replace);
  text.resize(text.size() - after);
  text.erase(0, before);
  return text;
}

}  // namespace sluice::control
