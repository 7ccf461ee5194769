// SPDX-License-Identifier: Apache-2.0
#include "health/command_probes.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice::health {
namespace {

Finding judge(const ChildProcesses::End& end) {
  using How = ChildProcesses::End::How;
  if (end.how == How::kLost) return {Fault::kLocal, end.text()};
  const std::string said = clean(end.output, kLongestDetail);
  if (end.how == How::kExited && end.status == 0)
    return {Fault::kNone, said.empty() ? end.text() : said};
  return {Fault::kCommand, fmt::format("{}: {}", end.text(), said)};
}

}  // namespace

/// One target's program, and at most one process of it. Time is the prober's to keep.
class CommandProbes::Run final : public Probe {
 public:
  Run(ChildProcesses& children, const Target& target, Answered answered)
      : children_(children),
        arguments_(target.check.command),
        environment_{"SLUICE_POOL=" + target.pool, "SLUICE_BACKEND=" + target.backend,
                     "SLUICE_ADDRESS=" + target.address.text(),
                     fmt::format("SLUICE_PORT={}", target.port)},
        answered_(std::move(answered)) {}
  ~Run() override { give_up(); }

  void ask() override {
    auto started = children_.start(
        {.arguments = arguments_, .environment = environment_, .keep = kLongestDetail},
        [this](const ChildProcesses::End& end) {
          run_ = ChildProcesses::Id::kNone;
          answered_(judge(end));
        });
    if (started)
      run_ = *started;
    else
      answered_({Fault::kLocal, started.error().text()});
  }

  void give_up() noexcept override {
    children_.give_up(std::exchange(run_, ChildProcesses::Id::kNone));
  }

 private:
  ChildProcesses& children_;
  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  Answered answered_;
  ChildProcesses::Id run_ = ChildProcesses::Id::kNone;
};

std::unique_ptr<Probe> CommandProbes::make(const Target& target, Probe::Answered answered) {
  return std::make_unique<Run>(children_, target, std::move(answered));
}

}  // namespace sluice::health
