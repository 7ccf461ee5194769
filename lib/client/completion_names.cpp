// SPDX-License-Identifier: Apache-2.0
#include "client/completion_names.hpp"

#include "client/answer.hpp"
#include "client/view.hpp"
#include "config/decode.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <system_error>

namespace sluice::client {
namespace {

// Where names of each kind stand in an answer.
struct Place {
  std::string_view list;
  std::string_view name;
};

Place place_of(NameKind kind) noexcept {
  switch (kind) {
    case NameKind::kPool:
    case NameKind::kClass:
      return {"pools", "name"};
    case NameKind::kService:
      return {"services", "name"};
    case NameKind::kVerdict:
      return {"drops", "reason"};
    case NameKind::kBackend:
    case NameKind::kPoolAndBackend:
      break;
  }
  return {"backends", "name"};
}

}  // namespace

bool is_plain_name(std::string_view word) noexcept {
  return !word.empty() && word.front() != '-' &&
         word.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/") == word.npos;
}

std::string target_of(NameKind kind, const std::string& pool) {
  if (kind == NameKind::kClass) return "/api/v1/config";
  const auto list = "/api/v1/" + std::string(place_of(kind).list);
  const bool of_pool = kind == NameKind::kBackend || kind == NameKind::kPoolAndBackend;
  return of_pool && !pool.empty() ? list + "?pool=" + escaped(pool) : list;
}

std::vector<std::string> names_in(NameKind kind, const std::string& pool, std::string_view body) {
  std::vector<std::string> names;
  const auto value = parse_answer(body);
  if (!value) return names;
  const auto place = place_of(kind);
  const auto items = View(*value)[place.list].items();
  if (!items) return names;
  for (const auto& item : *items) {
    if (kind == NameKind::kClass) {
      if (!pool.empty() && item["name"].text() != pool) continue;
      if (const auto classes = item["classes"].items())
        for (const auto& one : *classes) names.push_back(one["name"].text());
      continue;
    }
    auto name = item[place.name].text();
    if (kind == NameKind::kPoolAndBackend) name.insert(0, item["pool"].text() + "/");
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> names_of_file(NameKind kind, const NameScope& scope) {
  std::vector<std::string> names;
  std::error_code none;
  // A pipe would keep the shell waiting.
  if (!std::filesystem::is_regular_file(scope.file, none)) return names;
  const auto decoded = config::load(scope.file);
  if (!decoded || !decoded->faults.empty()) return names;
  for (const auto& pool : decoded->configuration.pools) {
    if (kind == NameKind::kPool) names.push_back(pool.name);
    if (kind != NameKind::kClass || (!scope.pool.empty() && pool.name != scope.pool)) continue;
    for (const auto& one : pool.classes) names.push_back(one.name);
  }
  return names;
}

std::vector<std::string> names_from(Http& http, NameKind kind, const NameScope& scope) {
  if (!scope.file.empty()) return names_of_file(kind, scope);
  std::vector<std::string> names;
  if (const auto answer = http.send({target_of(kind, scope.pool), std::nullopt});
      answer && answer->status == 200)
    names = names_in(kind, scope.pool, answer->body);
  if (kind == NameKind::kVerdict) names.insert(names.end(), {"forward", "host"});
  return names;
}

}  // namespace sluice::client
