// SPDX-License-Identifier: Apache-2.0
#include "http/message.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::http {

std::optional<std::string_view> Request::parameter(std::string_view key) const noexcept {
  const auto found = std::ranges::find(query, key, &std::pair<std::string, std::string>::first);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

Response refusal(int status, std::string_view code, std::string_view where,
                 std::string_view message) {
  const nlohmann::ordered_json body{
      {"error", {{"code", code}, {"where", where}, {"message", message}}}};
  Response made;
  made.status = status;
  made.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  return made;
}

Response refusal(const Error& error) {
  return refusal(http_status(error.code), name(error.code), error.where, error.message);
}

}  // namespace sluice::http
