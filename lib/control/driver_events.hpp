// SPDX-License-Identifier: Apache-2.0
// What the XDP filter tells of backends as it happens: a sign to look, which a health check then
// judges. docs/design/xdp-duties.md, "Observe".
//
// Threads: slow path.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "control/event_log.hpp"
#include "xdp/filter.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace sluice::control {

struct DriverEvent {
  IpAddress address;
  xdp::BackendEvent::Kind kind = xdp::BackendEvent::Kind::kAnswers;
};

class DriverEvents {
 public:
  static constexpr std::size_t kMost = 256;  ///< Taken at a time: a flood must not hold the loop.
  /// Of a backend is told at most once in this time, and of all together kMostTold times: anybody
  /// can forge a sign.
  static constexpr std::chrono::seconds kQuiet{10};
  static constexpr std::size_t kMostTold = 20;

  struct Parts {
    EventLoop& loop;
    EventLog& events;
    /// At most so many, oldest first; what is left keeps the descriptor readable.
    std::function<std::vector<DriverEvent>(std::size_t most)> poll;
    std::function<std::uint64_t()> lost;  ///< Events that found no room, of all time.
    /// Have these backends looked at: those that refused, reset or were unreachable, and those
    /// that answered after silence.
    std::function<void(const std::set<IpAddress>& doubtful, const std::set<IpAddress>& answering)>
        look;
  };

  /// @param fd  readable while there are events; stays open as long as this lives.
  /// @return kIo, kConflict: it cannot be waited for.
  [[nodiscard]] static Result<std::unique_ptr<DriverEvents>> open(Parts parts, int fd);
  DriverEvents(const DriverEvents&) = delete;
  DriverEvents& operator=(const DriverEvents&) = delete;
  ~DriverEvents();

 private:
  DriverEvents(Parts parts, int fd) : parts_(std::move(parts)), fd_(fd) {}
  void step();
  void tell(const DriverEvent& event);
  void tell_lost();

  Parts parts_;
  int fd_;
  std::map<IpAddress, EventLoop::Clock::time_point> told_;  ///< In the last kQuiet.
  std::uint64_t lost_ = 0;
  EventLoop::Clock::time_point lost_told_{};
};

}  // namespace sluice::control
