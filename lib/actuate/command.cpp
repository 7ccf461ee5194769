// SPDX-License-Identifier: Apache-2.0
#include "actuate/command.hpp"

#include "actuate/message.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::actuate {

Command::Command(EventLoop& loop, const config::Actuator& settings, const Context& context,
                 OnReport report)
    : Retrying(loop, std::move(report), settings.retries, context.seed),
      arguments_(settings.command),
      timeout_(settings.timeout),
      children_(loop) {}

Result<std::unique_ptr<Command>> Command::open(EventLoop& loop, const config::Actuator& settings,
                                               const Context& context, OnReport report) {
  if (settings.command.empty()) return fail(Errc::kInvalid, "command", "no program is given");
  if (::access(settings.command.front().c_str(), X_OK) != 0)
    return fail(Errc::kInvalid, "command", "{} cannot be run: {}", settings.command.front(),
                std::strerror(errno));
  return std::unique_ptr<Command>(new Command(loop, settings, context, std::move(report)));
}

void Command::attempt(const Order& order, Ended ended) {
  using How = Outcome::How;
  const auto judge = [order, ended](const ChildProcesses::End& end) {
    using EndHow = ChildProcesses::End::How;
    if (end.how == EndHow::kTimedOut)
      return ended({.how = How::kTimedOut, .error = "the program ran out of time"});
    if (end.how != EndHow::kExited || end.status != 0) {
      const std::string said = printable(end.errors.empty() ? end.output : end.errors);
      return ended({.how = How::kAgain,
                    .error = "the program: " + end.text() + (said.empty() ? "" : ": " + said)});
    }
    auto report = end.cut ? parse_answer(order, std::string(kLongestAnswer + 1, ' '))
                          : parse_answer(order, end.output);
    if (!report)
      return ended({.how = How::kAgain, .error = "the program: " + report.error().text()});
    ended({.report = std::move(*report)});
  };
  const auto started =
      children_.start({.arguments = arguments_,
                       .environment = {"SLUICE_POOL=" + order.pool,
                                       "SLUICE_ACTION=" + std::string(name_of(order.verb))},
                       .input = text_of(order) + "\n",
                       .keep = kLongestAnswer,
                       .errors_apart = true,
                       .timeout = timeout_},
                      judge);
  if (!started) ended({.how = How::kAgain, .error = started.error().text()});
}

}  // namespace sluice::actuate
