// SPDX-License-Identifier: Apache-2.0
// The one wait of the slow path: descriptors, timers and signals, one callback at a time.
//
// Threads: everything on the thread that calls run(); block_signals() before any other starts.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>
#include <array>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice {

/// How long turns have taken, from the end of one wait to the begin of the next.
struct TurnTimes {
  static constexpr std::array<double, 6> kBounds{0.0001, 0.001, 0.01, 0.05, 0.1, 1.0};  // seconds
  using Counts = std::array<std::uint64_t, kBounds.size() + 1>;
  Counts by_time{};                  ///< Turns by time; the last has no bound.
  Counts by_processor_time{};        ///< By what they took of a processor: less than the time
                                     ///< where something else had it.
  std::chrono::nanoseconds time{0};  ///< Of all turns.
  std::chrono::nanoseconds processor_time{0};
  std::chrono::nanoseconds longest{0};  ///< By time.
};

/// Level-triggered epoll with an ordered set of timers. A callback may add, change, remove or
/// cancel anything, itself included: what is removed is not called again, not even in the same
/// turn. A callback that throws is logged (the 1st, 2nd, 4th, ... time) and the loop goes on.
class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  using Task = std::function<void()>;
  using FdTask = std::function<void(std::uint32_t events)>;  ///< EPOLLIN, EPOLLHUP, ...
  /// Of a signal.
  struct Sender {
    pid_t process = 0;  ///< 0: the kernel.
    uid_t user = 0;
  };
  /// @param from  who sent it by kill(2); of several that came as one the first.
  using SignalTask = std::function<void(int signal, const Sender& from)>;
  enum class TimerId : std::uint64_t { kNone = 0 };

  /// @param now  clock of the timers; tests hand in their own.
  /// @return kIo when the system has no descriptor left.
  [[nodiscard]] static Result<std::unique_ptr<EventLoop>> open(Now now = Clock::now);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  /// Calls `task` in every turn in which `fd` has one of `events` (or an error, or a hang-up).
  /// @return kConflict when the descriptor is there already, kIo when epoll does not take it.
  [[nodiscard]] Result<void> add(int fd, std::uint32_t events, FdTask task);
  /// Waits for other events of a descriptor that was added; kNotFound or kIo.
  [[nodiscard]] Result<void> change(int fd, std::uint32_t events);
  /// Forgets the descriptor; nothing when it is unknown. Before it is closed, never after: a new
  /// file may have its number by then.
  void remove(int fd) noexcept;

  /// Calls `task` once, `delay` from now or later; in the next turn at the earliest.
  TimerId after(std::chrono::milliseconds delay, Task task);
  /// Calls `task` each `period` (1 ms at least). Periods that were missed are left out, not made
  /// up.
  TimerId every(std::chrono::milliseconds period, Task task);
  void cancel(TimerId timer) noexcept;  ///< Nothing when it is unknown or has fired.

  /// Calls `task` once at the end of this turn, after all descriptors and timers; called from
  /// another deferred task, at the end of the next. For work that many callbacks ask for at once.
  void defer(Task task);

  /// Takes signals in turn with everything else. They are blocked in the calling thread and stay
  /// so.
  /// @return kConflict when called twice, kIo.
  [[nodiscard]] Result<void> on_signals(std::span<const int> signals, SignalTask task);
  /// Keeps `signals` from interrupting this thread and those that it starts from now on. Call it
  /// before a library starts threads, or a signal may end the process there.
  static void block_signals(std::span<const int> signals);

  /// Turns until stop(). A stop() from before run() counts.
  void run();
  /// Waits for the next event, at most `at_most`, and calls what is due.
  /// @return whether anything was called.
  bool turn(std::chrono::milliseconds at_most);
  void stop() noexcept { stopped_ = true; }  ///< run() returns at the end of this turn.
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

  [[nodiscard]] Clock::time_point now() const { return now_(); }
  /// Of all turns since the loop was made but the one under way.
  [[nodiscard]] const TurnTimes& turn_times() const noexcept { return turn_times_; }

 private:
  struct Watch {
    std::uint32_t serial;  // tells this watch from an earlier one of the same descriptor
    std::shared_ptr<FdTask> task;
  };
  struct Timer {
    std::chrono::milliseconds period;  // zero: once
    std::shared_ptr<Task> task;
  };
  using Deadline = std::pair<Clock::time_point, TimerId>;

  EventLoop(Now now, UniqueFd epoll) noexcept : now_(std::move(now)), epoll_(std::move(epoll)) {}
  TimerId arm(TimerId id, Clock::time_point at, Timer timer);
  [[nodiscard]] int wait_ms(std::chrono::milliseconds at_most) const;
  bool call_timers();
  bool call_deferred();
  void call(const Task& task) noexcept;
  void note_turn(std::chrono::nanoseconds time, std::chrono::nanoseconds processor_time) noexcept;

  Now now_;
  UniqueFd epoll_;
  UniqueFd signals_;
  std::unordered_map<int, Watch> watches_;
  std::map<Deadline, Timer> timers_;
  std::unordered_map<TimerId, Clock::time_point> deadlines_;
  std::vector<Task> deferred_;
  std::uint64_t last_timer_ = 0;
  std::uint64_t thrown_ = 0;
  std::uint32_t last_serial_ = 0;
  bool stopped_ = false;
  TurnTimes turn_times_;
};

}  // namespace sluice
