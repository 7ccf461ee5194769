// SPDX-License-Identifier: Apache-2.0
// A program of the operator's as a probe: its exit status is the answer.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "health/probe.hpp"

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>

namespace sluice::health {

/// Each run is a process group of its own, with /dev/null for input, a small environment
/// (SLUICE_POOL, SLUICE_BACKEND, SLUICE_ADDRESS, SLUICE_PORT and PATH) and none of our
/// descriptors. When the program ends, or is given up, what is left of its group is killed.
class CommandProbes {
 public:
  static constexpr std::size_t kMostAtOnce = 256;  ///< Beyond it the answer is kLocal.

  /// @param loop  lives longer, as does this than its probes.
  explicit CommandProbes(EventLoop& loop) noexcept : loop_(loop) {}
  CommandProbes(const CommandProbes&) = delete;
  CommandProbes& operator=(const CommandProbes&) = delete;
  ~CommandProbes();  ///< Does not wait for those that were killed; init takes them.

  [[nodiscard]] std::unique_ptr<Probe> make(const Target& target, Probe::Answered answered);
  [[nodiscard]] std::size_t processes() const noexcept { return running_ + dying_.size(); }

 private:
  class Run;
  void bury(pid_t process, UniqueFd exit);
  void reap();

  EventLoop& loop_;
  std::size_t running_ = 0;
  std::map<pid_t, UniqueFd> dying_;  // killed, not yet reaped; without one when none was left
};

}  // namespace sluice::health
