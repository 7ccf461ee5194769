// SPDX-License-Identifier: Apache-2.0
// A connection and a request of the HTTP server as libmicrohttpd hands them over. For server.cpp
// only.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "http/message.hpp"

#include <microhttpd.h>

#include <cstdarg>
#include <cstddef>
#include <string>

namespace sluice::http {

using TimerId = EventLoop::TimerId;

/// One accepted connection, over all its requests.
struct Connection {
  int fd;
  EventLoop::Clock::time_point since;  ///< When it came, or ended its last request.
  Peer peer;
  const void* listener = nullptr;  ///< That accepted it.
  bool waits = false;              ///< Its request is deferred: the wait is ours, not the client's.
  bool cut = false;                ///< It has been shut down and will be closed.
};

/// One request, from its first line until its answer is sent.
struct Exchange {
  Request request;
  MHD_Connection* connection = nullptr;
  std::size_t target_bytes = 0;
  std::size_t counted = 0;     ///< Bytes of the body in the server's total.
  std::size_t body_limit = 0;  ///< Of this request.
  bool nul_in_target = false;
  bool begun = false;  ///< The handler of the first call has run: method and path are known.
  bool too_large = false;
  bool no_room = false;
  bool suspended = false;
  bool deferred = false;  ///< It has been suspended at least once: `expiry` runs.
  TimerId expiry = TimerId::kNone;
};

/// Who is at the other end. User and process are the kernel's word, of a Unix socket only.
[[nodiscard]] Peer peer_of(int fd);
/// A request's header; empty: absent.
[[nodiscard]] std::string header_of(MHD_Connection* connection, const char* name);
/// Fills a Request::query.
MHD_Result add_parameter(void* query, MHD_ValueKind kind, const char* key, size_t key_size,
                         const char* value, size_t value_size) noexcept;
/// What libmicrohttpd has to say goes to the log's level "debug": clients cause most of it.
void log_line(void* unused, const char* format, std::va_list arguments) noexcept;
MHD_Result send(MHD_Connection* connection, const Response& response);

}  // namespace sluice::http
