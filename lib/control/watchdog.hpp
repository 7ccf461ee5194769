// SPDX-License-Identifier: Apache-2.0
// Feeds systemd's watchdog for as long as every worker moves: one that hangs has the daemon
// restarted, as a slow path that hangs does, which then feeds nothing either.
//
// Threads: slow path.
#pragma once

#include "control/event_log.hpp"

#include <chrono>
#include <functional>
#include <optional>

namespace sluice::control {

class Watchdog {
 public:
  /// The number of a worker that has not turned for longer than that; std::nullopt: all turn.
  using Stuck = std::function<std::optional<unsigned>(std::chrono::milliseconds)>;

  /// How often systemd is to be told, if it wants to be told at all ($WATCHDOG_USEC, for this
  /// process by $WATCHDOG_PID): a quarter of its limit, so that it takes several misses to be
  /// killed. std::nullopt: no watchdog, or built without libsystemd.
  [[nodiscard]] static std::optional<std::chrono::milliseconds> period() noexcept;

  Watchdog(std::chrono::milliseconds period, Stuck stuck, EventLog& events)
      : period_(period), stuck_(std::move(stuck)), events_(events) {}

  /// Call it every period: "WATCHDOG=1" when all workers have turned within the last one. When one
  /// has not, nothing is sent, and that is an event and systemd's status line; so is its end.
  void step();

 private:
  std::chrono::milliseconds period_;
  Stuck stuck_;
  EventLog& events_;
  bool withheld_ = false;
};

}  // namespace sluice::control
