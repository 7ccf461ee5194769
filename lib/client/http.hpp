// SPDX-License-Identifier: Apache-2.0
// HTTP over the daemon's Unix socket: one request, one bounded answer.
//
// Threads: one object, one thread at a time.
#pragma once

#include "base/result.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::client {

inline constexpr std::size_t kLongestAnswer = 64U << 20U;  // bytes, headers included

struct Request {
  std::string target;               ///< Path and query, escaped: "/api/v1/backends?pool=llama".
  std::optional<std::string> body;  ///< Present: POST (an empty one too); absent: GET.
};

struct Answer {
  long status = 0;   ///< HTTP status.
  std::string body;  ///< At most kLongestAnswer bytes of whatever the other side sent.
};

/// Percent-encodes one part of a path or one value of a query.
[[nodiscard]] std::string escaped(std::string_view part);

/// Why connect() to the socket at `path` failed with `reason` (errno), and what to do about it.
[[nodiscard]] Error connect_failure(const std::string& path, int reason);

class Http {
 public:
  /// `socket`: file name of the Unix socket. `limit`: longest time to connect, and for an answer.
  Http(std::string socket, std::chrono::milliseconds limit);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Sends the request on a connection of its own and waits for the whole answer, whatever its
  /// status. @return kNotFound (no socket), kIo (stale, not permitted, timed out, broken off),
  /// kExhausted (too long), kInvalid (the socket's name cannot be one).
  [[nodiscard]] Result<Answer> send(const Request& request);

  /// As send(), without a limit for the answer; asks `stop` every time something happens on the
  /// connection or on one of `watched` (descriptors; -1 is ignored), and at least once a second.
  /// @return nothing when `stop` said true.
  [[nodiscard]] Result<std::optional<Answer>> send_until(const Request& request,
                                                         std::span<const int> watched,
                                                         const std::function<bool()>& stop);

  [[nodiscard]] const std::string& socket() const noexcept { return socket_; }

 private:
  struct Handles;
  Result<std::optional<Answer>> perform(const Request& request, std::chrono::milliseconds limit,
                                        std::span<const int> watched,
                                        const std::function<bool()>& stop);
  std::string socket_;
  std::chrono::milliseconds limit_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace sluice::client
