// SPDX-License-Identifier: Apache-2.0
// Work that may be asked for in every turn and is the dearer the larger the node is: done at once
// when it has rested, and else as soon as it has, so that it never takes more than its share of the
// slow path's time. A node where it is cheap never notices.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"

#include <functional>
#include <utility>

namespace sluice::control {

class Pace {
 public:
  /// @param rest  how many times as long as it took it rests: 3 is at most a quarter of the time.
  Pace(EventLoop& loop, int rest, std::function<void()> work)
      : loop_(loop), rest_(rest), work_(std::move(work)) {}
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;
  ~Pace() { loop_.cancel(timer_); }

  /// The work is due: it is done before this returns, or once when it has rested. Asked for from
  /// within the work itself, it is done again after a rest.
  void ask();
  /// It is asked for, and rests still.
  [[nodiscard]] bool waits() const noexcept { return timer_ != EventLoop::TimerId::kNone; }

 private:
  void run();
  void run_later();

  EventLoop& loop_;
  int rest_;
  std::function<void()> work_;
  EventLoop::Clock::time_point rested_{};  ///< When it may be done again.
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
  bool running_ = false;
  bool again_ = false;
};

}  // namespace sluice::control
