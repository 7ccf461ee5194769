// SPDX-License-Identifier: Apache-2.0
// How long workers hold on to tables after others have been published: by how much a change is late
// at the last of them. Frees the old ones as soon as it sees that nobody has them.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "control/durations.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace sluice::control {

class GraceWatch {
 public:
  /// It looks at the end of the turn, then after so long, then each time after twice as long.
  static constexpr std::chrono::milliseconds kFirstLook{1};
  static constexpr std::chrono::milliseconds kLongestWait{64};

  /// @param reclaim  frees what nobody holds, and returns how much is still held.
  GraceWatch(EventLoop& loop, std::function<std::size_t()> reclaim);
  GraceWatch(const GraceWatch&) = delete;
  GraceWatch& operator=(const GraceWatch&) = delete;
  ~GraceWatch();

  void published();  ///< Tables have just been published.
  /// To a millisecond, or to a half of it where it is longer.
  [[nodiscard]] const Durations& times() const noexcept { return times_; }

 private:
  void look();

  EventLoop& loop_;
  std::function<std::size_t()> reclaim_;
  std::vector<EventLoop::Clock::time_point> held_;  ///< When tables were that may be held still.
  std::chrono::milliseconds wait_ = kFirstLook;
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
  std::shared_ptr<bool> asked_ = std::make_shared<bool>(false);  ///< For the end of this turn.
  Durations times_;
};

}  // namespace sluice::control
