// SPDX-License-Identifier: Apache-2.0
#include "control/audit.hpp"

#include "config/difference.hpp"
#include "control/api_parse.hpp"

#include <pwd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
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

std::string who_signalled(int signal, const EventLoop::Sender& from, const std::string& passwd) {
  const auto* const name = ::sigabbrev_np(signal);
  return fmt::format("signal SIG{} of user {} (uid {}, pid {})", name == nullptr ? "?" : name,
                     user_name(from.user, passwd), from.user, from.process);
}

void audit(EventLog& events, std::string_view who, std::string_view what, const Json& changes) {
  std::string text = fmt::format("{}: {}", who, what);
  const auto told = std::min(changes.size(), kMostChanges);
  for (std::size_t i = 0; i < told; ++i)
    text += fmt::format("{} {} from {} to {}", i == 0 ? ":" : ",", value(changes[i], "path"),
                        value(changes[i], "before"), value(changes[i], "after"));
  if (changes.size() > told) text += fmt::format(" and {} more", changes.size() - told);
  if (changes.empty()) text += ": nothing became different";
  events.note(Level::kInfo, "audit", "changed", std::move(text));
}

void audit(EventLog& events, std::string_view who, std::string_view what,
           const config::Configuration& before, const config::Configuration& after) {
  audit(events, who, what, changes_json(config::difference(before, after)));
}

}  // namespace sluice::control
