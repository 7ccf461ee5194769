// SPDX-License-Identifier: Apache-2.0
// A program of the operator's as actuator: an order on its standard input, the answer on its
// output.
//
// Threads: the event loop's.
#pragma once

#include "actuate/retrying.hpp"
#include "base/child_process.hpp"

namespace sluice::actuate {

/// Each order is one run of the program: text_of() of it to read, parse_answer() of what it prints.
/// Exit status 0 is done; another one, a signal, no time left or an odd answer is tried again.
class Command final : public Retrying {
 public:
  /// @return kInvalid: there is no such program, or it may not be run.
  [[nodiscard]] static Result<std::unique_ptr<Command>> open(EventLoop& loop,
                                                             const config::Actuator& settings,
                                                             const Context& context,
                                                             OnReport report);
  [[nodiscard]] const Ability& ability() const noexcept override { return ability_; }

 private:
  Command(EventLoop& loop, const config::Actuator& settings, const Context& context,
          OnReport report);
  void attempt(const Order& order, Ended ended) override;

  Ability ability_{.lists = true, .can_sleep = true};
  std::vector<std::string> arguments_;
  std::chrono::milliseconds timeout_;
  ChildProcesses children_;
};

}  // namespace sluice::actuate
