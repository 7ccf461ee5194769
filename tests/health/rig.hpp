// SPDX-License-Identifier: Apache-2.0
// A prober with a loop of its own, and servers that do as a test says, each on a thread.
//
// Threads: Rig on the test's thread. A Server's script runs on the server's.
#pragma once

#include "base/event_loop.hpp"
#include "health/prober.hpp"

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::health {

inline const IpAddress kLoopback = IpAddress::parse("127.0.0.1").value();
inline const IpAddress kLoopback6 = IpAddress::parse("::1").value();

/// A check with times that a busy machine keeps: a failure is waited for, not hoped for.
[[nodiscard]] config::Health check_of(config::CheckType type);

/// Backend "b" of pool "p".
[[nodiscard]] Target target_of(config::CheckType type, const IpAddress& address,
                               std::uint16_t port);

struct Rig {
  std::unique_ptr<EventLoop> loop = EventLoop::open().value();
  std::unique_ptr<Prober> prober = Prober::open(*loop, {.seed = 1}).value();

  /// The outcome of the first probe of a target; fails the test after 20 seconds.
  Outcome ask(const Target& target);
  /// Turns until `condition`; false after 20 seconds.
  bool wait(const std::function<bool()>& condition);
};

/// Accepts connections, one after the other, and hands each to the script, which closes nothing.
class Server {
 public:
  using Script = std::function<void(int fd)>;
  explicit Server(Script script, const IpAddress& address = kLoopback);
  ~Server();  ///< The script must have returned, or return when its connection is shut down.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] int accepted() const noexcept { return accepted_.load(std::memory_order_relaxed); }

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  Script script_;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> connection_ = -1;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

/// Answers every request with these bytes and closes.
[[nodiscard]] Server::Script answer_with(std::string bytes);
/// Answers nothing until the connection goes.
[[nodiscard]] Server::Script stay_silent();
/// All up to an empty line; what has come when the connection ends before.
std::string read_request(int fd);
void send_all(int fd, std::string_view bytes);

/// "HTTP/1.1 STATUS X" with a body of that text.
[[nodiscard]] std::string http(int status, std::string_view body, std::string_view headers = "");

/// A port of the loopback where nobody listens: bound, so that nobody else comes to.
class NobodyThere {
 public:
  explicit NobodyThere(int type = SOCK_STREAM);
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

}  // namespace sluice::health
