// SPDX-License-Identifier: Apache-2.0
// sluicectl: remote control of sluiced. All it does is in lib/client.
#include "client/command.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Only what runs until it is interrupted asks for it: every other command ends at once on Ctrl-C,
// as usual.
int interrupt() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  return signalfd(-1, &ends, SFD_CLOEXEC);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is seen by write()
  sluice::client::Environment environment;
  environment.version = SLUICE_VERSION;
  if (const auto socket = variable("SLUICE_SOCKET"); !socket.empty()) environment.socket = socket;
  environment.colour =
      isatty(STDOUT_FILENO) == 1 && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  environment.terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  environment.progress = isatty(STDERR_FILENO) == 1 && variable("TERM") != "dumb";
  environment.interrupt = interrupt;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return sluice::client::run(arguments, environment);
}
