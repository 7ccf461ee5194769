// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace sluice {
namespace {

constexpr std::size_t kReadAtOnce = 16384;
constexpr std::size_t kMostErrors = 1024;

/// What posix_spawn() is to do between fork and exec.
class SpawnSettings {
 public:
  SpawnSettings(int input, int output, int errors) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, input, 0);
    ::posix_spawn_file_actions_adddup2(&files, output, 1);
    ::posix_spawn_file_actions_adddup2(&files, errors, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> made;
  for (auto& s : strings) made.push_back(s.data());
  made.push_back(nullptr);
  return made;
}

auto failed(const std::string& what) { return fail(Errc::kIo, what, "{}", std::strerror(errno)); }

/// A file without a name that holds the text, at its start: reading it never waits, and who does
/// not read it holds nobody up.
UniqueFd file_of(std::string_view text) {
  if (text.empty()) return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return file;
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {};
    done += static_cast<std::size_t>(n);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return {};
  return file;
}

struct Pipe {
  UniqueFd ours;  // does not block
  UniqueFd theirs;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("make a pipe");
  Pipe made{UniqueFd(ends[0]), UniqueFd(ends[1])};
  ::fcntl(made.ours.get(), F_SETFL, O_NONBLOCK);  // ours alone: theirs is another open file
  return made;
}

}  // namespace

struct ChildProcesses::Run {
  pid_t process = 0;
  UniqueFd exit;    // readable when it has ended
  UniqueFd output;  // its standard output, and error unless that is apart
  UniqueFd errors;
  std::size_t keep = 0;
  EventLoop::TimerId timer = EventLoop::TimerId::kNone;
  End end;
  Ended ended;
};

std::string ChildProcesses::End::text() const {
  switch (how) {
    case How::kExited:
      return fmt::format("exit status {}", status);
    case How::kSignalled:
      return fmt::format("ended by signal {}", status);
    case How::kTimedOut:
      return "ran out of time";
    case How::kLost:
      return fmt::format("lost: {}", std::strerror(status));
  }
  return {};
}

ChildProcesses::ChildProcesses(EventLoop& loop) noexcept : loop_(loop) {}

ChildProcesses::~ChildProcesses() {
  while (!running_.empty()) give_up(running_.begin()->first);
  for (const auto& [process, exit] : dying_) {
    if (exit) loop_.remove(exit.get());
    ::waitpid(process, nullptr, WNOHANG);
  }
}

Result<ChildProcesses::Id> ChildProcesses::start(Program program, Ended ended) {
  reap();
  if (program.arguments.empty()) return fail(Errc::kInvalid, "", "no program to run");
  if (processes() >= kMostAtOnce)
    return fail(Errc::kExhausted, "", "{} programs run already", processes());
  const UniqueFd input = file_of(program.input);
  if (!input) return failed("keep the input");
  auto output = make_pipe();
  if (!output) return forward_error(output);
  Pipe errors;
  if (program.errors_apart) {
    auto made = make_pipe();
    if (!made) return forward_error(made);
    errors = std::move(*made);
  }
  program.environment.emplace_back(
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  auto arguments = pointers(program.arguments);
  auto environment = pointers(program.environment);
  const int theirs = output->theirs.get();
  const SpawnSettings settings(input.get(), theirs, errors.theirs ? errors.theirs.get() : theirs);
  auto run = std::make_unique<Run>();
  errno = ::posix_spawn(&run->process, arguments[0], &settings.files, &settings.attributes,
                        arguments.data(), environment.data());
  if (errno != 0) return failed("start " + program.arguments[0]);
  // glibc 2.36 declares pidfd_open() without C linkage.
  run->exit = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, run->process, 0)));
  run->output = std::move(output->ours);
  run->errors = std::move(errors.ours);
  run->keep = program.keep;
  run->ended = std::move(ended);
  const Id id{++last_};
  Run& made = *(running_[id] = std::move(run));
  const auto watch = [&](const UniqueFd& fd, EventLoop::FdTask task) {
    return fd && loop_.add(fd.get(), EPOLLIN, std::move(task)).has_value();
  };
  const bool watched =
      watch(made.exit, [this, id](std::uint32_t) { this->ended(id); }) &&
      watch(made.output, [this, &made](std::uint32_t) { read(made, false); }) &&
      (!made.errors || watch(made.errors, [this, &made](std::uint32_t) { read(made, true); }));
  if (!watched) {
    give_up(id);
    return fail(Errc::kIo, "", "cannot wait for the program");
  }
  if (program.timeout.count() != 0)
    made.timer = loop_.after(program.timeout, [this, id] { out_of_time(id); });
  return id;
}

// All of it is read, so that a talkative program is not held up; little of it is kept.
void ChildProcesses::read(Run& run, bool errors) {
  UniqueFd& fd = errors ? run.errors : run.output;
  std::string& said = errors ? run.end.errors : run.end.output;
  const std::size_t keep = errors ? std::min(run.keep, kMostErrors) : run.keep;
  std::array<char, kReadAtOnce> part;
  const ssize_t n = ::read(fd.get(), part.data(), part.size());
  if (n > 0) {
    const auto size = static_cast<std::size_t>(n);
    const std::size_t kept = std::min(size, keep - said.size());
    said.append(part.data(), kept);
    if (!errors && kept < size) run.end.cut = true;
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    loop_.remove(fd.get());
    fd.reset();
  }
}

void ChildProcesses::ended(Id id) {
  const auto found = running_.find(id);
  std::unique_ptr<Run> run = std::move(found->second);
  running_.erase(found);
  ::kill(-run->process, SIGKILL);  // before it is reaped: until then the number is its own
  // What it said last: a pipe holds four times what is read at once, or what its owner made of it.
  for (int parts = 0; parts < 64 && run->output; ++parts) read(*run, false);
  for (int parts = 0; parts < 64 && run->errors; ++parts) read(*run, true);
  siginfo_t end{};
  if (::waitid(P_PIDFD, static_cast<id_t>(run->exit.get()), &end, WEXITED) != 0) {
    run->end.how = End::How::kLost;
    run->end.status = errno;
  } else {
    run->end.how = end.si_code == CLD_EXITED ? End::How::kExited : End::How::kSignalled;
    run->end.status = end.si_status;
  }
  close(*run);
  run->ended(std::move(run->end));
}

void ChildProcesses::out_of_time(Id id) {
  const auto found = running_.find(id);
  const Ended ended = std::move(found->second->ended);
  End end = std::move(found->second->end);
  give_up(id);
  end.how = End::How::kTimedOut;
  end.status = 0;
  ended(std::move(end));
}

void ChildProcesses::give_up(Id id) noexcept {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  const std::unique_ptr<Run> run = std::move(found->second);
  running_.erase(found);
  ::kill(-run->process, SIGKILL);
  UniqueFd exit = std::move(run->exit);
  if (exit) loop_.remove(exit.get());
  close(*run);
  bury(run->process, std::move(exit));
}

void ChildProcesses::close(Run& run) noexcept {
  loop_.cancel(run.timer);
  for (UniqueFd* const fd : {&run.exit, &run.output, &run.errors}) {
    if (*fd) loop_.remove(fd->get());
    fd->reset();
  }
}

void ChildProcesses::bury(pid_t process, UniqueFd exit) {
  const int fd = exit.get();
  const auto watched = exit && loop_.add(fd, EPOLLIN, [this, process, fd](std::uint32_t) {
    loop_.remove(fd);
    ::waitid(P_PIDFD, static_cast<id_t>(fd), nullptr, WEXITED | WNOHANG);
    dying_.erase(process);
  });
  if (!watched) exit.reset();  // reaped by number, when the next one starts
  dying_.emplace(process, std::move(exit));
}

void ChildProcesses::reap() {
  std::erase_if(dying_, [](const auto& each) {
    return !each.second && ::waitpid(each.first, nullptr, WNOHANG) != 0;
  });
}

}  // namespace sluice
