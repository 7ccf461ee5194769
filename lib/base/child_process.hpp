// SPDX-License-Identifier: Apache-2.0
// Programs of the operator's: run without a shell, waited for by the event loop, bounded in what
// they say and how long they take.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

/// Each program is a process group of its own with none of our descriptors, signal masks or
/// variables. When it ends, runs out of time or is given up, what is left of its group is killed.
class ChildProcesses {
 public:
  static constexpr std::size_t kMostAtOnce = 256;  ///< Those that are dying included.

  struct Program {
    std::vector<std::string> arguments = {};    ///< The first one is the program's path.
    std::vector<std::string> environment = {};  ///< "NAME=value", beside a PATH of system folders.
    std::string input = {};   ///< What it reads; a file to it, so that it need not read it at all.
    std::size_t keep = 4096;  ///< Bytes kept of its output, and at most so many of its errors.
    bool errors_apart = false;             ///< Else standard error is part of the output.
    std::chrono::milliseconds timeout{0};  ///< 0: none.
  };
  struct End {
    enum class How : std::uint8_t { kExited, kSignalled, kTimedOut, kLost };
    How how = How::kExited;
    int status = 0;           ///< Of kExited its exit status, of kSignalled the signal, else errno.
    std::string output = {};  ///< All of it was read; the first bytes are here.
    bool cut = false;         ///< There was more output than was kept.
    std::string errors = {};

    /// "exit status 3", "ended by signal 9", "ran out of time".
    [[nodiscard]] std::string text() const;
  };
  using Ended = std::function<void(End)>;
  enum class Id : std::uint64_t { kNone = 0 };

  /// @param loop  lives longer.
  explicit ChildProcesses(EventLoop& loop) noexcept;
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;
  ~ChildProcesses();  ///< Kills all; does not wait for them: init takes them.

  /// Starts one. `ended` is called once, from the loop; it may start others.
  /// @return kExhausted, or kIo with the system's reason; `ended` is not called then.
  [[nodiscard]] Result<Id> start(Program program, Ended ended);
  /// Kills it; `ended` is not called. Nothing when it has ended.
  void give_up(Id id) noexcept;
  /// Those that run, and those that were killed and are not reaped yet.
  [[nodiscard]] std::size_t processes() const noexcept { return running_.size() + dying_.size(); }

 private:
  struct Run;
  void read(Run& run, bool errors);
  void ended(Id id);
  void out_of_time(Id id);
  void close(Run& run) noexcept;
  void bury(pid_t process, UniqueFd exit);
  void reap();

  EventLoop& loop_;
  std::uint64_t last_ = 0;
  std::map<Id, std::unique_ptr<Run>> running_;
  std::map<pid_t, UniqueFd> dying_;  // killed, not yet reaped; without one when none was left
};

}  // namespace sluice
