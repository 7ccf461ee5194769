// SPDX-License-Identifier: Apache-2.0
// What the admin API's handlers get and give: one request, one answer.
//
// Threads: values.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::http {

/// Who asks. Of a Unix socket the kernel vouches for process, user and group; of TCP all are
/// absent.
struct Peer {
  std::string text;  ///< "pid 4711 uid 0", "127.0.0.1:4242", "token ci at 127.0.0.1:4242".
  std::optional<pid_t> process;
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  std::string address;  ///< Of TCP, without the port.
  std::string token;    ///< Name of the bearer token that it showed.
};

struct Request {
  std::string method;  ///< "GET", "POST", ...; a HEAD comes as GET, and its body is not sent.
  std::string path;    ///< Percent-decoded, without the query: "/api/v1/events".
  std::vector<std::pair<std::string, std::string>>
      query;                    ///< Decoded, in order; "?a" has value "".
  std::string accept_encoding;  ///< That header as sent; empty: absent. So is the next one.
  std::string if_none_match;
  std::string body;
  Peer peer;
  bool read_only = false;  ///< It came by TCP without a token: nothing may change, secrets stay.
  bool expired = false;    ///< It was deferred and has waited long enough: answer now.

  /// The first value of a key of the query.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view key) const noexcept;
};

/// Adds the next piece of a body; false: there was none left. Called in turns of the event loop,
/// as the client takes what it was sent, so that a long answer holds up nobody.
using Pieces = std::function<bool(std::string& out)>;

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  ///< Besides type and length;
                                                             ///< Cache-Control: else "no-store".
  Pieces pieces = {};  ///< Makes the body, which is empty then; its length is not told.
};

/// "Nothing yet": the handler is asked again at each Server::wake_deferred(), and a last time,
/// with Request::expired set, when `at_most` has passed since it was first asked.
struct Defer {
  std::chrono::milliseconds at_most;
};

using Answer = std::variant<Response, Defer>;
using Handler = std::function<Answer(const Request&)>;
/// Judges a request by its head, before a byte of its body is read. `body_bytes`: how long that may
/// be, to be lowered. @return the refusal; std::nullopt: it may go on.
using Admit = std::function<std::optional<Response>(const Request&, std::size_t& body_bytes)>;

/// `{"error": {"code", "where", "message"}}` with that status; bytes that are not UTF-8 are
/// replaced.
[[nodiscard]] Response refusal(int status, std::string_view code, std::string_view where,
                               std::string_view message);
/// The same from an Error: its code's name and its HTTP status.
[[nodiscard]] Response refusal(const Error& error);

}  // namespace sluice::http
