// SPDX-License-Identifier: Apache-2.0
// sluicectl as a function: arguments in, exit status out.
//
// Threads: one; it waits for the daemon.
#pragma once

#include "client/text.hpp"
#include "doctor/machine.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace sluice::client {

/// What a run takes from the process around it.
struct Environment {
  std::string version;
  std::string socket = "/run/sluice/admin.sock";  ///< Where the daemon is unless --socket says.
  int in = 0;                                     ///< Descriptor that `plan --step` reads.
  int out = 1;  ///< Descriptors of what is printed; SIGPIPE must be ignored.
  int err = 2;
  bool colour = false;
  bool terminal = false;  ///< Whether `in` and `out` are a terminal that `top` can have.
  bool progress = false;  ///< Whether `err` is a terminal that may be told how far long work is.
  std::function<TimePoint()> now = [] { return std::chrono::system_clock::now(); };
  /// Called once by what runs until it is interrupted (`events --follow`, `capture`, `top`, `drain
  /// --wait`): a descriptor that becomes readable when it is
  /// to end.
  std::function<int()> interrupt = [] { return -1; };
  std::chrono::milliseconds second{1000};  ///< What `top` and `drain --wait` count in.
  std::filesystem::path root = "/";        ///< Where `doctor` finds /proc and /sys.
  doctor::Machine::LinkOf link = doctor::link_of;
  std::chrono::milliseconds limit{10'000};     ///< Longest time for an answer.
  std::chrono::milliseconds first_pause{250};  ///< See Following.
};

/// Runs one command line (without the program's name).
/// @return 0 done, 1 failed, 2 wrong usage or a request that the daemon finds invalid.
[[nodiscard]] int run(std::span<const std::string> arguments, const Environment& environment);

}  // namespace sluice::client
