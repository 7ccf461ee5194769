// SPDX-License-Identifier: Apache-2.0
#include "client/run.hpp"

#include "base/assert.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

namespace sluice::client {
namespace {

std::string content_of(int fd) {
  std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  SLUICE_ASSERT(n == static_cast<ssize_t>(text.size()), "a memory file can be read");
  return text;
}

}  // namespace

TimePoint recorded_now() { return parse_time("2026-11-21T10:03:00Z").value(); }

Environment environment_for(const std::string& socket) {
  Environment environment;
  environment.version = "0.1.0";
  environment.socket = socket;
  environment.now = recorded_now;
  environment.first_pause = std::chrono::milliseconds(5);
  environment.second = std::chrono::milliseconds(1);
  return environment;
}

std::vector<std::string> split(const std::string& words) {
  std::istringstream in(words);
  std::vector<std::string> list;
  for (std::string word; in >> word;) list.push_back(word);
  return list;
}

Outcome sluicectl(Environment environment, const std::vector<std::string>& words) {
  std::signal(SIGPIPE, SIG_IGN);  // as main() does
  const UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  const UniqueFd err(::memfd_create("err", MFD_CLOEXEC));
  environment.out = out.get();
  environment.err = err.get();
  const int status = run(words, environment);
  return {status, content_of(out.get()), content_of(err.get())};
}

Outcome sluicectl(const Environment& environment, const std::string& words) {
  return sluicectl(environment, split(words));
}

Outcome sluicectl(const ScriptedDaemon& daemon, const std::string& words) {
  return sluicectl(environment_for(daemon.socket()), words);
}

}  // namespace sluice::client
