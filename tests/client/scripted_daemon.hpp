// SPDX-License-Identifier: Apache-2.0
// A stand-in for the daemon's admin socket: answers each request as the test wrote it down.
//
// Threads: one of its own; the public functions from the test's threads.
#pragma once

#include "base/unique_fd.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::client {

struct Reply {
  int status = 200;
  std::string body = {};
  std::string raw = {};  ///< Sent as it is instead of status and body.
  bool silent = false;   ///< Nothing is sent; the connection stays open.
  bool endless = false;  ///< `raw`, then zeros until the client gives up.
};

struct Received {
  std::string what;  ///< "GET /api/v1/status"
  std::string body = {};
};

class ScriptedDaemon {
 public:
  ScriptedDaemon();  ///< Listens on a socket in a new folder below /tmp.
  ~ScriptedDaemon();
  ScriptedDaemon(const ScriptedDaemon&) = delete;
  ScriptedDaemon& operator=(const ScriptedDaemon&) = delete;

  /// Answers `what` ("GET /api/v1/status") with `reply`, after those already scripted for it; the
  /// last one is repeated. What is not scripted is answered 404, as the daemon does.
  void script(const std::string& what, Reply reply);
  void script(const std::string& what, std::string body) {
    script(what, Reply{200, std::move(body)});
  }

  /// Stops listening and closes every connection; the socket's file stays (as after kill -9) or
  /// goes.
  void stop(bool leave_socket);
  void start();  ///< Listens again, as another daemon would.

  /// Waits until this many requests have come in all; false after 10 s.
  [[nodiscard]] bool wait_for(std::size_t requests);
  [[nodiscard]] std::vector<Received> received();
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] const std::string& socket() const noexcept { return socket_; }

 private:
  void serve();
  void answer(UniqueFd client);
  Reply next_reply(const std::string& what);

  std::string folder_;
  std::string socket_;
  UniqueFd listener_;
  UniqueFd wake_;
  std::thread thread_;
  std::vector<UniqueFd> held_;  // of the serving thread
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, std::deque<Reply>> script_;
  std::vector<Received> received_;
};

}  // namespace sluice::client
