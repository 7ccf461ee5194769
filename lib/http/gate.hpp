// SPDX-License-Identifier: Apache-2.0
// Judges a request by its head, before a byte of its body is read: who asks, whether that may be
// asked, and whether who asks has asked for too much.
//
// Threads: the event loop's.
#pragma once

#include "http/allowance.hpp"
#include "http/credentials.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::http {

class Gate {
 public:
  Gate(Allowance::Limits limits, Admit admit) : allowance_(limits), admit_(std::move(admit)) {}

  void trust(Tokens tokens) { tokens_ = std::move(tokens); }  ///< These from now on, no others.

  /// Sets Request::read_only, and names the token in Request::peer.
  ///
  /// @param shown       the Authorization header; without meaning on the Unix socket.
  /// @param body_bytes  how long the body may be; lowered here.
  /// @return 401 (not our token), 403 (a change by TCP without one), 429 (with Retry-After), or
  ///         what the handler's own judge says; std::nullopt: it may go on.
  [[nodiscard]] std::optional<Response> judge(Request& request, bool by_tcp, std::string_view shown,
                                              std::size_t& body_bytes, Allowance::Time now);
  /// Notes what a request of that address has cost.
  void charge(const std::string& address, Allowance::Cost cost, Allowance::Time now) {
    allowance_.charge(address, cost, now);
  }

 private:
  [[nodiscard]] std::optional<Response> judge_remote(Request& request, std::string_view shown,
                                                     Allowance::Time now);

  Allowance allowance_;
  Admit admit_;
  std::optional<Tokens> tokens_;
};

}  // namespace sluice::http
