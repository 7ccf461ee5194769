// SPDX-License-Identifier: Apache-2.0
#include "control/audit.hpp"

#include <pwd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace sluice::control {
namespace {

std::string user_name(uid_t user, const std::string& passwd) {
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(passwd.c_str(), "re"));
  if (file == nullptr) return "?";
  while (const ::passwd* const one = ::fgetpwent(file.get()))
    if (one->pw_uid == user) return one->pw_name;
  return "?";
}

std::string value(const Json& change, const char* key) {
  const auto found = change.find(key);
  if (found == change.end() || *found == "") return "nothing";
  return found->is_string() ? found->get<std::string>()
                            : found->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string who(const http::Peer& peer, const std::string& passwd) {
  if (!peer.user) return peer.text;
  return fmt::format("user {} (uid {}, gid {}, pid {})", user_name(*peer.user, passwd), *peer.user,
                     peer.group.value_or(0), peer.process.value_or(0));
}

void audit(EventLog& events, const http::Peer& peer, std::string_view what, const Json& changes) {
  std::string text = fmt::format("{}: {}", who(peer), what);
  const auto told = std::min(changes.size(), kMostChanges);
  for (std::size_t i = 0; i < told; ++i)
    text += fmt::format("{} {} from {} to {}", i == 0 ? ":" : ",", value(changes[i], "path"),
                        value(changes[i], "before"), value(changes[i], "after"));
  if (changes.size() > told) text += fmt::format(" and {} more", changes.size() - told);
  if (changes.empty()) text += ": nothing became different";
  events.note(Level::kInfo, "audit", "changed", std::move(text));
}

}  // namespace sluice::control
