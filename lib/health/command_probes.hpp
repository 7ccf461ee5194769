// SPDX-License-Identifier: Apache-2.0
// A program of the operator's as a probe: its exit status is the answer.
//
// Threads: the event loop's.
#pragma once

#include "base/child_process.hpp"
#include "base/event_loop.hpp"
#include "health/probe.hpp"

#include <cstddef>
#include <memory>

namespace sluice::health {

/// Each run has /dev/null for input and a small environment: SLUICE_POOL, SLUICE_BACKEND,
/// SLUICE_ADDRESS, SLUICE_PORT and PATH. When the program ends, or is given up, what is left of its
/// process group is killed.
class CommandProbes {
 public:
  static constexpr std::size_t kMostAtOnce =
      ChildProcesses::kMostAtOnce;  ///< Beyond it the answer is kLocal.

  /// @param loop  lives longer, as does this than its probes.
  explicit CommandProbes(EventLoop& loop) noexcept : children_(loop) {}

  [[nodiscard]] std::unique_ptr<Probe> make(const Target& target, Probe::Answered answered);
  [[nodiscard]] std::size_t processes() const noexcept { return children_.processes(); }

 private:
  class Run;

  ChildProcesses children_;
};

}  // namespace sluice::health
