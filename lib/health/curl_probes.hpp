// SPDX-License-Identifier: Apache-2.0
// Probes by HTTPS and gRPC: libcurl's state machines, woken by our event loop.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "health/probe.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace sluice::http {
class CurlMulti;
}

namespace sluice::health {

/// Each question has a connection of its own, closed by a reset: a connection kept open tells
/// nothing of the listener, and a thousand closed ones a second would linger for a minute each.
/// Addresses only, no proxies, no redirects, no cookies, nothing of the environment.
class CurlProbes {
 public:
  /// @param loop  lives longer, as does this than its probes.
  /// @return kIo when libcurl does not start.
  [[nodiscard]] static Result<std::unique_ptr<CurlProbes>> open(EventLoop& loop);
  CurlProbes(const CurlProbes&) = delete;
  CurlProbes& operator=(const CurlProbes&) = delete;
  ~CurlProbes();

  /// Of type grpc or https. What libcurl does not take is told by the answer, as
  /// kLocal.
  [[nodiscard]] std::unique_ptr<Probe> make(const Target& target, Probe::Answered answered);

 private:
  explicit CurlProbes(EventLoop& loop) noexcept : loop_(loop) {}
  EventLoop& loop_;
  // One for each file of authorities: libcurl keeps the certificates of the last one it read, and
  // to read the system's anew for each connection takes twenty milliseconds.
  std::map<std::string, std::weak_ptr<http::CurlMulti>> multis_;
  std::shared_ptr<http::CurlMulti> plain_;
};

}  // namespace sluice::health
