// SPDX-License-Identifier: Apache-2.0
#include "http/gate.hpp"

#include <chrono>

namespace sluice::http {
namespace {

constexpr std::chrono::milliseconds kWrongToken{50};  // what a guess costs of the allowance

}  // namespace

std::optional<Response> Gate::judge(Request& request, bool by_tcp, std::string_view shown,
                                    std::size_t& body_bytes, Allowance::Time now) {
  if (by_tcp)
    if (auto refused = judge_remote(request, shown, now)) return refused;
  if (admit_)
    if (auto refused = admit_(request, body_bytes)) return refused;
  if (request.read_only && request.method != "GET")
    return refusal(403, "not_permitted", request.path,
                   "nothing is changed by TCP without a token; use the Unix socket");
  return std::nullopt;
}

std::optional<Response> Gate::judge_remote(Request& request, std::string_view shown,
                                           Allowance::Time now) {
  request.read_only = true;
  if (const auto wait = allowance_.wait(request.peer.address, now); wait.count() > 0) {
    auto refused =
        refusal(429, "exhausted", request.path,
                fmt::format("asks for more than its share of the node's time; ask again in {} s",
                            wait.count()));
    refused.headers.emplace_back("Retry-After", std::to_string(wait.count()));
    return refused;
  }
  if (!tokens_ || shown.empty()) return std::nullopt;
  const auto owner = tokens_->owner(shown);
  if (!owner) {
    charge(request.peer.address, kWrongToken, now);
    auto refused = refusal(401, "not_permitted", "Authorization",
                           "is none of this node's tokens; send 'Bearer TOKEN'");
    refused.headers.emplace_back("WWW-Authenticate", "Bearer");
    return refused;
  }
  request.read_only = false;
  request.peer.token = *owner;
  request.peer.text = fmt::format("token {} at {}", *owner, request.peer.text);
  return std::nullopt;
}

}  // namespace sluice::http
